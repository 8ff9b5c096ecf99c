"""Training that goes wrong, is interrupted or ends; clipping and messages."""

import re
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]


def fit_with_warnings(model: Any, *table: np.ndarray) -> tuple[Any, list[str]]:
    """The fitted model and the warnings on the way, that of max_iter aside."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*table)
    return model, [str(w.message) for w in caught if w.category is not ConvergenceWarning]


def assert_divergence(messages: list[str]) -> int:
    """Exactly one warning, with epoch, loss and advice; returns the epoch."""
    assert len(messages) == 1, messages
    found = re.search(r"non-finite in epoch (\d+) \(loss (inf|nan)\)", messages[0])
    assert found and "learning_rate_init" in messages[0] and "max_grad_norm" in messages[0]
    return int(found[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("scoring", ["loss", None])
def test_diverging_regressor_stops_with_finite_weights(
    regression: Table, dtype: str, early_stopping: bool, scoring: str | None
) -> None:
    X, y = regression
    model = MLPRegressor(
        hidden_layer_sizes=(8,), normalization=None, solver="sgd", learning_rate_init=1e6,
        random_state=0, dtype=dtype, early_stopping=early_stopping, scoring=scoring,
        preset="sklearn",
    )  # fmt: skip
    fitted, messages = fit_with_warnings(model, X, y)
    assert assert_divergence(messages) == fitted.n_iter_ <= 3
    assert all(np.isfinite(view).all() for view in fitted.network_.parameters.views)
    assert np.isfinite(fitted.predict(X)).all()


@pytest.mark.parametrize("normalization", ["batch", "ghost", "layer", None])
def test_diverging_classifier_stops_with_finite_weights(
    binary: Table, normalization: str | None
) -> None:
    X, y = binary
    model = MLPClassifier(
        (8,),
        normalization=normalization,
        solver="sgd",
        learning_rate_init=1e300,
        random_state=0,
        preset="sklearn",
    )
    fitted, messages = fit_with_warnings(model, X, y)
    assert_divergence(messages)
    assert np.isfinite(fitted.predict_proba(X)).all()


def test_late_divergence_keeps_the_best_epoch(regression: Table) -> None:
    """A learning rate that grows: first the score rises, then the loss is no number."""
    X, y = regression
    held: list[Any] = []

    def score(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        held[:] = [X_held, y_held]
        return -float(np.mean(np.abs(model.predict(X_held) - y_held)))

    model = MLPRegressor(
        hidden_layer_sizes=(8,), activation="identity", normalization=None, solver="sgd",
        learning_rate="one_cycle", learning_rate_init=2.0, max_iter=60, random_state=0,
        early_stopping=True, scoring=score, n_iter_no_change=np.inf, momentum=0.0, preset="sklearn"
    )  # fmt: skip
    fitted, messages = fit_with_warnings(model, X, y / y.std())
    assert 3 < assert_divergence(messages) < 60
    scores = np.array(fitted.validation_scores_)
    best = np.nanmax(scores)
    assert np.nanargmax(scores) > 0 and best == fitted.best_validation_score_
    assert score(fitted, *held) == best


def test_diverging_members_are_named_and_all_finite(regression: Table) -> None:
    X, y = regression
    model = MLPRegressor(
        hidden_layer_sizes=(8,), normalization=None, solver="sgd", learning_rate_init=1e6,
        random_state=0, n_members=2, preset="sklearn"
    )  # fmt: skip
    fitted, messages = fit_with_warnings(model, X, y)
    named = [re.search(r"of member (\d) became non-finite", message) for message in messages]
    assert [found[1] for found in named if found] == ["0", "1"]
    assert np.isfinite(fitted.predict(X)).all()


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("norm_statistics", ["running", "population"])
@pytest.mark.parametrize("epoch", [2, 3])
def test_interrupted_fit_leaves_a_usable_estimator(
    binary: Table, n_members: int, norm_statistics: str, epoch: int
) -> None:
    X, y = binary
    calls = []

    def interrupt(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        calls.append(model)
        if len(calls) == n_members * epoch:
            raise KeyboardInterrupt
        return float(len(calls))

    model = MLPClassifier(
        (8,), early_stopping=True, scoring=interrupt, random_state=0, n_members=n_members,
        norm_statistics=norm_statistics, preset="sklearn"
    )  # fmt: skip
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    assert len(model.loss_curve_) == epoch - 1 <= model.n_iter_ <= epoch
    probability = model.predict_proba(X)
    assert probability.shape == (len(y), 2) and np.isfinite(probability).all()
    assert [w.shape[-2:] for w in model.coefs_] == [(6, 8), (8, 1)]


def test_an_interrupt_before_the_first_epoch_is_over_is_raised(binary: Table) -> None:
    def interrupt(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        raise KeyboardInterrupt

    model = MLPClassifier(
        (8,), early_stopping=True, scoring=interrupt, random_state=0, preset="sklearn"
    )
    with pytest.raises(KeyboardInterrupt):
        model.fit(*binary)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_a_loss_beyond_all_use_is_a_divergence(binary: Table, estimator: type) -> None:
    """Weights that are finite may still predict infinities."""
    X, y = binary
    settings = {"hidden_layer_sizes": (4, 4), "solver": "sgd", "learning_rate_init": 1e4}
    model = estimator(
        preset="sklearn", **settings, activation="identity", max_iter=3, alpha=10.0, random_state=0
    )
    with pytest.warns(RuntimeWarning, match="became non-finite"):
        model.fit(X.astype(np.float32), y)
    predict = model.predict_proba if estimator is MLPClassifier else model.predict
    assert np.isfinite(predict(X.astype(np.float32))).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_interrupted_fit_keeps_the_best_weights_so_far(binary: Table) -> None:
    X, y = binary
    calls = []

    def interrupt(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        calls.append(model)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return [0.0, 1.0, 0.5][len(calls) - 1]

    settings = {"hidden_layer_sizes": (8,), "early_stopping": True, "random_state": 0}
    with pytest.warns(UserWarning, match="interrupted"):
        interrupted = MLPClassifier(**settings, scoring=interrupt, preset="sklearn").fit(X, y)
    two = MLPClassifier(
        **settings, scoring=lambda *_: float(len(calls)), max_iter=2, preset="sklearn"
    )
    calls.clear()
    two.set_params(scoring=lambda *_: calls.append(0) or float(len(calls))).fit(X, y)
    np.testing.assert_array_equal(interrupted.predict_proba(X), two.predict_proba(X))
    assert interrupted.validation_scores_ == [0.0, 1.0, 0.5]


def test_convergence_warning_exactly_where_epochs_run_out(binary: Table) -> None:
    X, y = binary
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        MLPClassifier((8,), max_iter=3, preset="sklearn").fit(X, y)
    settings = {"tol": 1.0, "n_iter_no_change": 2, "random_state": 0}
    for solver in ("adam", "sgd"):  # warnings are errors
        fitted = MLPClassifier((8,), max_iter=50, solver=solver, **settings, preset="sklearn").fit(
            X, y
        )
        assert fitted.n_iter_ < 50


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_members", [1, 2])
def test_gradient_is_clipped_by_its_norm(regression: Table, n_members: int) -> None:
    """One step of plain descent moves the parameters by rate times bound."""
    X, y = regression
    settings = {
        "hidden_layer_sizes": (8,), "solver": "sgd", "momentum": 0.0, "alpha": 0.0,
        "batch_size": 240, "random_state": 0, "learning_rate_init": 0.1, "n_members": n_members,
        "normalization": None,
    }  # fmt: skip
    moved = []
    for bound in (1e-12, 0.5):  # the first bound is almost no step
        fitted = MLPRegressor(**settings, max_grad_norm=bound, max_iter=1, preset="sklearn").fit(
            X, y
        )
        moved.append(fitted.network_.parameters)
    for member in range(n_members):
        square = sum(
            ((after[member] - before[member]) ** 2).sum()
            for before, after in zip(moved[0].views, moved[1].views, strict=True)
        )
        assert np.sqrt(square) == pytest.approx(0.1 * 0.5, rel=1e-9)
    free = MLPRegressor(**settings, max_iter=1, preset="sklearn").fit(X, y)
    loose = MLPRegressor(**settings, max_grad_norm=1e9, max_iter=1, preset="sklearn").fit(X, y)
    np.testing.assert_array_equal(free.predict(X), loose.predict(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_clipping_tames_a_learning_rate_that_diverges(regression: Table) -> None:
    X, y = regression
    settings = {"hidden_layer_sizes": (8,), "normalization": None, "solver": "sgd"}
    model = MLPRegressor(
        **settings, learning_rate_init=1.0, max_iter=20, random_state=0, preset="sklearn"
    )
    _, messages = fit_with_warnings(model, X, y)
    assert messages
    clipped, messages = fit_with_warnings(model.set_params(max_grad_norm=0.1), X, y)
    assert not messages and np.isfinite(clipped.loss_curve_).all() and clipped.n_iter_ == 20


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_verbose_prints_loss_and_score_of_each_epoch(
    binary: Table, capsys: pytest.CaptureFixture
) -> None:
    X, y = binary
    fitted = MLPClassifier(
        (4,), max_iter=3, verbose=True, early_stopping=True, preset="sklearn"
    ).fit(X, y)
    printed = capsys.readouterr().out
    for epoch in range(3):
        assert f"Iteration {epoch + 1}, loss = {fitted.loss_curve_[epoch]:.8f}" in printed
        assert f"Validation score: {fitted.validation_scores_[epoch]:f}" in printed
    MLPClassifier((4,), max_iter=3, preset="sklearn").fit(X, y)
    assert capsys.readouterr().out == ""
