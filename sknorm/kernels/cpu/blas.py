"""Matrix products by address: the routines of BLAS that NumPy itself calls, without Python.

Results are those of :func:`numpy.matmul` where its BLAS is found, which the choice of the routine
follows, and up to rounding where SciPy's has to serve.
"""

import ctypes
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba.extending import get_cython_function_address
from threadpoolctl import ThreadpoolController

from sknorm.kernels.cpu.compiler import kernel
from sknorm.kernels.cpu.machine_code import adapter_of_pointers

_LETTERS = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}
# Names of a routine in the libraries that NumPy is built with. Integers come by their addresses, so
# that those of 64 bits serve on little-endian machines whatever the library takes.
_NAMES = ("scipy_{}_64_", "{}_64_", "{}$NEWLAPACK$ILP64", "{}_")
_SCIPY = "scipy.linalg.cython_blas"


class Call(NamedTuple):
    """A call of a function of BLAS.

    Attributes
    ----------
    adapter, address : int
        What calls it, and the function.
    arguments : list of arrays or str
        What it is told the places of: numbers, or one of the matrices ``a``, ``b`` and ``out``.
    """

    adapter: int
    address: int
    arguments: list[Any]


@kernel
def outer(a, b, out):
    """Products of a column and a row, which NumPy leaves to a loop as well."""
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[k, i, j] = a[k, i, 0] * b[k, 0, j]


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Call | None:
    """What writes the product of two matrices; None where BLAS does not know their layout."""
    if not (_is_known(a) and _is_known(b)):
        return None
    if out.shape == (1, 1):
        return _dot(a[0], b[:, 0])
    if out.shape[0] == 1:
        return _matrix_vector(b.T, a[0], out[0], "b", "a")
    if out.shape[1] == 1:
        return _matrix_vector(a, b[:, 0], out[:, 0], "a", "b")
    return _matrix_matrix(a, b, out) if _is_by_rows(out) else None


def _is_by_rows(matrix: np.ndarray) -> bool:
    """Whether rows are contiguous, and one follows the other."""
    (_, n), (down, across), size = matrix.shape, matrix.strides, matrix.itemsize
    return across == size and down % size == 0 and down >= n * size


def _is_known(matrix: np.ndarray) -> bool:
    return _is_by_rows(matrix) or _is_by_rows(matrix.T)


def _matrix_matrix(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Call | None:
    """In C order; for BLAS, in Fortran order, the product of the transposes."""
    (m, k), n = a.shape, b.shape[1]
    turns, pitches = zip(*map(_turned, (b, a)), strict=True)
    one, zero = _real(out.dtype, 1.0), _real(out.dtype, 0.0)
    sizes = _integer(n), _integer(m), _integer(k)
    given = [*turns, *sizes, one, "b", pitches[0], "a", pitches[1], zero, "out", _pitch(out, 0)]
    return _call(out.dtype, "gemm", given)


def _matrix_vector(
    a: np.ndarray, x: np.ndarray, out: np.ndarray, matrix: str, vector: str
) -> Call | None:
    """The product ``a x`` of a matrix and a vector of these names."""
    turn, pitch = _turned(a.T)
    sizes = [_integer(size) for size in (a.shape[::-1] if _is_by_rows(a) else a.shape)]
    one, zero = _real(out.dtype, 1.0), _real(out.dtype, 0.0)
    given = [turn, *sizes, one, matrix, pitch, vector, _pitch(x, 0), zero, "out", _pitch(out, 0)]
    return _call(out.dtype, "gemv", given)


def _dot(x: np.ndarray, y: np.ndarray) -> Call | None:
    return _call(x.dtype, "dot", [_integer(len(x)), "a", _pitch(x, 0), "b", _pitch(y, 0), "out"])


def _call(dtype: np.dtype, name: str, given: list[Any]) -> Call | None:
    if (found := routine(_LETTERS[dtype] + name)) is None:
        return None
    result = _LETTERS[dtype] if name == "dot" else None
    count = len(given) - (result is not None)
    return Call(adapter_of_pointers(count, result), found, given)


def _turned(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How a matrix is told, and its leading dimension."""
    if _is_by_rows(matrix):
        return _letter("N"), _pitch(matrix, 0)
    return _letter("T"), _pitch(matrix, 1)


def _pitch(array: np.ndarray, axis: int) -> np.ndarray:
    return _integer(array.strides[axis] // array.itemsize)


@cache
def _integer(value: int) -> np.ndarray:
    return np.array([value], dtype=np.int64)


@cache
def _letter(value: str) -> np.ndarray:
    return np.array([ord(value)], dtype=np.int64)


@cache
def _real(dtype: np.dtype, value: float) -> np.ndarray:
    return np.array([value], dtype=dtype)


@cache
def routine(name: str) -> int | None:
    """Address of a routine such as ``sgemm`` in NumPy's BLAS, or in SciPy's; None without one."""
    return _of_numpy(name) or _of_scipy(name)


@cache
def is_numpys(dtype: np.dtype) -> bool:
    """Whether products have the bits of :func:`numpy.matmul`: their routines are NumPy's own."""
    names = (_LETTERS[dtype] + name for name in ("gemm", "gemv", "dot"))
    return all(_of_numpy(name) is not None for name in names)


def _of_numpy(name: str) -> int | None:
    """Where NumPy's own library has it."""
    for library in _libraries_of_numpy():
        for pattern in _NAMES:
            with suppress(AttributeError):
                function = getattr(library, pattern.format(name))
                return ctypes.cast(function, ctypes.c_void_p).value
    return None


@cache
def _libraries_of_numpy() -> list[Any]:
    """Those that a wheel of NumPy brings along, or that NumPy is linked with."""
    home = Path(np.__file__).parent
    inside = (home, home.with_name("numpy.libs"))
    libraries = [
        library.dynlib
        for library in ThreadpoolController().select(user_api="blas").lib_controllers
        if any(place in Path(library.filepath).parents for place in inside)
    ]
    # What the module is linked with is searched as well, but for Windows.
    with suppress(OSError, ImportError):
        libraries.append(ctypes.CDLL(import_module("numpy._core._multiarray_umath").__file__))
    return libraries


def _of_scipy(name: str) -> int | None:
    """That of SciPy, which is another library or another version as a rule."""
    with suppress(ImportError, ValueError):
        return get_cython_function_address(_SCIPY, name)
    return None
