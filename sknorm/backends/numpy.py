"""NumPy arrays on the host, with the compiled kernels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from sknorm.backends import threads
from sknorm.backends.aligned import aligned
from sknorm.backends.base import Recorder, join_kernels
from sknorm.backends.memory import available_bytes
from sknorm.backends.program import Halt, Operation, pick, run

_LEAN = SimpleNamespace(**{**vars(np), "max": np.maximum.reduce, "sum": np.add.reduce})


class NumpyBackend:
    """The backend of NumPy arrays; see :class:`sknorm.backends.base.Backend`."""

    name = "numpy"
    xp = np
    lean = _LEAN  # the same namespace, whose reductions cost a microsecond less a call
    device = "cpu"
    chunk_bytes = 1 << 20  # stays in the second-level cache
    allocates = False
    cuts_layers = True
    keeps_masks = True

    @cached_property
    def kernels(self) -> SimpleNamespace:
        from sknorm.kernels import cpu  # compiles nothing, but loads Numba

        return join_kernels(cpu)

    @property
    def compiles(self) -> bool:
        from sknorm.kernels.cpu.trial import works  # loads Numba

        return works()

    @property
    def threads(self) -> int:
        return threads.limits.threads

    def __reduce__(self) -> tuple:
        return NumpyBackend, ()

    def dtype(self, dtype: Any) -> np.dtype:
        return np.dtype(dtype)

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
        return aligned(shape, dtype)

    def asarray(self, array: Any, dtype: Any = None) -> np.ndarray:
        return np.ascontiguousarray(array, dtype=dtype)

    def to_numpy(self, array: Any) -> np.ndarray:
        return np.asarray(array)

    @contextmanager
    def session(self) -> Iterator[None]:
        # Divergence is looked for in the results; NumPy would warn of it in between.
        with threads.limits.session(), np.errstate(over="ignore", invalid="ignore"):
            yield

    def free_bytes(self) -> int | None:
        return available_bytes()

    def bind(self, kernel: str, arguments: Mapping[str, Any]) -> Operation:
        return Operation(getattr(self.kernels, kernel), *pick(kernel, arguments))

    def product(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Operation:
        return Operation(self.kernels.matmul, (a, b, out))

    def join(self, operations: Sequence[Operation], members: int) -> Callable[[], None]:
        """One call that makes those of operations in a session, for all members of a stack.

        Their arrays have one part for each member, or one for all; the last writes a product. The
        bits are those of the operations one by one.
        """
        call = self._compiled(operations, members)
        if call is None:
            return partial(self._run, operations)

        def run_within_limits() -> None:  # machine code warns of nothing
            own = threads.limits.enter()
            try:
                call()
            finally:
                threads.limits.leave(own)

        return run_within_limits

    def _compiled(self, operations: Sequence[Operation], members: int) -> Any:
        """The same as machine code, where there is any that has the bits of NumPy's products."""
        if not self.compiles:
            return None
        from sknorm.backends.executors.calls import Calls  # loads Numba
        from sknorm.kernels.cpu.blas import is_numpys

        product = operations[-1].arguments[-1]
        return Calls(operations, members) if is_numpys(product.dtype) else None

    def _run(self, operations: Sequence[Operation]) -> None:
        with self.session():
            run(operations, 0)

    def recorder(self) -> Recorder | None:
        return None

    def run(self, task: Callable[..., None], arguments: list[tuple], halt: Halt = None) -> None:
        threads.pool.run(task, arguments, threads.limits.threads, halt)
