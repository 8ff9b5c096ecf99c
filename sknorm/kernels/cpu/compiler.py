"""The two decorators of the compiled kernels: cached on disk, GIL-free, honest about NaN."""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.compiler import Compiler

# Contraction (fused multiply-add) is the only freedom the compiler gets: reassociation
# would tie results to the vector width, and ``nnan``/``ninf`` would hide divergence.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
}


class KernelCacheWarning(UserWarning):
    """Compiled kernels cannot be kept on disk, so each process compiles them again."""


def kernel(function: Callable) -> Callable:
    """Compile ``function`` on first use and keep its machine code on disk where that works."""
    dispatcher = numba.njit(**OPTIONS)(function)
    try:
        dispatcher._cache = _SourceCache(function)
    except (RuntimeError, OSError) as error:
        _warn(error)
    return dispatcher


def helper(function: Callable) -> Callable:
    """Compile a function that kernels call with arrays that do not overlap.

    Array arguments are declared ``noalias``: without it every row of every loop pays for
    overlap checks, which cost more than the arithmetic on rows of a hundred values.
    """
    return numba.njit(pipeline_class=_NoAliasCompiler, **OPTIONS)(_named(function))


def reduction(function: Callable) -> Callable:
    """Compile a sum over an array, whose terms may be added in the order of the vector lanes."""
    flags = {"contract", "reassoc", "nsz"}
    options = {**OPTIONS, "fastmath": flags}
    return numba.njit(pipeline_class=_NoAliasCompiler, **options)(_named(function))


def scalar(function: Callable) -> Callable:
    """Compile a function of scalars into its caller, so that the caller's loop is vector code."""
    return numba.njit(forceinline=True, **OPTIONS)(_named(function))


def _named(function: Callable) -> Callable:
    """Name a function by what it closes over, so that no two meanings share a symbol.

    Names become symbols of machine code. Numba tells functions of one name apart by a counter
    that starts anew in every process, so code that two processes put on disk would clash.
    """
    code = function.__code__
    cells = [_identity(cell.cell_contents) for cell in function.__closure__ or ()]
    content = repr((code.co_code, code.co_consts, code.co_names, cells))
    function.__qualname__ += "_" + hashlib.sha256(content.encode()).hexdigest()[:12]
    return function


def _identity(value: Any) -> str:
    return getattr(value, "py_func", value).__qualname__ if callable(value) else repr(value)


class _NoAliasCompiler(Compiler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state.flags.noalias = True


class _SourceCache(FunctionCache):
    """Numba's cache, keyed by the sources of all kernels, that no disk fault can stop.

    Numba keys a function by the file it stands in; a change of a helper in another file
    would leave stale machine code behind. Kernels built by a function differ by their
    qualified name; what they close over follows from it.
    """

    def _index_key(self, sig: Any, codegen: Any) -> tuple:
        return sig, codegen.magic_tuple(), self._py_func.__qualname__, _source_digest()

    @contextmanager
    def _guard_against_spurious_io_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a damaged or forbidden file leads to
            self.disable()
            _warn(error)


@cache
def _source_digest() -> str:
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for source in [*sorted(here.glob("*.py")), here.parent / "codes.py"]:
        digest.update(source.read_bytes())
    return digest.hexdigest()


@cache
def _warn_once() -> None:
    warnings.warn(
        "sknorm cannot keep compiled kernels on disk, so every new process spends some "
        "seconds on compiling them. Make the package's __pycache__ or your home directory "
        "writable, or set NUMBA_CACHE_DIR to a directory that is.",
        KernelCacheWarning,
        stacklevel=2,
    )


def _warn(error: Exception) -> None:
    del error
    _warn_once()
