"""The results of a search's jobs: scored, completed, ranked, and told."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from traceback import format_exc
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

from sknorm._sklearn import _score, scorers_by_name
from sknorm._warnings import warn
from sknorm.backends import fetched
from sknorm.ensembles.members import network_of
from sknorm.estimators.fitted import without_network
from sknorm.model_selection.context import Context, rows_of
from sknorm.model_selection.folds import without_steps
from sknorm.model_selection.plan import Candidates, Job

Results = list[dict[str, Any]]  # in the form of scikit-learn's ``_fit_and_score``, with a ``key``
Key = tuple[int, int]  # the numbers of a candidate and a fold


def failure(context: Context, job: Job, text: str, seconds: float = 0.0) -> dict[str, Any]:
    """The result of a job that failed, for a reason that the text tells."""
    score = context.error_score
    if several := scorers_by_name(context.scorer):
        score = dict.fromkeys(several, score)
    result = {"key": job.key, "fit_error": text, "unfinished": False}
    result |= {"fit_time": seconds, "score_time": 0.0, "test_scores": score}
    return result | ({"train_scores": score} if context.return_train_score else {})


@contextmanager
def failing(context: Context, jobs: Sequence[Job], lost: dict[Key, dict]) -> Iterator[None]:
    """Let an error in the block fail these jobs, unless errors are to be raised."""
    try:
        yield
    except Exception as error:
        if context.error_score == "raise":
            raise
        text, where = format_exc(), isinstance(error, MemoryError | OSError)
        lost.update((job.key, failure(context, job, text) | {"by_place": where}) for job in jobs)


def scores(
    context: Context, split: int, asked: Callable[[bool], tuple[Any, Any, Any]]
) -> dict[str, Any]:
    """Scores of the test rows of a fold, and of its training rows if they are asked for.

    ``asked`` gives the model, the table and the targets of the test rows or the others.
    """
    started, found = time.perf_counter(), {"test_scores": scored(context, split, asked, True)}
    found["score_time"] = time.perf_counter() - started
    if context.return_train_score:
        found["train_scores"] = scored(context, split, asked, False)
    return found


def scored(
    context: Context, split: int, asked: Callable[[bool], tuple[Any, Any, Any]], test: bool
) -> Any:
    """The score of some rows, or the ``error_score``."""
    params = rows_of(context.score_params, context.splits[split][1 if test else 0], context.count)
    return _score(*asked(test), context.scorer, params, context.error_score)


def predicted(model: Any, X: Any, error_score: Any) -> dict[str, Any]:
    """Predictions of held-out rows, on the host, and what scorers may ask of their model.

    Nothing if the model cannot predict the rows: its scores say so.
    """
    classifies = is_classifier(model)
    try:
        values = fetched(model.predict_proba(X) if classifies else model.predict(X))
    except Exception:
        if error_score == "raise":
            raise
        return {}
    if classifies:
        return {"predictions": np.asarray(values), "classes": np.asarray(model.classes_)}
    # Networks of as many models as there are fits would fill the memory.
    like = without_steps(model, without_network(network_of(model)))
    return {"predictions": np.asarray(values), "classes": None, "like": like}


def announce(results: Results, candidates: Candidates, folds: int, verbose: int) -> None:
    """Print a line about each job, as scikit-learn does."""
    for result in results if verbose > 1 else []:
        number, split = result["key"]
        chosen = candidates[number].parameters
        words = [", ".join(f"{name}={chosen[name]}" for name in sorted(chosen))]
        if verbose > 2:
            words += _told(result["test_scores"], result.get("train_scores"))
        fold = f" {split + 1}/{folds}" if verbose > 2 else ""
        seconds = result["fit_time"] + result["score_time"]
        print(f"[CV{fold}] END {'; '.join(words)}; total time={seconds:5.1f}s")


def _told(test: Any, train: Any) -> list[str]:
    """Scores in scikit-learn's words."""
    if not isinstance(test, dict):
        return [f"score={test:.3f}" if train is None else f"score=({train=:.3f}, {test=:.3f})"]
    before = {} if train is None else {name: f"train={train[name]:.3f}, " for name in train}
    return [f"{name}: ({before.get(name, '')}test={test[name]:.3f})" for name in sorted(test)]


def warn_of_fits(results: Results) -> None:
    """Warn once of all fits that did not converge, and of those without a validation score."""
    if unfinished := sum(result["unfinished"] for result in results):
        warn(
            f"In {unfinished} of {len(results)} fits, max_iter was reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
        )
    if unscored := [text for result in results if (text := result.get("unscored"))]:
        warn(f"In {len(unscored)} of {len(results)} fits, {unscored[0]}")


def completed(results: Results, candidates: int, folds: int) -> Results:
    """What ``cv_results_`` shows of all jobs in their order; NaN of those without a result."""
    keys = {"fit_time", "score_time", "test_scores", "train_scores"} & results[0].keys()
    found = {result["key"]: {key: result[key] for key in keys} for result in results}

    def nothing(value: Any) -> Any:
        return dict.fromkeys(value, np.nan) if isinstance(value, dict) else np.nan

    none = {key: nothing(results[0][key]) for key in keys}
    return [found.get(key, none) for key in np.ndindex(candidates, folds)]


def left_epochs(results: Results, candidates: Candidates, folds: int) -> np.ma.MaskedArray:
    """After how many epochs, over all folds, each candidate left a race; masked if it stayed."""
    count = len(candidates)
    done, left = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for result in results:
        number, epochs = result["key"][0], result.get("left")
        done[number] += 1
        whole = result.get("max_iter", candidates[number].epochs)
        left[number] += whole if epochs is None else epochs
    early = {each["key"][0] for each in results if each.get("left") is not None}
    stayed = (done == folds) & ~np.isin(np.arange(count), list(early))
    return np.ma.MaskedArray(left, stayed)


def rank_survivors_first(
    table: dict[str, Any], left: np.ma.MaskedArray, results: Results, folds: int
) -> None:
    """Means over the folds that a candidate was in, and ranks by how long it stayed, in place.

    Among those that stayed equally long the score decides; one that failed in a fold comes last.
    Scores of candidates that left between epochs are those of nets in the middle of their training.
    """
    table["left_epoch"] = left
    stayed = np.ma.filled(left.astype(np.float64), np.inf)
    present = np.zeros((len(left), folds), dtype=bool)
    for result in results:
        present[result["key"]] = True
    for key in [key.removeprefix("rank_test_") for key in table if key.startswith("rank_test_")]:
        for kind in ("test", "train"):
            if f"mean_{kind}_{key}" in table:
                scores = np.stack([table[f"split{fold}_{kind}_{key}"] for fold in range(folds)], 1)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing
                    table[f"mean_{kind}_{key}"] = np.mean(scores, axis=1, where=present)
                    table[f"std_{kind}_{key}"] = np.std(scores, axis=1, where=present)
                own = table[f"mean_{kind}_{key}"]
                if not np.isfinite(own).all():
                    warn(f"One or more of the {kind} scores are non-finite: {own}")
        means = table[f"mean_test_{key}"]
        order, means = np.where(np.isnan(means), -1.0, stayed), np.nan_to_num(means, nan=-np.inf)
        better = order[None, :] > order[:, None]
        better |= (order[None, :] == order[:, None]) & (means[None, :] > means[:, None])
        table[f"rank_test_{key}"] = (1 + better.sum(axis=1)).astype(np.int32)
