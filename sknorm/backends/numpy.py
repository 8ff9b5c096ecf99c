"""NumPy arrays on the host, with the compiled kernels."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from sknorm.backends import threads
from sknorm.backends.base import Recorder, join_kernels
from sknorm.backends.memory import available_bytes
from sknorm.backends.program import Operation, pick


class NumpyBackend:
    """The backend of NumPy arrays; see :class:`sknorm.backends.base.Backend`."""

    name = "numpy"
    xp = np
    device = "cpu"
    chunk_bytes = 1 << 20  # stays in the second-level cache
    allocates = False
    cuts_layers = True
    keeps_masks = True

    @cached_property
    def kernels(self) -> SimpleNamespace:
        from sknorm.kernels import cpu  # compiles nothing, but loads Numba

        return join_kernels(cpu)

    def __reduce__(self) -> tuple:
        return NumpyBackend, ()

    def dtype(self, dtype: Any) -> np.dtype:
        return np.dtype(dtype)

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
        from sknorm.kernels.cpu.binding import bound  # loads Numba

        values, place = pick(kernel, arguments)
        return Operation(bound(getattr(self.kernels, kernel), values, place), place is not None)

    def product(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Operation:
        if out.shape[0] > 1 or a.shape[2] == 1 or not out.flags.c_contiguous:
            return Operation(partial(self.kernels.matmul, a, b, out))
        # The same bits by the same BLAS, half a microsecond sooner, which is a third of a product
        # of matrices of 32 x 32.
        return Operation(partial(np.dot, a[0], b[0], out[0]))

    def recorder(self) -> Recorder | None:
        return None

    def run(self, task: Callable[..., None], arguments: list[tuple]) -> None:
        threads.pool.run(task, arguments, threads.limits.threads)
