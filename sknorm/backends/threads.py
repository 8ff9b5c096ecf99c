"""Threads of the NumPy backend: BLAS kept to one thread, whole layers shared out instead.

OpenBLAS sums in another order when it splits a product over threads, so its results depend
on their number. Here the network cuts its own work at fixed columns, each piece runs on one
BLAS thread, and who runs it does not matter.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from threadpoolctl import ThreadpoolController


class Limits:
    """Counts the sessions of a process: the first takes BLAS's threads, the last returns them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._controller: ThreadpoolController | None = None
        self._limiter: Any = None
        self.threads = 1

    @contextmanager
    def session(self) -> Iterator[None]:
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._open == 0:
                if self._controller is None:
                    self._controller = ThreadpoolController().select(user_api="blas")
                allowed = [library.num_threads for library in self._controller.lib_controllers]
                self.threads = min([os.cpu_count() or 1, *allowed])
                self._limiter = self._controller.limit(limits=1)
            self._open += 1

    def _leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self._limiter.restore_original_limits()
                self._limiter = None


class _Region:
    """One task with its argument tuples, taken one by one by whichever thread is free."""

    def __init__(self, task: Callable[..., None], arguments: Iterable[tuple]) -> None:
        self._task = task
        self._waiting = deque(arguments)
        self._total = len(self._waiting)
        self._finished: list[BaseException | None] = []

    def work(self) -> None:
        while True:
            try:
                arguments = self._waiting.popleft()
            except IndexError:
                return
            fault: BaseException | None = None
            try:
                self._task(*arguments)
            except BaseException as error:
                fault = error
            self._finished.append(fault)

    def wait(self) -> None:
        while len(self._finished) < self._total:
            time.sleep(0)
        for fault in self._finished:
            if fault is not None:
                raise fault


class Pool:
    """Daemon threads that help the calling thread with its regions."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Region] = SimpleQueue()
        self._workers = 0

    def run(self, task: Callable[..., None], arguments: list[tuple], threads: int) -> None:
        helpers = min(threads, len(arguments)) - 1
        if helpers < 1:
            for each in arguments:
                task(*each)
            return
        while self._workers < helpers:
            threading.Thread(target=self._serve, daemon=True, name="sknorm").start()
            self._workers += 1
        region = _Region(task, arguments)
        for _ in range(helpers):
            self._queue.put(region)
        region.work()
        region.wait()

    def _serve(self) -> None:
        while True:
            self._queue.get().work()


limits = Limits()
pool = Pool()


def _start_anew() -> None:
    """A forked child inherits no threads and no sessions."""
    global limits, pool
    limits, pool = Limits(), Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
