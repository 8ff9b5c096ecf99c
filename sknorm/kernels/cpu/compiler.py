"""The two decorators of the compiled kernels: cached on disk, GIL-free, honest about NaN."""

import hashlib
import inspect
import pickle
import secrets
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any

import numba
import numpy as np
from llvmlite.binding import Linkage
from numba.core.caching import NullCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.serialize import dumps

from sknorm.kernels.cpu import disk

# Contraction (fused multiply-add) is the only freedom the compiler gets: reassociation
# would tie results to the vector width, and ``nnan``/``ninf`` would hide divergence.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
}

# For helpers that take a place: a literal has a type of its own, for which they are compiled anew.
ZERO = np.int64(0)


class KernelCacheWarning(UserWarning):
    """Compiled kernels cannot be kept on disk, so each process compiles them again."""


def kernel(function: Callable) -> Callable:
    """Compile ``function`` on first use and keep its machine code on disk where that works."""
    return _kept(function, no_cfunc_wrapper=True)


def c_function(function: Callable) -> Callable:
    """Compile and keep a function that is called by its address only, as one of C."""
    return _kept(function, no_cpython_wrapper=True)


def shares(*names: str, flat: tuple[str, ...] = ()) -> Callable[[Callable], Callable]:
    """Note of a kernel which arrays have no axis of members.

    Parameters
    ----------
    *names : str
        Arguments that all members share.
    flat : tuple of str
        Buffers in which the members' parts of each segment lie side by side.
    """

    def noted(function: Any) -> Callable:
        function.shared, function.flat = frozenset(names), frozenset(flat)
        return function

    return noted


def compiled_by(build: Callable[[int], Callable]) -> Callable[[Callable], Callable]:
    """Note of a kernel that ``build`` compiles it for an activation.

    What it compiles has the kernel's arguments, by name, or some of them.
    """

    def noted(function: Any) -> Callable:
        function.build = build
        function.selector = list(inspect.signature(function).parameters).index("activation")
        return function

    return noted


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
    return numba.njit(**inlined())(_named(function))


def rounded(function: Callable) -> Callable:
    """The same of operations that are never contracted.

    Of a product that is added to a quotient, say, of which only vector code makes one operation.
    """
    return numba.njit(**{**inlined(), "fastmath": False})(_named(function))


def inlined() -> Any:
    """Options of functions that are compiled into their callers."""
    return {"pipeline_class": _PartCompiler, "forceinline": True, **OPTIONS}


def _kept(function: Callable, **options: Any) -> Callable:
    """Compile on first use, in turn with other processes, and keep the machine code."""
    dispatcher = numba.njit(pipeline_class=_ClosedCompiler, **options, **OPTIONS)(function)
    dispatcher._cache = _DiskCache(function)
    dispatcher.compile = _in_turn(dispatcher.compile)
    return dispatcher


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


class _PartCompiler(Compiler):
    """Compiles functions that kernels are linked with; nothing calls them from elsewhere.

    They hold no arrays that their kernel does not hold, so references are not counted.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        flags = self.state.flags
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        flags.nrt = False


class _NoAliasCompiler(_PartCompiler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state.flags.noalias = True
        self.state.library = _Part(self.state.targetctx.codegen(), "part")


class _Part(JITCodeLibrary):
    """Optimized code without machine code: a kernel has that of all that it is linked with.

    Not for scalars, of which Numba makes machine code that never runs. LLVM rearranges what it
    makes machine code of, and without that, gelu's derivative had other last digits where a row
    has no whole vector left.
    """

    @property
    def codegen(self) -> Any:
        """What is asked for the function's place, which is here."""
        return self

    def set_env(self, name: str, env: Any) -> None:
        """Nothing: only code that runs in Python has such a place."""

    def get_pointer_to_function(self, name: str) -> int:
        """None: there is no machine code."""
        return 0

    def _finalize_final_module(self) -> None:
        self._finalized = True


class _ClosedCompiler(Compiler):
    """Keeps what a kernel is linked with to the kernel.

    Numba leaves helpers visible, and the loader takes the first of a name that it meets. But the
    same helper is optimized anew in each kernel, and a sum in the order of the vector lanes need
    not come out with the same lanes: which kernels were loaded before would show in last digits.
    So helpers become internal, and get names that nobody else has: the loader finds internal ones
    too, and what calls them by another convention must not.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        library = self.state.targetctx.codegen().create_library("kernel")
        library.enable_object_caching()
        optimize = getattr(library, "_optimize_final_module", None)
        if optimize is None:  # another Numba: sums may differ in last digits between processes
            return

        def optimize_closed() -> None:
            own = secrets.token_hex(8)
            for each in library._final_module.functions:
                if each.linkage == Linkage.linkonce_odr:
                    each.name, each.linkage = f"{each.name}.{own}", Linkage.internal
            optimize()

        library._optimize_final_module = optimize_closed
        self.state.library = library


def _in_turn(function: Callable) -> Callable:
    """Let a kernel's turn at compiling end with the compilation, be it by an error or by Ctrl-C.

    Numba's lock comes first: other threads have it when they wait for their turn.
    """

    @wraps(function)
    def compile_in_turn(signature: Any) -> Any:
        with global_compiler_lock, ExitStack() as turn:
            _DiskCache.turns.append(turn)
            turn.callback(_DiskCache.turns.pop)
            return function(signature)

    return compile_in_turn


class _DiskCache(NullCache):
    """Numba's hooks for machine code that is kept on disk.

    Numba's own cache runs whatever its files hold, and keys a function by the file it stands in:
    a change of a helper in another file would leave stale machine code behind. Kernels built by
    a function differ by their qualified name; what they close over follows from it.
    """

    turns: list[ExitStack] = []  # of the kernel that is being compiled, and of those within it
    _warned = False

    def __init__(self, function: Callable) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """What is on disk, maybe after another process has compiled it.

        Who has waited for nothing compiles without a turn: on a full disk all would wait for each.
        Kernels within a kernel take none either, so that no two processes wait for each other.
        """
        target_context.refresh()
        key = self._key(sig, target_context.codegen())
        found = self._load(key, target_context)
        if found is not None or len(self.turns) != 1:
            return found
        (turn,) = self.turns
        waited = turn.enter_context(disk.turn(key))
        found = self._load(key, target_context)
        if waited or found is not None:
            turn.close()
        return found

    def _load(self, key: str, target_context: Any) -> CompileResult | None:
        body = disk.load(key)
        if body is None:
            return None
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(body))
        except Exception:  # an intact file may need what this environment has no longer
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        if data.library.has_dynamic_globals:  # addresses of this process
            return
        body = dumps(data._reduce())
        try:
            disk.save(self._key(sig, data.codegen), body)
        except OSError as error:
            self._warn_once(error)

    def _key(self, sig: Any, codegen: Any) -> str:
        return repr((self._name, sig, codegen.magic_tuple()))

    @classmethod
    def _warn_once(cls, reason: OSError) -> None:
        if cls._warned:
            return
        cls._warned = True
        warnings.warn(
            "sknorm cannot keep compiled kernels on disk, so every new process spends some "
            f"seconds on compiling them: {reason}. Set the environment variable NUMBA_CACHE_DIR to "
            "a private directory, one that you own and nobody else can write to (chmod 700): what "
            "is read there is run.",
            KernelCacheWarning,
            stacklevel=2,
        )
