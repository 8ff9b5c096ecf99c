"""Arrays of any array-API library, on the device they are on, with the reference kernels."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from array_api_compat import (
    array_namespace,
    is_cupy_array,
    is_jax_array,
    is_numpy_array,
    is_torch_array,
)

from sknorm.backends.base import Recorder, join_kernels
from sknorm.backends.program import Halt, Operation, pick


class PortableBackend:
    """The backend of an array library; see :class:`sknorm.backends.base.Backend`.

    Parameters
    ----------
    xp : module
        An array-API namespace.
    device : object
        One of its devices.
    """

    compiles = False
    keeps_masks = False
    threads = 1
    cuts_layers = False  # a device runs one kernel on all of a layer faster than one on each part

    def __init__(self, xp: ModuleType, device: Any) -> None:
        self.xp = xp
        self.device = device

    @property
    def name(self) -> str:
        return self.xp.__name__.rpartition(".")[2]

    @property
    def allocates(self) -> bool:
        return True

    @property
    def chunk_bytes(self) -> int:
        return 1 << 28  # enough to keep a device busy, little of its memory

    @cached_property
    def kernels(self) -> SimpleNamespace:
        return join_kernels(None)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.xp is self.xp and other.device == self.device

    def __hash__(self) -> int:
        return hash((type(self), self.xp.__name__))

    def dtype(self, dtype: Any) -> Any:
        if isinstance(dtype, str | type | np.dtype):
            return getattr(self.xp, np.dtype(dtype).name)
        return dtype

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Any:
        return self.xp.zeros(shape, dtype=self.dtype(dtype), device=self.device)

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        dtype = None if dtype is None else self.dtype(dtype)
        if is_numpy_array(array) or not hasattr(array, "dtype"):
            array = np.ascontiguousarray(array)
        return self.xp.asarray(array, dtype=dtype, device=self.device)

    def to_numpy(self, array: Any) -> np.ndarray:
        return to_host(array)

    @contextmanager
    def session(self) -> Iterator[None]:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                yield
        except MemoryError as error:  # CuPy's is one
            raise MemoryError(
                f"{self.name} ran out of memory on {self.device} ({error}). Pass a float32 table, "
                "fewer rows at once, or set backend='numpy'."
            ) from error

    def free_bytes(self) -> int | None:
        return None

    def bind(self, kernel: str, arguments: Mapping[str, Any]) -> Operation:
        return Operation(getattr(self.kernels, kernel), *pick(kernel, arguments))

    def product(self, a: Any, b: Any, out: Any) -> Operation:
        return Operation(self.kernels.matmul, (a, b, out))

    def recorder(self) -> Recorder | None:
        return None

    def run(self, task: Callable[..., None], arguments: list[tuple], halt: Halt = None) -> None:
        for each in arguments:
            task(*each)


def to_host(array: Any) -> np.ndarray:
    """An array of any library as a NumPy array, in an explicit transfer."""
    if type(array) is np.ndarray:
        return array
    if is_numpy_array(array):
        return np.asarray(array)
    if is_cupy_array(array):
        return array.get()
    if is_torch_array(array):
        return readable(array).cpu().numpy()
    if is_jax_array(array):
        return np.asarray(readable(array))
    xp = array_namespace(array)
    if hasattr(xp, "Device"):  # array-api-strict, whose devices stand in for real ones
        array = xp.asarray(array, device=xp.Device("CPU_DEVICE"))
    return np.asarray(array)


def readable(array: Any) -> Any:
    """An array as other libraries read it, in single precision at least.

    Half precision becomes float32, which holds it exactly: NumPy and CuPy lack bfloat16, and
    nothing is computed in float16.

    Raises
    ------
    ValueError
        If a tensor of PyTorch requires gradients.
    """
    if is_torch_array(array) and array.requires_grad:
        raise ValueError(
            "A PyTorch tensor that requires gradients was given, but none flow through fits and "
            "predictions. Pass its detach()."
        )
    xp = array_namespace(array)
    half = xp.isdtype(array.dtype, "real floating") and xp.finfo(array.dtype).bits < 32
    return xp.astype(array, xp.float32) if half else array
