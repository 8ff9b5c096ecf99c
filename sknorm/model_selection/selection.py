"""An ensemble of a search's candidates: chosen by their predictions, refitted as stacks."""

import copy
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier

from sknorm._sklearn import _num_samples
from sknorm.backends import fetched
from sknorm.ensembles import EnsembleClassifier, EnsembleRegressor, forward_selection
from sknorm.ensembles.members import network_of
from sknorm.estimators.fitted import without_network
from sknorm.model_selection.context import Context, rows_of, taken
from sknorm.model_selection.folds import without_steps
from sknorm.model_selection.plan import Candidates, plan
from sknorm.model_selection.results import Results
from sknorm.model_selection.train import Stack, begin, fitted_clone


def check_averageable(candidates: Candidates) -> None:
    """Refuse, before training, candidates whose predictions have different shapes."""
    levels = {}
    for each in candidates:
        if each.fault is None and not each.alone and not is_classifier(each.network):
            several = each.network.loss == "quantile" and np.ndim(each.network.quantile) == 1
            found = tuple(np.asarray(each.network.quantile).tolist()) if several else ()
            levels[found] = each.parameters
    if len(levels) > 1:
        first, second = (f"{list(found)} of {levels[found]}" for found in list(levels)[:2])
        raise ValueError(
            'refit="ensemble" averages predictions of the same levels, but candidates differ in '
            f"them: {first}, and {second}. Search over one `quantile`, or set another refit."
        )


def add_likes(results: Results, candidates: Candidates, context: Context) -> None:
    """Give results that come from a file what scorers may ask of a model, which no file holds.

    It is that of one epoch of training, and the same for all.
    """
    lacking = [r for r in results if r.get("predictions") is not None and "like" not in r]
    lacking = [result for result in lacking if result["classes"] is None]
    if not lacking:
        return
    number, split = lacking[0]["key"]
    model = clone(candidates[number].model)
    network_of(model).set_params(max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        brief = replace(candidates[number], model=model)
        model = fitted_clone(context, brief, context.splits[split][0])
    like = without_steps(model, without_network(network_of(model)))
    for result in lacking:
        result["like"] = like


def check_scorer(results: Results, context: Context) -> bool:
    """Refuse a scorer of more than predictions; whether there were any to tell by."""
    y = fetched(context.y)
    for result in results:
        own = result["test_scores"]
        if isinstance(own, dict):
            raise ValueError(
                'refit="ensemble" chooses the members by one score, but scoring gives several: '
                f"{', '.join(own)}. Use one of them, or another name than 'ensemble'."
            )
        if result.get("predictions") is None or not np.isfinite(own) or own == context.error_score:
            continue
        rows = context.splits[result["key"][1]][1]
        model = _stand_in(result, y)
        answers = _aligned(result, getattr(model, "classes_", None))
        params = rows_of(context.score_params, rows, _num_samples(y))
        try:
            with warnings.catch_warnings():  # which the job's own score has given
                warnings.simplefilter("ignore")
                context.scorer(model, answers, taken(y, rows), **params)
        except Exception as error:
            raise ValueError(
                'refit="ensemble" scores means of predictions, behind which there is no fitted '
                f"network, and the scorer fails on them: {error!r}. Use a scorer of predictions, "
                "or set another refit."
            ) from error
        return True
    return False


def select(results: Results, candidates: Candidates, context: Context) -> tuple[np.ndarray, float]:
    """Weights of the candidates in the ensemble that scores best out of fold, and its score."""
    y, folds = fetched(context.y), Counter(result["key"][0] for result in results)
    left = {each["key"][0] for each in results if each.get("left") is not None}  # a race
    left |= {number for number, done in folds.items() if done < len(context.splits)}
    given = [each for each in results if each.get("predictions") is not None]
    given = [each for each in given if each["key"][0] not in left]
    if not given:
        raise ValueError(
            'refit="ensemble" finds no predictions to choose an ensemble by: all fits failed.'
        )
    model, count = _stand_in(given[0], y), _num_samples(y)
    classes = getattr(model, "classes_", None)
    predictions = _out_of_fold(given, len(candidates), context.splits, classes, count)
    finite = np.isfinite(predictions).reshape(*predictions.shape[:2], -1)
    rows = np.flatnonzero(finite.any(axis=(0, 2)))
    params = rows_of(context.score_params, rows, count)
    target = taken(y, rows)

    def score(mean: np.ndarray) -> float:
        return float(context.scorer(model, mean[rows], target, **params))

    weights = forward_selection(list(predictions), score)
    chosen = np.flatnonzero(weights)
    mean = np.tensordot(weights[chosen], predictions[chosen], axes=1)
    return weights, score(mean)


def refitted(
    context: Context, candidates: Candidates, weights: np.ndarray
) -> EnsembleClassifier | EnsembleRegressor:
    """The ensemble of candidates with positive weights, fitted to all rows as one stack.

    Candidates that cannot be stacked take several.
    """
    chosen = [candidate for candidate in candidates if weights[candidate.number] > 0]
    context, models = context.refitting(chosen), {}
    rows, _ = context.splits[0]
    for unit in plan(context, chosen, [0], workers=1):
        if unit[0].candidate.alone:
            for job in unit:
                models[job.candidate.number] = fitted_clone(context, job.candidate, rows)
            continue
        parts, _ = begin(context, unit)
        for part in parts:
            stack = Stack(context, part)
            stack.advance()
            models.update(stack.models())
    kind = EnsembleClassifier if is_classifier(chosen[0].model) else EnsembleRegressor
    order = [candidate.number for candidate in chosen]
    return kind.from_fitted([models[number] for number in order], weights[order])


class _Answers(ClassifierMixin, BaseEstimator):
    """A classifier whose table is its own answers, probabilities (n_samples, n_classes)."""

    def __init__(self, classes: Any = None, indicators: Any = None) -> None:
        self.classes = self.classes_ = classes
        self.indicators = indicators  # what makes them of labels that do not exclude each other

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The answers. Scorers warn of sums that are one to the digits of float32 alone."""
        return X if self.indicators is not None else X / X.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: np.ndarray) -> np.ndarray:
        """Their logarithms."""
        with np.errstate(divide="ignore"):
            return np.log(X)

    def predict(self, X: np.ndarray) -> Any:
        """The likeliest class, or indicators of the labels."""
        if self.indicators is not None:
            return self.indicators((X > 0.5).astype(np.int64))
        return self.classes_[np.argmax(X, axis=1)]


def _stand_in(result: dict[str, Any], y: Any) -> Any:
    """A model for scorers that answers what it is asked about."""
    if result["classes"] is None:

        def predict(X: Any, **_: Any) -> Any:
            return X

        model = copy.copy(result["like"])
        model.predict = predict
        return model
    if sparse.issparse(y):
        return _Answers(np.arange(y.shape[1]), sparse.csr_matrix)
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        return _Answers(np.arange(y.shape[1]), np.asarray)
    return _Answers(np.unique(y))


def _aligned(result: dict[str, Any], classes: np.ndarray | None) -> np.ndarray:
    """A result's predictions with a column for each of ``classes``, if there are any.

    A class that a fold does not have has no probability there.
    """
    values = result["predictions"]
    if classes is None:
        return values
    spread = np.zeros((len(values), len(classes)))
    spread[:, np.searchsorted(classes, result["classes"])] = values
    return spread


def _out_of_fold(
    results: Sequence[dict[str, Any]],
    candidates: int,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    classes: np.ndarray | None,
    count: int,
) -> np.ndarray:
    """Predictions (n_candidates, n_samples, ...) of rows by nets that did not see them.

    Means where a row is in several test folds; NaN where a candidate has none.
    """
    shape = _aligned(results[0], classes).shape[1:]
    sums = np.zeros((candidates, count, *shape))
    times = np.zeros((candidates, count, *(1 for _ in shape)))
    for result in results:
        (number, split), values = result["key"], _aligned(result, classes)
        if values.shape[1:] != shape:
            raise ValueError(
                'refit="ensemble" averages predictions of one shape, but those of a row have '
                f"shape {shape} and, for candidate {number}, {values.shape[1:]}."
            )
        test = splits[split][1]
        sums[number][test] += values
        times[number, test] += 1
    with np.errstate(invalid="ignore"):
        return sums / times
