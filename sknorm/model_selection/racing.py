"""Racing: the worst candidates leave before they have been trained in all folds.

Successive halving (Jamieson and Talwalkar, 2016, Non-stochastic best arm identification and
hyperparameter optimization), with folds as the resource: a candidate that is trained to the end in
one fold says more of its final rank than one that is half trained in all, because what regularizes
a network acts late.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from sknorm.model_selection.evaluation import Candidate, Context, Results, Table, Unit
from sknorm.model_selection.progress import Progress
from sknorm.model_selection.work import Work

FOLDS = 3  # from so many on candidates leave between folds, below between epochs
_EPOCHS = (0.2, 0.5)  # shares of the epochs after which candidates leave
_LEAST = 2


def legs(folds: int) -> list[list[int]]:
    """The folds between which candidates leave: the first, those to the middle, the rest."""
    middle = folds // 2 + 1
    parts = [list(range(1)), list(range(1, middle)), list(range(middle, folds))]
    return [part for part in parts if part]


def staying(candidates: int, leg: int) -> int:
    """How many candidates stay for a leg: all, a third, a sixth.

    In five folds this takes 40% of the fits of a full search.
    """
    return min(candidates, max(_LEAST, -(-candidates // (1, 3, 6)[leg])))


def race_by_folds(
    candidates: Sequence[Candidate],
    folds: int,
    run: Callable[[Sequence[Candidate], Sequence[int]], Iterator[Results]],
    metric: str | None,
) -> Iterator[Results]:
    """Train the candidates in some folds after the others; in between the worst of them leave.

    Parameters
    ----------
    candidates : sequence of Candidate
    folds : int
    run : callable
        Gives the results of candidates in some of the folds.
    metric : str or None
        Which of several scores ranks the candidates; None if there is one.

    Yields
    ------
    list of dict
        Results, as they come.
    """
    running = list(candidates)
    scores: dict[int, list[float]] = {candidate.number: [] for candidate in candidates}
    for leg, part in enumerate(legs(folds)):
        if leg > 0:
            best = _ranked({candidate.number: scores[candidate.number] for candidate in running})
            stay = set(best[: staying(len(candidates), leg)])
            running = [candidate for candidate in running if candidate.number in stay]
        for results in run(running, part):
            for result in results:
                scores[result["job"].candidate.number].append(_value(result["test_scores"], metric))
            yield results


def race_by_epochs(
    X: Any,
    y: Any,
    context: Context,
    planned: list[Unit],
    progress: Progress,
    metric: str | None,
    n_jobs: int | None,
) -> Iterator[Results]:
    """Train all units side by side; at a fifth and at half of the epochs the worst leave.

    Parameters
    ----------
    X, y : table and targets
    context : Context
    planned : list of Unit
    progress : Progress
    metric : str or None
        Which of several scores ranks the candidates; None if there is one.
    n_jobs : int or None
        Threads.

    Yields
    ------
    list of dict
        Results of a unit, with the epochs after which the candidate ``left`` if it did.

    Raises
    ------
    ValueError
        If a solver or an estimator has no epochs that could be compared.
    """
    _check_epochs(planned)
    table = Table(X)
    parallel = Parallel(n_jobs=n_jobs, require="sharedmem")
    works = parallel(delayed(Work)(X, y, table, context, unit, progress) for unit in planned)
    for work in works:
        work.gather(work.parts)
    epochs = max(unit.epochs for unit in planned)
    running = {job.candidate.number for unit in planned for job in unit.jobs}
    total, left = len(running), {}
    for leg, share in enumerate(_EPOCHS, 1):
        epoch = int(epochs * share)
        if len(running) <= _LEAST or epoch == 0:
            continue
        parallel(delayed(work.advance)(epoch) for work in works)
        values: dict[int, list[float]] = {number: [] for number in sorted(running)}
        for scores in parallel(delayed(work.scores)() for work in works):
            for (number, _), score in scores.items():
                if number in running:
                    values[number].append(_value(score, metric))
        gone = set(_ranked(values)[staying(total, leg) :])
        left.update(dict.fromkeys(gone, epoch))
        running -= gone
        for work in works:
            work.leave(gone)
    parallel(delayed(work.advance)() for work in works)
    settled = parallel(delayed(work.results)() for work in works)
    for work, results in zip(works, settled, strict=True):
        everything = results + work.lost()
        yield [each | {"left": left.get(each["job"].candidate.number)} for each in everything]


def left_epochs(results: Results, candidates: int, folds: int) -> np.ma.MaskedArray:
    """After how many epochs, over all folds, each candidate left; masked if it stayed."""
    done, left = np.zeros(candidates, dtype=np.int64), np.zeros(candidates, dtype=np.int64)
    for result in results:
        candidate, epochs = result["job"].candidate, result.get("left")
        done[candidate.number] += 1
        left[candidate.number] += candidate.epochs if epochs is None else epochs
    early = {each["job"].candidate.number for each in results if each.get("left") is not None}
    stayed = (done == folds) & ~np.isin(np.arange(candidates), list(early))
    return np.ma.MaskedArray(left, stayed)


def rank_survivors_first(table: dict[str, Any], left: np.ma.MaskedArray, folds: int) -> None:
    """Means over the folds that a candidate was in, and ranks by how long it stayed, in place.

    Among those that stayed equally long the score decides. Scores of candidates that left between
    epochs are those of nets in the middle of their training.
    """
    table["left_epoch"] = left
    stayed = np.ma.filled(left.astype(np.float64), np.inf)
    for key in [key.removeprefix("rank_test_") for key in table if key.startswith("rank_test_")]:
        for kind in ("test", "train"):
            if f"mean_{kind}_{key}" in table:
                scores = np.stack([table[f"split{fold}_{kind}_{key}"] for fold in range(folds)])
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing
                    table[f"mean_{kind}_{key}"] = np.nanmean(scores, axis=0)
                    table[f"std_{kind}_{key}"] = np.nanstd(scores, axis=0)
        means = np.nan_to_num(table[f"mean_test_{key}"], nan=-np.inf)
        better = stayed[None, :] > stayed[:, None]
        better |= (stayed[None, :] == stayed[:, None]) & (means[None, :] > means[:, None])
        table[f"rank_test_{key}"] = (1 + better.sum(axis=1)).astype(np.int32)


def _check_epochs(planned: Sequence[Unit]) -> None:
    """Refuse candidates that are not trained epoch by epoch."""
    for unit in planned:
        candidate = unit.jobs[0].candidate
        if candidate.alone:
            what, instead = f"{type(candidate.model).__name__} with methods of its own", ""
        elif candidate.fault is None and candidate.network.solver == "lbfgs":
            what, instead = "solver='lbfgs'", "another solver, "
        else:
            continue
        raise ValueError(
            f"racing=True with fewer than {FOLDS} folds compares candidates epoch by epoch, which "
            f"{what} does not have. Use more folds, {instead}or racing=False."
        )


def _value(score: Any, metric: str | None) -> float:
    """The score that counts; NaN of a failure."""
    chosen = score[metric] if isinstance(score, dict) and metric is not None else score
    return np.nan if chosen is None else float(chosen)


def _ranked(values: dict[int, list[float]]) -> list[int]:
    """Candidates from the best mean to the worst; failures come last."""
    means = {c: np.mean(v) if np.all(np.isfinite(v)) else -np.inf for c, v in values.items()}
    return sorted(means, key=lambda number: -means[number])
