"""Running the units of a search: all of them, or in a race that the worst candidates leave.

Racing is successive halving (Jamieson and Talwalkar, 2016, Non-stochastic best arm identification
and hyperparameter optimization), with folds as the resource: a candidate that is trained to the
end in one fold says more of its final rank than one that is half trained in all, because what
regularizes a network acts late.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from sknorm._sklearn import scorers_by_name
from sknorm.model_selection.context import Context
from sknorm.model_selection.plan import Candidates, Job, plan
from sknorm.model_selection.results import Results
from sknorm.model_selection.time_shares import SharedTime, work_of
from sknorm.model_selection.train import Stack, begin, evaluate

FOLDS = 3  # from so many on candidates leave between folds, below between epochs
_EPOCHS = (0.2, 0.5)  # shares of the epochs after which candidates leave
_LEAST = 2
_OF_ENSEMBLE = 8  # candidates, for whose refit time is kept


def run(context: Context, candidates: Candidates, splits: Sequence[int]) -> Iterator:
    """Results of candidates in some of the folds, as they come.

    Units run on threads of this process, or where joblib's backend says.
    """
    workers = effective_n_jobs(context.n_jobs)
    planned = plan(context, candidates, splits, workers)
    if context.known:
        planned, known = _left(context, planned)
        yield known
        if not planned:
            return
    threads = min(workers, len(planned))
    context = replace(context, threads=threads, alive=threads)
    backend, _ = get_active_backend(prefer="threads")
    streams = getattr(backend, "supports_return_generator", False)
    parallel = Parallel(
        n_jobs=context.n_jobs,
        pre_dispatch=context.pre_dispatch,
        prefer="threads",
        return_as="generator_unordered" if streams else "list",
    )
    # What gives its results all at once would lose all of them where one job ends the search.
    size = len(planned) if streams else threads
    with nullcontext() if streams else parallel:
        for start in range(0, len(planned), size):
            units = planned[start : start + size]
            yield from parallel(delayed(evaluate)(context, unit) for unit in units)


def _left(context: Context, planned: Sequence[list[Job]]) -> tuple[list[list[Job]], Results]:
    """The units without the jobs whose results are known, and these."""
    known, units = context.known, []
    results = [known[job.key] for unit in planned for job in unit if job.key in known]
    for unit in planned:
        done = [job for job in unit if job.key in known]
        context.progress.advanced(sum(job.candidate.epochs for job in done))
        if len(done) < len(unit):
            units.append([job for job in unit if job.key not in known])
    return units, results


def race(context: Context, candidates: Candidates, refit: Any) -> Iterator[Results]:
    """Results of the jobs that are done in a race, as they come; of several scores ``refit`` ranks.

    Raises
    ------
    ValueError
        If it is none of them; if there are few folds, and a solver or an estimator has no epochs
        that could be compared.
    """
    if several := scorers_by_name(context.scorer):
        _check_metric(several, refit)
    by_folds = len(context.splits) >= FOLDS
    yield from (_by_folds if by_folds else _by_epochs)(context, candidates, refit)


def share_out(
    search: Any, context: Context, candidates: Candidates, final: Candidates, started: float
) -> SharedTime:
    """The time that all fits of a search may take together, the refit of ``final`` included."""
    count, folds = len(candidates), len(context.splits)
    fits = fits_of(count, folds) if search.racing else folds * count
    work = fits * _mean_work(candidates)
    if search.refit:
        trained = float(np.mean([len(train) for train, _ in context.splits]))
        several = min(count, _OF_ENSEMBLE) if search.refit == "ensemble" else 1
        work += several * _mean_work(final) * context.count / max(1.0, trained)
    return SharedTime(max(0.0, search.max_time - (time.perf_counter() - started)), work)


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


def fits_of(candidates: int, folds: int) -> int:
    """How many fits a race over folds takes."""
    return sum(staying(candidates, leg) * len(part) for leg, part in enumerate(legs(folds)))


def _mean_work(candidates: Candidates) -> float:
    """That of a candidate, of which nobody knows yet how long it stays."""
    return work_of(candidates) / len(candidates)


def _by_folds(context: Context, candidates: Candidates, metric: Any) -> Iterator[Results]:
    """Train the candidates in some folds after the others; in between the worst of them leave."""
    running = list(candidates)
    values: dict[int, list[float]] = {candidate.number: [] for candidate in candidates}
    for leg, part in enumerate(legs(len(context.splits))):
        if leg > 0:
            best = _ranked({candidate.number: values[candidate.number] for candidate in running})
            stay = set(best[: staying(len(candidates), leg)])
            running = [candidate for candidate in running if candidate.number in stay]
        for results in run(context, running, part):
            for result in results:
                values[result["key"][0]].append(_value(result["test_scores"], metric))
            yield results


def _by_epochs(context: Context, candidates: Candidates, metric: Any) -> Iterator[Results]:
    """Train all units side by side; at a fifth and at half of the epochs the worst leave.

    Results have the epochs after which the candidate ``left`` if it did.
    """
    workers = effective_n_jobs(context.n_jobs)
    planned = plan(context, candidates, range(len(context.splits)), workers)
    _check_epochs(planned)
    if context.time is not None:
        raise ValueError(
            f"max_time shares the time out among fits, but racing=True with fewer than {FOLDS} "
            "folds trains all of them side by side. Use more folds, or racing=False."
        )
    if all(job.key in context.known for unit in planned for job in unit):
        yield _left(context, planned)[1]
        return
    # A stack that has gone on past a leg could not be judged at it.
    context = replace(context, threads=min(workers, len(planned)), alive=len(planned), parts=None)
    parallel = Parallel(n_jobs=context.n_jobs, require="sharedmem")
    begun = parallel(delayed(begin)(context, unit) for unit in planned)
    lost = [result for _, failed in begun for result in failed.values()]
    stacks = [Stack(context, part) for parts, _ in begun for part in parts]
    epochs = max((each.epochs for each in stacks), default=0)
    running, left = {candidate.number for candidate in candidates}, {}
    for leg, share in enumerate(_EPOCHS, 1):
        epoch = int(epochs * share)
        if len(running) <= _LEAST or epoch == 0:
            continue
        parallel(delayed(each.advance)(epoch) for each in stacks)
        scores = [(result["key"], None) for result in lost]
        for found in parallel(delayed(each.scores)() for each in stacks):
            scores += found.items()
        values: dict[int, list[float]] = {number: [] for number in sorted(running)}
        for (number, _), score in scores:
            if number in running:
                values[number].append(_value(score, metric))
        gone = set(_ranked(values)[staying(len(candidates), leg) :])
        left.update(dict.fromkeys(gone, epoch))
        running -= gone
        for each in stacks:
            each.leave(gone)
    parallel(delayed(each.advance)() for each in stacks)
    for results in [lost, *parallel(delayed(each.results)() for each in stacks)]:
        yield [result | {"left": left.get(result["key"][0])} for result in results]


def _check_epochs(planned: Sequence[list[Job]]) -> None:
    """Refuse candidates that are not trained epoch by epoch."""
    for unit in planned:
        candidate = unit[0].candidate
        if candidate.alone:
            what, instead = f"{type(candidate.model).__name__} with {candidate.alone}", ""
        elif candidate.fault is None and candidate.network.solver == "lbfgs":
            what, instead = "solver='lbfgs'", "another solver, "
        else:
            continue
        raise ValueError(
            f"racing=True with fewer than {FOLDS} folds compares candidates epoch by epoch, which "
            f"{what} does not have. Use more folds, {instead}or racing=False."
        )


def _value(score: Any, metric: Any) -> float:
    """The score that counts; NaN of a failure."""
    if isinstance(score, dict):
        _check_metric(score, metric)
        score = score[metric]
    return np.nan if score is None else float(score)


def _check_metric(several: dict[str, Any], metric: Any) -> None:
    """Refuse to rank by what is the name of no score."""
    if metric not in several:
        raise ValueError(
            "racing=True ranks the candidates by one score: set refit to the name of it, got "
            f"refit={metric!r}."
        )


def _ranked(values: dict[int, list[float]]) -> list[int]:
    """Candidates from the best mean to the worst; failures come last."""
    means = {c: np.mean(v) if np.all(np.isfinite(v)) else -np.inf for c, v in values.items()}
    return sorted(means, key=lambda number: -means[number])
