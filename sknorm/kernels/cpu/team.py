"""Steps that several threads take together, each with its share of the large layers.

Threads meet before a layer that they share and after it. One that waits asks for the other's news
in a loop, which costs two microseconds; waking a thread that sleeps would cost what it saves.
"""

import ctypes
import os
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sknorm.kernels.cpu.compiler import kernel, scalar
from sknorm.kernels.cpu.machine_code import WORD, begin_step, call_adapter

_PATIENCE = 2000  # times that a thread asks before it lets others have its core


@cache
def rest_address() -> int:
    """Address of a C function that lets other threads have the core."""
    if os.name == "nt":
        function = ctypes.windll.kernel32.SwitchToThread  # type: ignore[attr-defined]
    else:
        function = ctypes.CDLL(None).sched_yield
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)


def _arrive_at(typing: Any, place: Any) -> Any:
    """Count one more at an address."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        counter = builder.inttoptr(given[0], WORD.as_pointer())
        builder.atomic_rmw("add", counter, ir.Constant(WORD, 1), "seq_cst")
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _news_at(typing: Any, place: Any) -> Any:
    """What stands at an address by now, after what others wrote before it."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(given[0], WORD.as_pointer()), "acquire", 8)

    return types.int64(types.int64), generate


def _call_nothing(typing: Any, function: Any) -> Any:
    """Call a C function without arguments."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(builder.inttoptr(given[0], kind.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), generate


_arrive: Any = intrinsic(_arrive_at)
_news: Any = intrinsic(_news_at)
_rest: Any = intrinsic(_call_nothing)


@scalar
def _meet(meeting, arrivals, rest):
    """Wait for so many arrivals in all; False if somebody called it off."""
    _arrive(meeting)
    asked = 0
    while _news(meeting) < arrivals:
        asked += 1
        if asked % _PATIENCE == 0:
            _rest(rest)
        if _news(meeting + 8) != 0:
            return False
    return True


@kernel
def take_steps_together(
    thread, threads, meeting, rest, first, stop, number, starts, sizes, order, table, words,
    calls, shares, bounds, rows, numbers,
):  # fmt: skip
    """What one thread does of the steps ``first`` to ``stop`` of a network.

    Parameters
    ----------
    thread, threads : int
        Number of the thread, and how many there are; all are to be called at the same time.
    meeting : int64 array of shape (2,)
        Counts arrivals, from 0; what is not 0 in the second place calls the meeting off.
    rest : int
        :func:`rest_address`.
    shares : int64 array of shape (C, 2)
        Of each call, whose share it is, modulo the number of threads, and whether all meet before.
    first, stop, number, starts, sizes, order, table, words, calls, bounds, rows, numbers
        See :func:`sknorm.kernels.cpu.machine_code.take_steps`; ``words`` are called as they are.
    """
    place, counter, arrivals = words.ctypes.data, meeting.ctypes.data, 0
    for step in range(first, stop):
        size = sizes[step]
        if thread == 0:
            batch = rows[size]
            begin_step(batch[0], batch[1], order[0], starts[step], table, step, numbers, 0)
        for i in range(bounds[size], bounds[size + 1]):
            if shares[i, 1] != 0:
                arrivals += threads
                if not _meet(counter, arrivals, rest):
                    return
            if shares[i, 0] % threads == thread:
                call_adapter(calls[i, 0], place + 8 * calls[i, 1], number + step)
