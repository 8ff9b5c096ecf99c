"""Thread limits are always given back, and a region runs each of its tasks once."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from queue import Queue
from typing import Any

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 (its BLAS is limited too)
from threadpoolctl import ThreadpoolController, threadpool_limits

from sknorm import MLPClassifier
from sknorm.backends import resolve
from sknorm.backends.threads import Limits, Pool


def blas_threads() -> list[int]:
    controllers = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library.num_threads for library in controllers]


def in_a_thread(function: Callable[[], Any]) -> Any:
    """Result of a call in a thread of its own."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def in_session() -> tuple[list[int], int, list[int]]:
    """BLAS threads inside a session, the threads it may use, and BLAS threads after it."""
    limits = Limits()
    with limits.session():
        inside = blas_threads(), limits.threads
    return *inside, blas_threads()


@pytest.mark.parametrize("threads", [1, 2])
def test_session_takes_blas_threads_and_gives_them_back(threads: int) -> None:
    with threadpool_limits(threads, user_api="blas"):
        inside, allowed, after = in_session()
    assert set(inside) == {1}
    assert allowed == min(threads, os.cpu_count() or 1)
    assert set(after) == {threads}


def test_session_in_a_thread_takes_effect_after_one_in_the_main_thread() -> None:
    in_session()
    before = blas_threads()
    inside, _, after = in_a_thread(in_session)
    assert set(inside) == {1}
    assert after == before


def test_session_may_end_in_another_thread_than_it_began() -> None:
    """Of two sessions that overlap, the one that ends last restores the limits."""
    limits, before = Limits(), blas_threads()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with limits.session():
            entered.set()
            leave.wait()

    with limits.session():
        thread = threading.Thread(target=hold)
        thread.start()
        entered.wait()
    assert set(blas_threads()) == {1}
    leave.set()
    thread.join()
    assert blas_threads() == before


def test_limits_are_restored_after_an_exception() -> None:
    limits, before = Limits(), blas_threads()
    with pytest.raises(ZeroDivisionError), limits.session():
        raise ZeroDivisionError
    assert blas_threads() == before


def test_limits_are_restored_after_a_failing_fit(binary: tuple) -> None:
    before = blas_threads()

    def fail(*_: object) -> float:
        assert set(blas_threads()) == {1}
        raise LookupError

    with pytest.raises(LookupError):
        MLPClassifier((4,), early_stopping=True, scoring=fail, preset="sklearn").fit(*binary)
    assert blas_threads() == before


def test_nested_sessions_restore_once() -> None:
    limits, before = Limits(), blas_threads()
    with limits.session():
        with limits.session():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 64])
def test_region_runs_every_task_once(threads: int, count: int) -> None:
    pool, ran, lock = Pool(), Counter(), threading.Lock()

    def task(index: int, name: str) -> None:
        with lock:
            ran[index, name] += 1

    pool.run(task, [(i, str(i)) for i in range(count)], threads)
    assert ran == Counter({(i, str(i)): 1 for i in range(count)})


@pytest.mark.parametrize("threads", [1, 2])
def test_region_raises_a_tasks_exception_and_works_on(threads: int) -> None:
    pool, ran = Pool(), []

    def task(index: int) -> None:
        if index == 3:
            raise KeyError(index)
        ran.append(index)

    for _ in range(3):
        with pytest.raises(KeyError, match="3"):
            pool.run(task, [(i,) for i in range(8)], threads)
    ran.clear()
    pool.run(task, [(i,) for i in range(3)], threads)
    assert sorted(ran) == [0, 1, 2]


def test_regions_inside_regions_finish() -> None:
    pool, ran = Pool(), []

    def outer(index: int) -> None:
        pool.run(lambda inner: ran.append((index, inner)), [(0,), (1,), (2,)], 2)

    pool.run(outer, [(0,), (1,), (2,)], 2)
    assert sorted(ran) == [(i, j) for i in range(3) for j in range(3)]


def test_tasks_of_several_threads_do_not_mix() -> None:
    pool, sums = Pool(), {}

    def work(name: int) -> None:
        values: list[int] = []
        for _ in range(50):
            pool.run(values.append, [(name,)] * 4, 2)
        sums[name] = values

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == {name: [name] * 200 for name in range(4)}


def test_tasks_of_a_region_may_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, ran = Pool(), []

    class Slow(Queue):
        def put(self, *args: Any) -> None:  # so that others have time to come in between
            super().put(*args)
            time.sleep(0.002)

    monkeypatch.setattr(pool, "_queue", Slow())
    pool.run(lambda: None, [()] * 3, 3)  # so that there are as many as one region needs

    def work() -> None:
        for _ in range(5):
            meeting = threading.Barrier(3)
            pool.run(lambda meeting: ran.append(meeting.wait(20.0)), [(meeting,)] * 3, 3)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(ran) == {0: 10, 1: 10, 2: 10}


def test_nothing_goes_on_after_an_interrupt() -> None:
    pool, meeting, halted, ended = Pool(), threading.Barrier(2), threading.Event(), []

    def task() -> None:
        meeting.wait(20.0)
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.1)  # until the caller has nothing left to do but wait
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            ended.append(halted.wait(20.0))

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            pool.run(task, [()] * 2, 2, halted.set)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [True]
    ran: list[int] = []
    pool.run(ran.append, [(1,), (2,)], 2)
    assert sorted(ran) == [1, 2]


def test_backend_runs_tasks_under_its_session() -> None:
    backend, out = resolve(np.zeros(1)), np.zeros(5)

    def task(index: int) -> None:
        out[index] = index

    with backend.session():
        backend.run(task, [(i,) for i in range(5)])
    np.testing.assert_array_equal(out, np.arange(5.0))
