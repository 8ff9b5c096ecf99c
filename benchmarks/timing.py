"""How long do several contenders take, side by side in one process with the same threads?

The contenders' runs are interleaved, so that a busy neighbour slows all of them alike, and compared
by their medians. Nothing here asserts a time.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

from threadpoolctl import threadpool_info

THREADS = "SKNORM_BENCH_THREADS"
CORES = "SKNORM_BENCH_CORES"
ONE_XLA_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LIBRARIES = ("numpy", "scipy", "scikit-learn", "numba", "torch", "jax", "sknorm")


@dataclass(frozen=True)
class Contender:
    """Something to time: one call of ``run`` does ``units`` units of work (steps, calls)."""

    name: str
    run: Callable[[], object]
    units: int = 1


def add_clock_argument(parser: argparse.ArgumentParser) -> None:
    """``--clock cpu`` counts the process's own computing time: for machines that are busy."""
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a busy machine")


def restart_with_threads(threads: int) -> None:
    """Re-execute this script on ``threads`` cores, before any library has sized its thread pools.

    BLAS, Numba, PyTorch and XLA all count the cores that the process may run on when they start,
    so the affinity holds for each of them without knowing its switches.
    """
    if os.environ.get(THREADS) == str(threads):
        return
    if hasattr(os, "sched_setaffinity"):
        cores = os.environ.setdefault(CORES, ",".join(map(str, sorted(os.sched_getaffinity(0)))))
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")][-threads:])
    os.environ[THREADS] = str(threads)
    if threads == 1:
        os.environ["XLA_FLAGS"] = ONE_XLA_THREAD
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def interleave(
    contenders: Sequence[Contender],
    repeats: int,
    warm_ups: int = 1,
    clock: str = "wall",
) -> dict[str, float]:
    """Median seconds per unit of each contender; every other round runs in reverse order."""
    samples: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(warm_ups):
        for contender in contenders:
            contender.run()
    for repeat in range(repeats):
        for contender in contenders[:: -1 if repeat % 2 else 1]:
            samples[contender.name].append(seconds(contender.run, CLOCKS[clock]) / contender.units)
    return {name: statistics.median(times) for name, times in samples.items()}


def repeated(name: str, call: Callable[[], object], sample_seconds: float = 0.01) -> Contender:
    """A contender that repeats a short call until a sample is long enough to be timed."""
    call()
    once = min(seconds(call) for _ in range(3))
    number = max(1, round(sample_seconds / max(once, 1e-7)))

    def run() -> None:
        for _ in range(number):
            call()

    return Contender(name, run, number)


def fastest(candidates: Sequence[Contender], repeats: int = 2) -> Contender:
    """The contender with the least time per unit; used to give each peer its best setting."""
    if len(candidates) == 1:
        return candidates[0]
    times = interleave(candidates, repeats)
    return min(candidates, key=lambda candidate: times[candidate.name])


def seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call."""
    start = clock()
    call()
    return clock() - start


def markdown(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table; floats are printed with three digits."""
    cells = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    lines = [_line(row, widths) for row in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def verdict(value: float | None, bar: float | None, at_least: bool = True) -> str:
    """A measured ratio beside its bar, with PASS or MISS."""
    if value is None:
        return "-"
    if bar is None:
        return f"{value:.2f}"
    passed = value >= bar if at_least else value <= bar
    return f"{value:.2f} ({'>=' if at_least else '<='} {bar:g}) {'PASS' if passed else 'MISS'}"


def ratio(times: dict[str, float], numerator: str, denominator: str) -> float | None:
    """Ratio of two contenders' medians; None where one was not measured."""
    if numerator not in times or denominator not in times:
        return None
    return times[numerator] / times[denominator]


def describe_machine() -> str:
    """CPU, cores in use, library versions and the architecture that each BLAS chose."""
    lines = [f"CPU: {_cpu_model()}, {_usable_cores()} core(s) in use"]
    lines.append("versions: " + ", ".join(_versions()))
    lines.extend(_thread_pools())
    return "\n".join(f"- {line}" for line in lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else _plain(value)


def _plain(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _versions() -> list[str]:
    versions = [f"Python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            continue
    return versions


def _thread_pools() -> list[str]:
    import_module("numpy")  # its BLAS is listed once it is loaded
    pools = [
        f"{pool['internal_api']} {pool.get('version')} ({Path(pool['filepath']).name}): "
        f"{pool['num_threads']} thread(s), architecture {pool.get('architecture', '-')}"
        for pool in threadpool_info()
    ]
    coretype = os.environ.get("OPENBLAS_CORETYPE", "not set")
    return [*dict.fromkeys(pools), f"OPENBLAS_CORETYPE: {coretype}"]
