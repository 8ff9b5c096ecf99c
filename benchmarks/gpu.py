"""How long are training and prediction on a GPU, beside PyTorch eager on the same GPU?

Two hidden blocks (batch norm, ReLU, dropout 0.1), Adam, float32, 64 inputs, 10 classes. Clocks are
read when the device is idle. PyTorch runs its plain loop with the fastest of its three Adams.

Steps
    An epoch over its steps, with the table on the device. This library's epochs are those of
    ``fit``, as ``history_`` has them: they end when their losses have been read. PyTorch's end when
    the device is idle.
Fits
    From an array on the host to a trained model: for this library all of ``fit``; for PyTorch the
    upload, the net, the optimizer and the loop, without any check.
Outside kernels
    The share of an epoch in which the device does nothing, because it waits for the host. See
    :func:`device_seconds` for how it is measured, and why not by clocks around the launches.
Predictions
    ``predict_proba`` of a table on the device over its matrix products alone.

``--device cpu`` tries the script out on the host, where none of this means anything.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
from job import Job, quiet_fit, random_job, sknorm_estimator
from timing import Contender, describe_machine, interleave, markdown, seconds, verdict

CASES = [(256, 256), (1024, 256), (8192, 1024)]  # batch, width
BARS = {(8192, 1024): 1.0}
QUEUED = 8  # steps that wait in the device's queue together, at first
CYCLES = 400_000_000  # of the device's clock: 0.2 seconds at 2 GHz
SPIN = """
extern "C" __global__ void spin(const long long cycles) {
    const long long start = clock64();
    while (clock64() - start < cycles) {}
}
"""


def main() -> None:
    """Print the table of each section."""
    arguments = parse_arguments()
    device = DEVICES[arguments.device](arguments.precision)
    print(f"{describe_machine()}\n- device: {device.describe()}")
    print(f"- float32 products in precision {arguments.precision!r}\n")
    rows: dict[str, list[Any]] = {"Steps": [], "Fits": [], "Outside kernels": []}
    for case in (CASES[index] for index in arguments.cases):
        job = random_job(*case, 10, arguments.batches)
        adam = fastest_adam(device, job)
        epochs = epoch_seconds(device, job, adam, arguments)
        rows["Steps"].append([*case, *compared(epochs, device.bars.get(case), 1e6 / job.steps)])
        whole = fits(device, job, adam, arguments)
        rows["Fits"].append([*case, *compared(whole, device.bars.get(case), 1.0)])
        rows["Outside kernels"].append([*case, *outside(device, job, epochs["sknorm"])])
        print(f"batch {case[0]}, width {case[1]}: done, PyTorch with Adam {adam}", flush=True)
    rows["Predictions"] = [predictions(device, width, arguments) for width in (256, 1024)]
    for section, table in rows.items():
        print(f"\n{section}\n\n{markdown(HEADERS[section], table)}")
    print(f"\n{device.caveat}")


HEADERS = {
    "Steps": ["batch", "width", "sknorm us/step", "PyTorch us/step", "PyTorch / sknorm"],
    "Fits": ["batch", "width", "sknorm s", "PyTorch s", "PyTorch / sknorm"],
    "Outside kernels": ["batch", "width", "epoch ms", "outside ms", "outside %", "queued steps"],
    "Predictions": ["width", "predict_proba ms", "products ms", "ratio"],
}


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=DEVICES, default="cuda")
    parser.add_argument("--cases", type=int, nargs="+", default=range(len(CASES)))
    parser.add_argument("--batches", type=int, default=50, help="batches of the table")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a sample of steps")
    parser.add_argument("--fit-epochs", type=int, default=10, help="epochs of a whole fit")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of predict_proba")
    parser.add_argument("--precision", choices=["highest", "high"], default="highest")
    return parser.parse_args()


class Cuda:
    """A CUDA device, and its own clock."""

    name, bars = "cuda", BARS
    caveat = "Medians, on the device named above."

    def __init__(self, precision: str) -> None:
        import cupy

        self.xp: Any = cupy
        self.precision = precision
        self._spin = cupy.RawKernel(SPIN, "spin")

    def wait(self) -> None:
        """Return when the device is idle, whichever library has used it."""
        self.xp.cuda.Device().synchronize()

    def describe(self) -> str:
        """Model, driver and versions."""
        runtime = self.xp.cuda.runtime
        name = runtime.getDeviceProperties(0)["name"].decode()
        driver, cuda = runtime.driverGetVersion(), runtime.runtimeGetVersion()
        return f"{name}, driver {driver}, CUDA {cuda}, CuPy {self.xp.__version__}"

    def queued(self, launch: Callable[[], Any]) -> tuple[Any, float | None]:
        """What ``launch`` returns, and the device's time for it; see :func:`device_seconds`."""
        before, start, end = (self.xp.cuda.Event() for _ in range(3))
        self.wait()

        def enqueue() -> Any:
            before.record()
            self._spin((1,), (1,), (np.int64(CYCLES),))
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


class Host:
    """The host in the place of a device: its kernels have run when a call returns."""

    name = "cpu"
    bars: dict[tuple[int, int], float] = {}
    caveat = "A trial of this script on the host: these are not measurements of a device."

    def __init__(self, precision: str) -> None:
        self.xp: Any = np
        self.precision = precision

    def wait(self) -> None:
        """Nothing to wait for."""

    def describe(self) -> str:
        """Not a device."""
        return "none. " + self.caveat

    def queued(self, launch: Callable[[], Any]) -> tuple[Any, float | None]:
        """What ``launch`` returns, and its time."""
        results: list[Any] = []
        taken = seconds(lambda: results.append(launch()))
        return results[0], taken


DEVICES = {"cuda": Cuda, "cpu": Host}
Device = Cuda | Host


def compared(times: dict[str, float], bar: float | None, unit: float) -> list[Any]:
    """Both times and their ratio, beside its bar."""
    ratio = verdict(times["PyTorch"] / times["sknorm"], bar)
    return [times["sknorm"] * unit, times["PyTorch"] * unit, ratio]


def fit(device: Device, job: Job, X: Any, epochs: int) -> Any:
    """This library's ``fit``, with its default products unless told otherwise."""
    high = {} if device.precision == "highest" else {"matmul_precision": device.precision}
    return quiet_fit(sknorm_estimator(job, epochs, **high), X, job.y)


def trainer(device: Device, job: Job, adam: dict[str, bool]) -> Any:
    """PyTorch's net and loop on the same device."""
    import torch
    from torch_peer import TorchTrainer

    torch.set_float32_matmul_precision(device.precision)
    return TorchTrainer(job, adam, device=device.name)


def fastest_adam(device: Device, job: Job) -> dict[str, bool]:
    """The setting of PyTorch's Adam that is fastest for the job."""
    from torch_peer import EAGER

    def run(peer: Any) -> None:
        peer.train(1)
        device.wait()

    contenders = [
        Contender(str(index), partial(run, trainer(device, job, adam)))
        for index, adam in enumerate(EAGER)
    ]
    times = interleave(contenders, 3)
    return EAGER[int(min(times, key=lambda name: times[name]))]


def epoch_seconds(
    device: Device, job: Job, adam: dict[str, bool], arguments: argparse.Namespace
) -> dict[str, float]:
    """Median epoch of each."""
    X, peer = device.xp.asarray(job.X), trainer(device, job, adam)
    samples: dict[str, list[float]] = {"sknorm": [], "PyTorch": []}

    def ours() -> None:
        samples["sknorm"] += fit(device, job, X, arguments.epochs).history_["seconds"]

    def epoch() -> None:
        peer.train(1)
        device.wait()

    def theirs() -> None:
        device.wait()
        samples["PyTorch"] += [seconds(epoch) for _ in range(arguments.epochs)]

    for warm_up in (ours, theirs):
        warm_up()
    samples.update(sknorm=[], PyTorch=[])
    contenders = [Contender("sknorm", ours), Contender("PyTorch", theirs)]
    interleave(contenders, arguments.repeats, warm_ups=0)
    return {name: statistics.median(times) for name, times in samples.items()}


def fits(
    device: Device, job: Job, adam: dict[str, bool], arguments: argparse.Namespace
) -> dict[str, float]:
    """Median whole fit of each."""

    def ours() -> None:
        fit(device, job, device.xp.asarray(job.X), arguments.fit_epochs)
        device.wait()

    def theirs() -> None:
        trainer(device, job, adam).train(arguments.fit_epochs)
        device.wait()

    contenders = [Contender("sknorm", ours), Contender("PyTorch", theirs)]
    return interleave(contenders, arguments.repeats)


def outside(device: Device, job: Job, epoch: float) -> list[Any]:
    """Milliseconds of an epoch, of its part outside kernels, that part in percent, steps queued."""
    steps = min(QUEUED, job.steps)
    while (busy := device_seconds(device, job, steps)) is None:
        if steps == 1:
            return [epoch * 1e3, None, None, None]  # not even one step fits into the queue
        steps //= 2
    rest = epoch - busy * job.steps
    return [epoch * 1e3, rest * 1e3, 100.0 * rest / epoch, steps]


def device_seconds(device: Device, job: Job, steps: int) -> float | None:
    """Seconds a step for which the device is busy, whatever the host does meanwhile.

    Events around the launches of an epoch would also count the gaps in which the device waits
    for the next launch, which are what is asked for. So the device is first kept busy by a kernel
    that spins. Behind it, the host queues all launches of an epoch of some ``steps``, between two
    events; when the spinning ends, the device goes through them without waiting for anybody, and
    the events tell how long. That holds only if the host was done before the spinning ended:
    a host that took longer than the spinning did, by the device's own clock, makes the
    measurement void. This happens where the queue, of about a thousand launches, is full, or
    where something in the epoch waits for the device.

    The time includes the pauses of about a microsecond that the device itself makes between two
    kernels, and the upload of the order of the rows. So the share of the epoch outside kernels
    is rather a little more than what is printed.

    Returns
    -------
    float or None
        None if not one measurement was valid.
    """
    from sknorm.training.steps import Steps

    rows = slice(0, steps * job.batch_size)
    part = Job(job.X[rows], job.y[rows], job.n_classes, job.hidden, job.batch_size)
    taken: list[float | None] = []
    plain = Steps.epoch

    def epoch(self: Steps, *given: Any) -> Any:
        result, time = device.queued(partial(plain, self, *given))
        taken.append(time)
        return result

    X = device.xp.asarray(part.X)
    with mock.patch.object(Steps, "epoch", epoch):
        fit(device, part, X, 8)
    valid = [time for time in taken[2:] if time is not None]  # the first ones load kernels
    return statistics.median(valid) / steps if valid else None


def predictions(device: Device, width: int, arguments: argparse.Namespace) -> list[Any]:
    """``predict_proba`` over its bare products."""
    xp, job = device.xp, random_job(1024, width, 10, 8)
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


if __name__ == "__main__":
    main()
