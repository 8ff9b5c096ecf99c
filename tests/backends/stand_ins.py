"""CuPy, PyTorch and JAX on a machine without a GPU: arrays of array-api-strict in disguise.

Its ``device1`` stands for a CUDA device: nothing reads the arrays there in passing.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

from sknorm.backends import cupy, portable, select

CPU = strict.Device("CPU_DEVICE")


class Device(strict.Device):
    """A CUDA device with a cuBLAS handle for each thread."""

    def __init__(self) -> None:
        super().__init__("device1")

    @property
    def cublas_handle(self) -> int:
        return threading.get_ident()


class Cublas:
    """The math modes of handles; ``history`` is what was set."""

    def __init__(self) -> None:
        self.modes: dict[int, int] = {}
        self.history: list[int] = []

    def getMathMode(self, handle: int) -> int:  # noqa: N802
        return self.modes.get(handle, 0)

    def setMathMode(self, handle: int, mode: int) -> None:  # noqa: N802
        self.history.append(mode)
        self.modes[handle] = mode


class CUDARuntimeError(RuntimeError):
    """What CuPy raises where it finds no driver."""


@dataclass
class Memory:
    """Bytes that the device has free, and the state of CuPy's pool."""

    free: int = 1 << 40
    pooled: int = 0
    used: int = 0
    limit: int = 0


class Cupy(ModuleType):
    """CuPy with ``count`` devices, or without a driver if that is None."""

    ndarray = type("ndarray", (), {})

    def __init__(self, count: int | None = 1) -> None:
        super().__init__("cupy")
        self.count, self.memory, self.taken, self.products = count, Memory(), 0, 0
        self.cuda = SimpleNamespace(
            Device=Device,
            cublas=Cublas(),
            runtime=SimpleNamespace(
                getDeviceCount=self._get_device_count,
                CUDARuntimeError=CUDARuntimeError,
                memGetInfo=lambda: (self.memory.free, 1 << 41),
            ),
        )

    def zeros(self, shape: int) -> Any:
        return strict.zeros(shape, device=Device())

    def matmul(self, a: Any, b: Any, out: Any) -> None:
        self.products += 1
        out[...] = strict.matmul(a, b)

    def ascontiguousarray(self, array: Any) -> Any:
        return array

    def from_dlpack(self, tensor: Any) -> Any:
        self.taken += 1
        return tensor.exported()

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(
            free_bytes=lambda: self.memory.pooled,
            used_bytes=lambda: self.memory.used,
            get_limit=lambda: self.memory.limit,
        )

    def _get_device_count(self) -> int:
        if self.count is None:
            raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
        return self.count


@dataclass(frozen=True)
class Place:
    """A device of the other library."""

    type: str

    @property
    def platform(self) -> str:
        return "gpu" if self.type == "cuda" else self.type


class Tensor:
    """A tensor of another library; ``half`` disguises its float32 values as bfloat16's.

    ``reads`` counts the transfers to the host.
    """

    reads = 0

    def __init__(self, values: Any, place: str = "cuda", *, half: bool = False) -> None:
        self.device, self.half = Place(place), half
        on = CPU if place == "cpu" else Device()
        self.values = strict.asarray(values, device=on)

    @property
    def dtype(self) -> Any:
        return "bfloat16" if self.half else self.values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def ndim(self) -> int:
        return self.values.ndim

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return Library(type(self))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.on_host())

    def to_device(self, device: Place, stream: None = None) -> "Tensor":
        assert device == self.device
        return self

    def on_host(self) -> Any:
        """An array of the host: the same memory if it is there."""
        if self.half:
            raise TypeError("NumPy has no bfloat16")
        Tensor.reads += self.device.type != "cpu"
        return np.asarray(strict.asarray(self.values, device=CPU))

    def exported(self) -> Any:
        """The same memory as an array of CuPy's."""
        if self.half or self.device.type != "cuda":
            raise BufferError(f"CuPy takes no {self.dtype} on {self.device}")
        return self.values


class TorchTensor(Tensor):
    """PyTorch's."""

    requires_grad = False

    def cpu(self) -> "TorchTensor":
        if self.device.type == "cpu":
            return self
        return TorchTensor(self.on_host(), "cpu")

    def numpy(self) -> np.ndarray:
        assert self.device.type == "cpu"
        return self.on_host()


class JaxArray(Tensor):
    """JAX's."""

    def devices(self) -> set[Place]:
        return {self.device}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.on_host()


@dataclass(frozen=True)
class Library:
    """The namespace of a kind of tensors."""

    kind: type[Tensor]
    __name__ = "tensors"
    float32 = strict.float32

    def isdtype(self, dtype: Any, kind: str) -> bool:
        return kind == "real floating" if dtype == "bfloat16" else strict.isdtype(dtype, kind)

    def finfo(self, dtype: Any) -> Any:
        return SimpleNamespace(bits=16) if dtype == "bfloat16" else strict.finfo(dtype)

    def astype(self, tensor: Tensor, dtype: Any) -> Tensor:
        return self.kind(strict.astype(tensor.values, dtype), tensor.device.type)

    def asarray(self, values: np.ndarray, device: Place) -> Tensor:
        assert values.flags.writeable  # PyTorch warns
        return self.kind(values, device.type)

    def from_dlpack(self, values: Any) -> Tensor:
        assert values.device == Device()
        return self.kind(values)


@contextmanager
def installed(module: Cupy) -> Iterator[Cupy]:
    """Let the backends find this CuPy, and know tensors of the other libraries."""
    Tensor.reads = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", module)
        for part in (select, portable, cupy):
            patch.setattr(part, "is_torch_array", lambda x: isinstance(x, TorchTensor))
            patch.setattr(part, "is_jax_array", lambda x: isinstance(x, JaxArray))
        patch.setattr(select, "is_cupy_array", lambda x: getattr(x, "device", None) == Device())
        yield module
