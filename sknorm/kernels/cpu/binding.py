"""Calls of compiled kernels whose arguments stay the same from step to step.

Numba looks at the types of all arguments in each call, to find the code that is compiled for them:
on small networks that takes as long as the arithmetic.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np


class _Entry(NamedTuple):
    """Machine code, and which of a kernel's arguments it takes, in its order."""

    call: Callable[..., None]
    places: tuple[int, ...]


# Contiguous in C or Fortran order, aligned, writable: not who owns the memory.
_LAYOUT = 0x1 | 0x2 | 0x100 | 0x400
_entries: dict[tuple, _Entry] = {}


def compiled_by(build: Callable[[int], Callable]) -> Callable[[Callable], Callable]:
    """Note of a kernel that ``build`` compiles it for an activation.

    What it compiles has the kernel's arguments, by name, or some of them.
    """

    def noted(function: Any) -> Callable:
        function.build, function.selector = build, _names(function).index("activation")
        return function

    return noted


def bound(kernel: Any, values: tuple, free: int | None) -> Callable[..., None]:
    """A kernel with all of its arguments, but for the one at ``free``, if any: an int.

    Parameters
    ----------
    kernel : callable
        Compiled, or one that :func:`compiled_by` knows; others are called as they are.
    values : tuple
        Arguments, of which arrays may change their contents. At ``free`` stands any int.
    free : int or None
    """
    if free is None and not hasattr(kernel, "overloads"):
        return partial(kernel, *values)
    chosen = values[kernel.selector] if hasattr(kernel, "build") else None
    key = (kernel, chosen, *map(_kind, values))
    entry = _entries.get(key)
    if entry is None:
        entry = _entries[key] = _entry(kernel, chosen, values)
    code, taken = entry.call, [values[i] for i in entry.places]
    if free is None:
        return partial(code, *taken)
    place = entry.places.index(free)
    first, last = tuple(taken[:place]), tuple(taken[place + 1 :])

    def call(number: int) -> None:
        code(*first, number, *last)

    return call


def _entry(kernel: Any, chosen: int | None, values: tuple) -> _Entry:
    """The code that is compiled for values of these types, compiled now if it must be."""
    dispatcher = kernel if chosen is None else kernel.build(chosen)
    names = _names(kernel)
    order = [names.index(name) for name in _names(dispatcher)]
    types = tuple(numba.typeof(values[i]) for i in order)
    dispatcher.compile(types)
    return _Entry(dispatcher.overloads[types].entry_point, tuple(order))


def _kind(value: Any) -> Any:
    """What an argument's type for Numba follows from, found sooner than the type."""
    if not isinstance(value, np.ndarray):
        return type(value)
    return value.dtype, value.ndim, value.flags.num & _LAYOUT


def _names(kernel: Any) -> list[str]:
    """Names of a kernel's arguments."""
    return list(inspect.signature(getattr(kernel, "py_func", kernel)).parameters)
