"""Compiling and launching the CUDA kernels: the only file that knows what runs them.

A source is a file of :mod:`sources`, with the headers that it includes put in its place, so that
a cache on disk that knows the text knows all of it. Each instantiation of a template is compiled
when it is first launched. Nothing here waits for the device.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sknorm.kernels import codes

Array = Any

OPTIONS = ("-std=c++17",)
VECTOR_BYTES = 16  # of the widest access of a thread
NOWHERE = 0  # an address
_MOST_MEMBERS = 65_535  # along the axes of a grid behind the first, which are those of members
STATIC_SHARED_BYTES = 48 << 10  # more shared memory than this must be asked for
_RESERVED_SHARED_BYTES = 1 << 10  # for what kernels declare beside the dynamic memory

_SOURCES = Path(__file__).parent / "sources"
_INCLUDE = re.compile(r'^#include "(.+)"\n', re.MULTILINE)
# By dtype itself: its name takes a microsecond to make.
_C_TYPES = {
    np.dtype("float32"): "float",
    np.dtype("float64"): "double",
    np.dtype("int64"): "long long",
    np.dtype("int32"): "int",
}
# Of cuBLAS: `cudaDataType_t` and `cublasComputeType_t`, and `cublasGemmAlgo_t`. Float32 is computed
# with as it is, unless the handle's math mode allows TF32.
_CUBLAS_TYPES = {"float": (0, 68), "double": (1, 70)}
_CUBLAS_DEFAULT = -1
_FACTORS: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "float": (np.ones(1, np.float32), np.zeros(1, np.float32)),
    "double": (np.ones(1), np.zeros(1)),
}


class _Recording(threading.local):
    """What a thread's launches are recorded with, if they are."""

    def __init__(self) -> None:
        self.kept: list[Any] | None = None
        self.products: tuple[Callable[..., None], int] | None = None


class CupyRuntime:
    """What compiles and launches, by CuPy."""

    def __init__(self) -> None:
        self._granted: dict[Any, int] = {}  # shared memory that kernels were allowed
        self._recording = _Recording()

    @cached_property
    def cupy(self) -> Any:
        """The library, loaded at first use."""
        import cupy

        return cupy

    def place(self) -> tuple[int, int]:
        """The current device and stream: what is prepared for one is of no use on another."""
        cuda = self.cupy.cuda
        return cuda.runtime.getDevice(), cuda.get_current_stream().ptr

    def compile(self, code: str, expression: str) -> Any:
        """The kernel that a name expression of the code stands for."""
        module = self.cupy.RawModule(code=code, options=OPTIONS, name_expressions=(expression,))
        return module.get_function(expression)

    def launch(
        self, handle: Any, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple,
        shared_bytes: int,
    ) -> None:  # fmt: skip
        """Launch a kernel on the current stream."""
        if self._recording.kept is not None:
            self._recording.kept.append(arguments)
        if shared_bytes > max(STATIC_SHARED_BYTES, self._granted.get(handle, 0)):
            handle.max_dynamic_shared_size_bytes = self._granted[handle] = shared_bytes
        handle(grid, block, arguments, shared_mem=shared_bytes)

    def multiply(
        self, real: str, sizes: tuple[int, int, int], a: tuple, b: tuple, out: tuple, count: int
    ) -> None:  # fmt: skip
        """Products of ``count`` pairs of matrices, which are stored by columns.

        Parameters
        ----------
        real : {"float", "double"}
        sizes : tuple of int
            Rows of the first matrix, columns of the second, and what they have in common.
        a, b : tuples of int
            Whether the matrix is transposed, its address, the stride between its columns, and
            that between matrices.
        out : tuple of int
            The same of the product, which is not transposed.
        count : int
        """
        cuda, (kind, compute) = self.cupy.cuda, _CUBLAS_TYPES[real]
        one, zero = (value.ctypes.data for value in _FACTORS[real])
        products = self._recording.products
        if products is None:
            products = cuda.cublas.gemmStridedBatchedEx, cuda.Device().cublas_handle
        call, handle = products
        call(
            handle, a[0], b[0], *sizes, one, a[1], kind, *a[2:], b[1], kind,
            *b[2:], zero, out[0], kind, *out[1:], count, compute, _CUBLAS_DEFAULT,
        )  # fmt: skip

    @contextmanager
    def recording(self, call: Callable[..., None], handle: int, kept: list[Any]) -> Iterator[None]:
        """Keep what the thread's launches are given, and let another call of cuBLAS multiply.

        Parameters
        ----------
        call : callable
            ``cublasGemmStridedBatchedEx``, in the order of its arguments.
        handle : int
            Of cuBLAS.
        kept : list
            Takes the arguments of all kernels.
        """
        recording = self._recording
        recording.kept, recording.products = kept, (call, handle)
        try:
            yield
        finally:
            recording.kept = recording.products = None

    def pointer(self, array: Array) -> int:
        """Address of the first value of an array."""
        return array.data.ptr

    def shared_bytes(self) -> int:
        """Shared memory that a block of the current device may ask for."""
        return int(self.cupy.cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"])

    def zeros(self, size: int, dtype: str) -> Array:
        """At least ``size`` zeros; more, so that buffers that grow do so seldom."""
        return self.cupy.zeros(1 << max(10, (size - 1).bit_length()), dtype)

    def asarray(self, values: np.ndarray) -> Array:
        """A copy of an array of the host."""
        return self.cupy.asarray(values)


runtime: Any = CupyRuntime()
"""What compiles and launches; tests put one of the host in its place."""

_kernels: dict[tuple, Any] = {}
_shared_limits: dict[int, int] = {}


class _Buffers(threading.local):
    """What a thread's launches share; another thread's may come between two of one kernel."""

    def __init__(self) -> None:
        self.by_key: dict[tuple, Array] = {}


_buffers = _Buffers()


def launch(
    source: str,
    kernel: str,
    types: tuple[str, ...],
    grid: tuple[int, ...],
    block: tuple[int, ...],
    arguments: tuple,
    shared_bytes: int = 0,
) -> None:
    """Launch an instantiation of a kernel on the current stream, compiled at its first use.

    Parameters
    ----------
    source : str
        Name of a file of :mod:`sources`, without its suffix.
    kernel : str
        Name of a template of a kernel in it.
    types : tuple of str
        The template's arguments, as text of C++.
    grid, block : tuples of int
        Blocks of the grid and threads of a block, along up to three axes.
    arguments : tuple
        Arrays, ints (``long long`` in the kernel, or an address), floats (``double``) and NumPy's
        uint32 (``unsigned int``).
    shared_bytes : int
        Dynamic shared memory of a block.

    Raises
    ------
    ValueError
        If a stack has more members than a grid has places for.
    """
    if max(grid[1:], default=1) > _MOST_MEMBERS:
        raise ValueError(
            f"CUDA kernels take at most {_MOST_MEMBERS} networks at once, but {max(grid[1:])} were "
            "given. Train fewer of them together."
        )
    place = runtime.place()
    key = (place[0], source, kernel, types)
    handle = _kernels.get(key)
    if handle is None:
        handle = runtime.compile(code(source), f"{kernel}<{', '.join(types)}>")
        _kernels[key] = handle
    runtime.launch(handle, grid, block, arguments, shared_bytes)


@cache
def code(source: str) -> str:
    """The text of a source with its headers, complete in itself."""
    seen = {"codes.cuh"}

    def insert(match: re.Match) -> str:
        name = match[1]
        if name in seen:
            return ""
        seen.add(name)
        return _INCLUDE.sub(insert, (_SOURCES / name).read_text())

    return _codes() + _INCLUDE.sub(insert, (_SOURCES / f"{source}.cu").read_text())


def _codes() -> str:
    """The numbers of :mod:`sknorm.kernels.codes` in C++."""
    lines = [
        f"constexpr {'int' if isinstance(value, int) else 'double'} {name} = {value!r};"
        for name, value in vars(codes).items()
        if name.isupper() and isinstance(value, int | float)
    ]
    return "\n".join(["namespace codes {", *lines, "}  // namespace codes", ""])


def c_type(array: Array) -> str:
    """The C++ type of an array's values.

    Raises
    ------
    TypeError
        If no kernel takes such values.
    """
    found = _C_TYPES.get(array.dtype)
    if found is None:
        raise TypeError(f"CUDA kernels take no arrays of {array.dtype}.")
    return found


def check_contiguous(**arrays: Array) -> None:
    """Refuse arrays whose values do not lie in a row.

    Raises
    ------
    ValueError
        If an array is not C-contiguous; it is called by its keyword.
    """
    for name, array in arrays.items():
        if not array.flags.c_contiguous:
            raise ValueError(f"{name} must be a C-contiguous array; its shape is {array.shape}.")


def vector_width(length: int, *arrays: Array) -> int:
    """How many values a thread may load at once from rows of ``length`` values.

    As many as 16 bytes hold of the widest values, if all rows of all arrays start at a multiple
    of that, else one.
    """
    width = min(VECTOR_BYTES // array.dtype.itemsize for array in arrays)
    fits = all(runtime.pointer(a) % (width * a.dtype.itemsize) == 0 for a in arrays)
    return width if fits and length % width == 0 else 1


def word(number: int) -> np.uint32:
    """An integer modulo 2**32, as the kernels of random numbers take it."""
    return np.uint32(number & 0xFFFFFFFF)


def word_or_place(number: int | Array) -> tuple[np.uint32, Array | int]:
    """A :func:`word` by value, or where on the device it stands: two arguments of a kernel.

    The kernel takes the value where the address is null. What changes between two replays of a
    recorded step stands on the device.

    Parameters
    ----------
    number : int, or uint32 array of shape (1,)
    """
    return (word(number), NOWHERE) if isinstance(number, int) else (np.uint32(0), number)


def keyed(strength: Array, seed: Array, step: int | Array, layer: int) -> tuple:
    """A strength of each member, such as a rate of dropout, and the key of its random bits."""
    return strength, seed, *word_or_place(step), word(layer)


def shared_limit() -> int:
    """Dynamic shared memory that a block of the current device may have."""
    device = runtime.place()[0]
    if device not in _shared_limits:
        _shared_limits[device] = runtime.shared_bytes() - _RESERVED_SHARED_BYTES
    return _shared_limits[device]


def workspace(size: int) -> Array:
    """At least ``size`` values of float64 on the current device, for results in between.

    Later launches of the thread on the same stream use the same memory.
    """
    return _buffer("float64", size)


def counters(size: int) -> Array:
    """At least ``size`` words of uint32 that are 0; a kernel leaves them 0."""
    return _buffer("uint32", size)


def constant(values: np.ndarray) -> Array:
    """A table of the host on the current device, brought there once."""
    key = (runtime.place(), values.dtype.str, values.shape, values.tobytes())
    found = _buffers.by_key.get(key)
    if found is None:
        found = _buffers.by_key[key] = runtime.asarray(values)
    return found


def _buffer(dtype: str, size: int) -> Array:
    key = (runtime.place(), dtype)
    found = _buffers.by_key.get(key)
    if found is None or found.size < size:
        found = _buffers.by_key[key] = runtime.zeros(size, dtype)
    return found
