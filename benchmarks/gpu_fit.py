"""For how much of a large fit is the device busy, and how much of its memory does the fit take?"""

import argparse
import copy
import statistics
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from gpu_device import Device, over
from gpu_training import busy_epoch, fit
from job import Job, random_job
from timing import markdown, seconds

BATCH, WIDTH = 8192, 512
BUSY_BAR, MEMORY_BAR = 90.0, 1.0  # percent, GB


def large_section(device: Device, arguments: argparse.Namespace) -> str:
    """One epoch on a table that is on the device, all of ``fit``.

    The device's busy time is the sum of two parts, each of which is measured while all that it
    launches waits in the device's queue, so that no wait for the host is in it: the steps of the
    epoch, see ``busy_epoch``, and the kernels that measure the columns before it. What
    cannot be queued because the host reads its result (the checks of the values, the transfers)
    counts as idle, so the share is a lower bound, but for the device's own pauses between two
    kernels.

    Memory is what the device has less after the section's first fit than before it, the table
    and the libraries' contexts being there already. That is the peak: CuPy's pool gives
    nothing back of what it once took unless it is asked to, and it is only asked before.
    """
    place, job = device.at(arguments.precision[0]), large_job(*arguments.table)
    X = device.xp.asarray(job.X)
    memory = memory_of(place, partial(fit, place, job, X, 1))
    epochs: list[float] = []
    run = partial(_fit_and_wait, place, job, X, epochs)
    whole = statistics.median(seconds(run) for _ in range(arguments.repeats))
    steps, measuring = busy_epoch(place, job)[0], column_seconds(place, X)
    share = None if steps is None else 100.0 * (steps + measuring) / whole
    cells = [over(time, 1e-3) for time in (whole, statistics.median(epochs), steps, measuring)]
    headers = ["rows", "columns", "fit ms", "epoch ms", "steps busy ms", "columns busy ms",
               "busy %", "memory beyond X GB", "of CuPy's pool GB"]  # fmt: skip
    row = [*X.shape, *cells, device.verdict(share, BUSY_BAR)]
    row += [device.verdict(memory[0], MEMORY_BAR, at_least=False), memory[1]]
    return markdown(headers, [row])


def large_job(rows: int, columns: int) -> Job:
    """A table of exactly so many rows."""
    whole = random_job(BATCH, WIDTH, 10, -(-rows // BATCH), inputs=columns)
    return Job(whole.X[:rows], whole.y[:rows], whole.n_classes, whole.hidden, BATCH)


def memory_of(device: Device, call: Callable[[], Any]) -> tuple[float | None, float | None]:
    """GB that a call takes of the device and that CuPy's pool does, results included."""
    device.release()
    device.wait()
    free, held = device.free_bytes(), device.held_bytes()
    result = call()
    device.wait()
    left, holding = device.free_bytes(), device.held_bytes()
    del result
    if free is None or left is None or held is None or holding is None:
        return None, None
    return (free - left) * 1e-9, (holding - held) * 1e-9


def column_seconds(device: Device, X: Any) -> float:
    """Seconds of the device for the kernels that measure the columns of a table.

    Each is queued on its own, as the host reads what one chunk of rows gave before it goes on.
    """
    from sknorm import scaling

    plain, taken = scaling.resolve, list[float | None]()

    def timed(kernel: Callable[..., Any], *given: Any) -> Any:
        result, time = device.queued(partial(kernel, *given))
        taken.append(time)
        return result

    def resolve(table: Any) -> Any:
        backend: Any = copy.copy(plain(table))
        kernels = vars(backend.kernels).items()
        backend.kernels = SimpleNamespace(**{name: partial(timed, k) for name, k in kernels})
        return backend

    with mock.patch.object(scaling, "resolve", resolve):
        scaling.columns(X, None)
        taken.clear()  # the first ones load kernels
        scaling.columns(X, None)
    return sum(time for time in taken if time is not None)


def _fit_and_wait(device: Device, job: Job, X: Any, epochs: list[float]) -> None:
    epochs.append(float(fit(device, job, X, 1).history_["seconds"][0]))
    device.wait()
