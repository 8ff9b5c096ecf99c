"""What all jobs of a search have in common: its data, its settings, and how far it has come."""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import parent_process
from typing import Any

import numpy as np

from sknorm._sklearn import (
    _BaseScorer,
    _make_indexable,
    _num_samples,
    _PassthroughScorer,
    _safe_indexing,
    has_callbacks,
    scorers_by_name,
)
from sknorm._typing import Integer
from sknorm.backends import is_on_host, take_rows
from sknorm.data.table import View
from sknorm.estimators.preparing import view_table
from sknorm.model_selection.once import Once
from sknorm.model_selection.time_shares import SharedTime, work_of
from sknorm.training.budget import Budget
from sknorm.training.fingerprints import digest

_SECONDS = 1.0
SETTINGS = ("return_train_score", "error_score", "max_stack_bytes", "n_jobs", "pre_dispatch")


class Progress:
    """Counts the epochs of all members, for callbacks; safe to be used from several threads.

    In another process it counts nothing, and lets a process that the search started end with it.

    Attributes
    ----------
    stopped : bool
        Whether the search is to stop.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._lock = threading.Lock()
        self._done = self._told = 0
        self._total = 0
        self._task: Any = None
        self._fits: Any = None
        self._owner: Any = None

    def begin(self, owner: Any, context: Any, total: int) -> None:
        """A search over ``total`` epochs of members starts."""
        self._owner, self._total = owner, total
        if has_callbacks(owner):
            steps = min(total, 1000)
            self._task = context.subcontext(task_name="search", max_subtasks=steps)
            self._task.call_on_fit_task_begin(estimator=owner)
        else:
            self._fits = context.subcontext(task_name="search", max_subtasks=None)

    def advanced(self, epochs: int) -> None:
        """Members have been trained for so many epochs, all in all."""
        with self._lock:
            self._done += epochs
            if self._task is not None:
                self._tell(self._done)

    def end(self) -> None:
        """The search is over, whatever was left out."""
        if self._task is not None:
            self._tell(self._total)
            self._task.call_on_fit_task_end(estimator=self._owner)

    def fitting(self, model: Any) -> AbstractContextManager[None]:
        """Tell callbacks of a model that the fit in the block is a part of the search."""
        if self._fits is None:
            return nullcontext()
        with self._lock:
            fit = self._fits.subcontext(task_name="candidate-split-evaluation")
        return fit.propagate_callback_context(model)

    def _tell(self, done: int) -> None:
        """End one more subtask for each share of the total that is done."""
        steps = self._task.max_subtasks
        while self._told < min(steps, done * steps // max(1, self._total)):
            self._told += 1
            leaf = self._task.subcontext(task_name="member-epochs")
            leaf.call_on_fit_task_begin(estimator=self._owner)
            leaf.call_on_fit_task_end(estimator=self._owner)

    def __getstate__(self) -> dict[str, Any]:
        return {"process": os.getpid()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        _end_with(state["process"])


@dataclass(frozen=True)
class Context:
    """What all jobs of a search have in common."""

    X: Any  # of all rows, as y and the parameters
    y: Any
    splits: list[tuple[np.ndarray, np.ndarray]]  # training and test rows of each fold
    fit_params: dict[str, Any]
    score_params: dict[str, Any]
    scorer: Any
    return_train_score: bool = False
    error_score: Any = np.nan
    keeps_predictions: bool = False  # whether results hold those of the test rows
    max_stack_bytes: Integer | None = None  # None is a share of the memory that is free
    n_jobs: int | None = None
    pre_dispatch: int | str = "2*n_jobs"
    progress: Progress = field(default_factory=Progress)
    time: SharedTime | None = None  # that all fits may take together
    parts: Any = None  # PartFiles, where checkpoints of what is in training are kept
    known: dict[Any, dict] = field(default_factory=dict, repr=False)  # results, by key
    threads: int = 1  # units that are trained side by side
    alive: int = 1  # stacks that are in memory at once
    _tables: Once = field(default_factory=Once, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "known": {}}

    def __sizeof__(self) -> int:
        """With the rows of the folds: by this dask knows that it is to be sent once."""
        rows = sum(train.nbytes + test.nbytes for train, test in self.splits)
        return super().__sizeof__() + rows + int(getattr(self.X, "nbytes", 0))

    @property
    def count(self) -> int:
        """How many rows there are."""
        return _num_samples(self.X)

    def refitting(self, candidates: Sequence[Any]) -> "Context":
        """The same of the fits to all rows, with which a search ends, in what time is left."""
        rows = np.arange(self.count)
        left = None if self.time is None else SharedTime(self.time.left, work_of(candidates))
        new = replace(self, splits=[(rows, rows)], error_score="raise", time=left)
        parts = None if self.parts is None else replace(self.parts, stem=f"{self.parts.stem}.all")
        return replace(new, progress=Progress(), parts=parts, known={}, _tables=Once())

    def granted(self, candidates: Sequence[Any]) -> Budget | None:
        """The share of a fit of each of these candidates of the time, if it is limited."""
        return None if self.time is None else self.time.grant(work_of(candidates), self.threads)

    def view(self, network: Any) -> View:
        """The table as a network takes it; rows that no fold trains on may be any.

        Raises
        ------
        ValueError
            If a row that a fold trains on is malformed.
        """
        made = self._tables.get(table_key(network), lambda: self._checked(network))
        if isinstance(made, ValueError):
            raise made.with_traceback(None)
        return made

    def _checked(self, network: Any) -> View | ValueError:
        """The table, or why it is refused."""
        try:
            return view_table(network, self.X)
        except ValueError:
            pass
        try:
            return view_table(network, taken(self.X, self._usable()))
        except ValueError as error:
            return error

    def _usable(self) -> np.ndarray:
        """All rows, with one that is trained on in the places of those that are not."""
        trained = np.unique(np.concatenate([train for train, _ in self.splits]))
        order = np.full(self.count, trained[0] if len(trained) else 0)
        order[trained] = trained
        return order

    @property
    def scores_networks(self) -> bool:
        """Whether scorers only ask for predictions, so that a Pipeline's network will do."""
        several = scorers_by_name(self.scorer) or {"score": self.scorer}
        return all(isinstance(one, _BaseScorer | _PassthroughScorer) for one in several.values())


def table_key(network: Any) -> tuple[str, str]:
    """What the table that a network takes depends on, beside the rows."""
    return network.backend, digest(network.categorical_features)


def splits_of(cv: Any, X: Any, y: Any, params: dict[str, Any]) -> list[tuple]:
    """Training and test rows of each fold."""
    order = np.arange(_num_samples(X))  # makes row numbers of masks and of negative ones
    count, splits = cv.get_n_splits(X, y, **params), list(cv.split(X, y, **params))
    if len(splits) != count:
        raise ValueError(
            f"cv.split gives {len(splits)} splits, but cv.get_n_splits {count}; they must agree."
        )
    return [(order[np.asarray(train)], order[np.asarray(test)]) for train, test in splits]


def taken(values: Any, rows: np.ndarray) -> Any:
    """Rows of a table, of targets or of anything else that has one entry a row."""
    if values is None:
        return None
    return _safe_indexing(values, rows) if is_on_host(values) else take_rows(values, rows)


def rows_of(params: dict[str, Any], rows: np.ndarray, count: int) -> dict[str, Any]:
    """Those of ``params`` that have one entry for each of ``count`` rows, at some rows."""

    def of(value: Any) -> Any:
        each = hasattr(value, "__len__") or hasattr(value, "shape")
        if not each or isinstance(value, str | dict) or _num_samples(value) != count:
            return value
        return taken(_make_indexable(value), rows)

    return {name: of(value) for name, value in params.items()}


def _end_with(starter: int) -> None:
    """End this process when the one that started it has ended, if that is process ``starter``.

    joblib's workers look for their parent between two tasks only; a stack in training may take
    hours. There is nobody left then to whom an exception could go.
    """
    parent = parent_process()
    if parent is not None and parent.pid == starter:
        _watch(os.getpid())  # not again in the same process; a forked one has no such thread


@cache
def _watch(process: int) -> None:
    threading.Thread(target=_wait_and_exit, args=(parent_process(),), daemon=True).start()


def _wait_and_exit(parent: Any) -> None:
    try:
        parent.join()
    except ValueError:  # loky's workers have nothing to wait for but another parent
        while os.getppid() == parent.pid:
            time.sleep(_SECONDS)
    os._exit(1)
