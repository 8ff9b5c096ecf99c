"""The CUDA kernels on a device: arrays of CuPy's between guards, launched as in a fit."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
from cuda_machine import GUARD_BYTES, Machine, Zone

from sknorm.backends import resolve
from sknorm.kernels.cuda import launcher


class DeviceMachine(Machine):
    """CuPy's current device; all that kernels get of its memory are allocations of their own.

    The launcher's runtime is CuPy's. The names of what it compiles are noted, and the buffers that
    it keeps are poisoned and guarded.

    Parameters
    ----------
    cupy : module
    patch : MonkeyPatch
        Its end is that of the machine.
    """

    def __init__(self, cupy: Any, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.cupy = cupy
        self._guard_bytes = GUARD_BYTES
        self._side = cupy.cuda.Stream(non_blocking=True)
        compiled = launcher.runtime.compile

        def compile_noted(code: str, expression: str) -> Any:
            self.launched.add(expression)
            return compiled(code, expression)

        patch.setattr(launcher.runtime, "compile", compile_noted)
        patch.setattr(launcher.runtime, "zeros", self.zeros)
        # What was compiled and kept before has not been noted and has no guards.
        patch.setattr(launcher, "_kernels", {})
        patch.setattr(launcher, "_buffers", launcher._Buffers())

    def ways(self) -> list[AbstractContextManager]:
        """Twice with the same buffers, and on another stream.

        There each array fills an allocation, so that a checker of memory accesses sees all that
        reaches beyond. Guards are memory to it, and tell by themselves only what is written.
        """
        null = self.cupy.cuda.Stream.null
        return [null, null, self._bare()]

    def guarded(self, array: np.ndarray, shift: int = 0) -> Any:
        """A copy between guards, ``shift`` bytes behind an aligned address."""
        start = self._guard_bytes + shift
        stop = start + array.nbytes
        filled = np.full(stop + self._guard_bytes, 0xFF, dtype=np.uint8)
        filled[start:stop].view(array.dtype).reshape(array.shape)[...] = array
        memory = self.cupy.empty(filled.size, dtype=np.uint8)
        memory.set(filled)
        self._zones.append(Zone(memory, start, stop))
        return self.cupy.ndarray(array.shape, array.dtype, memory.data + start)

    def fetched(self, value: Any) -> Any:
        """An array of CuPy's as one of NumPy's; anything else as it is."""
        return value.get() if isinstance(value, self.cupy.ndarray) else value

    def check_guards(self) -> None:
        """No kernel on any stream has written beside its arrays; forgets them."""
        self.cupy.cuda.Device().synchronize()
        super().check_guards()

    @contextmanager
    def _bare(self) -> Iterator[None]:
        """The other stream, and no guards."""
        self._guard_bytes = 0
        try:
            with self._side:
                yield
        finally:
            self._guard_bytes = GUARD_BYTES


@contextmanager
def device_machine() -> Iterator[DeviceMachine]:
    """The current device; an error that says what is missing where there is none.

    CuPy's pool, where an array's neighbours are others of the same allocation, is out of use.
    """
    cupy = resolve(np.empty(0), "cupy").cupy
    with pytest.MonkeyPatch.context() as patch, cupy.cuda.using_allocator(None):
        machine = DeviceMachine(cupy, patch)
        yield machine
        machine.check_guards()
