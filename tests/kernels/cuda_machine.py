"""What runs the CUDA kernels in tests: the host in place of a device, or a device."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from cuda_instances import INSTANCES
from kernel_case import Case, poison

from sknorm.kernels import cuda, reference

GUARD_BYTES = 1024  # of 0xFF, NaN for those who read them, before and behind each array


class KernelError(RuntimeError):
    """What kernels must not do."""


class Zone(NamedTuple):
    """Memory with an array from ``start`` to ``stop``, and guards around it."""

    memory: Any  # of bytes
    start: int
    stop: int


class Machine(ABC):
    """Arrays between guards, for kernels that run as the launcher's ``runtime`` has it.

    Attributes
    ----------
    launched : set of str
        Name expressions of all kernels that were launched.
    """

    def __init__(self) -> None:
        self.launched: set[str] = set()
        self._zones: list[Zone] = []
        self._buffers: list[Zone] = []

    @abstractmethod
    def ways(self) -> Iterable[AbstractContextManager]:
        """Ways to run a kernel, between which its results must not differ."""

    @abstractmethod
    def guarded(self, array: np.ndarray, shift: int = 0) -> Any:
        """A copy between guards, ``shift`` bytes behind an aligned address."""

    @abstractmethod
    def fetched(self, value: Any) -> Any:
        """An array of the machine as one of NumPy's; anything else as it is."""

    def zeros(self, size: int, dtype: str) -> Any:
        """A buffer of exactly this size; what is no counter is NaN before it is written."""
        values = np.zeros(size, dtype) if dtype == "uint32" else poison(size, dtype=dtype)
        buffer = self.guarded(values)
        self._buffers.append(self._zones.pop())
        return buffer

    def check_guards(self) -> None:
        """No kernel has written beside its arrays; forgets them."""
        zones, self._zones = self._zones, []
        for zone in zones + self._buffers:
            memory = self.fetched(zone.memory)
            around = np.concatenate([memory[: zone.start], memory[zone.stop :]])
            if not (around == 0xFF).all():
                raise KernelError("written beside an array")

    def run(self, case: Case, shift: int = 0, **same: str) -> dict[str, Any]:
        """The CUDA kernel's arguments after a call; arrays are NumPy's.

        Parameters
        ----------
        case : Case
        shift : int
            Arrays start so many bytes behind an aligned address, unless their values are larger.
        **same : str
            Arguments that are the very array of another one: ``out="z"``.
        """

        def convert(array: np.ndarray) -> Any:
            return self.guarded(array, shift if shift % array.itemsize == 0 else 0)

        got = case.run(cuda, convert, same)
        return {name: self.fetched(value) for name, value in got.items()}

    def check(self, case: Case, ulps: float = 100.0, shift: int = 0) -> dict[str, Any]:
        """The CUDA kernel does what the reference does, the same bits in all ways to run it.

        Returns the kernel's arguments; for ``shift`` see :meth:`run`.
        """
        want, first = case.run(reference), None
        for way in self.ways():
            with way:
                got = self.run(case, shift)
            self.check_guards()
            case.compare(got, want, ulps)
            first = got if first is None else first
            for name in filter(case.is_output, want):
                message = f"{name} is not the same in all runs"
                np.testing.assert_array_equal(got[name], first[name], err_msg=message)
        unlisted = self.launched.difference(*INSTANCES.values())
        assert not unlisted, f"cuda_instances.py does not know {unlisted}"
        return got
