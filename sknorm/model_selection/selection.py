"""An ensemble of a search's candidates: chosen by their predictions, refitted as stacks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.utils.validation import _num_samples

from sknorm.backends import fetched
from sknorm.estimators.quantiles import ScoredRegressor
from sknorm.model_selection.alone import fitted_clone
from sknorm.model_selection.ensemble import EnsembleClassifier, EnsembleRegressor
from sknorm.model_selection.evaluation import Candidate, Context, Results, Table
from sknorm.model_selection.execution import Execution
from sknorm.model_selection.forward_selection import forward_selection
from sknorm.model_selection.inputs import rows_of, taken
from sknorm.model_selection.planning import units
from sknorm.model_selection.progress import Progress
from sknorm.model_selection.work import Work


class _Answers(BaseEstimator):
    """A model whose table is its own answers, for scorers.

    Parameters
    ----------
    classes : ndarray or None
    """

    def __init__(self, classes: np.ndarray | None = None) -> None:
        self.classes = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True


class _Classifier(ClassifierMixin, _Answers):
    """Answers that are probabilities, (n_samples, n_classes)."""

    @property
    def classes_(self) -> np.ndarray | None:
        """The classes."""
        return self.classes

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The answers."""
        return X

    def predict(self, X: np.ndarray) -> Any:
        """The likeliest class."""
        assert self.classes is not None
        return self.classes[np.argmax(X, axis=1)]


class _LabelClassifier(_Classifier):
    """Answers that are probabilities of labels that do not exclude each other."""

    def predict(self, X: np.ndarray) -> Any:
        """Indicators of the labels."""
        return (X > 0.5).astype(np.int64)


class _Regressor(ScoredRegressor, _Answers):
    """Answers that are numbers, (n_samples, n_outputs), those of several quantiles side by side.

    Parameters
    ----------
    levels : tuple of float or None
        Of the quantiles.
    """

    def __init__(self, levels: tuple[float, ...] | None = None) -> None:
        super().__init__()
        self.levels = levels

    def _fitted_levels(self) -> tuple[float, ...] | None:
        return self.levels

    def predict(self, X: np.ndarray) -> Any:
        """The answers."""
        return X[:, 0] if X.shape[1] == 1 else X


def select(
    results: Results, candidates: Sequence[Candidate], context: Context, y: Any
) -> tuple[np.ndarray, float]:
    """Weights of the candidates in the ensemble that scores best out of fold, and its score.

    Parameters
    ----------
    results : list of dict
        With ``predictions``.
    candidates : sequence of Candidate
    context : Context
    y : targets of all rows

    Raises
    ------
    ValueError
        If no candidate has predictions in all folds.
    """
    y = fetched(y)
    stand_in = _stand_in(candidates[0].network, y)
    predictions = _out_of_fold(results, len(candidates), context, stand_in.classes, len(y))
    rows = np.flatnonzero(np.isfinite(predictions).any(axis=(0, 2)))
    params = rows_of(context.score_params, rows, len(y))
    target = taken(y, rows)

    def score(mean: np.ndarray) -> float:
        return float(context.scorer(stand_in, mean[rows], target, **params))

    weights = forward_selection(list(predictions), score)
    chosen = np.flatnonzero(weights)
    mean = np.tensordot(weights[chosen], predictions[chosen], axes=1)
    return weights, score(mean)


def refitted(execution: Execution, weights: np.ndarray) -> EnsembleClassifier | EnsembleRegressor:
    """The ensemble of candidates with positive weights, fitted to all rows as one stack.

    Candidates that cannot be stacked take several.
    """
    X, y, rows = execution.X, execution.y, np.arange(_num_samples(execution.X))
    chosen = [candidate for candidate in execution.candidates if weights[candidate.number] > 0]
    context = replace(execution.context, splits=[(rows, rows)], error_score="raise")
    table, models = Table(X), {}
    for unit in units(context, chosen, [0], X, workers=1):
        if unit.alone:
            for job in unit.jobs:
                model = fitted_clone(X, y, context, job.candidate, rows)
                models[job.candidate.number] = model
            continue
        work = Work(X, y, table, context, unit, Progress())
        for part in work.parts:
            work.gather([part])
            work.advance()
            models.update(work.models())
    kind = EnsembleClassifier if is_classifier(context.estimator) else EnsembleRegressor
    order = [candidate.number for candidate in chosen]
    return kind.from_fitted([models[number] for number in order], weights[order])


def _stand_in(network: Any, y: Any) -> Any:
    """A model of the network's kind that answers what it is asked about."""
    if not is_classifier(network):
        quantiles = network.loss == "quantile"
        return _Regressor(tuple(np.atleast_1d(network.quantile).tolist()) if quantiles else None)
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        return _LabelClassifier(np.arange(y.shape[1]))
    return _Classifier(np.unique(y))


def _out_of_fold(
    results: Results, candidates: int, context: Context, classes: np.ndarray | None, count: int
) -> np.ndarray:
    """Predictions (n_candidates, n_samples, n_outputs) of rows by nets that did not see them.

    Means where a row is in several test folds; NaN where a candidate has none.
    """
    given = [result for result in results if result.get("predictions") is not None]
    if not given:
        raise ValueError(
            'refit="ensemble" finds no predictions to choose an ensemble by: all fits failed.'
        )
    outputs = given[0]["predictions"].shape[1] if classes is None else len(classes)
    sums = np.zeros((candidates, count, outputs))
    times = np.zeros((candidates, count, 1))
    for result in given:
        number, split = result["job"].key
        test = context.splits[split][1]
        own = result["classes"]
        # A class that a fold does not have has no probability there.
        columns = np.arange(outputs) if classes is None else np.searchsorted(classes, own)
        sums[number][test[:, None], columns] += result["predictions"]
        times[number, test] += 1
    with np.errstate(invalid="ignore"):
        return sums / times
