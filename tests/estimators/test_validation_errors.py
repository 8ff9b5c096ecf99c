"""Errors about held-out rows, and how searches route them."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0}
    return estimator(
        preset="sklearn",
        **{**sizes, "learning_rate_init": 0.05, "early_stopping": True, **settings},
    )


@each_estimator
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": np.zeros((9, 6))}, "X_val was given without y_val"),
        ({"y_val": np.zeros(9)}, "y_val was given without X_val"),
        ({"sample_weight_val": np.ones(9)}, "sample_weight_val was given without X_val"),
        ({"X_val": np.zeros((9, 5)), "y_val": np.zeros(9)}, "X_val.*5 features.*expecting 6"),
        ({"X_val": np.zeros((9, 6)), "y_val": np.zeros(8)}, "X_val or y_val.*[89], [89]"),
        (
            {"X_val": np.full((9, 6), np.inf), "y_val": np.zeros(9)},
            "X_val.*infinity.*column 0.*row 0",
        ),
        ({"X_val": np.zeros((9, 6)), "y_val": np.full(9, np.nan)}, "y_val.*NaN"),
        ({"X_val": np.full((9, 6), "a"), "y_val": np.zeros(9)}, "X_val.*Column 0.*text"),
        ({"X_val": np.zeros((0, 6)), "y_val": np.zeros(0)}, "X_val.*0 sample"),
    ],
    ids=range(9),
)
def test_malformed_rows_are_refused_by_name(
    binary: Table, estimator: type, given: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        small(estimator).fit(*binary, **given)


@each_estimator
@pytest.mark.parametrize(
    ("weight", "message"),
    [(np.ones(8), "shape"), (-np.ones(9), "egative"), (np.zeros(9), "non-zero"),
     (np.full(9, np.nan), "NaN")],
    ids=["length", "negative", "zero", "NaN"],
)  # fmt: skip
def test_malformed_weights_are_refused_by_name(
    binary: Table, estimator: type, weight: np.ndarray, message: str
) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=f"(?s)sample_weight_val.*{message}"):
        small(estimator).fit(X, y, X_val=X[:9], y_val=y[:9], sample_weight_val=weight)


def test_unseen_classes_are_refused(binary: Table) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"y_val.*classes not in"):
        small(MLPClassifier).fit(X, y, X_val=X[:3], y_val=[0, 1, 2])
    with pytest.raises(ValueError, match=r"y_val.*classes not in"):
        small(MLPClassifier).fit(X, y, X_val=X[:3], y_val=["0", "1", "1"])


def test_targets_of_another_kind_are_refused(regression: Table) -> None:
    X, y = regression
    with pytest.raises(ValueError, match="y_val has 2 outputs, expected 1"):
        small(MLPRegressor).fit(X, y, X_val=X[:5], y_val=np.zeros((5, 2)))
    with pytest.raises(ValueError, match="y_val"):
        small(MLPRegressor).fit(X, y, X_val=X[:2], y_val=["low", "high"])


ALL = np.arange(240)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("half", "'half' is a string"),
        (1.5, "'validation_fraction' parameter"),
        (0.0, "leaves 240 for training and 0 for validation"),
        (1, "'validation_fraction' parameter"),
        (None, "'validation_fraction' parameter"),
        ([], "leaves 240 for training and 0 for validation"),
        ([7], "leaves 239 for training and 1 for validation"),
        (ALL, "leaves 0 for training and 240 for validation"),
        (1e-3, "leaves 239 for training and 1 for validation"),
        ([1, 2, 240], "names row 240"),
        ([1, 2, -1], "names row -1"),
        ([0.1, 0.2], "validation_fraction must be"),
        (["a", "b"], "validation_fraction must be"),
        (np.ones(239, dtype=bool), "validation_fraction must be"),
        (np.ones((3, 2), dtype=int), "validation_fraction must be"),
        ([(ALL[:100], ALL[90:])], "puts 10 rows on both sides"),
        ([(ALL[:100], [])], "leaves 100 for training and 0 for validation"),
        ([(ALL[:100], [300, 301])], "names row 301"),
        (PredefinedSplit(np.arange(300) % 2), "places 300 rows, but X has 240"),
        (PredefinedSplit(np.full(240, -1)), "gives no split"),
        (KFold(500), "Cannot have number of splits"),
    ],
    ids=str,
)
def test_held_out_rows_that_are_no_rows_are_refused(binary: Table, how: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){message}") as error:
        small(MLPClassifier, validation_fraction=how).fit(*binary)
    assert "validation_fraction" in str(error.value) or isinstance(how, KFold)


def test_a_single_group_has_no_two_sides(binary: Table) -> None:
    with pytest.raises(ValueError, match="groups holds a single group"):
        small(MLPClassifier).fit(*binary, groups=np.zeros(240))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small(MLPClassifier).fit(*binary, groups=np.zeros(239))


def test_held_out_rows_do_not_matter_where_none_are_held_out(binary: Table) -> None:
    """As in scikit-learn, what is not used is not looked at."""
    X, y = binary
    model = small(MLPClassifier, early_stopping=False)
    plain = model.fit(X, y).predict_proba(X)
    odd = model.set_params(validation_fraction=[500]).fit(X, y, groups=np.zeros(240))
    np.testing.assert_array_equal(odd.predict_proba(X), plain)


@each_estimator
def test_pipeline_transforms_the_held_out_rows(binary: Table, estimator: type) -> None:
    X, y = binary
    shifted = 10.0 * X + 50.0
    with config_context(enable_metadata_routing=True):
        model = small(estimator, normalization=None).set_fit_request(X_val=True, y_val=True)
        steps = [("scale", StandardScaler()), ("mlp", model)]
        piped = Pipeline(steps, transform_input=["X_val"])
        piped.fit(shifted[:160], y[:160], X_val=shifted[160:], y_val=y[160:])
    scaler = StandardScaler().fit(shifted[:160])
    alone = small(estimator, normalization=None).fit(
        scaler.transform(shifted[:160]), y[:160],
        X_val=scaler.transform(shifted[160:]), y_val=y[160:],
    )  # fmt: skip
    assert piped[-1].validation_scores_ == alone.validation_scores_


SCALES = np.array([1000.0, 3.0, 0.01, 50.0, -7.0, 5.0])  # of the raw columns, about as far from 0


@each_estimator
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()], ids=str)
@pytest.mark.parametrize("normalization", ["batch", None])
@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame])
def test_held_out_rows_past_the_scaler_of_a_pipeline_are_told(
    binary: Table, estimator: type, scaler: Any, normalization: Any, kind: Any
) -> None:
    X, y = binary
    raw = (4.0 + X) * SCALES
    network = small(estimator, normalization=normalization, learning_rate_init=1e-6)
    piped = Pipeline([("scale", scaler), ("mlp", network)])
    given = {"mlp__X_val": kind(raw[160:]), "mlp__y_val": y[160:]}
    with pytest.warns(UserWarning, match=r"X_val is on another scale.*transform_input=\['X_val'\]"):
        piped.fit(kind(raw[:160]), y[:160], **given)
    table = scaler.fit(raw[:160]).transform(raw)
    network.fit(table[:160], y[:160], X_val=table[160:], y_val=y[160:])  # without a warning
    network.fit(raw[:160], y[:160], X_val=raw[160:170], y_val=y[160:170])
    one_side = raw[np.argsort(raw[:, 0])]
    network.fit(one_side[:160], y[:160], X_val=one_side[160:], y_val=y[160:])


@pytest.mark.parametrize("unit", [1e-200, 1e130])
def test_scales_are_compared_in_any_unit(binary: Table, unit: float) -> None:
    X, y = binary
    X = unit * (X + 3.0)
    network = small(MLPClassifier, scaling="standard")
    network.fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:])  # without a warning
    with pytest.warns(UserWarning, match="X_val is on another scale"):
        network.fit(X[:160], y[:160], X_val=1e3 * X[160:], y_val=y[160:])


@each_estimator
def test_searches_route_weights_groups_and_held_out_rows(binary: Table, estimator: type) -> None:
    X, y = binary
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 180)
    given = {"X_val": X[180:], "y_val": y[180:], "sample_weight_val": np.ones(60)}
    with config_context(enable_metadata_routing=True):
        model = small(estimator).set_fit_request(
            sample_weight=True, X_val=True, y_val=True, sample_weight_val=True
        )
        model.set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=2)
        search.fit(X[:180], y[:180], sample_weight=weight, **given)
        result = cross_validate(
            model, X[:180], y[:180], cv=KFold(2), return_estimator=True,
            params={"sample_weight": weight, **given},
        )  # fmt: skip
    best = small(estimator, alpha=search.best_params_["alpha"])
    best.fit(X[:180], y[:180], sample_weight=weight, **given)
    assert search.best_estimator_.validation_scores_ == best.validation_scores_
    first = small(estimator).fit(X[90:180], y[90:180], sample_weight=weight[90:], **given)
    assert result["estimator"][0].validation_scores_ == first.validation_scores_


def test_groups_are_routed_to_the_split_for_early_stopping(binary: Table) -> None:
    X, y = binary
    groups = np.arange(240) // 20
    with config_context(enable_metadata_routing=True):
        model = small(MLPRegressor, validation_fraction=0.3).set_fit_request(groups=True)
        result = cross_validate(
            model, X, y, cv=KFold(2), params={"groups": groups}, return_estimator=True
        )
    alone = small(MLPRegressor, validation_fraction=0.3).fit(X[120:], y[120:], groups=groups[120:])
    assert result["estimator"][0].validation_scores_ == alone.validation_scores_
    without = small(MLPRegressor, validation_fraction=0.3).fit(X[120:], y[120:])
    assert alone.validation_scores_ != without.validation_scores_
