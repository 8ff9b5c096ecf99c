"""Running the units of a search: on threads of this process, or where joblib's backend says."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from sknorm.model_selection.evaluation import Candidate, Context, Results, Table
from sknorm.model_selection.planning import units
from sknorm.model_selection.progress import Progress
from sknorm.model_selection.racing import FOLDS, race_by_epochs, race_by_folds
from sknorm.model_selection.work import evaluate


@dataclass
class Execution:
    """What is needed to train and score candidates in folds.

    Attributes
    ----------
    X, y : table and targets
    context : Context
    candidates : list of Candidate
    n_jobs : int or None
    pre_dispatch : int or str
        As joblib takes it.
    progress : Progress
    """

    X: Any
    y: Any
    context: Context
    candidates: list[Candidate]
    n_jobs: int | None
    pre_dispatch: int | str
    progress: Progress

    def __post_init__(self) -> None:
        self.table = Table(self.X)

    @property
    def folds(self) -> int:
        return len(self.context.splits)

    def search(self) -> Iterator[Results]:
        """Results of all candidates in all folds, as they come."""
        yield from self._run(self.candidates, range(self.folds))

    def race(self, metric: str | None) -> Iterator[Results]:
        """Results of the jobs that are done in a race; see :mod:`racing`."""
        if self.folds >= FOLDS:
            yield from race_by_folds(self.candidates, self.folds, self._run, metric)
            return
        workers = effective_n_jobs(self.n_jobs)
        planned = units(self.context, self.candidates, range(self.folds), self.X, workers)
        context = replace(self.context, threads=min(workers, len(planned)), alive=len(planned))
        yield from race_by_epochs(
            self.X, self.y, context, planned, self.progress, metric, self.n_jobs
        )

    def _run(self, candidates: Sequence[Candidate], splits: Sequence[int]) -> Iterator[Results]:
        workers = effective_n_jobs(self.n_jobs)
        planned = units(self.context, candidates, splits, self.X, workers)
        threads = min(workers, len(planned))
        context = replace(self.context, threads=threads, alive=threads)
        backend, _ = get_active_backend(prefer="threads")
        streams = getattr(backend, "supports_return_generator", False)
        parallel = Parallel(
            n_jobs=self.n_jobs,
            pre_dispatch=self.pre_dispatch,
            prefer="threads",
            return_as="generator_unordered" if streams else "list",
        )
        # What gives its results all at once would lose all of them where one job ends the search.
        size = len(planned) if streams else threads
        with nullcontext() if streams else parallel:
            for start in range(0, len(planned), size):
                yield from parallel(
                    delayed(evaluate)(self.X, self.y, self.table, context, unit, self.progress)
                    for unit in planned[start : start + size]
                )
