"""Validation scores that are no numbers, in some epochs or in all, and scorers that fail."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer

from sknorm import MLPClassifier, MLPRegressor, regularization_path

Table = tuple[np.ndarray, np.ndarray]


def small(estimator: type = MLPClassifier, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8,), "max_iter": 25, "random_state": 0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def fit(model: Any, *table: np.ndarray, **given: Any) -> tuple[Any, list[str]]:
    """The fitted model and what it warns of, except that epochs ran out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*table, **given)
    return model, [str(w.message) for w in caught if w.category is not ConvergenceWarning]


def one_class(table: Table) -> dict[str, np.ndarray]:
    """Held-out rows without a negative one."""
    X, y = table
    some = np.flatnonzero(y == 1)[:20]
    return {"X_val": X[some], "y_val": y[some]}


def scores_of(values: Iterable[float]) -> Callable:
    """A scorer that returns these in turn."""
    rest = iter(values)
    return lambda model, X, y: next(rest)


def weights(model: Any) -> np.ndarray:
    return model.network_.parameters.flat


ALWAYS: dict[str, dict[str, Any]] = {
    "adam": {}, "members": {"n_members": 2}, "lbfgs": {"solver": "lbfgs"},
    "averages": {"swa_fraction": 0.4}, "population": {"norm_statistics": "population"},
    "converged": {"tol": 0.02, "n_iter_no_change": 2, "max_iter": 200},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 0.05},
}  # fmt: skip


@pytest.mark.parametrize("settings", ALWAYS.values(), ids=ALWAYS)
@pytest.mark.parametrize("scoring", ["roc_auc", "nan", "inf"])
def test_without_any_score_training_goes_by_its_loss(
    binary: Table, settings: dict[str, Any], scoring: str
) -> None:
    """As long as without held-out rows, to the same weights; one warning says so."""
    X, y = binary
    held = one_class(binary)
    scorer: Any = scoring if scoring == "roc_auc" else lambda model, X, y: float(scoring)
    name = "scoring='roc_auc'" if scoring == "roc_auc" else "scoring=<lambda>"
    fitted, messages = fit(small(scoring=scorer, **settings), X, y, **held)
    plain, _ = fit(small(early_stopping=False, **settings), X, y)
    assert fitted.n_iter_ == plain.n_iter_ > 1
    np.testing.assert_array_equal(weights(fitted), weights(plain))
    (message,) = messages
    assert name in message and "the 20 held-out rows hold one class only, 1" in message
    assert "Hold out other rows" in message
    assert np.isnan(fitted.best_validation_score_)
    assert len(fitted.validation_scores_) == fitted.n_iter_
    assert not np.isfinite(fitted.validation_scores_).any()


def test_warnings_name_the_cause(regression: Table) -> None:
    X, y = regression
    _, messages = fit(small(MLPRegressor, scoring="r2"), X, y, X_val=X[:1], y_val=y[:1])
    assert len(messages) == 1 and "there is one held-out row only" in messages[0]
    undefined = make_scorer(lambda y, p: warnings.warn("odd", RuntimeWarning, 2) or np.nan)
    _, messages = fit(small(MLPRegressor, scoring=undefined, early_stopping=True), X, y)
    assert len(messages) == 1 and 'saying "odd"' in messages[0]


def test_members_without_a_score_stand_beside_others(binary: Table) -> None:
    """Each is what it would be alone."""
    X, y = binary

    def score(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        return np.nan if X_held[0, 0] > limit else float(np.mean(model.predict(X_held) == y_held))

    rows: list[float] = []
    seen = small(n_members=3, early_stopping=True, max_iter=1)
    fit(seen.set_params(scoring=lambda m, A, b: rows.append(A[0, 0]) or 0.0), X, y)
    limit = sorted(rows)[1]
    settings = {"early_stopping": True, "scoring": score, "n_iter_no_change": 4}
    fitted, messages = fit(small(n_members=3, **settings), X, y)
    assert len(messages) == 1 and "for 1 of 3 members" in messages[0]
    best = []
    for seed, each in zip(fitted.member_seeds_, fitted.network_.parameters.weights[0], strict=True):
        alone, _ = fit(small(**{**settings, "random_state": int(seed)}), X, y)
        np.testing.assert_array_equal(alone.network_.parameters.weights[0][0], each)
        best.append(alone.best_validation_score_)
    assert np.isnan(best).sum() == 1
    assert fitted.best_validation_score_ == pytest.approx(np.nanmean(best))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_epochs_with_scores_decide_among_themselves(binary: Table, solver: str) -> None:
    """Those without count as no improvement."""
    X, y = binary
    model = small(early_stopping=True, n_iter_no_change=3, solver=solver)
    values = [np.nan, 1.0, np.nan, 3.0, np.inf, 2.0, np.nan, -np.inf, 9.0]
    fitted, messages = fit(model.set_params(scoring=scores_of(values)), X, y)
    assert messages == [] and fitted.n_iter_ == 8 and fitted.best_validation_score_ == 3.0
    np.testing.assert_array_equal(fitted.validation_scores_, values[:8])
    shorter, _ = fit(model.set_params(scoring=scores_of(range(4)), max_iter=4), X, y)
    np.testing.assert_array_equal(weights(fitted), weights(shorter))


def test_a_first_score_ends_the_rule_of_the_loss(binary: Table) -> None:
    """However late it comes, if the loss has not converged before."""
    X, y = binary
    values = [np.nan] * 12 + [0.5] + [0.4] * 20
    model = small(early_stopping=True, scoring=scores_of(values), n_iter_no_change=5, tol=1e-9)
    fitted, messages = fit(model, X, y)
    assert messages == [] and fitted.n_iter_ == 19 and fitted.best_validation_score_ == 0.5


def test_an_average_is_taken_where_only_it_has_a_score(binary: Table) -> None:
    values = [np.nan] * 10 + [0.7]
    model = small(early_stopping=True, max_iter=10, swa_fraction=0.5, scoring=scores_of(values))
    fitted, messages = fit(model, *binary)
    assert messages == [] and fitted.best_validation_score_ == 0.7


def test_warm_starts_without_scores_go_on(binary: Table) -> None:
    X, y = binary
    held = one_class(binary)
    model = small(scoring="roc_auc", warm_start=True)
    first = weights(fit(model, X, y, **held)[0]).copy()
    fitted, messages = fit(model, X, y, **held)
    assert len(messages) == 1 and not np.array_equal(weights(fitted), first)
    assert np.isnan(fitted.best_validation_score_) and len(fitted.validation_scores_) == 50


def test_paths_without_scores_warn_once(binary: Table) -> None:
    X, y = binary
    model = small(penalty="group_lasso", early_stopping=True, scoring="roc_auc", max_iter=8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = regularization_path(model, X, y, alphas=[0.1, 0.01], **one_class(binary))
    assert sum("roc_auc" in str(w.message) for w in caught) == 1
    assert path.estimators[-1].score(X, y) > 0.8


def test_scores_that_are_recorded_only_may_be_missing(binary: Table) -> None:
    X, y = binary
    fitted, messages = fit(
        small(early_stopping=False, scoring="roc_auc"), X, y, **one_class(binary)
    )
    assert messages == [] and np.isnan(fitted.best_validation_score_)


def test_warnings_of_a_scorer_are_told_once(binary: Table) -> None:
    X, y = binary

    def score(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        warnings.warn("this scorer is old", FutureWarning, stacklevel=1)
        return 1.0

    _, messages = fit(small(scoring=score, early_stopping=True, n_members=2), X, y)
    assert messages == ["this scorer is old"]
    _, messages = fit(small(scoring="precision", early_stopping=True, learning_rate_init=1e-9),
                      X, np.where(np.arange(240) < 24, 1, 0))  # fmt: skip
    assert len(messages) == 1 and "Precision is ill-defined" in messages[0]


def overflowing(table: Table, **settings: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """A model whose log link overflows, its table and its targets."""
    X = table[0]
    model = small(MLPRegressor, loss="gamma", normalization=None, early_stopping=True, **settings)
    wide = {"hidden_layer_sizes": (20, 20), "learning_rate_init": 0.1, "max_iter": 15}
    return model.set_params(**wide), X * 50, np.exp(X[:, 0])


@pytest.mark.parametrize("scoring", ["loss", "r2", "neg_mean_gamma_deviance"])
def test_predictions_that_overflow_are_no_failure_but_a_warning(
    regression: Table, scoring: str
) -> None:
    model, X, y = overflowing(regression, scoring=scoring)
    fitted, messages = fit(model, X, y)
    assert "of the 240 training rows overflow" in messages[-1]
    assert "Use a norm" in messages[-1] and "loss='gamma'" in messages[-1]
    assert fitted.n_iter_ > 10
    settings = {"normalization": "batch", "learning_rate_init": 0.01}
    assert fit(model.set_params(**settings), X, y)[1] == []


def test_weights_whose_predictions_overflow_are_told(binary: Table) -> None:
    """The loss of the epoch, of weights before its last step, is finite."""
    X, y = binary
    model = small(MLPRegressor, solver="sgd", alpha=1e6, learning_rate_init=1.0, dtype="float32")
    settings = {"hidden_layer_sizes": (3, 3), "batch_size": len(y), "max_iter": 2}
    fitted, messages = fit(model.set_params(**settings), X, y)
    assert np.isfinite(fitted.loss_)
    assert "training rows overflow" in messages[-1]
    with pytest.warns(RuntimeWarning, match="as the weights are huge"):
        assert not np.isfinite(fitted.predict(X)).all()


@pytest.mark.parametrize("scoring", ["loss", "r2", "neg_mean_absolute_error"])
def test_rows_without_finite_predictions_have_no_score(regression: Table, scoring: str) -> None:
    """Whether the scorer raises or not."""
    X, y = regression
    model = small(MLPRegressor, scoring=scoring, normalization=None, max_iter=5)
    fitted, messages = fit(model, X, y, X_val=np.copysign(1.7e308, X[:20]), y_val=y[:20])
    (told,) = [message for message in messages if "was never a finite number" in message]
    assert f"scoring={scoring!r}" in told and "of the held-out rows" in told
    assert fitted.n_iter_ == 5 and np.isnan(fitted.best_validation_score_)


class OwnError(Exception):
    """An error that takes more than a message."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@pytest.mark.parametrize(
    "error",
    [ValueError("bad rows"), TypeError("bad rows"), RuntimeError("bad rows"),
     ZeroDivisionError("bad rows"), KeyError("bad rows"), OwnError("bad rows", 3)],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("settings", [{}, {"warm_start": True}, {"solver": "lbfgs"}], ids=str)
def test_failures_of_a_scorer_are_named(
    binary: Table, error: Exception, settings: dict[str, Any]
) -> None:
    X, y = binary
    calls: list[int] = []
    model = small(early_stopping=True, max_iter=2, **settings)
    begun = int("warm_start" in settings)
    if begun:
        fit(model, X, y)

    def own_score(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        calls.append(0)
        if len(calls) == 3 + begun:
            raise error
        return float(len(calls))

    model.set_params(scoring=own_score, max_iter=5)
    with pytest.raises(type(error), match="bad rows") as caught:
        fit(model, X, y)
    told = [str(caught.value), *getattr(caught.value, "__notes__", [])]
    assert any("scoring=own_score failed on the held-out rows in epoch 3" in each for each in told)
    assert error in (caught.value, caught.value.__cause__)


@pytest.mark.parametrize("value", [None, "0.5", {"a": 1.0}, np.zeros(2)], ids=repr)
def test_scores_must_be_numbers(binary: Table, value: Any) -> None:
    with pytest.raises(TypeError, match=r"scoring=<lambda> failed .* must return a number"):
        fit(small(early_stopping=True, scoring=lambda model, X, y: value), *binary)


@pytest.mark.parametrize("value", [np.float32(0.5), np.array(0.5), np.array([0.5]), 1, True])
def test_scores_may_be_numbers_of_any_kind(binary: Table, value: Any) -> None:
    model = small(early_stopping=True, max_iter=2, scoring=lambda model, X, y: value)
    assert fit(model, *binary)[0].best_validation_score_ == float(np.ravel(value)[0])
