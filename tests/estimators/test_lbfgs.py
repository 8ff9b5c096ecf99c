"""``solver="lbfgs"``: minima of the objective on all rows, under every norm."""

from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_norm = pytest.mark.parametrize("normalization", ["batch", "ghost", "layer", None])
unfinished = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8, 6), "max_iter": 20, "random_state": 0, "solver": "lbfgs"}
    return estimator(preset="sklearn", **{**sizes, "alpha": 1e-3, "activation": "tanh", **settings})


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def training_pass(fitted: Any, X: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Raw outputs with the statistics of these rows, as in training: networks of tanh in NumPy."""
    parameters, kind = fitted.network_.parameters, fitted.normalization
    h = (X - fitted.input_mean_) / fitted.input_scale_
    share = weight / weight.sum()
    for layer, matrix in enumerate(parameters.weights[:-1]):
        z = h @ matrix[0]
        if kind is not None:
            mean = z.mean(axis=1, keepdims=True) if kind == "layer" else share @ z
            square = (z - mean) ** 2
            spread = square.mean(axis=1, keepdims=True) if kind == "layer" else share @ square
            z = (z - mean) / np.sqrt(spread + fitted.norm_epsilon)
        scale, shift = (parameters.get(f"blocks.{layer}.{kind}") for kind in ("scale", "shift"))
        z = z if scale is None else z * scale[0]
        h = np.tanh(z if shift is None else z + shift[0])
    return h @ parameters.weights[-1][0] + parameters["head.bias"][0]


def objective(fitted: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """J at the parameters of a classifier of three classes; no penalty before a norm."""
    losses = -log_softmax(training_pass(fitted, X, weight), axis=1)[np.arange(len(y)), y]
    weights = fitted.network_.parameters.weights
    penalty = sum((w**2).sum() for w in (weights[-1:] if fitted.normalization else weights))
    return float(np.average(losses, weights=weight) + 0.5 * fitted.alpha * penalty)


@unfinished
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize("weighted", [False, True])
def test_predictions_of_the_training_rows_are_those_of_training(
    multiclass: Table, normalization: str | None, weighted: bool
) -> None:
    """The norms' statistics are those of all training rows, under the final weights."""
    X, y = multiclass
    weight = np.random.default_rng(0).uniform(0.1, 3.0, 240) if weighted else np.ones(240)
    fitted = small(MLPClassifier, normalization=normalization).fit(X, y, weight)
    expected = softmax(training_pass(fitted, X, weight), axis=1)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-9, atol=1e-12)
    assert fitted.loss_ == pytest.approx(objective(fitted, X, y, weight), rel=1e-9)


@unfinished
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
def test_gradient_vanishes_at_the_minimum(multiclass: Table, normalization: str | None) -> None:
    """By differences of the objective along random directions, after fits that go on.

    Norms without a scale: else what the output's weights lose in length, the scale may gain, and
    the objective has no minimum.
    """
    X, y = multiclass
    rng = np.random.default_rng(0)
    y = np.where(rng.uniform(size=240) < 0.4, rng.integers(0, 3, 240), y)
    settings = {"normalization": normalization, "norm_affine": False}
    settings |= {"hidden_layer_sizes": (4,), "alpha": 0.01, "warm_start": True}
    fitted = small(MLPClassifier, **settings)
    fitted.set_params(max_iter=3000, tol=1e-8)
    for _ in range(30):
        fitted.fit(X, y)
    flat, weight = fitted.network_.parameters.flat, np.ones(240)
    least = flat.copy()
    for _ in range(5):
        direction = rng.normal(size=flat.shape)
        values = []
        for step in (1e-4, -1e-4):
            flat[...] = least + step * direction
            values.append(objective(fitted, X, y, weight))
        assert abs(values[0] - values[1]) / 2e-4 < 5e-4
        assert min(values) > fitted.loss_ - 1e-10


@pytest.mark.parametrize("weighted", [False, True])
def test_without_hidden_layers_the_minima_are_those_of_linear_models(
    binary: Table, multiclass: Table, regression: Table, weighted: bool
) -> None:
    """Their penalties are of the sum over the rows, ours of the mean."""
    weight = np.random.default_rng(1).uniform(0.1, 3.0, 240) if weighted else np.ones(240)
    settings = {"hidden_layer_sizes": (), "normalization": None, "tol": 1e-9, "alpha": 0.05}
    strength = 0.05 * weight.sum()
    for X, y in (binary, multiclass):
        fitted = small(MLPClassifier, max_iter=1000, **settings).fit(X, y, weight)
        linear = LogisticRegression(C=1.0 / strength, tol=1e-9, max_iter=1000).fit(X, y, weight)
        np.testing.assert_allclose(fitted.predict_proba(X), linear.predict_proba(X), atol=1e-4)
    X, y = regression
    y = y / y.std()
    ridge = Ridge(strength).fit(X, y, weight)
    fitted = small(MLPRegressor, max_iter=1000, **settings).fit(X, y, weight)
    np.testing.assert_allclose(fitted.coefs_[0][:, 0], ridge.coef_, atol=1e-4)
    np.testing.assert_allclose(fitted.intercepts_[0], ridge.intercept_, atol=1e-4)


@each_estimator
@each_norm
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@unfinished
def test_loss_falls_in_every_iteration(
    multiclass: Table, estimator: type, normalization: str | None, dtype: str
) -> None:
    X, y = multiclass
    fitted = small(estimator, normalization=normalization, dtype=dtype, residual=True).fit(X, y)
    assert np.all(np.diff(fitted.loss_curve_) < 0)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 20
    assert set(fitted.history_) == {"loss", "penalty", "seconds"}
    assert fitted.loss_ == fitted.best_loss_ == fitted.loss_curve_[-1]
    assert fitted.network_.parameters.flat.dtype == dtype
    assert fitted.score(X, y) > 0.75


@each_estimator
def test_single_precision_comes_as_far(multiclass: Table, estimator: type) -> None:
    """And ends, like the double one, without running out of iterations."""
    X, y = multiclass
    settings = {"normalization": None, "alpha": 0.05, "tol": 1e-4, "max_iter": 2000}
    wide, narrow = (
        small(estimator, dtype=dtype, **settings).fit(X, y) for dtype in ("float64", "float32")
    )
    assert narrow.loss_ == pytest.approx(wide.loss_, rel=1e-4)


@unfinished
@each_estimator
@each_norm
def test_members_are_trained_as_if_alone(
    binary: Table, estimator: type, normalization: str | None
) -> None:
    X, y = binary
    stack = small(estimator, normalization=normalization, n_members=3).fit(X, y)
    alone = [
        small(estimator, normalization=normalization, random_state=seed).fit(X, y)
        for seed in stack.member_seeds_
    ]
    expected = np.mean([outputs(one, X) for one in alone], axis=0)
    np.testing.assert_allclose(outputs(stack, X), expected, rtol=1e-7, atol=1e-9)
    assert np.array(stack.history_["loss"]).shape == (20, 3)
    for k, one in enumerate(alone):
        losses = [row[k] for row in stack.history_["loss"]]
        np.testing.assert_allclose(losses, one.loss_curve_, rtol=1e-9)


@each_estimator
@pytest.mark.parametrize("scoring", ["loss", None])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("normalization", ["batch", None])
def test_early_stopping_keeps_the_best_iteration(
    binary: Table, estimator: type, scoring: str | None, given: bool, normalization: str | None
) -> None:
    X, y = binary
    settings = {"early_stopping": True, "scoring": scoring, "normalization": normalization}
    model = small(estimator, **settings, alpha=0.0, max_iter=500, n_iter_no_change=5, tol=1e-9)
    held = (X[180:], y[180:])
    fitted = model.fit(X[:180], y[:180], None, *held) if given else model.fit(X, y)
    scores = fitted.validation_scores_
    assert len(scores) == fitted.n_iter_ == len(fitted.loss_curve_) < 500
    assert fitted.best_validation_score_ == max(scores) and fitted.best_loss_ is None
    if not given:
        return
    if scoring is None:
        assert fitted.score(*held) == pytest.approx(max(scores), rel=1e-9)
    elif estimator is MLPClassifier:
        assert -log_loss(held[1], fitted.predict_proba(held[0])) == pytest.approx(max(scores))
    else:
        residual = (fitted.predict(held[0]) - held[1]) / fitted.target_scale_
        assert -0.5 * np.mean(residual**2) == pytest.approx(max(scores))


@unfinished
def test_held_out_rows_are_scored_only_without_early_stopping(binary: Table) -> None:
    X, y = binary
    plain = small(MLPClassifier, early_stopping=False).fit(X[:180], y[:180])
    settings = {"early_stopping": False, "scoring": "accuracy"}
    watched = small(MLPClassifier, **settings).fit(X[:180], y[:180], None, X[180:], y[180:])
    np.testing.assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))
    assert len(watched.validation_scores_) == 20
    assert watched.validation_scores_[-1] == accuracy_score(y[180:], plain.predict(X[180:]))


@each_estimator
@each_norm
def test_weights_are_repetitions(binary: Table, estimator: type, normalization: str | None) -> None:
    X, y = binary
    times = np.random.default_rng(2).integers(0, 4, 240)
    if normalization == "ghost":
        times = np.minimum(times, 1)  # whose sub-batches are cut by rows
    settings = {"normalization": normalization, "alpha": 0.05, "max_iter": 15, "tol": 0.0}
    rows = np.repeat(np.arange(240), times)
    models = small(estimator, **settings), small(estimator, **settings)
    with pytest.warns(ConvergenceWarning):
        weighted = models[0].fit(X, y, times.astype(float))
        repeated = models[1].fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(outputs(weighted, X), outputs(repeated, X), rtol=1e-3, atol=1e-4)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"l1_ratio": 0.5}, "needs a smooth objective, but l1_ratio=0.5 adds an L1 norm"),
    ({"penalty": "l0"}, "needs a smooth objective, but penalty='l0' is not"),
    ({"penalty": "group_lasso"}, "needs a smooth objective, but penalty='group_lasso' is not"),
    ({"penalty": "nuclear"}, "needs a smooth objective, but penalty='nuclear' is not"),
    ({"dropout": 0.1}, "dropout=0.1 is random"),
    ({"input_dropout": 0.1}, "input_dropout=0.1 is random"),
    ({"input_noise": 0.1}, "input_noise=0.1 is random"),
    ({"mixup_alpha": 0.2}, "mixup_alpha=0.2 is random"),
    ({"swa_fraction": 0.5}, "swa_fraction=0.5 acts on the steps"),
    ({"max_grad_norm": 1.0}, "max_grad_norm=1.0 acts on the steps"),
]


@each_estimator
@pytest.mark.parametrize(("settings", "message"), REFUSED, ids=str)
def test_what_has_no_gradient_or_no_steps_is_refused(
    binary: Table, estimator: type, settings: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        small(estimator, **settings).fit(*binary)


@unfinished
@each_estimator
def test_penalty_of_strength_zero_may_have_any_shape(binary: Table, estimator: type) -> None:
    X, y = binary
    plain = small(estimator, alpha=0.0).fit(X, y)
    other = small(estimator, alpha=0.0, l1_ratio=0.5).fit(X, y)
    np.testing.assert_array_equal(outputs(other, X), outputs(plain, X))


@pytest.mark.parametrize("limit", ["max_iter", "max_fun"])
def test_running_out_is_told_with_the_limit(binary: Table, limit: str) -> None:
    with pytest.warns(ConvergenceWarning, match=r"Increase max_iter or max_fun") as caught:
        small(MLPClassifier, **{limit: 3}).fit(*binary)
    assert "lbfgs failed to converge after" in str(caught[0].message) and len(caught) == 1
    assert caught[0].filename == __file__


def test_verbose_prints_each_iteration(binary: Table, capsys: pytest.CaptureFixture) -> None:
    with pytest.warns(ConvergenceWarning):
        fitted = small(MLPClassifier, max_iter=3, verbose=True).fit(*binary)
    printed = capsys.readouterr().out.splitlines()
    expected = [f"Iteration {i + 1}, loss = {v:.8f}" for i, v in enumerate(fitted.loss_curve_)]
    assert printed == expected
