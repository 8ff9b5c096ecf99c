"""How long are a training step and a prediction on a GPU, beside PyTorch eager on the same GPU?

The table is on the device throughout, and clocks are read when the device is idle. Steps are timed
through whole calls of ``fit``. ``--device cpu`` tries the script out on the host.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from job import Job, quiet_fit, random_job, sknorm_estimator
from timing import Contender, describe_machine, interleave, markdown, verdict

STEPS = [(256, 256), (1024, 256), (8192, 1024)]
BARS = {(8192, 1024): 1.0}


def main() -> None:
    """Print the tables of the sections asked for."""
    arguments = parse_arguments()
    device = Device(arguments.device)
    print(f"{describe_machine()}\n- device: {device.describe()}")
    print("\n" + steps_table(device, arguments))
    print("\n" + predict_table(device, arguments))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of predict")
    return parser.parse_args()


class Device:
    """Where the contenders compute: how arrays get there, and how to wait for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.xp: Any = np
        if name == "cuda":
            import cupy

            self.xp = cupy

    def wait(self) -> None:
        """Return when the device is idle."""
        if self.name == "cuda":
            self.xp.cuda.Device().synchronize()

    def describe(self) -> str:
        """Model, driver and versions."""
        if self.name == "cpu":
            return "the host (a trial of this script, not a measurement)"
        runtime = self.xp.cuda.runtime
        name = runtime.getDeviceProperties(0)["name"].decode()
        driver, cuda = runtime.driverGetVersion(), runtime.runtimeGetVersion()
        return f"{name}, driver {driver}, CUDA {cuda}, CuPy {self.xp.__version__}"

    def contender(self, name: str, run: Callable[[], object], units: int) -> Contender:
        """A contender that is done when the device is."""

        def timed() -> None:
            run()
            self.wait()

        return Contender(name, timed, units)


def steps_table(device: Device, arguments: argparse.Namespace) -> str:
    """Time per step, training loop and all, and the share of launching."""
    rows = []
    for batch, width in STEPS:
        job = random_job(batch, width, 10, arguments.batches)
        contenders = [
            device.contender("sknorm", partial(fit, device, job, arguments.epochs), 1),
            device.contender("PyTorch", torch_trainer(device, job, arguments.epochs), 1),
        ]
        times = interleave(contenders, arguments.repeats)
        steps = arguments.epochs * job.steps
        ratio = verdict(times["PyTorch"] / times["sknorm"], BARS.get((batch, width)))
        rows.append([batch, width, *(times[n] / steps * 1e6 for n in times), ratio])
    headers = ["batch", "width", "sknorm us/step", "PyTorch us/step", "PyTorch / sknorm"]
    return markdown(headers, rows)


def predict_table(device: Device, arguments: argparse.Namespace) -> str:
    """``predict_proba`` over its bare products."""
    rows = []
    for width in (256, 1024):
        job = random_job(1024, width, 10, 8)
        model = quiet_fit(sknorm_estimator(job, 2), device.xp.asarray(job.X), job.y)
        X = device.xp.asarray(np.resize(job.X, (arguments.rows, job.X.shape[1])))
        weights = [device.xp.asarray(w) for w in model.coefs_]
        contenders = [
            device.contender("predict_proba", partial(model.predict_proba, X), 1),
            device.contender("products", partial(products, X, weights), 1),
        ]
        times = interleave(contenders, arguments.repeats)
        ratio = times["predict_proba"] / times["products"]
        rows.append([width, *(times[name] * 1e3 for name in times), ratio])
    return markdown(["width", "predict_proba ms", "products ms", "ratio"], rows)


def fit(device: Device, job: Job, epochs: int) -> object:
    """A whole ``fit`` on a table that is on the device."""
    return quiet_fit(sknorm_estimator(job, epochs), device.xp.asarray(job.X), job.y)


def torch_trainer(device: Device, job: Job, epochs: int) -> Callable[[], object]:
    """PyTorch's eager training loop on the same device."""
    from torch_peer import TorchTrainer

    trainer = TorchTrainer(job, {"fused": True}, device=device.name)

    def run() -> None:
        trainer.train(epochs)
        if device.name == "cuda":
            import torch

            torch.cuda.synchronize()

    return run


def products(X: Any, weights: list[Any]) -> Any:
    """The products of a forward pass."""
    for weight in weights:
        X = X @ weight
    return X


if __name__ == "__main__":
    main()
