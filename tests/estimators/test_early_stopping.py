"""Early stopping: what is scored, when training ends, and which weights are kept."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, r2_score, roc_auc_score

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def brier(estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
    """A scorer as a user writes it."""
    return -float(np.mean((estimator.predict_proba(X)[:, 1] - y) ** 2))


def classifier(**settings: Any) -> MLPClassifier:
    small = {"hidden_layer_sizes": (16,), "max_iter": 60, "random_state": 3}
    stopping = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 4}
    return MLPClassifier(
        **{**small, **stopping, "learning_rate_init": 0.03, **settings}, preset="sklearn"
    )


def held_out(estimator: Any, X: np.ndarray, y: np.ndarray) -> Table:
    """The rows that the same seed holds out, as a scorer sees them."""
    seen: list[Table] = []

    def record(estimator: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        seen.append((X_held, y_held))
        return 0.0

    parameters = {**estimator.get_params(), "scoring": record, "max_iter": 1}
    type(estimator)(**parameters).fit(X, y)
    return seen[0]


SCORES: list[tuple[Any, Callable[[Any, np.ndarray, np.ndarray], float]]] = [
    ("loss", lambda m, X, y: -log_loss(y, m.predict_proba(X))),
    ("accuracy", lambda m, X, y: accuracy_score(y, m.predict(X))),
    ("roc_auc", lambda m, X, y: roc_auc_score(y, m.predict_proba(X)[:, 1])),
    (None, lambda m, X, y: accuracy_score(y, m.predict(X))),
    (brier, brier),
]


@pytest.mark.parametrize("norm_statistics", ["running", "population"])
@pytest.mark.parametrize(
    ("scoring", "score"), SCORES, ids=["loss", "accuracy", "roc_auc", "None", "brier"]
)
def test_best_weights_are_restored(
    binary: Table, scoring: Any, score: Callable, norm_statistics: str
) -> None:
    X, y = binary
    fitted = classifier(scoring=scoring, norm_statistics=norm_statistics).fit(X, y)
    scores = fitted.validation_scores_
    assert len(scores) == fitted.n_iter_ == len(fitted.loss_curve_)
    assert scores == fitted.history_["validation"]
    assert fitted.best_validation_score_ == max(scores)
    if scoring in ("loss", brier):
        assert scores[-1] < max(scores)  # so that restoring matters
    X_held, y_held = held_out(fitted, X, y)
    assert len(y_held) == 72
    assert score(fitted, X_held, y_held) == pytest.approx(max(scores), rel=1e-9)
    assert fitted.best_loss_ is None


@pytest.mark.parametrize("scoring", ["loss", "r2", None])
def test_best_weights_of_a_regressor_are_restored(regression: Table, scoring: Any) -> None:
    X, y = regression
    settings = {"hidden_layer_sizes": (16,), "learning_rate_init": 0.1, "random_state": 0}
    fitted = MLPRegressor(
        **settings, early_stopping=True, scoring=scoring, max_iter=30, preset="sklearn"
    ).fit(X, y)
    X_held, y_held = held_out(fitted, X, y)
    best = max(fitted.validation_scores_)
    if scoring == "loss":
        residual = (fitted.predict(X_held) - y_held) / fitted.target_scale_
        assert -0.5 * np.mean(residual**2) == pytest.approx(best, rel=1e-9)
    else:
        assert r2_score(y_held, fitted.predict(X_held)) == pytest.approx(best, rel=1e-9)


def test_training_ends_when_the_score_no_longer_improves(binary: Table) -> None:
    X, y = binary
    fitted = classifier(tol=1e-3, n_iter_no_change=4).fit(X, y)
    scores = np.array(fitted.validation_scores_)
    assert 5 < fitted.n_iter_ < 60
    best_before = np.maximum.accumulate(scores)
    improved = scores[1:] >= best_before[:-1] + 1e-3
    assert not improved[-5:].any() and improved[-6]


def test_patience_without_end_trains_to_max_iter(binary: Table) -> None:
    X, y = binary
    fitted = classifier(n_iter_no_change=np.inf, max_iter=40).fit(X, y)
    assert fitted.n_iter_ == 40
    X_held, y_held = held_out(fitted, X, y)
    best = max(fitted.validation_scores_)
    assert -log_loss(y_held, fitted.predict_proba(X_held)) == pytest.approx(best, rel=1e-9)


def test_loss_decides_without_early_stopping(binary: Table) -> None:
    X, y = binary
    fitted = classifier(early_stopping=False, tol=0.5, n_iter_no_change=4).fit(X, y)
    assert fitted.n_iter_ == 6  # the first epoch, and five that improve by less than 0.5
    assert fitted.validation_scores_ is None and fitted.best_validation_score_ is None
    assert fitted.best_loss_ == min(fitted.loss_curve_)


def test_held_out_rows_are_stratified(binary: Table) -> None:
    X, y = binary
    X, y = X[:200], np.repeat([0, 1], [180, 20])
    _, y_held = held_out(classifier(validation_fraction=0.2), X, y)
    assert np.bincount(y_held).tolist() == [36, 4]


def test_auto_stops_early_on_large_tables_alone(binary: Table) -> None:
    X = np.random.default_rng(0).normal(size=(10_001, 2)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    settings = {"hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0}
    assert MLPClassifier(**settings, preset="sklearn").fit(X, y).validation_scores_ is not None
    assert MLPClassifier(**settings, preset="sklearn").fit(*binary).validation_scores_ is None


def test_scorers_do_not_change_the_training(binary: Table) -> None:
    """The weights after the last epoch do not depend on what is scored."""
    X, y = binary
    curves = [
        classifier(scoring=scoring, max_iter=10, n_iter_no_change=np.inf).fit(X, y).loss_curve_
        for scoring, _ in SCORES
    ]
    assert all(curve == curves[0] for curve in curves)


def test_failing_scorer_raises_its_error(binary: Table) -> None:
    def fail(estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
        raise LookupError("no such table")

    X, y = binary
    with pytest.raises(LookupError, match="no such table"):
        classifier(scoring=fail).fit(X, y)


@pytest.mark.parametrize("normalization", ["layer", None])
def test_population_statistics_without_a_norm_that_keeps_them(normalization: str | None) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = (X[:, 0] > 0).astype(int)
    settings = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0, "tol": 0.0}
    settings |= {"learning_rate": "cosine", "early_stopping": True, "normalization": normalization}
    running = MLPClassifier(**settings, preset="sklearn").fit(X, y)
    population = MLPClassifier(norm_statistics="population", **settings, preset="sklearn").fit(X, y)
    np.testing.assert_array_equal(running.predict_proba(X), population.predict_proba(X))


@pytest.mark.filterwarnings("ignore:n_iter_no_change=1 ends nothing")
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_planned_schedule_is_not_cut_short(binary: Table, schedule: str) -> None:
    """Patience does not end it; the weights of the best epoch are kept all the same."""
    X, y = binary
    settings = {"learning_rate": schedule, "learning_rate_init": 0.1, "n_iter_no_change": 1}
    model = MLPClassifier(
        (8,),
        max_iter=40,
        tol=0.1,
        early_stopping=True,
        random_state=0,
        **settings,
        preset="sklearn",
    ).fit(X, y)
    assert model.n_iter_ == len(model.validation_scores_) == 40
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.history_["learning_rate"][-1] < 0.01
