"""What do the GPU benchmarks run on, and how long was it busy? A CUDA device, or the host."""

import copy
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from timing import seconds, verdict

CYCLES = 400_000_000  # of the device's clock that it spins at most: 0.2 seconds at 2 GHz
FIRST_CYCLES = 4_000_000
TRIES = 10  # to find out how long it has to spin
# The empty kernel takes an argument, as all do.
SOURCES = {
    "spin": """
extern "C" __global__ void spin(const long long cycles) {
    const long long start = clock64();
    while (clock64() - start < cycles) {}
}
""",
    "nothing": 'extern "C" __global__ void nothing(const long long) {}',
}


class Cuda:
    """A CUDA device, its own clock, and this library's kernels for it.

    Parameters
    ----------
    precision : {"highest", "high"}
        Of float32 products, this library's and PyTorch's.
    """

    name = "cuda"
    caveat = "Medians, on the device named above."

    def __init__(self, precision: str) -> None:
        import cupy

        self.xp: Any = cupy
        self.precision = precision
        self._spin, self._nothing = (cupy.RawKernel(SOURCES[name], name) for name in SOURCES)

    def at(self, precision: str) -> "Cuda":
        """The same device with products in another precision."""
        other = copy.copy(self)
        other.precision = precision
        return other

    @property
    def kernels(self) -> SimpleNamespace:
        """The fused kernels, whether training uses them or not."""
        from sknorm.backends.base import join_kernels
        from sknorm.kernels import cuda

        return join_kernels(cuda)

    @property
    def cache_bytes(self) -> int:
        """Size of the cache that all multiprocessors share."""
        return int(self.xp.cuda.runtime.getDeviceProperties(0)["l2CacheSize"])

    def wait(self) -> None:
        """Return when the device is idle, whichever library has used it."""
        self.xp.cuda.Device().synchronize()

    def describe(self) -> str:
        """Model, driver and versions."""
        cuda = self.xp.cuda
        name = cuda.runtime.getDeviceProperties(0)["name"].decode()
        driver, version = cuda.runtime.driverGetVersion(), cuda.runtime.runtimeGetVersion()
        cublas = cuda.cublas.getVersion(cuda.Device().cublas_handle)
        return (
            f"{name}, driver {driver}, CUDA {version}, cuBLAS {cublas}, CuPy {self.xp.__version__}"
        )

    def verdict(self, value: float | None, bar: float | None, at_least: bool = True) -> str:
        """A measured ratio beside its bar."""
        return verdict(value, bar, at_least)

    def queued(self, launch: Callable[[], Any], cycles: int = CYCLES) -> tuple[Any, float | None]:
        """What ``launch`` returns, and the device's seconds for it.

        Events around launches would also count the gaps in which the device waits for the host.
        So the device is first kept busy by a kernel that spins for some ``cycles`` of its clock.
        Behind it the host queues all launches, between two events; when the spinning ends, the
        device goes through them without waiting for anybody, and the events tell how long.
        That holds only if the host was done before the spinning ended: a host that took longer
        than the spinning did, by the device's own clock, makes the measurement void (None). This
        happens where the queue, of about a thousand launches, is full, or where something in
        ``launch`` waits for the device.
        """
        before, start, end = (self.xp.cuda.Event() for _ in range(3))
        self.wait()

        def enqueue() -> Any:
            before.record()
            self._spin((1,), (1,), (np.int64(cycles),))
            start.record()
            results.append(launch())
            end.record()

        results: list[Any] = []
        host = seconds(enqueue)
        end.synchronize()
        spun, taken = (
            1e-3 * self.xp.cuda.get_elapsed_time(*pair) for pair in ((before, start), (start, end))
        )
        return results[0], taken if host < spun else None

    def launch_nothing(self) -> None:
        """Launch a kernel that does nothing."""
        self._nothing((1,), (32,), (np.int64(0),))

    def copy(self, source: Any, target: Any) -> None:
        """Copy an array to another of its kind, by the device's own copy."""
        target.data.copy_from_device_async(source.data, source.nbytes)

    def free_bytes(self) -> int | None:
        """Memory of the device that nobody has, not even a library for later."""
        return int(self.xp.cuda.runtime.memGetInfo()[0])

    def held_bytes(self) -> int | None:
        """Memory that CuPy's pool has taken from the device."""
        return int(self.xp.get_default_memory_pool().total_bytes())

    def release(self) -> None:
        """Give back the memory that libraries keep for later."""
        self.xp.get_default_memory_pool().free_all_blocks()
        if "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()

    def works(self) -> bool:
        """Whether the process can go on with the device: after a fault in a kernel it cannot."""
        try:
            self.wait()
        except Exception:
            return False
        return True


class Host:
    """The host in the place of a device: its kernels have run when a call returns."""

    name = "cpu"
    caveat = "A trial of this script on the host: these are not measurements of a device."
    cache_bytes = 0

    def __init__(self, precision: str) -> None:
        self.xp: Any = np
        self.precision = precision

    def at(self, precision: str) -> "Host":
        """The same; NumPy's products have one precision only."""
        return Host(precision)

    @property
    def kernels(self) -> SimpleNamespace:
        """The kernels of the host."""
        from sknorm.backends import resolve

        return resolve(np.zeros(1)).kernels

    def wait(self) -> None:
        """Nothing to wait for."""

    def describe(self) -> str:
        """Not a device."""
        return "none. " + self.caveat

    def verdict(self, value: float | None, bar: float | None, at_least: bool = True) -> str:
        """A ratio without a verdict."""
        return verdict(value, None)

    def queued(self, launch: Callable[[], Any], cycles: int = CYCLES) -> tuple[Any, float | None]:
        """What ``launch`` returns, and its time."""
        results: list[Any] = []
        taken = seconds(lambda: results.append(launch()))
        return results[0], taken

    def launch_nothing(self) -> None:
        """A call that does nothing."""

    def copy(self, source: Any, target: Any) -> None:
        """Copy an array to another of its kind."""
        np.copyto(target, source)

    def free_bytes(self) -> int | None:
        """Not looked at."""
        return None

    def held_bytes(self) -> int | None:
        """Not looked at."""
        return None

    def release(self) -> None:
        """Nothing is kept."""

    def works(self) -> bool:
        """Always."""
        return True


Device = Cuda | Host
DEVICES: dict[str, Callable[[str], Device]] = {"cuda": Cuda, "cpu": Host}


@dataclass
class Launches:
    """A call that only launches, of which the device is timed ``count`` times in a row.

    ``prepare`` is called with that number before the clock starts, and ``cycles`` is how long the
    device spins meanwhile: as long as the host was found to take.
    """

    name: str
    call: Callable[[], object]
    count: int = 10
    prepare: Callable[[int], object] | None = None
    cycles: int = FIRST_CYCLES

    def warm_up(self, device: Device) -> None:
        """Let everything compile and allocate, and find out how long the host takes."""
        if self.prepare is not None:
            self.prepare(1)
        self.call()
        for _ in range(TRIES):
            if self.sample(device) is not None:
                break

    def sample(self, device: Device) -> float | None:
        """Seconds of the device for a call; None if the host was too slow, who gets more time."""
        if self.prepare is not None:
            self.prepare(self.count)
        _, taken = device.queued(self._launch, self.cycles)
        if taken is None:
            self.cycles = min(2 * self.cycles, CYCLES)
            return None
        return taken / self.count

    def _launch(self) -> None:
        for _ in range(self.count):
            self.call()


def device_times(
    device: Device, contenders: Sequence[Launches], repeats: int
) -> dict[str, float | None]:
    """Median seconds of the device for a call of each, every other round in reverse order.

    None where the host could not queue the calls fast enough.
    """
    for contender in contenders:
        contender.warm_up(device)
    samples: dict[str, list[float | None]] = {contender.name: [] for contender in contenders}
    for repeat in range(repeats):
        for contender in contenders[:: -1 if repeat % 2 else 1]:
            samples[contender.name].append(contender.sample(device))
    return {name: median(times) for name, times in samples.items()}


def median(values: Iterable[float | None]) -> float | None:
    """Median of the numbers among the values, if there are any."""
    numbers = [value for value in values if value is not None]
    return statistics.median(numbers) if numbers else None


def over(numerator: float | None, denominator: float | None, factor: float = 1.0) -> float | None:
    """A ratio, if both of its parts were measured."""
    if numerator is None or denominator is None:
        return None
    return factor * numerator / denominator


def failure(error: Exception) -> str:
    """What went wrong, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
