"""CuPy arrays on a CUDA device, with the reference kernels or those in CUDA C++."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any

from array_api_compat import array_namespace, is_jax_array, is_torch_array

from sknorm.backends.base import Recorder, join_kernels
from sknorm.backends.portable import PortableBackend, readable

# Of cuBLAS (`cublasMath_t`): float32 products as they are, or with operands rounded to TF32.
MATH_MODES = {"highest": 0, "high": 3}
# Set to 1, it lets the kernels in CUDA C++ replace those of the reference.
SWITCH = "SKNORM_CUDA_KERNELS"


class CupyBackend(PortableBackend):
    """The backend of CuPy arrays; see :class:`sknorm.backends.base.Backend`.

    Parameters
    ----------
    cupy : module
    matmul_precision : {"highest", "high"}
        Whether products of float32 matrices keep all digits of their operands, or may round
        them to TF32, which has 10 bits after the first.
    """

    def __init__(self, cupy: Any, matmul_precision: str = "highest") -> None:
        super().__init__(array_namespace(cupy.zeros(0)), cupy.cuda.Device())
        self.cupy = cupy
        self.matmul_precision = matmul_precision

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CupyBackend) or not super().__eq__(other):
            return False
        return other.matmul_precision == self.matmul_precision

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.matmul_precision))

    @property
    def allocates(self) -> bool:
        return not self._is_fused

    @cached_property
    def _is_fused(self) -> bool:
        """Whether the kernels are those in CUDA C++."""
        return os.environ.get(SWITCH) == "1"

    @cached_property
    def kernels(self) -> SimpleNamespace:
        if self._is_fused:
            from sknorm.kernels import cuda  # compiles nothing

            return join_kernels(cuda)
        table = join_kernels(None)
        table.matmul = partial(_matmul, self.cupy)
        return table

    @property
    def chunk_bytes(self) -> int:
        # A power of two, so that chunks stay the same while the free memory changes a little.
        quarter = max(1 << 20, (self.free_bytes() or 0) // 4)
        return min(super().chunk_bytes, 1 << (quarter.bit_length() - 1))

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        if is_torch_array(array) or is_jax_array(array):
            array = self.cupy.from_dlpack(readable(array))  # the same memory, on CuPy's stream
        return self.cupy.ascontiguousarray(super().asarray(array, dtype))

    def free_bytes(self) -> int | None:
        pool = self.cupy.get_default_memory_pool()
        free = self.cupy.cuda.runtime.memGetInfo()[0] + pool.free_bytes()
        limit = pool.get_limit()  # 0 is none
        return int(min(free, max(0, limit - pool.used_bytes())) if limit else free)

    def recorder(self) -> Recorder | None:
        if not self._is_fused:
            return None
        from sknorm.kernels.cuda.recorder import recorder

        return recorder()

    @contextmanager
    def session(self) -> Iterator[None]:
        with _math_mode(self.cupy, MATH_MODES[self.matmul_precision]), super().session():
            yield


def _matmul(cupy: Any, a: Any, b: Any, out: Any) -> None:
    """The reference's product, without an array in between."""
    cupy.matmul(a, b, out=out)


@contextmanager
def _math_mode(cupy: Any, mode: int) -> Iterator[None]:
    """Set the math mode of cuBLAS for the calling thread's products on the current device.

    CuPy's own switch, the environment variable ``CUPY_TF32`` and the private
    ``cupy._core.set_compute_type`` behind it, is one for the process, and acts on products of
    two matrices only (``gemmEx``). Stacks of matrices, which all products here are, go through
    ``gemmStridedBatchedEx`` with plain float32 as compute type (through ``sgemmBatched`` where
    one operand is broadcast): for those the math mode of the cuBLAS handle decides. CuPy has a
    handle for each thread and device, so that other threads' products are left alone.
    """
    handle, cublas = cupy.cuda.Device().cublas_handle, cupy.cuda.cublas
    before = cublas.getMathMode(handle)
    cublas.setMathMode(handle, mode)
    try:
        yield
    finally:
        cublas.setMathMode(handle, before)
