"""How fast are kernels, training and prediction on a GPU, beside PyTorch on the same GPU?

Two hidden blocks (batch norm, ReLU, dropout 0.1), Adam, float32, 64 inputs, 10 classes, unless a
section says otherwise. Each section prints its table when it is done; one that fails says so in its
place, and its traceback goes to stderr.

``--device cpu`` tries the script out on the host, where none of this means anything, and with the
kernels of the host.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable

from gpu_device import DEVICES, Device, failure
from gpu_fit import large_section
from gpu_kernels import kernels_section, small_section
from gpu_training import (
    CASES,
    PEERS,
    fits_section,
    outside_section,
    predictions_section,
    stacks_section,
    steps_section,
)
from timing import describe_machine

SECTIONS: dict[str, tuple[str, Callable[[Device, argparse.Namespace], str]]] = {
    "kernels": ("Kernels", kernels_section),
    "small": ("Small kernels", small_section),
    "steps": ("Steps", steps_section),
    "stacks": ("Stacks", stacks_section),
    "large": ("Large fit", large_section),
    "fits": ("Fits", fits_section),
    "outside": ("Outside kernels", outside_section),
    "predictions": ("Predictions", predictions_section),
}
PRECISIONS = ("highest", "high")
QUICK = {
    "cases": [1], "precision": ["highest"], "batches": 20, "epochs": 2, "fit_epochs": 3,
    "repeats": 3, "kernel_repeats": 5,
}  # fmt: skip


def main() -> None:
    """Print the table of each section."""
    arguments = parse_arguments()
    device = DEVICES[arguments.device](arguments.precision[0])
    print(describe_machine())
    for line in describe(device, arguments):
        print(f"- {line}")
    for index, name in enumerate(arguments.sections):
        title, section = SECTIONS[name]
        started = time.perf_counter()
        text = run(section, device, arguments)
        print(f"\n{title} ({time.perf_counter() - started:.0f} s)\n\n{text}", flush=True)
        if not device.works():
            return restart(arguments.sections[index + 1 :])
        device.release()
    print(f"\n{device.caveat}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=DEVICES, default="cuda")
    parser.add_argument("--sections", choices=SECTIONS, nargs="+", default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="one case, one precision, few samples")
    parser.add_argument(
        "--precision", choices=PRECISIONS, nargs="+", default=list(PRECISIONS),
        help="of float32 products; steps and stacks are measured in each, the rest in the first",
    )  # fmt: skip
    parser.add_argument("--peers", choices=PEERS, nargs="*", default=list(PEERS))
    parser.add_argument(
        "--cases", type=int, nargs="+", choices=range(len(CASES)), default=range(len(CASES)),
        help=", ".join(f"{i}: {case[0]} x {case[1]}" for i, case in enumerate(CASES)),
    )  # fmt: skip
    parser.add_argument("--batches", type=int, default=50, help="batches of the table")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a sample of steps")
    parser.add_argument("--fit-epochs", type=int, default=10, help="epochs of a whole fit")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--kernel-repeats", type=int, default=15)
    parser.add_argument("--kernel-shape", type=int, nargs=2, default=(65_536, 512))
    parser.add_argument("--small-shape", type=int, nargs=2, default=(1024, 256))
    parser.add_argument("--members", type=int, default=64, help="networks of a stack")
    parser.add_argument("--table", type=int, nargs=2, default=(1_000_000, 100), help="large fit's")
    parser.add_argument("--rows", type=int, default=200_000, help="rows of predict_proba")
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


def describe(device: Device, arguments: argparse.Namespace) -> list[str]:
    """The device, and what training on it uses."""
    switches = ("SKNORM_CUDA_KERNELS", "NVIDIA_TF32_OVERRIDE", "CUPY_TF32")
    return [
        f"device: {device.describe()}",
        f"PyTorch: {torch_version()}",
        f"training: {kernels_of_training(device)}",
        f"precision of cuBLAS's float32 products: {', '.join(arguments.precision)}",
        ", ".join(f"{name}={os.environ.get(name, 'not set')}" for name in switches),
    ]


def kernels_of_training(device: Device) -> str:
    """Which kernels ``fit`` takes on the device, and how it launches them."""
    from sknorm.backends import resolve

    try:
        backend = resolve(device.xp.zeros(1))
        recorder = backend.recorder()
    except Exception as error:  # the sections will say what of it concerns them
        return failure(error)
    fused = backend.kernels.batch_block_forward.__module__.partition(".reference")
    name = "portable kernels" if fused[1] else f"fused kernels ({fused[0]})"
    return f"{name}, steps {'launched one by one' if recorder is None else 'replayed as graphs'}"


def torch_version() -> str:
    """PyTorch, and what it was built with."""
    try:
        import torch
    except ImportError as error:
        return f"none ({failure(error)})"
    return f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"


def run(
    section: Callable[[Device, argparse.Namespace], str],
    device: Device,
    arguments: argparse.Namespace,
) -> str:
    """A section's text, or what kept it from being measured."""
    try:
        return section(device, arguments)
    except Exception as error:
        traceback.print_exc()
        return f"Not measured: {failure(error)}"


def restart(sections: list[str]) -> None:
    """Go on with other sections in a new process, as a fault leaves this one without a device."""
    if not sections:
        return
    print("\nThe device's context is lost; the rest follows in a new process.\n", flush=True)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "--sections", *sections])


if __name__ == "__main__":
    main()
