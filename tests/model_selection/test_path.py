"""The regularization path: its alphas, who enters first, and where each fit starts."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor, regularization_path
from sknorm.model_selection import RegularizationPath

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


@pytest.fixture(scope="module")
def linear() -> Table:
    """200 rows; columns 4, 2 and 0 of 8 decide, in this order of importance."""
    X = np.random.default_rng(0).normal(size=(200, 8))
    return X, 4.0 * X[:, 4] + 2.0 * X[:, 2] + 1.0 * X[:, 0]


def small(estimator: type = MLPRegressor, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8,), "max_iter": 25, "random_state": 0}
    settings = {"penalty": "group_lasso", "learning_rate_init": 0.03, **settings}
    return estimator(preset="sklearn", **{**sizes, "normalization": None, **settings})


def units(model: MLPRegressor) -> np.ndarray:
    """Number of features that each unit of the first layer listens to."""
    return np.count_nonzero(model.network_.parameters.weights[0][0], axis=0)


@pytest.mark.parametrize("solver", ["adam", "adamw"])
def test_features_enter_in_the_order_of_their_importance(linear: Table, solver: str) -> None:
    model = small(hidden_layer_sizes=(), solver=solver, max_iter=60)
    path = regularization_path(model, *linear, n_alphas=10)
    assert isinstance(path, RegularizationPath)
    assert path.entry_order[:3].tolist() == [4, 2, 0]
    assert len(path.estimators) == 10 and path.active.shape == (10, 8)
    assert path.active.dtype == bool and path.sparsity.shape == (10, 1)
    assert np.all(path.active[-1][[0, 2, 4]])


@pytest.mark.parametrize("normalization", ["batch", None])
def test_categories_enter_as_columns_of_the_table(normalization: str | None) -> None:
    """Whatever inputs they have: rows for levels, vectors, and where numbers are missing."""
    rng = np.random.default_rng(0)
    few, many = rng.choice(list("abc"), 200), rng.integers(0, 12, 200)
    gaps = np.where(rng.random(200) < 0.3, np.nan, rng.normal(size=200))
    frame = pd.DataFrame(
        {"one": "a", "few": few, "gaps": gaps, "many": many, "x": rng.normal(size=200)}
    )
    frame = frame.astype({"many": "category"})
    y = 4.0 * (few == "a") + rng.normal(size=12)[many]
    model = small(normalization=normalization, scaling="standard")
    path = regularization_path(model, frame, y, n_alphas=5)
    assert path.active.shape == (5, 5) and not path.active[:, 0].any()
    assert path.active[-1][[1, 3]].all() and set(path.entry_order[:2].tolist()) <= {1, 3}
    text = regularization_path(model, frame[["few", "one"]], y, alphas=[0.1, 0.01])
    assert text.active[-1].tolist() == [True, False]


@pytest.mark.parametrize("normalization", ["batch", None])
def test_the_path_starts_where_nothing_is_left(linear: Table, normalization: Any) -> None:
    """Under a norm, which holds the length of weights, one feature a unit is nothing."""
    settings = {"normalization": normalization, "standardize_target": True}
    path = regularization_path(small(**settings), *linear, n_alphas=5, alpha_min_ratio=0.01)
    alphas = path.alphas
    assert np.all(np.diff(alphas) < 0)
    np.testing.assert_allclose(alphas[1:] / alphas[:-1], 0.01**0.25)
    first, last = path.estimators[0], path.estimators[-1]
    if normalization is None:
        assert not path.active[0].any() and path.sparsity[0, 0] == 1.0
    assert units(first).max() <= (0 if normalization is None else 1)
    assert units(last).max() >= 3 and last.score(*linear) > 0.9
    below = clone(last).set_params(alpha=alphas[0] / 8, warm_start=False).fit(*linear)
    assert units(below).max() > units(first).max()  # the start is not far too strong


@each_estimator
@pytest.mark.parametrize("penalty", ["group_lasso", "l0", "elasticnet"])
def test_attributes_agree_with_the_models(estimator: type, penalty: str, linear: Table) -> None:
    X, y = linear
    y = y if estimator is MLPRegressor else (y > 0).astype(int)
    settings = {"penalty": penalty, "l1_ratio": 0.9 if penalty == "elasticnet" else 0.0}
    model = small(estimator, n_members=2, **settings)
    path = regularization_path(model, X, y, alphas=[0.001, 0.1, 0.01])
    assert path.alphas.tolist() == [0.1, 0.01, 0.001]
    for alpha, fitted, active, sparsity in zip(
        path.alphas, path.estimators, path.active, path.sparsity, strict=True
    ):
        assert fitted.alpha == alpha
        first = fitted.network_.parameters.weights[0]
        np.testing.assert_array_equal(active, np.any(first != 0, axis=(0, 2)))
        np.testing.assert_array_equal(sparsity, fitted.sparsity_)
    assert sorted(path.entry_order) == np.flatnonzero(path.active[-1]).tolist()
    stays = np.logical_and.accumulate(path.active[::-1])[:, path.entry_order].sum(axis=0)
    assert np.all(np.diff(stays) <= 0)  # those that are there for longer come first


def test_features_that_enter_together_are_sorted_by_importance(linear: Table) -> None:
    path = regularization_path(small(), *linear, alphas=[1e-5])
    importance = path.estimators[0].feature_importances_[path.entry_order]
    assert len(importance) == 8 and np.all(np.diff(importance) <= 0)
    assert path.entry_order[0] == 4


@pytest.mark.parametrize("normalization", ["batch", None])
def test_each_fit_starts_from_the_last(linear: Table, normalization: Any) -> None:
    X, y = linear
    alphas = [0.3, 0.1, 0.03]
    model = small(normalization=normalization, early_stopping=False)
    path = regularization_path(model, X, y, alphas=alphas)
    chain = clone(model).set_params(warm_start=True)
    for alpha, fitted in zip(alphas, path.estimators, strict=True):
        chain.set_params(alpha=alpha).fit(X, y)
        assert chain.feature_importances_.any()
        np.testing.assert_array_equal(fitted.predict(X), chain.predict(X))
    cold = clone(model).set_params(alpha=alphas[-1]).fit(X, y)
    assert np.any(cold.predict(X) != path.estimators[-1].predict(X))


def test_a_network_without_inputs_starts_anew(linear: Table) -> None:
    path = regularization_path(small(), *linear, alphas=[1e3, 1e-3])
    assert path.active.sum(axis=1).tolist()[0] == 0
    cold = small(alpha=1e-3).fit(*linear)
    np.testing.assert_array_equal(path.estimators[1].predict(linear[0]), cold.predict(linear[0]))


@each_estimator
def test_the_estimator_is_left_as_it_is(estimator: type, linear: Table) -> None:
    X, y = linear
    y = y if estimator is MLPRegressor else (y > 0).astype(int)
    model = small(estimator)
    before = model.get_params()
    path = regularization_path(model, X, y, alphas=[0.1, 0.01])
    assert model.get_params() == before
    with pytest.raises(NotFittedError):
        model.predict(X)
    path.estimators[0].fit(X, y[::-1])  # nor do the models share anything
    again = regularization_path(model, X, y, alphas=[0.1, 0.01])
    np.testing.assert_array_equal(path.estimators[1].predict(X), again.estimators[1].predict(X))


def test_models_do_not_share_the_checkpoint_of_one(linear: Table, tmp_path: Path) -> None:
    file = tmp_path / "fit.ckpt"
    path = regularization_path(small(checkpoint=file), *linear, n_alphas=3)
    plain = regularization_path(small(), *linear, n_alphas=3)
    np.testing.assert_array_equal(path.sparsity, plain.sparsity)
    assert not file.exists() and path.estimators[0].checkpoint == file


def test_weights_are_passed_to_every_fit(linear: Table) -> None:
    X, y = linear
    weight = np.random.default_rng(0).integers(0, 3, 200).astype(float)
    weighted = regularization_path(small(), X, y, n_alphas=3, sample_weight=weight)
    kept = weight > 0
    same = regularization_path(
        small(), X[kept], y[kept], n_alphas=3, sample_weight=3.0 * weight[kept]
    )
    np.testing.assert_allclose(weighted.alphas, same.alphas)
    np.testing.assert_allclose(
        weighted.estimators[-1].predict(X), same.estimators[-1].predict(X), rtol=1e-6
    )
    plain = regularization_path(small(), X, y, n_alphas=3)
    assert np.any(plain.estimators[-1].predict(X) != weighted.estimators[-1].predict(X))


def test_held_out_rows_are_scored_along_the_path(linear: Table) -> None:
    X, y = linear
    given = {"X_val": X[150:], "y_val": y[150:]}
    path = regularization_path(small(), X[:150], y[:150], alphas=[1.0, 0.01], **given)
    scores = [fitted.validation_scores_[-1] for fitted in path.estimators]
    assert scores[1] > scores[0]


def test_early_stopping_is_off_unless_asked_for() -> None:
    X = np.random.default_rng(0).normal(size=(2500, 3))
    model = small(max_iter=2)
    for early_stopping, expected in (("auto", False), (True, True)):
        model.set_params(early_stopping=early_stopping)
        path = regularization_path(model, X, X[:, 0], alphas=[0.01])
        assert (path.estimators[0].validation_scores_ is not None) == expected


@pytest.mark.parametrize("scoring", ["loss", "r2"])
@pytest.mark.parametrize("normalization", ["batch", None])
@pytest.mark.parametrize("given", [False, True], ids=["drawn", "given"])
def test_early_stopping_judges_each_alpha_anew(
    linear: Table, scoring: str, normalization: Any, given: bool
) -> None:
    X, y = linear
    model = small(normalization=normalization, early_stopping=True, scoring=scoring, max_iter=60)
    rows = {"X_val": X[150:], "y_val": y[150:]} if given else {}
    path = regularization_path(model, X[:150], y[:150], n_alphas=6, **rows)
    active, scores = path.active.sum(axis=1), [m.score(X, y) for m in path.estimators]
    assert active[0] <= 1 < active[-1]
    assert path.sparsity[-1, 0] < path.sparsity[0, 0]
    assert scores[-1] > 0.9 and scores[-1] > scores[0] + 0.1
    weights = [m.network_.parameters.weights[0] for m in path.estimators]
    assert all(np.any(a != b) for a, b in itertools.pairwise(weights))


@each_estimator
def test_a_model_of_the_path_goes_on_as_any_other(linear: Table, estimator: type) -> None:
    """A warm start takes the weights it starts from into the choice of the best."""
    X, y = linear
    y = y if estimator is MLPRegressor else (y > 0).astype(int)
    model = small(estimator, early_stopping=True, warm_start=True, max_iter=40)
    fitted = regularization_path(model, X, y, alphas=[0.1, 0.01]).estimators[-1]
    before = fitted.best_validation_score_
    fitted.set_params(max_iter=1, learning_rate_init=10.0).fit(X, y)
    assert fitted.best_validation_score_ == before


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, sparse.csr_array])
def test_a_table_of_one_column(linear: Table, kind: Any) -> None:
    X, y = kind(linear[0][:, [4]]), linear[1]
    with pytest.raises(ValueError, match=r"single column.*normalization='batch'.*Pass alphas"):
        regularization_path(small(normalization="batch"), X, y)
    path = regularization_path(small(normalization="batch"), X, y, alphas=[0.1, 0.01])
    assert path.active.tolist() == [[True], [True]] and path.entry_order.tolist() == [0]
    path = regularization_path(small(), X, y, n_alphas=3)
    assert path.active.ravel().tolist() == [False, True, True]


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, pd.DataFrame])
def test_other_tables_than_arrays(linear: Table, kind: Any) -> None:
    X = np.where(np.abs(linear[0]) < 0.5, 0.0, linear[0])
    expected = regularization_path(small(), X, linear[1], n_alphas=3)
    path = regularization_path(small(), kind(X), linear[1], n_alphas=3)
    np.testing.assert_allclose(path.alphas, expected.alphas)
    np.testing.assert_array_equal(path.active, expected.active)


def test_classes_and_several_classes() -> None:
    X, y = make_classification(
        200, 6, n_informative=3, n_redundant=0, n_classes=3, shuffle=False, random_state=0
    )
    names = np.array(["a", "b", "c"])[y]
    path = regularization_path(small(MLPClassifier), X, names, n_alphas=4)
    assert not path.active[0].any() and path.active[-1][:3].all()
    assert path.entry_order[0] < 3
    assert path.estimators[-1].score(X, names) > 0.6
    assert set(path.estimators[0].predict(X)) <= set(names)


@pytest.mark.parametrize("wrong", [LinearRegression(), MLPRegressor, "mlp"], ids=str)
def test_other_estimators_are_refused(linear: Table, wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be an MLPClassifier or MLPRegressor"):
        regularization_path(wrong, *linear)
    with pytest.raises(TypeError, match=r"got scikit-learn's Pipeline.*Fit the steps"):
        regularization_path(make_pipeline(StandardScaler(), small()), *linear)


@pytest.mark.parametrize(
    "settings", [{"penalty": "elasticnet"}, {"penalty": "nuclear", "solver": "sgd"}], ids=str
)
def test_penalties_without_zeros_are_refused(linear: Table, settings: dict) -> None:
    with pytest.raises(ValueError, match="sets no weight to zero"):
        regularization_path(small(**settings), *linear)


def test_parameters_that_fit_refuses_are_refused_alike(linear: Table) -> None:
    with pytest.raises(ValueError, match="'penalty' parameter of MLPRegressor"):
        regularization_path(small(penalty="l1"), *linear)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alphas": []}, "alphas must be positive"),
        ({"alphas": [0.1, 0.0]}, "alphas must be positive"),
        ({"alphas": [0.1, -1.0]}, "alphas must be positive"),
        ({"alphas": [np.nan]}, "alphas must be positive"),
        ({"alphas": 0.1}, "alphas must be a sequence"),
        ({"alphas": [[0.2, 0.1]]}, "alphas must be a sequence"),
        ({"alphas": {0.2}}, "alphas must be a sequence"),
        ({"n_alphas": 0}, "n_alphas must be an integer from 1 on"),
        ({"n_alphas": 2.5}, "n_alphas must be an integer from 1 on"),
        ({"alpha_min_ratio": 0.0}, r"alpha_min_ratio in \(0, 1\]"),
        ({"alpha_min_ratio": 1.5}, r"alpha_min_ratio in \(0, 1\]"),
    ],
    ids=str,
)
def test_paths_that_are_none_are_refused(linear: Table, given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        regularization_path(small(), *linear, **given)


def test_a_search_that_finds_no_end_says_so(linear: Table) -> None:
    with pytest.raises(ValueError, match=r"No alpha between.*Pass alphas"):
        regularization_path(small(learning_rate_init=1e-14, max_iter=1), *linear)


@pytest.mark.parametrize("normalization", ["batch", None])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_categories_enter_as_features(normalization: Any, early_stopping: bool) -> None:
    """One decides, with all its levels; a number tells a little. Under a norm, one is left."""
    rng = np.random.default_rng(0)
    few, many, x = rng.integers(0, 6, 300), rng.integers(0, 20, 300), rng.normal(size=300)
    y = 3.0 * rng.normal(size=20)[many] + x + 0.1 * rng.normal(size=300)
    x[::9] = np.nan
    settings = {"normalization": normalization, "early_stopping": early_stopping, "max_iter": 40}
    model = small(**settings, categorical_features=[0, 1], standardize_target=True)
    path = regularization_path(model, np.column_stack([few, many, x]), y, n_alphas=4)
    assert path.active.shape == (4, 3)
    assert path.active[0].sum() == (normalization is not None)
    assert set(path.entry_order[:2]) == {1, 2}
    for fitted, active in zip(path.estimators, path.active, strict=True):
        np.testing.assert_array_equal(fitted.feature_importances_ > 0, active)


def test_features_that_only_act_together_come_back_under_early_stopping() -> None:
    """Switched off together, neither has a gradient."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 6))
    y = 3 * X[:, 0] + 2 * X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=800)
    model = MLPRegressor(
        hidden_layer_sizes=(16,), penalty="group_lasso", tol=1e-3, early_stopping=True,
        learning_rate_init=5e-3, random_state=0, preset="sklearn"
    )  # fmt: skip
    path = regularization_path(model, X[:600], y[:600], alphas=np.geomspace(1.0, 1e-3, 5))
    scores = [fitted.score(X[600:], y[600:]) for fitted in path.estimators]
    cold = clone(model).set_params(alpha=1e-3).fit(X[:600], y[:600])
    assert not path.active[0, 1:3].all() and path.active[-1, :3].all()
    assert scores[0] < 0.9 and scores[-1] > cold.score(X[600:], y[600:]) - 0.03
