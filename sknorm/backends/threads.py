"""Threads of the NumPy backend: BLAS kept to one thread, whole layers shared out instead.

OpenBLAS sums in another order when it splits a product over threads, so its results depend
on their number. Here the network cuts its own work at fixed columns, each piece runs on one
BLAS thread, and who runs it does not matter.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from sknorm.backends.program import Halt

_PATIENCE = 5.0  # seconds that an interrupted caller waits for what has begun
_CORES = os.cpu_count() or 1  # to ask for them takes a tenth of a prediction for one row


class Limits:
    """Keeps BLAS at one thread while any thread of the process is in a session.

    OpenBLAS and MKL have one limit for the process: the first session lowers it, the last one
    restores it. Where BLAS runs on OpenMP, each thread has its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._libraries: list[_Library] | None = None
        self._original: list[int] = []
        self._threads = 1
        self._own = threading.local()

    @property
    def threads(self) -> int:
        """Threads that a region of the calling thread may use."""
        threads = self._threads
        if not self._open:
            threads = _free([each.get() or 1 for each in self._found()])
        return max(1, threads // getattr(self._own, "neighbours", 1))

    @contextmanager
    def side_by_side(self, count: int) -> Iterator[None]:
        """Let the calling thread use only its share, as one of ``count`` that train at once."""
        before = getattr(self._own, "neighbours", 1)
        self._own.neighbours = max(1, count)
        try:
            yield
        finally:
            self._own.neighbours = before

    def session(self) -> "_Session":
        return _Session(self)

    def limit_this_thread(self) -> None:
        """Lower the limits that belong to the calling thread, for good."""
        for library in self._found():
            if library.is_per_thread:
                library.set(1)

    def enter(self) -> list[int]:
        """Begin a session; returns the limits of before, for :meth:`leave`."""
        with self._lock:
            libraries = self._found()
            own = [library.get() or 1 for library in libraries]
            if self._open == 0:
                self._original = own
                self._threads = _free(own)
            self._open += 1
            for library, mine in zip(libraries, own, strict=True):
                if mine != 1:  # to set a limit takes longer than to look at it
                    library.set(1)
            return own

    def leave(self, own: list[int]) -> None:
        """End a session."""
        with self._lock:
            self._open -= 1
            for library, mine, original in zip(self._found(), own, self._original, strict=True):
                before = mine if library.is_per_thread else original
                if before != 1 and (library.is_per_thread or self._open == 0):
                    library.set(before)

    def _found(self) -> list["_Library"]:
        if self._libraries is None:
            found = ThreadpoolController().select(user_api="blas").lib_controllers
            self._libraries = [_Library.of(each) for each in found]
        return self._libraries


def _free(limits: list[int]) -> int:
    """Threads that a session that begins now may use, by the limits of libraries."""
    return min([_CORES, *limits])


class _Session:
    """One session as a context: entered in a third of the time that a generator takes."""

    __slots__ = ("_limits", "_own")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def __enter__(self) -> None:
        self._own = self._limits.enter()

    def __exit__(self, *error: object) -> None:
        self._limits.leave(self._own)


class _Library(NamedTuple):
    """What a library of BLAS is asked and told."""

    get: Callable[[], int | None]
    set: Callable[[int], object]
    is_per_thread: bool

    @classmethod
    def of(cls, library: Any) -> "_Library":
        """A library as threadpoolctl controls it.

        threadpoolctl lets only the thread that first set an OpenBLAS limit change it again; the
        sessions are counted across threads, so here each of them may.
        """
        setter = getattr(library, "_real_set_num_threads", library.set_num_threads)
        per_thread = getattr(library, "threading_layer", None) == "openmp"
        return cls(library.get_num_threads, setter, per_thread)


class _Region:
    """One task with its argument tuples, taken one by one by whichever thread is free."""

    def __init__(self, task: Callable[..., None], arguments: Iterable[tuple]) -> None:
        self._task = task
        self._waiting = deque(arguments)
        self._faults: list[BaseException] = []
        # Waiting blocks: a thread that polls takes the interpreter from the one it waits for.
        self._unfinished = count(len(self._waiting) - 1, -1)
        self._end = threading.Lock()
        self._end.acquire()

    def work(self) -> None:
        while True:
            try:
                arguments = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._task(*arguments)
            except BaseException as error:
                self._faults.append(error)
            if next(self._unfinished) == 0:
                self._end.release()

    def complete(self, halt: Halt) -> None:
        """Work with the others until all is done.

        Where the caller is interrupted, nothing goes on after this: ``halt`` ends what has begun.
        """
        try:
            self.work()
            with self._end:
                pass
        except BaseException:
            self._call_off()
            if halt is not None:
                halt()
            if self._end.acquire(timeout=_PATIENCE):
                self._end.release()
            raise
        for fault in self._faults:
            raise fault

    def _call_off(self) -> None:
        """Let nobody begin what is waiting."""
        with suppress(IndexError):
            while True:
                self._waiting.popleft()
                if next(self._unfinished) == 0:
                    self._end.release()


class Pool:
    """Daemon threads that help the calling thread with its regions."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Region] = SimpleQueue()
        self._workers = 0
        self._lock = threading.Lock()

    def run(
        self,
        task: Callable[..., None],
        arguments: list[tuple],
        threads: int,
        halt: Halt = None,
    ) -> None:
        helpers = min(threads, len(arguments)) - 1
        if helpers < 1:
            for each in arguments:
                task(*each)
            return
        region = _Region(task, arguments)
        with self._lock:  # helpers of one region stand side by side, or two could lack some each
            while self._workers < helpers:
                threading.Thread(target=self._serve, daemon=True, name="sknorm").start()
                self._workers += 1
            for _ in range(helpers):
                self._queue.put(region)
        region.complete(halt)

    def _serve(self) -> None:
        limits.limit_this_thread()
        np.seterr(over="ignore", invalid="ignore")  # as in a session of the calling thread
        while True:
            self._queue.get().work()


limits = Limits()
pool = Pool()


def side_by_side(count: int) -> AbstractContextManager[None]:
    """Let the calling thread use only its share, as one of ``count`` that train at once."""
    return limits.side_by_side(count)


def _start_anew() -> None:
    """A forked child inherits no threads and no sessions."""
    global limits, pool
    limits, pool = Limits(), Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
