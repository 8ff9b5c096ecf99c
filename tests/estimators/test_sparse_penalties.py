"""The penalties of the estimators: zeros, features switched off, rank, and their values."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.feature_selection import SelectFromModel
from sklearn.pipeline import make_pipeline

from sknorm import MLPClassifier, MLPRegressor
from sknorm.network.layers import layers
from sknorm.penalties import L0, ElasticNet, GroupLasso, NuclearNorm

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
PENALTIES: dict[str, Any] = {
    "elasticnet": lambda alpha: ElasticNet(alpha, 0.0),
    "l0": L0,
    "group_lasso": GroupLasso,
    "nuclear": NuclearNorm,
}
NORMS = ["batch", "ghost", "layer", None]


@pytest.fixture(scope="module")
def noisy() -> Table:
    """300 rows: the first 3 of 12 columns decide."""
    X, y = make_classification(
        300, 12, n_informative=3, n_redundant=0, shuffle=False, class_sep=1.5, random_state=0
    )
    return X, y


@pytest.fixture(scope="module")
def frame() -> tuple[pd.DataFrame, np.ndarray]:
    """400 rows: a number and categories of 4 and 20 levels decide; those of 6 and 30 do not.

    Neither does a number with gaps, nor where they are.
    """
    rng = np.random.default_rng(0)
    codes = {f"of {size}": rng.integers(0, size, 400) for size in (6, 30, 4, 20)}
    x, gaps = rng.normal(size=(2, 400))
    y = 1.5 * x + np.array([-1, 1, 2, -2])[codes["of 4"]] + 2 * rng.normal(size=20)[codes["of 20"]]
    gaps[::7] = np.nan
    coded = {name: pd.Categorical(each.astype(str)) for name, each in codes.items()}
    return pd.DataFrame({**coded, "x": x, "gaps": gaps}), y + 0.1 * rng.normal(size=400)


def small(estimator: type = MLPClassifier, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8,), "max_iter": 40, "random_state": 0, "solver": "adamw"}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def matrices(fitted: Any) -> list[np.ndarray]:
    return [weight[0] for weight in fitted.network_.parameters.weights]


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("normalization", NORMS)
def test_group_lasso_switches_noise_off(noisy: Table, solver: str, normalization: Any) -> None:
    X, y = noisy
    alpha, rate = {"sgd": (0.07, 0.1), "adam": (0.06, 0.05), "adamw": (0.7, 0.03)}[solver]
    model = small(
        solver=solver, alpha=alpha, penalty="group_lasso", learning_rate_init=rate,
        normalization=normalization, max_iter=100, tol=0.0,
    )  # fmt: skip
    fitted = model.fit(X, y)
    on = np.any(matrices(fitted)[0] != 0, axis=1)
    assert on[:3].all() and on[3:].sum() <= 5
    importances = fitted.feature_importances_
    np.testing.assert_array_equal(importances == 0, ~on)
    assert importances.sum() == pytest.approx(1.0)
    assert importances[:3].mean() > 3 * importances[3:].mean()
    assert fitted.sparsity_[0] >= np.mean(~on) and fitted.sparsity_[1] == 0.0
    assert fitted.score(X, y) > 0.7
    X = X.copy()
    X[:, ~on] = 1e3  # nobody looks at what is switched off
    np.testing.assert_array_equal(fitted.predict_proba(X), fitted.predict_proba(noisy[0]))


RELEVANT = ["of 4", "of 20", "x"]
# Of the first layer of such a frame; "gaps" has an indicator that it is missing, too.
INPUTS = {"x": 1, "gaps": 1, "of 30": 8, "of 20": 8, "of 6": 6, "of 4": 4, "missing": 1}
# Solver, norm, alpha, rate, epochs.
SWITCHING = [
    ("adam", None, 0.1, 0.05, 100), ("adam", "batch", 0.01, 0.03, 100),
    ("adam", "layer", 0.015, 0.05, 150), ("adamw", "batch", 0.5, 0.03, 100),
    ("adamw", "layer", 0.4, 0.03, 150), ("sgd", None, 0.1, 0.02, 200),
]  # fmt: skip


@pytest.mark.parametrize(("solver", "normalization", "alpha", "rate", "epochs"), SWITCHING)
def test_group_lasso_switches_categories_off(
    frame: tuple, solver: str, normalization: Any, alpha: float, rate: float, epochs: int
) -> None:
    """A category has all its rows of weights or none."""
    model = small(
        MLPRegressor, solver=solver, alpha=alpha, penalty="group_lasso", learning_rate_init=rate,
        normalization=normalization, max_iter=epochs, tol=0.0, n_members=2,
    )  # fmt: skip
    fitted = model.fit(*frame)
    groups = np.cumsum([0, *INPUTS.values()])
    np.testing.assert_array_equal(fitted.network_.architecture.groups, groups)
    for weight in fitted.network_.parameters.weights[0]:
        rows = dict(zip(INPUTS, np.split(weight.any(axis=1), groups[1:-1]), strict=True))
        for name, on in rows.items():
            assert on.all() if name in RELEVANT else not on.any()
    importances = dict(zip(frame[0], fitted.feature_importances_, strict=True))
    for name, importance in importances.items():
        assert (importance > 0.01) == (name in RELEVANT) == (importance != 0.0)
    X = frame[0].copy()
    X["of 6"], X["of 30"], X["gaps"] = "0", "0", 1e3  # nobody looks at what is switched off
    np.testing.assert_array_equal(fitted.predict(X), fitted.predict(frame[0]))


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("normalization", NORMS)
def test_l0_gives_exact_zeros_without_shrinking(
    noisy: Table, solver: str, normalization: Any
) -> None:
    X, y = noisy
    alpha, rate = {"sgd": (2e-3, 0.05), "adam": (1e-4, 0.02), "adamw": (2e-3, 0.01)}[solver]
    model = small(
        solver=solver, alpha=alpha, penalty="l0", learning_rate_init=rate,
        normalization=normalization,
    )  # fmt: skip
    fitted = model.fit(X, y)
    np.testing.assert_array_equal(
        fitted.sparsity_, [np.mean(weight == 0) for weight in matrices(fitted)]
    )
    assert 0.05 < fitted.sparsity_[0] < 0.95
    assert fitted.score(X, y) > 0.8


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
@pytest.mark.parametrize("normalization", ["batch", None])
def test_nuclear_norm_lowers_the_rank(noisy: Table, solver: str, normalization: Any) -> None:
    X, y = noisy
    settings = {"solver": solver, "normalization": normalization, "hidden_layer_sizes": (8, 8)}
    alpha, rate = {"sgd": (0.02, 0.1), "adamw": (0.8, 0.02)}[solver]
    settings |= {"learning_rate_init": rate, "penalty": "nuclear", "max_iter": 60, "tol": 0.0}
    free, bound = (small(alpha=a, **settings).fit(X, y) for a in (0.0, alpha))
    ranks = [np.linalg.matrix_rank(matrices(m)[1], tol=0.05) for m in (free, bound)]
    assert ranks[0] >= 7 and ranks[1] <= 2 and bound.score(X, y) > 0.9
    if normalization is None:  # restoring the norms of columns mixes momentum into the matrix
        assert np.linalg.matrix_rank(matrices(bound)[1], tol=1e-12) <= 2


@each_estimator
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("members", [1, 2])
def test_history_holds_the_value_of_the_penalty(
    binary: Table, estimator: type, penalty: str, members: int
) -> None:
    """With steps that hardly move the weights."""
    still = {"learning_rate_init": 1e-12, "max_iter": 1, "dtype": "float64", "n_members": members}
    settings = {"penalty": penalty, "alpha": 0.3, "normalization": None}
    fitted = small(estimator, hidden_layer_sizes=(5, 4), **still, **settings).fit(*binary)
    term = PENALTIES[penalty](0.3)
    values = [
        sum(
            term.value(weight[k])
            for layer, weight in enumerate(fitted.network_.parameters.weights)
            if term.applies_to(weight[k], layer)
        )
        for k in range(members)
    ]
    np.testing.assert_allclose(fitted.history_["penalty"][0], np.squeeze(values), rtol=1e-5)
    plain = small(estimator, hidden_layer_sizes=(5, 4), **still, **{**settings, "alpha": 0.0})
    loss = plain.fit(*binary).history_["loss"][0]
    np.testing.assert_allclose(
        np.subtract(fitted.history_["loss"][0], fitted.history_["penalty"][0]), loss, rtol=1e-9
    )


def test_history_holds_the_group_lasso_of_categories(frame: tuple) -> None:
    still = {"learning_rate_init": 1e-12, "max_iter": 1, "dtype": "float64", "n_members": 2}
    model = small(MLPRegressor, penalty="group_lasso", alpha=0.3, normalization=None, **still)
    fitted = model.fit(*frame)
    groups, penalty = fitted.network_.architecture.groups, GroupLasso(0.3)
    values = [penalty.value(w, groups) for w in fitted.network_.parameters.weights[0]]
    np.testing.assert_allclose(fitted.history_["penalty"][0], values, rtol=1e-5)


@each_estimator
@pytest.mark.parametrize("penalty", ["l0", "group_lasso", "nuclear"])
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_penalties_of_no_strength_are_none(
    binary: Table, estimator: type, penalty: str, normalization: Any, solver: str
) -> None:
    X, y = binary
    settings = {"alpha": 0.0, "normalization": normalization, "solver": solver, "max_iter": 4}
    expected = outputs(small(estimator, **settings).fit(X, y), X)
    fitted = small(estimator, penalty=penalty, **settings).fit(X, y)
    np.testing.assert_array_equal(outputs(fitted, X), expected)
    assert fitted.history_["penalty"] == [0.0] * 4


@pytest.mark.parametrize("penalty", ["l0", "group_lasso", "nuclear"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("normalization", ["batch", None])
def test_member_equals_the_network_trained_alone(
    multiclass: Table, penalty: str, solver: str, normalization: Any
) -> None:
    if (penalty, solver) == ("nuclear", "adam"):
        solver, normalization = "adamw", "layer"  # adam has no step of this penalty
    X, y = multiclass
    settings = {"penalty": penalty, "alpha": 0.01, "solver": solver, "max_iter": 8}
    settings |= {"normalization": normalization, "hidden_layer_sizes": (7, 7)}
    stack = small(n_members=3, **settings).fit(X, y)
    for member, seed in enumerate(stack.member_seeds_):
        alone = small(**{**settings, "random_state": int(seed)}).fit(X, y)
        pairs = zip(stack.network_.parameters.views, alone.network_.parameters.views, strict=True)
        for ours, theirs in pairs:
            np.testing.assert_array_equal(ours[member], theirs[0])
        penalties = np.array(stack.history_["penalty"])[:, member]
        np.testing.assert_array_equal(penalties, alone.history_["penalty"])


@pytest.mark.parametrize("penalty", ["l0", "group_lasso", "nuclear"])
@pytest.mark.parametrize("normalization", ["batch", "ghost", "layer"])
def test_columns_keep_their_norm(noisy: Table, penalty: str, normalization: str) -> None:
    """The penalty shares out weight between inputs instead of shrinking all of them."""
    settings = {"normalization": normalization, "alpha": 3e-3, "max_iter": 10}
    network = small(penalty=penalty, **settings).fit(*noisy).network_
    weight = network.parameters.weights[0][0]
    radius = layers(network.architecture)[0][0].column_radius
    if normalization == "layer":
        assert np.linalg.norm(weight) == pytest.approx(radius * np.sqrt(8), rel=1e-6)
    else:
        norms = np.linalg.norm(weight, axis=0)
        assert np.count_nonzero(norms) >= 6
        np.testing.assert_allclose(norms[norms > 0], radius, rtol=1e-6)


def test_group_lasso_leaves_later_layers_free(noisy: Table) -> None:
    model = small(penalty="group_lasso", alpha=0.05, hidden_layer_sizes=(8, 8), max_iter=10)
    network = model.fit(*noisy).network_
    norms = np.linalg.norm(network.parameters.weights[1][0], axis=0)
    assert np.ptp(norms) > 1e-3


@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd"])
def test_linear_models_select_too(noisy: Table, solver: str) -> None:
    X, y = noisy
    alpha, rate = {"sgd": (0.1, 0.1), "adam": (0.05, 0.02), "adamw": (0.7, 0.05)}[solver]
    settings = {"solver": solver, "alpha": alpha, "learning_rate_init": rate, "max_iter": 60}
    model = small(hidden_layer_sizes=(), penalty="group_lasso", tol=0.0, **settings)
    weight = matrices(model.fit(X, y))[0]
    assert np.count_nonzero(weight[:3]) > 0 and np.mean(weight[3:] == 0) > 0.4


LASSO = {"penalty": "group_lasso", "solver": "adam", "alpha": 0.06, "learning_rate_init": 0.05}


@pytest.mark.parametrize("threshold", [None, 1e-9, "mean", -np.inf])
def test_features_are_selected_from_the_model(noisy: Table, threshold: Any) -> None:
    X, y = noisy
    model = small(**LASSO, max_iter=80)
    limit = {"max_features": 3} if threshold == -np.inf else {}
    selector = SelectFromModel(model, threshold=threshold, **limit).fit(X, y)
    kept = np.flatnonzero(selector.get_support())
    assert 1 <= len(kept) <= 6 and kept[0] < 3
    if threshold == 1e-9:
        on = np.any(matrices(selector.estimator_)[0] != 0, axis=1)
        np.testing.assert_array_equal(selector.get_support(), on)
    assert selector.transform(X).shape == (300, len(kept))


def test_selection_is_a_step_of_a_pipeline(noisy: Table) -> None:
    X, y = noisy
    lasso = small(**LASSO, max_iter=80)
    piped = make_pipeline(SelectFromModel(lasso, threshold=1e-9), small()).fit(X, y)
    assert piped[-1].n_features_in_ < 12
    assert piped.score(X, y) > 0.85


@each_estimator
def test_importances_of_all_features_without_a_sparse_penalty(
    binary: Table, estimator: type
) -> None:
    fitted = small(estimator, n_members=2).fit(*binary)
    assert np.all(fitted.feature_importances_ > 0) and fitted.sparsity_.tolist() == [0.0, 0.0]
    assert fitted.feature_importances_.sum() == pytest.approx(1.0)


def test_nothing_left_has_no_importance(noisy: Table) -> None:
    fitted = small(penalty="group_lasso", alpha=100.0, normalization=None).fit(*noisy)
    assert fitted.feature_importances_.tolist() == [0.0] * 12
    assert fitted.sparsity_[0] == 1.0
    assert np.ptp(fitted.predict_proba(noisy[0])[:, 1]) < 1e-12


@each_estimator
def test_combinations_that_cannot_be(binary: Table, estimator: type) -> None:
    with pytest.raises(ValueError, match=r"penalty='nuclear' has no proximal step.*'adamw'"):
        small(estimator, penalty="nuclear", solver="adam").fit(*binary)
    for penalty in ("l0", "group_lasso", "nuclear"):
        with pytest.raises(ValueError, match=f"smooth objective, but penalty='{penalty}'"):
            small(estimator, penalty=penalty, solver="lbfgs").fit(*binary)
    with pytest.raises(ValueError, match="'penalty' parameter"):
        small(estimator, penalty="lasso").fit(*binary)


@each_estimator
@pytest.mark.parametrize("penalty", ["l0", "group_lasso", "nuclear"])
def test_the_share_of_l1_is_ignored_aloud(binary: Table, estimator: type, penalty: str) -> None:
    X, y = binary
    model = small(estimator, penalty=penalty, max_iter=2)
    with warnings.catch_warnings(action="ignore"):
        expected = outputs(model.fit(X, y), X)
    with pytest.warns(UserWarning, match=f"l1_ratio=0.5 acts.*penalty='{penalty}'"):
        fitted = model.set_params(l1_ratio=0.5).fit(X, y)
    np.testing.assert_array_equal(outputs(fitted, X), expected)
