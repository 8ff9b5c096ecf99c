"""Stochastic weight averaging: which weights are averaged, and when the average is kept."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_friedman1

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


class Snapshots:
    """A callback that keeps the parameters after each epoch."""

    def __init__(self, interrupt_after: int = 0) -> None:
        self.flat: list[np.ndarray] = []
        self.interrupt_after = interrupt_after

    def setup(self, estimator: Any, context: Any) -> None:
        self.flat.clear()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        pass

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, fitted_estimator: Any = None
    ) -> None:
        if context.task_name == "epoch":
            self.flat.append(fitted_estimator.network_.parameters.flat.copy())
            if len(self.flat) == self.interrupt_after:
                raise KeyboardInterrupt

    def teardown(self, estimator: Any, context: Any) -> None:
        pass


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (6, 5), "max_iter": 10, "random_state": 0}
    return estimator(
        preset="sklearn", **{**sizes, "learning_rate_init": 0.05, "swa_fraction": 0.5, **settings}
    )


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


@each_estimator
@pytest.mark.parametrize(
    ("share", "max_iter", "averaged"),
    [(0.5, 10, 5), (1.0, 6, 6), (0.26, 10, 3), (0.7, 10, 7), (0.1, 10, 1), (0.01, 10, 1)],
)
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
def test_weights_are_the_mean_over_the_last_epochs(
    binary: Table, estimator: type, share: float, max_iter: int, averaged: int, normalization: Any
) -> None:
    """Without a warning that training has not converged: it is meant to use up max_iter."""
    snapshots = Snapshots()
    settings = {"swa_fraction": share, "max_iter": max_iter, "normalization": normalization}
    model = small(estimator, n_members=2, **settings).set_callbacks(snapshots)
    fitted = model.fit(*binary)
    expected = np.mean(snapshots.flat[-averaged:], axis=0)
    assert len(snapshots.flat) == max_iter == fitted.n_iter_
    np.testing.assert_allclose(fitted.network_.parameters.flat, expected, atol=1e-12)
    if averaged > 1:
        assert np.abs(fitted.network_.parameters.flat - snapshots.flat[-1]).max() > 1e-4


@each_estimator
def test_averaging_does_not_change_the_epochs(binary: Table, estimator: type) -> None:
    with warnings.catch_warnings(action="ignore"):
        plain = small(estimator, swa_fraction=0.0, tol=0.0).fit(*binary)
    assert small(estimator).fit(*binary).loss_curve_ == plain.loss_curve_


@each_estimator
@pytest.mark.parametrize("norm_statistics", ["running", "cumulative", "population"])
def test_statistics_are_those_of_the_training_rows(
    binary: Table, estimator: type, norm_statistics: str
) -> None:
    X, y = binary
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 240)
    model = small(estimator, norm_statistics=norm_statistics).fit(X, y, sample_weight=weight)
    network = model.network_
    z = ((X - model.input_mean_) / model.input_scale_) @ network.parameters.weights[0][0]
    mean = np.average(z, axis=0, weights=weight)
    variance = np.average((z - mean) ** 2, axis=0, weights=weight)
    np.testing.assert_allclose(network.statistics[0][0], [mean, variance], rtol=1e-7, atol=1e-9)


@each_estimator
@pytest.mark.parametrize("settings", [{"tol": 1e6}, {"tol": 1e6, "early_stopping": True}], ids=str)
def test_training_goes_on_to_the_end(binary: Table, estimator: type, settings: dict) -> None:
    fitted = small(estimator, n_iter_no_change=1, **settings).fit(*binary)
    assert fitted.n_iter_ == 10 == len(fitted.loss_curve_)


@pytest.mark.parametrize("scoring", ["loss", "r2"])
@pytest.mark.parametrize(("rate", "share", "better"), [(0.05, 0.5, True), (0.003, 1.0, False)])
def test_held_out_rows_choose_between_best_and_average(
    scoring: str, rate: float, share: float, better: bool
) -> None:
    """Wild steps are worth averaging, slow progress is not."""
    X, y = make_friedman1(400, noise=0.5, random_state=0)
    settings = {"hidden_layer_sizes": (16,), "max_iter": 30, "batch_size": 16, "scoring": scoring}
    settings |= {"learning_rate_init": rate, "swa_fraction": share, "early_stopping": True}
    snapshots = Snapshots()
    model = small(MLPRegressor, **settings).set_callbacks(snapshots)
    fitted = model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    best = max(fitted.validation_scores_)
    if better:
        expected = np.mean(snapshots.flat[15:], axis=0)
        assert fitted.best_validation_score_ > best
    else:
        expected = snapshots.flat[int(np.argmax(fitted.validation_scores_))]
        assert fitted.best_validation_score_ == best
    np.testing.assert_allclose(fitted.network_.parameters.flat, expected, atol=1e-9)
    if scoring == "r2":
        score = fitted.score(X[200:], y[200:])
    else:
        score = -0.5 * np.mean(((fitted.predict(X[200:]) - y[200:]) / fitted.target_scale_) ** 2)
    assert score == pytest.approx(fitted.best_validation_score_, rel=1e-9)


@each_estimator
def test_recorded_scores_do_not_speak_against_the_average(binary: Table, estimator: type) -> None:
    X, y = binary
    settings = {"swa_fraction": 1.0, "early_stopping": False, "learning_rate_init": 1e-3}
    plain = small(estimator, **settings).fit(X[:160], y[:160])
    model = small(estimator, **settings)
    watched = model.fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:])
    np.testing.assert_array_equal(outputs(watched, X), outputs(plain, X))


def test_averages_cost_nothing_to_members_that_diverge(regression: Table) -> None:
    """They keep their best finite weights."""
    X, y = regression
    settings = {"solver": "sgd", "normalization": None, "learning_rate_init": 1e30}
    with pytest.warns(RuntimeWarning, match="non-finite"):
        plain = small(MLPRegressor, swa_fraction=0.0, **settings).fit(X, y)
    with pytest.warns(RuntimeWarning, match="non-finite"):
        fitted = small(MLPRegressor, swa_fraction=1.0, **settings).fit(X, y)
    assert np.isfinite(fitted.predict(X)).all()
    np.testing.assert_array_equal(fitted.predict(X), plain.predict(X))


@each_estimator
@pytest.mark.parametrize(("epochs", "averaged"), [(3, 1), (8, 3)])
def test_interrupts_average_what_there_is(
    binary: Table, estimator: type, epochs: int, averaged: int
) -> None:
    """Before the averages begin, the last weights are kept."""
    snapshots = Snapshots(interrupt_after=epochs)
    with pytest.warns(UserWarning, match="interrupted"):
        fitted = small(estimator).set_callbacks(snapshots).fit(*binary)
    expected = np.mean(snapshots.flat[-averaged:], axis=0)
    np.testing.assert_allclose(fitted.network_.parameters.flat, expected, atol=1e-12)
    assert fitted.n_iter_ == epochs


def test_averages_predict_better_than_wild_steps(regression: Table) -> None:
    X, y = regression
    settings = {"learning_rate_init": 0.3, "max_iter": 60, "batch_size": 8}
    wild = [small(MLPRegressor, swa_fraction=f, random_state=seed, tol=0.0, **settings)
            for f in (0.0, 0.5) for seed in range(3)]  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        scores = [model.fit(X[:160], y[:160]).score(X[160:], y[160:]) for model in wild]
    assert np.mean(scores[3:]) > np.mean(scores[:3])


@pytest.mark.parametrize("share", [-0.1, 1.1, "half"])
def test_share_is_checked(binary: Table, share: Any) -> None:
    with pytest.raises(ValueError, match="'swa_fraction' parameter"):
        small(MLPClassifier, swa_fraction=share).fit(*binary)
