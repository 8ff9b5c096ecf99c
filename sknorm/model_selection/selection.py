"""An ensemble of a search's candidates: chosen by their predictions, refitted as stacks."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from sknorm._sklearn import _num_samples
from sknorm.backends import fetched
from sknorm.ensembles.forward_selection import forward_selection
from sknorm.ensembles.weighted import EnsembleClassifier, EnsembleRegressor
from sknorm.model_selection.alone import fitted_clone
from sknorm.model_selection.evaluation import Candidate, Context, Results, Table
from sknorm.model_selection.execution import Execution
from sknorm.model_selection.inputs import rows_of, taken
from sknorm.model_selection.planning import units
from sknorm.model_selection.predictions import aligned, out_of_fold, stand_in
from sknorm.model_selection.progress import Progress
from sknorm.model_selection.work import Work


def check_averageable(candidates: Sequence[Candidate]) -> None:
    """Refuse, before training, candidates whose predictions have different shapes.

    Raises
    ------
    ValueError
    """
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


def check_scorer(results: Results, context: Context, y: Any) -> bool:
    """Refuse a scorer that asks for more than predictions, as soon as there are some.

    Returns
    -------
    bool
        Whether there were any that could be scored.

    Raises
    ------
    ValueError
    """
    y = fetched(y)
    for result in results:
        own = result["test_scores"]
        if result.get("predictions") is None or not np.isfinite(own) or own == context.error_score:
            continue
        rows = context.splits[result["job"].split][1]
        model = stand_in(result, y)
        answers = aligned(result, getattr(model, "classes_", None))
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
    y, given = fetched(y), [each for each in results if each.get("predictions") is not None]
    if not given:
        raise ValueError(
            'refit="ensemble" finds no predictions to choose an ensemble by: all fits failed.'
        )
    model, count = stand_in(given[0], y), _num_samples(y)
    classes = getattr(model, "classes_", None)
    predictions = out_of_fold(given, len(candidates), context.splits, classes, count)
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
