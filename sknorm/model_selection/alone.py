"""Jobs that are fitted one by one, as scikit-learn's search fits them: clone, fit, score."""

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_exc
from typing import Any

from sklearn.base import clone

from sknorm._sklearn import _num_samples, _score
from sknorm.model_selection.evaluation import Candidate, Context, Job
from sknorm.model_selection.inputs import rows_of, taken
from sknorm.model_selection.predictions import predicted
from sknorm.model_selection.progress import Progress


def fit_alone(X: Any, y: Any, context: Context, job: Job, progress: Progress) -> dict[str, Any]:
    """Train and score a job whose estimator has methods of its own.

    Parameters
    ----------
    X, y : table and targets
        All rows.
    context : Context
    job : Job
    progress : Progress

    Returns
    -------
    dict
        In the form of scikit-learn's ``_fit_and_score``, with its ``job``.

    Raises
    ------
    KeyboardInterrupt
        If the user stopped the search.
    """
    if progress.stopped:
        raise KeyboardInterrupt
    train, _ = context.splits[job.split]
    started = time.perf_counter()
    try:
        model = fitted_clone(X, y, context, job.candidate, train)
    except Exception:
        if context.error_score == "raise":
            raise
        result = context.failure(job, format_exc(), time.perf_counter() - started)
    else:
        seconds = time.perf_counter() - started
        result = {"job": job, "fit_error": None, "unfinished": False, "fit_time": seconds}
        result |= _scored(model, X, y, context, job)
    progress.advanced(job.candidate.epochs)
    return result


def fitted_clone(X: Any, y: Any, context: Context, candidate: Candidate, rows: Any) -> Any:
    """A candidate fitted to some of the rows."""
    model, params = clone(candidate.model), rows_of(context.fit_params, rows, _num_samples(X))
    targets = [] if y is None else [taken(y, rows)]
    with _interruptible():
        return model.fit(taken(X, rows), *targets, **params)


def _scored(model: Any, X: Any, y: Any, context: Context, job: Job) -> dict[str, Any]:
    """The scores of a fitted job, and its predictions if they are to be kept."""
    sides = dict(zip(("train", "test"), context.splits[job.split], strict=True))
    started = time.perf_counter()
    result: dict[str, Any] = {}
    for side in ("test", "train") if context.return_train_score else ("test",):
        rows = sides[side]
        params = rows_of(context.score_params, rows, _num_samples(X))
        given = model, taken(X, rows), taken(y, rows), context.scorer, params
        result[f"{side}_scores"] = _score(*given, context.error_score)
        if side == "test":
            result["score_time"] = time.perf_counter() - started
    if context.keeps_predictions:
        result |= predicted(model, taken(X, sides["test"]), context.error_score)
    return result


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the search: a fit answers it with a warning, and the next would start."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Training interrupted by user")
        try:
            yield
        except UserWarning as warning:
            if isinstance(warning.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
