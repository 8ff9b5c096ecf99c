"""Row weights of held-out scores: passed to scorers that take them, not to others."""

import functools
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.metrics import accuracy_score, make_scorer, mean_absolute_error

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
HELD = np.arange(120, 240)
WEIGHT = np.linspace(0.1, 3.0, 240)


def hits(y: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean(y == predicted))


def weighted_hits(y: np.ndarray, predicted: np.ndarray, sample_weight: Any = None) -> float:
    return float(np.average(y == predicted, weights=sample_weight))


def scorer(model: Any, X: np.ndarray, y: np.ndarray, factor: float = 1.0) -> float:
    return factor * hits(y, model.predict(X))


def weighted_scorer(model: Any, X: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> float:
    return weighted_hits(y, model.predict(X), sample_weight)


def hiding(function: Any) -> Any:
    """A wrapper that seems to take anything."""

    def wrapper(*args: Any, **named: Any) -> float:
        return function(*args, **named)

    return wrapper


class Scorer:
    """A callable object, with a scorer as a method too."""

    def __call__(self, model: Any, X: np.ndarray, y: np.ndarray) -> float:
        return scorer(model, X, y)

    def method(self, model: Any, X: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> float:
        return weighted_scorer(model, X, y, sample_weight)


class Plain(MLPClassifier):
    """A classifier whose score takes no weights."""

    def score(self, X: Any, y: Any) -> float:
        return hits(y, self.predict(X))


def refusing(y: np.ndarray, predicted: np.ndarray, sample_weight: Any = None) -> float:
    """A metric that has the argument, but refuses it, as ROC AUC of pairs of classes does."""
    if sample_weight is not None:
        raise ValueError("sample_weight must be None in this case.")
    return hits(y, predicted)


UNWEIGHTED: dict[str, Any] = {
    "function": scorer, "lambda": lambda model, X, y: scorer(model, X, y),
    "partial": functools.partial(scorer, factor=1), "object": Scorer(),
    "metric": make_scorer(hits), "lambda metric": make_scorer(lambda y, p: hits(y, p)),
    "wrapper": hiding(scorer), "wrapped": functools.wraps(weighted_scorer)(lambda *a: scorer(*a)),
    "metric of a wrapper": make_scorer(hiding(hits)), "refusing metric": make_scorer(refusing),
    "fixed weights": make_scorer(weighted_hits, sample_weight=np.ones(120)),
}  # fmt: skip
WEIGHTED: dict[str, Any] = {
    "function": weighted_scorer, "partial": functools.partial(weighted_scorer),
    "method": Scorer().method, "metric": make_scorer(weighted_hits), "name": "accuracy",
    "wrapper": hiding(weighted_scorer), "None": None,
    "lambda": lambda model, X, y, **named: weighted_scorer(model, X, y, **named),
}  # fmt: skip


def small(scoring: Any, estimator: type = MLPClassifier, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}
    held = {"early_stopping": True, "validation_fraction": HELD}
    return estimator(preset="sklearn", **sizes, **held, scoring=scoring, **settings)


def expected(model: Any, table: Table, weight: np.ndarray | None) -> float:
    X, y = table[0][HELD], table[1][HELD]
    weight = None if weight is None else weight[HELD]
    return accuracy_score(y, model.predict(X), sample_weight=weight)


@pytest.mark.parametrize("scoring", UNWEIGHTED.values(), ids=UNWEIGHTED)
@pytest.mark.parametrize("given", ["sample_weight", "class_weight", "sample_weight_val"])
def test_scorers_without_weights_score_all_rows_alike(
    binary: Table, scoring: Any, given: str
) -> None:
    X, y = binary
    if given == "class_weight":
        model = small(scoring, class_weight={0: 1.0, 1: 4.0}).fit(X, y)
    elif given == "sample_weight":
        model = small(scoring).fit(X, y, sample_weight=WEIGHT)
    else:
        model = small(scoring)
        model.fit(X, y, X_val=X[HELD], y_val=y[HELD], sample_weight_val=WEIGHT[HELD])
    assert model.best_validation_score_ == pytest.approx(expected(model, binary, None))


@pytest.mark.parametrize("scoring", WEIGHTED.values(), ids=WEIGHTED)
def test_scorers_with_weights_are_given_those_of_the_rows(binary: Table, scoring: Any) -> None:
    X, y = binary
    model = small(scoring).fit(X, y, sample_weight=WEIGHT)
    assert model.best_validation_score_ == pytest.approx(expected(model, binary, WEIGHT))
    model = small(scoring, class_weight={0: 1.0, 1: 4.0}).fit(X, y)
    weight = np.where(y == 1, 4.0, 1.0)
    assert model.best_validation_score_ == pytest.approx(expected(model, binary, weight))


def test_names_of_metrics_without_weights(multiclass: Table, regression: Table) -> None:
    X, y = multiclass
    rare = (y == 0).astype(int)
    assert np.isfinite(small("roc_auc_ovo").fit(X, y, sample_weight=WEIGHT).validation_scores_[-1])
    small("positive_likelihood_ratio", class_weight="balanced").fit(X, rare)
    fitted = small("neg_max_error", MLPRegressor).fit(*regression, sample_weight=WEIGHT)
    assert fitted.best_validation_score_ < 0


def test_a_score_of_the_estimator_without_weights(binary: Table) -> None:
    X, y = binary
    model = small(None, Plain).fit(X, y, sample_weight=WEIGHT)
    assert model.best_validation_score_ == expected(model, binary, None)


@pytest.mark.parametrize("requested", [True, False, None, "w"])
def test_requests_of_a_scorer_decide(regression: Table, requested: Any) -> None:
    """Where it asks for none, it is given none."""
    X, y = regression
    with sklearn.config_context(enable_metadata_routing=True):
        scoring = make_scorer(mean_absolute_error, greater_is_better=False)
        scoring.set_score_request(sample_weight=requested)
        model = small(scoring, MLPRegressor).fit(X, y, sample_weight=WEIGHT)
    weight = None if requested is False else WEIGHT[HELD]
    error = mean_absolute_error(y[HELD], model.predict(X[HELD]), sample_weight=weight)
    assert model.best_validation_score_ == pytest.approx(-error)


def test_errors_of_weighted_scorers_are_their_own(binary: Table) -> None:
    def broken(model: Any, X: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> float:
        raise ValueError("no such metric")

    with pytest.raises(ValueError, match="no such metric"):
        small(broken).fit(*binary, sample_weight=WEIGHT)
