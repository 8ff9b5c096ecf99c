"""``warm_start``: a fit that goes on from the weights, the scaling and the curves of the last."""

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_norm = pytest.mark.parametrize("normalization", ["batch", "layer", None])
each_solver = pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])


def small(estimator: type, **settings: Any) -> Any:
    """Two narrow layers, trained for six epochs a fit."""
    sizes = {"hidden_layer_sizes": (8, 6), "max_iter": 6, "random_state": 0, "warm_start": True}
    if estimator in (MLPClassifier, MLPRegressor):  # else it is scikit-learn's
        sizes["preset"] = "sklearn"
    return estimator(**{**sizes, "learning_rate_init": 0.02, "tol": 0.0, **settings})


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


THEIRS: list[dict[str, Any]] = [
    {},
    {"solver": "sgd"},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.25},
    {"solver": "lbfgs"},
]


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("settings", THEIRS, ids=str)
def test_without_a_norm_fits_follow_those_of_scikit_learn(
    binary: Table, name: str, settings: dict
) -> None:
    """Over three fits, of which the last has other rows and another penalty."""
    X, y = binary
    settings = {**settings, "shuffle": False, "batch_size": 60, "n_iter_no_change": 100}
    kind = MLPClassifier if name == "MLPClassifier" else MLPRegressor
    mine = small(kind, normalization=None, alpha=0.01, **settings)
    other = small(getattr(neural_network, name), **settings)
    size = 240 if settings.get("solver") == "lbfgs" else 60
    for fit in range(3):
        mine.set_params(alpha=0.01 * (fit + 1)).fit(X[::-1], y[::-1])
        other.set_params(alpha=0.01 * (fit + 1) * size).fit(X[::-1], y[::-1])
        assert mine.n_iter_ == other.n_iter_ == 6
        assert mine.loss_ == pytest.approx(other.loss_, rel=1e-7)
    np.testing.assert_allclose(outputs(mine, X), outputs(other, X), rtol=1e-6, atol=1e-9)
    if size == 60:
        assert mine.t_ == other.t_
        np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-8)


def test_inverse_scaling_goes_on_counting_rows() -> None:
    X, y = [[3, 2], [1, 6], [5, 6], [-2, -4]], [1, 1, 1, 0]
    settings = {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.25, "max_iter": 2}
    model = small(MLPClassifier, **settings).fit(X, y).fit(X, y)
    expected = 0.02 * np.array([1.0, 5.0, 1.0, 13.0]) ** -0.25
    np.testing.assert_allclose(model.history_["learning_rate"], expected)
    model = small(MLPClassifier, **{**settings, "learning_rate": "constant"}).fit(X, y).fit(X, y)
    assert model.history_["learning_rate"] == [0.02] * 4


@each_estimator
@each_norm
@each_solver
def test_a_fit_begins_where_the_last_one_ended(
    binary: Table, estimator: type, normalization: str | None, solver: str
) -> None:
    X, y = binary
    model = small(estimator, normalization=normalization, solver=solver).fit(X, y)
    before, curve = outputs(model, X), list(model.loss_curve_)
    rows = 240
    assert model.t_ == 6 * rows
    model.set_params(learning_rate_init=1e-300, max_iter=4, norm_momentum=1e-9).fit(X, y)
    assert model.loss_curve_[:6] == curve and len(model.loss_curve_) == 10
    assert {len(values) for values in model.history_.values()} == {10}
    assert model.n_iter_ == 4 and model.t_ == 10 * rows
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.loss_ == model.loss_curve_[-1]
    if solver == "lbfgs":
        assert max(model.loss_curve_[6:]) < curve[-1]
    else:
        np.testing.assert_allclose(outputs(model, X), before, rtol=1e-5)


@each_estimator
@each_norm
@pytest.mark.parametrize("early_stopping", [False, True])
def test_without_warm_start_a_fit_forgets(
    binary: Table, estimator: type, normalization: str | None, early_stopping: bool
) -> None:
    X, y = binary
    settings = {"normalization": normalization, "early_stopping": early_stopping}
    model = small(estimator, **settings).fit(3.0 * X + 1.0, y).set_params(warm_start=False)
    fresh = small(estimator, warm_start=False, **settings).fit(X, y)
    np.testing.assert_array_equal(outputs(model.fit(X, y), X), outputs(fresh, X))
    assert model.loss_curve_ == fresh.loss_curve_ and model.t_ == fresh.t_
    assert model.validation_scores_ == fresh.validation_scores_


@each_estimator
def test_first_fit_is_one_without_warm_start(binary: Table, estimator: type) -> None:
    X, y = binary
    warm = small(estimator).fit(X, y)
    cold = small(estimator, warm_start=False).fit(X, y)
    np.testing.assert_array_equal(outputs(warm, X), outputs(cold, X))
    np.testing.assert_array_equal(outputs(clone(warm.fit(X, y)).fit(X, y), X), outputs(cold, X))


@each_estimator
def test_scaling_of_the_columns_is_kept(binary: Table, estimator: type) -> None:
    """The weights were trained under it."""
    X, y = binary
    model = small(estimator).fit(X, y)
    mean, scale = model.input_mean_.copy(), model.input_scale_.copy()
    target = getattr(model, "target_mean_", None)
    model.fit(5.0 * X + 3.0, y)
    np.testing.assert_array_equal(model.input_mean_, mean)
    np.testing.assert_array_equal(model.input_scale_, scale)
    assert getattr(model, "target_mean_", None) is target


@each_estimator
@pytest.mark.parametrize("scaling", ["robust", None], ids=str)
def test_another_scaling_is_refused(binary: Table, estimator: type, scaling: Any) -> None:
    """The columns would keep theirs, and ``resolved_params_`` name the other one."""
    X, y = binary
    model = small(estimator).fit(X, y)
    expected = outputs(model, X)
    model.set_params(scaling=scaling)
    for train in model.fit, model.partial_fit:
        with pytest.raises(ValueError, match=f"scaling={scaling!r}, but .* under 'standard'"):
            train(X, y)
    assert model.resolved_params_["scaling"] == "standard"
    np.testing.assert_array_equal(outputs(model, X), expected)
    model.set_params(scaling="standard", preset="fast", n_bins=None, activation="relu")
    model.set_params(dropout=0.0).fit(X, y).set_params(scaling="auto").fit(X, y)
    assert model.resolved_params_["scaling"] == "standard"


@each_estimator
@each_solver
def test_fits_end_at_max_iter(estimator: type, solver: str) -> None:
    settings = {"solver": solver, "early_stopping": False, "n_iter_no_change": np.inf}
    model = small(estimator, hidden_layer_sizes=10, max_iter=5, tol=1e-9, **settings)
    for max_iter in (5, 8):
        with pytest.warns(ConvergenceWarning):
            model.set_params(max_iter=max_iter).fit(*load_iris(return_X_y=True))
        assert model.n_iter_ == max_iter


@each_estimator
@each_norm
@pytest.mark.parametrize("scoring", ["loss", None])
def test_early_stopping_weighs_the_start_against_what_follows(
    binary: Table, estimator: type, normalization: str | None, scoring: str | None
) -> None:
    """A second fit that only does harm ends with the weights that it began with."""
    X, y = binary
    settings = {"early_stopping": True, "normalization": normalization, "scoring": scoring}
    settings |= {"max_iter": 20, "n_iter_no_change": 5, "solver": "sgd"}
    model = small(estimator, **settings).fit(X, y)
    scores, before = list(model.validation_scores_), outputs(model, X)
    model.set_params(alpha=20.0, max_iter=8).fit(X, y)
    assert model.validation_scores_[: len(scores)] == scores
    assert len(model.validation_scores_) == len(scores) + model.n_iter_
    assert {len(values) for values in model.history_.values()} == {len(model.loss_curve_)}
    np.testing.assert_array_equal(outputs(model, X), before)


CLASSES = {
    2: [75, 75],
    4: [37, 37, 38, 38],
    5: [30, 30, 30, 30, 30],
}


@pytest.mark.parametrize("counts", CLASSES.values(), ids=str)
def test_other_classes_are_refused(counts: list[int]) -> None:
    X, y = load_iris(return_X_y=True)
    model = small(MLPClassifier).fit(X, y)
    model.fit(X, np.repeat([0, 1, 2], [40, 40, 70]))
    before = outputs(model, X)
    message = (
        r"warm_start can only be used where `y` has the same classes as in the previous call to "
        rf"fit\. Previously got \[0 1 2\], `y` has \[{' '.join(map(str, range(len(counts))))}\]"
    )
    with pytest.raises(ValueError, match=message):
        model.fit(X, np.repeat(np.arange(len(counts)), counts))
    np.testing.assert_array_equal(outputs(model, X), before)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"hidden_layer_sizes": (8, 7)}, r"hidden_layer_sizes was \(6, 8, 6, 1\), is \(6, 8, 7, 1\)"),
    ({"normalization": None}, "normalization was batch, is None"),
    ({"activation": "tanh"}, "activation was relu, is tanh"),
    ({"norm_affine": False}, "norm_affine was True, is False"),
    ({"residual": True}, "residual was False, is True"),
    ({"n_members": 3}, "n_members=3, but the model to go on with has 1"),
]


@each_estimator
@pytest.mark.parametrize(("settings", "message"), CHANGES, ids=str)
def test_other_layers_are_refused(
    binary: Table, estimator: type, settings: dict, message: str
) -> None:
    X, y = binary
    model = small(estimator).fit(X, y)
    before = outputs(model, X)
    with pytest.raises(ValueError, match=message):
        model.set_params(**settings).fit(2.0 * X, y)
    np.testing.assert_array_equal(outputs(model, X), before)


@each_estimator
def test_another_number_of_columns_is_refused(binary: Table, estimator: type) -> None:
    X, y = binary
    model = small(estimator).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 4 features, but .* is expecting 6 features"):
        model.fit(X[:, :4], y)
    assert model.predict(X).shape == y.shape


def test_another_number_of_outputs_is_refused(binary: Table) -> None:
    X, y = binary
    model = small(MLPRegressor).fit(X, y)
    with pytest.raises(ValueError, match="y has 2 outputs, but the model to go on with has 1"):
        model.fit(X, np.column_stack([y, y]))


@each_estimator
def test_solvers_take_turns(binary: Table, estimator: type) -> None:
    X, y = binary
    model = small(estimator, alpha=1e-3)
    losses = []
    for solver in ("adam", "lbfgs", "sgd", "lbfgs"):
        losses.append(model.set_params(solver=solver).fit(X, y).loss_)
    assert losses[1] < losses[0] and losses[3] < losses[1]


@each_estimator
@pytest.mark.parametrize("n_members", [1, 3])
def test_a_pickle_goes_on_as_the_original(binary: Table, estimator: type, n_members: int) -> None:
    X, y = binary
    model = small(estimator, n_members=n_members, dropout=0.1).fit(X, y)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(outputs(restored.fit(X, y), X), outputs(model.fit(X, y), X))


@each_estimator
def test_precision_stays_that_of_the_first_fit(binary: Table, estimator: type) -> None:
    X, y = binary
    model = small(estimator).fit(X.astype(np.float32), y).fit(X, y)
    assert model.coefs_[0].dtype == np.float32


@each_estimator
def test_a_fit_goes_on_from_partial_fits_and_back(binary: Table, estimator: type) -> None:
    X, y = binary
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    model = small(estimator).partial_fit(X, y, **extra).partial_fit(X, y).fit(X, y)
    assert model.t_ == 8 * 240 and len(model.loss_curve_) == 8
    model.partial_fit(X, y)
    assert model.t_ == 9 * 240 and len(model.loss_curve_) == 9 and model.n_iter_ == 1
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_a_fit_without_scores_has_none_of_the_last_one(binary: Table) -> None:
    model = small(MLPClassifier, early_stopping=True).fit(*binary)
    model.set_params(early_stopping=False).fit(*binary)
    assert model.validation_scores_ is None and model.best_validation_score_ is None
