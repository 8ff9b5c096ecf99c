"""Operations as records of machine code and arguments, for all members of a stack."""

import inspect
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np

from sknorm.backends.program import Operation
from sknorm.kernels.cpu import blas
from sknorm.kernels.cpu.machine_code import LAYOUT, adapter, address
from sknorm.kernels.cpu.products import matmul

_NUMBER, _OF_MEMBERS, _SHARED, _FLAT, _SEGMENTS = range(5)  # what an argument is


class Record(NamedTuple):
    """A call of machine code.

    Attributes
    ----------
    adapter : int
        Address of what reads the words and makes the call.
    words : list of int
        Address of the code and its arguments, for the first member.
    strides : list of int
        What each word of the next member has more.
    arrays : list of (int, array)
        Places of the words that are addresses, and what stands there, which must be kept.
    """

    adapter: int
    words: list[int]
    strides: list[int]
    arrays: list[tuple[int, np.ndarray]]

    def places(self, start: int) -> list[tuple[int, np.ndarray]]:
        """The arrays, where the record begins at word ``start``."""
        return [(start + place, array) for place, array in self.arrays]

    def add(self, array: np.ndarray, place: int, stride: int, shape: tuple, apart: tuple) -> None:
        """The words of an array: its place, its shape and, unless in C order, its strides."""
        self.arrays.append((len(self.words), array))
        self.words.append(place)
        self.words.extend(shape)
        self.words.extend(apart)
        self.strides.append(stride)
        self.strides.extend([0] * (len(shape) + len(apart)))


class Recorder:
    """Writes the records of a stack, and remembers what it has seen of arrays.

    Parameters
    ----------
    members : int
        Networks of the stack. Arrays have one part of each along their first axis, or one for all
        of them there, but for those of which the kernel notes that it is otherwise
        (:func:`sknorm.kernels.cpu.compiler.shares`).
    """

    def __init__(self, members: int) -> None:
        self.members = members
        self._seen: dict[int, tuple] = {}
        self._alive: list[np.ndarray] = []  # so that no other array takes the place of one

    def record(self, operation: Operation) -> Record:
        """The record of an operation."""
        call: Any = operation.call  # compiled, what compiles it for an activation, or a product
        if call is matmul:
            a, b, out = operation.arguments
            if a.shape[2] > 1:
                return self._product(a, b, out)
            return self._kernel(Operation(blas.outer, (a, b, out)))
        return self._kernel(operation)

    def _kernel(self, operation: Operation) -> Record:
        call: Any = operation.call
        values = operation.arguments
        chosen = values[call.selector] if hasattr(call, "build") else None
        kinds = [self._facts(v)[0] if type(v) is np.ndarray else type(v) for v in values]
        known = _known(call, chosen, operation.step, tuple(kinds), values)
        made = Record(known.adapter, [known.address], [0], [])
        for place, role in known.arguments:
            value = values[place]
            if role == _NUMBER:
                made.words.append(_word(value))
                made.strides.append(0)
            elif role == _SEGMENTS:
                table = _segments_of_members(value, self.members)
                made.add(table, address_of(table), table.strides[0], value.shape, ())
            else:
                made.add(value, *self._argument(value, role))
        return made

    def _argument(self, array: np.ndarray, role: int) -> tuple[int, int, tuple, tuple]:
        """Place, stride from member to member, shape and strides of one member's part."""
        _, place, shape, apart = self._facts(array)
        if role == _SHARED:
            return place, 0, shape, apart
        if role == _FLAT:
            return place, 0, (shape[0] // self.members,), apart
        return place, self._stride(array), (1, *shape[1:]), apart

    def _product(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Record:
        call = _known_product(out.dtype, *((x.shape[1:], x.strides[1:]) for x in (a, b, out)))
        made = Record(call.adapter, [call.address], [0], [])
        matrices = {"a": a, "b": b, "out": out}
        for each in call.arguments:
            if isinstance(each, str):
                matrix = matrices[each]
                made.add(matrix, self._facts(matrix)[1], self._stride(matrix), (), ())
            else:
                made.add(each, self._facts(each)[1], 0, (), ())
        return made

    def _stride(self, array: np.ndarray) -> int:
        """How far the part of the next member is from that of one."""
        count = array.shape[0]
        if count == 1:
            return 0
        assert count == self.members, (array.shape, self.members)
        return array.strides[0]

    def _facts(self, array: np.ndarray) -> tuple:
        """What the type for Numba follows from; place, shape, and strides unless in C order."""
        found = self._seen.get(id(array))
        if found is None:
            flags = array.flags
            kind = array.dtype, array.ndim, flags.num & LAYOUT
            found = (
                kind,
                address_of(array),
                array.shape,
                () if flags.c_contiguous else array.strides,
            )
            self._seen[id(array)] = found
            self._alive.append(array)
        return found


class _Known(NamedTuple):
    """What is known of a kernel whose arguments have some kinds.

    Attributes
    ----------
    adapter, address : int
    arguments : list of (int, int)
        Places and roles of the arguments that stand in the record.
    """

    adapter: int
    address: int
    arguments: list[tuple[int, int]]


_kernels: dict[tuple, _Known] = {}


def _known(call: Any, chosen: Any, step: int | None, kinds: tuple, values: tuple) -> _Known:
    """What is known of a kernel, which is compiled now if it must be."""
    key = call, chosen, step, kinds
    if (found := _kernels.get(key)) is not None:
        return found
    dispatcher = call if chosen is None else call.build(chosen)
    names = _names(call)
    places = [names.index(name) for name in _names(dispatcher)]
    signature = tuple(numba.typeof(values[place]) for place in places)
    free = None if step is None else places.index(step)
    arguments = [(place, _role(call, names[place], values[place])) for place in places]
    arguments = [each for each in arguments if each[0] != step]
    found = _Known(adapter(signature, free), address(dispatcher, signature), arguments)
    _kernels[key] = found
    return found


def _role(call: Any, name: str, value: Any) -> int:
    if not isinstance(value, np.ndarray):
        return _NUMBER
    if name == "segments":
        return _SEGMENTS
    if name in getattr(call, "flat", ()):
        return _FLAT
    return _SHARED if name in getattr(call, "shared", ()) else _OF_MEMBERS


@lru_cache(maxsize=1024)
def _known_product(dtype: np.dtype, *matrices: tuple[tuple, tuple]) -> blas.Call:
    """The call of BLAS for matrices of these shapes and strides."""
    empty = np.empty(0, dtype)
    views = [np.lib.stride_tricks.as_strided(empty, *each) for each in matrices]
    if (call := blas.product(*views)) is None:
        raise NotImplementedError(f"products of matrices of these shapes and strides: {matrices}")
    return call


def _segments_of_members(segments: np.ndarray, members: int) -> np.ndarray:
    """Segments of each member, (K, S, 3), in a buffer where they lie side by side."""
    table = segments[None].repeat(members, axis=0)
    table[:, :, 0] += np.arange(members)[:, None] * segments[:, 1]
    return table


def address_of(array: np.ndarray) -> int:
    """Where an array begins, found sooner than by its ``ctypes``."""
    return array.__array_interface__["data"][0]


def _word(value: Any) -> int:
    """A number as it stands in a record."""
    if isinstance(value, float | np.floating):
        return int(np.float64(value).view(np.int64))
    return int(value)


@cache
def _names(kernel: Any) -> list[str]:
    """Names of a kernel's arguments."""
    return list(inspect.signature(getattr(kernel, "py_func", kernel)).parameters)
