"""How long are steps, stacks, whole fits and predictions on a device, beside PyTorch's?

Clocks are read when the device is idle. What a section measures stands in its function.
"""

import argparse
import statistics
from collections.abc import Iterator
from functools import cache, partial
from itertools import pairwise, product
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from gpu_device import Device, failure, median, over
from job import Job, quiet_fit, random_job, sknorm_estimator
from timing import Contender, interleave, markdown, seconds

PEERS = ("eager", "compiled", "captured")  # PyTorch's loops
QUEUED = 8  # steps that wait in the device's queue together, at first
SETTLING = 32  # steps in which kernels are loaded and recorded
STACK_BAR, FIT_BAR = 3.0, 1.0


class Case(NamedTuple):
    """A net, and the bars of PyTorch's time over this library's (None: no bar)."""

    batch_size: int
    width: int
    eager: float | None = None
    compiled: float | None = None
    captured: float | None = None
    fit: float | None = None


CASES = (
    Case(256, 256),
    Case(1024, 256, eager=3.0, compiled=1.0),
    Case(8192, 1024, compiled=1.2, fit=FIT_BAR),
)


def steps_section(device: Device, arguments: argparse.Namespace) -> str:
    """An epoch over its steps, with the table on the device.

    This library's epochs are those of ``fit``, as ``history_`` has them, but for the first one,
    in which kernels are loaded and recorded: they end when their losses have been read. PyTorch's
    end when the device is idle. Its compiled loop is the fastest of several settings;
    ``captured`` is a whole step in one CUDA graph, taken by hand.
    """
    rows, notes = [], list[str]()
    for precision, case in product(arguments.precision, cases(arguments)):
        job, said = job_of(*case[:2], arguments.batches), list[str]()
        epochs = epoch_seconds(device.at(precision), job, arguments, said)
        times = {name: over(time, job.steps * 1e-6) for name, time in epochs.items()}
        ratios = [
            device.verdict(over(times.get(kind), times["sknorm"]), getattr(case, kind))
            for kind in PEERS
        ]
        rows.append([precision, *case[:2], *map(times.get, ("sknorm", *PEERS)), *ratios])
        title = f"{precision}, batch {case.batch_size}, width {case.width}"
        notes.append("\n".join([f"{title}:", *(f"- {note}" for note in said)]))
        told = [f"{name} {time:.1f}" for name, time in times.items() if time is not None]
        print(f"{title}: {', '.join(told)} us/step", flush=True)
    headers = ["precision", "batch", "width", "sknorm us/step", *(f"{k} us/step" for k in PEERS)]
    headers += [f"{kind} / sknorm" for kind in PEERS]
    return "\n\n".join([markdown(headers, rows), *notes])


def stacks_section(device: Device, arguments: argparse.Namespace) -> str:
    """A step of a stack over that of a single network, batch 256 and width 256.

    Through ``fit``, where the host draws an order of the rows for every member, and the device's
    own time for the same steps.
    """
    job, members = job_of(256, 256, arguments.batches), arguments.members
    X, rows = device.xp.asarray(job.X), []
    for precision in arguments.precision:
        place = device.at(precision)
        samples: dict[int, list[float]] = {1: [], members: []}
        for count in list(samples) * arguments.repeats:
            samples[count].append(our_epoch(place, job, X, arguments.epochs, n_members=count))
        times = [statistics.median(each) for each in samples.values()]
        busy = [busy_epoch(place, job, n_members=count)[0] for count in samples]
        cells = [over(time, job.steps * 1e-6) for time in (*times, *busy)]
        ratio = device.verdict(times[1] / times[0], STACK_BAR, at_least=False)
        rows.append([precision, *cells[:2], ratio, *cells[2:], over(busy[1], busy[0])])
    headers = ["precision", "1 us/step", f"{members} us/step", f"{members} / 1"]
    headers += ["1 device us", f"{members} device us", "device's ratio"]
    return markdown(headers, rows)


def fits_section(device: Device, arguments: argparse.Namespace) -> str:
    """From an array on the host to a trained model.

    For this library all of ``fit``; for PyTorch the upload, the net, its fastest Adam and the
    plain loop, without any check.
    """
    rows, place = [], device.at(arguments.precision[0])
    for case in cases(arguments):
        job = job_of(*case[:2], arguments.batches)
        times = whole_fits(place, job, arguments)
        ratio = device.verdict(over(times.get("PyTorch"), times["sknorm"]), case.fit)
        rows.append([*case[:2], times["sknorm"], times.get("PyTorch"), ratio])
    return markdown(["batch", "width", "sknorm s", "PyTorch s", "PyTorch / sknorm"], rows)


def outside_section(device: Device, arguments: argparse.Namespace) -> str:
    """The share of an epoch in which the device does nothing, because it waits for the host.

    An epoch's time less the device's own for the same steps, see :func:`busy_epoch`.
    """
    rows, place = [], device.at(arguments.precision[0])
    for case in cases(arguments):
        job = job_of(*case[:2], arguments.batches)
        X = device.xp.asarray(job.X)
        epoch = statistics.median(
            our_epoch(place, job, X, arguments.epochs) for _ in range(arguments.repeats)
        )
        busy, steps = busy_epoch(place, job)
        rest = None if busy is None else epoch - busy
        cells = [epoch * 1e3, over(rest, 1e-3), over(rest, epoch, 100.0), steps]
        rows.append([*case[:2], *cells])
    headers = ["batch", "width", "epoch ms", "outside ms", "outside %", "queued steps"]
    return markdown(headers, rows)


def predictions_section(device: Device, arguments: argparse.Namespace) -> str:
    """``predict_proba`` of a table on the device over its matrix products alone."""
    place = device.at(arguments.precision[0])
    rows = [predictions(place, width, arguments) for width in (256, 1024)]
    return markdown(["width", "predict_proba ms", "products ms", "ratio"], rows)


def cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """The asked-for cases."""
    return (CASES[index] for index in arguments.cases)


@cache
def job_of(batch_size: int, width: int, batches: int) -> Job:
    """The same table for all sections."""
    return random_job(batch_size, width, 10, batches)


def fit(device: Device, job: Job, X: Any, epochs: int, **overrides: Any) -> Any:
    """This library's ``fit``, with products in the device's precision."""
    estimator = sknorm_estimator(job, epochs, matmul_precision=device.precision, **overrides)
    return quiet_fit(estimator, X, job.y)


def our_epoch(device: Device, job: Job, X: Any, epochs: int, **overrides: Any) -> float:
    """Median epoch of a fit, but for the first one, in which kernels are loaded and recorded."""
    model = fit(device, job, X, epochs + 1, **overrides)
    return statistics.median(_epochs_of(model)[1:])


def epoch_seconds(
    device: Device, job: Job, arguments: argparse.Namespace, notes: list[str]
) -> dict[str, float]:
    """Median epoch of this library and of PyTorch's loops."""
    X, samples = device.xp.asarray(job.X), {"sknorm": list[float]()}

    def ours() -> None:
        model = fit(device, job, X, arguments.epochs + 1)
        samples["sknorm"] += _epochs_of(model)[1:]

    def theirs(kind: str, peer: Any) -> None:
        def epoch() -> None:
            peer.train(1)
            device.wait()

        samples[kind] += [seconds(epoch) for _ in range(arguments.epochs)]

    ours()
    contenders = [Contender("sknorm", ours)]
    for kind, peer in _peers(device, job, arguments, notes).items():
        samples[kind] = []
        theirs(kind, peer)
        contenders.append(Contender(kind, partial(theirs, kind, peer)))
    for times in samples.values():
        times.clear()  # the first ones warm up
    interleave(contenders, arguments.repeats, warm_ups=0)
    return {name: statistics.median(times) for name, times in samples.items()}


def _peers(
    device: Device, job: Job, arguments: argparse.Namespace, notes: list[str]
) -> dict[str, Any]:
    """PyTorch's loops that could be built."""
    if not arguments.peers:
        return {}
    try:
        from torch_device_peer import trainers
    except ImportError as error:
        notes.append(f"PyTorch: not measured ({failure(error)})")
        return {}
    return trainers(device, job, arguments.peers, notes)


def whole_fits(device: Device, job: Job, arguments: argparse.Namespace) -> dict[str, float]:
    """Median whole fit of each, of PyTorch where it is asked for."""

    def ours() -> None:
        fit(device, job, device.xp.asarray(job.X), arguments.fit_epochs)
        device.wait()

    contenders = [Contender("sknorm", ours)]
    if arguments.peers:
        from torch_device_peer import fastest_adam
        from torch_peer import TorchTrainer

        adam = fastest_adam(device, job)

        def theirs() -> None:
            TorchTrainer(job, adam, device=device.name).train(arguments.fit_epochs)
            device.wait()

        contenders.append(Contender("PyTorch", theirs))
    return interleave(contenders, arguments.repeats)


def busy_epoch(device: Device, job: Job, **overrides: Any) -> tuple[float | None, int | None]:
    """Seconds of an epoch for which the device is busy, and the steps that were queued at once.

    Some steps of the epoch are queued behind a kernel that spins, as ``Cuda.queued`` says, and
    their time is scaled to all. It includes the pauses of about a microsecond that the device
    itself makes between two kernels, and the upload of the order of the rows. So the share of
    the epoch outside kernels is rather a little more than what is printed. (None, None) if not
    even one step fits into the queue.
    """
    steps = min(QUEUED, job.steps)
    while (busy := _step_seconds(device, job, steps, overrides)) is None:
        if steps == 1:
            return None, None
        steps //= 2
    return busy * len(job.X) / job.batch_size, steps


def _step_seconds(device: Device, job: Job, steps: int, overrides: dict[str, Any]) -> float | None:
    """Seconds of the device for a step, of epochs of so few; None without a valid measurement."""
    from sknorm.training.steps import Steps

    rows = slice(0, steps * job.batch_size)
    part = Job(job.X[rows], job.y[rows], job.n_classes, job.hidden, job.batch_size)
    taken: list[float | None] = []
    plain = Steps.epoch

    def epoch(self: Steps, *given: Any) -> Any:
        result, time = device.queued(partial(plain, self, *given))
        taken.append(time)
        return result

    with mock.patch.object(Steps, "epoch", epoch):
        fit(device, part, device.xp.asarray(part.X), 4 + SETTLING // steps, **overrides)
    return over(median(taken[-4:]), steps)


def predictions(device: Device, width: int, arguments: argparse.Namespace) -> list[Any]:
    """``predict_proba`` over its bare products."""
    xp, job = device.xp, job_of(1024, width, 8)
    model = fit(device, job, xp.asarray(job.X), 2)
    X = xp.asarray(np.resize(job.X, (arguments.rows, job.X.shape[1])))
    sizes = [X.shape[1], *job.hidden, job.n_outputs]
    weights = [xp.ones(pair, dtype=X.dtype) for pair in pairwise(sizes)]
    outs = [xp.empty((len(X), size), dtype=X.dtype) for size in sizes[1:]]

    def products() -> None:
        for rows, weight, out in zip([X, *outs], weights, outs, strict=False):
            xp.matmul(rows, weight, out=out)
        device.wait()

    def predict() -> None:
        model.predict_proba(X)
        device.wait()

    contenders = [Contender("predict_proba", predict), Contender("products", products)]
    times = interleave(contenders, arguments.repeats)
    ratio = times["predict_proba"] / times["products"]
    return [width, *(times[name] * 1e3 for name in times), ratio]


def _epochs_of(model: Any) -> list[float]:
    """Seconds of each epoch of a fit; members of a stack share them."""
    times = np.asarray(model.history_["seconds"])
    return times.reshape(len(times), -1)[:, 0].tolist()
