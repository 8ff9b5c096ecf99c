"""Calls of compiled kernels whose arguments stay the same from step to step.

Numba looks at the types of all arguments in each call, to find the code that is compiled for them:
on small networks that takes as long as the arithmetic.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np


class _Entry(NamedTuple):
    """Machine code, and which of a kernel's arguments it takes before and after the free one."""

    call: Callable[..., None]
    before: tuple[int, ...]
    after: tuple[int, ...]


_entries: dict[tuple, _Entry] = {}


def compiled_by(build: Callable[[int], Callable]) -> Callable[[Callable], Callable]:
    """Note of a kernel that ``build`` compiles it for an activation.

    What it compiles has the kernel's arguments, by name, or some of them.
    """

    def noted(function: Any) -> Callable:
        function.build, function.selector = build, _names(function).index("activation")
        return function

    return noted


def bound(kernel: Any, before: tuple, after: tuple) -> Callable[[int], None]:
    """A kernel with all of its arguments but one, an int, which comes between those given.

    Parameters
    ----------
    kernel : callable
        Compiled, or one that :func:`compiled_by` knows.
    before, after : tuples
        Arguments, of which arrays may change their contents.
    """
    values = (*before, 0, *after)
    chosen = values[kernel.selector] if hasattr(kernel, "build") else None
    key = (kernel, chosen, len(before), *map(_kind, values))
    entry = _entries.get(key)
    if entry is None:
        entry = _entries[key] = _entry(kernel, chosen, values, len(before))
    code = entry.call
    first, last = (tuple(values[i] for i in places) for places in entry[1:])

    def call(number: int) -> None:
        code(*first, number, *last)

    return call


def _entry(kernel: Any, chosen: int | None, values: tuple, free: int) -> _Entry:
    """The code that is compiled for values of these types, compiled now if it must be."""
    dispatcher = kernel if chosen is None else kernel.build(chosen)
    names = _names(kernel)
    order = [names.index(name) for name in _names(dispatcher)]
    types = tuple(numba.typeof(values[i]) for i in order)
    dispatcher.compile(types)
    place = order.index(free)
    code = dispatcher.overloads[types].entry_point
    return _Entry(code, tuple(order[:place]), tuple(order[place + 1 :]))


def _kind(value: Any) -> Any:
    """What an argument's type for Numba follows from, found sooner than the type."""
    if not isinstance(value, np.ndarray):
        return type(value)
    flags = value.flags
    return (
        value.dtype, value.ndim, flags.c_contiguous, flags.f_contiguous, flags.writeable,
        flags.aligned,
    )  # fmt: skip


def _names(kernel: Any) -> list[str]:
    """Names of a kernel's arguments."""
    return list(inspect.signature(getattr(kernel, "py_func", kernel)).parameters)
