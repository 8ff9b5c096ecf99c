"""How long is one training step, measured through fit, beside PyTorch, JAX and scikit-learn?

Two hidden blocks (batch norm, ReLU, dropout 0.1), Adam, float32, 64 inputs, one core. This library
and scikit-learn are timed through ``fit`` as a user calls it, all its overhead included; the peers'
loops are timed without building the net. ``bare GEMMs`` are the step's matrix products alone.
"""

import argparse
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
from job import Job, fit_contender, random_job, sklearn_estimator, sknorm_estimator
from threadpoolctl import threadpool_limits
from timing import (
    Contender,
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    ratio,
    repeated,
    restart_with_threads,
    verdict,
)


class Case(NamedTuple):
    """A row of the table: the net, the epochs per sample and the bars (None: no bar)."""

    batch_size: int
    width: int
    fit_epochs: int
    peer_epochs: int
    eager_bar: float
    jax_bar: float
    gemm_bar: float | None


CASES = (
    Case(32, 32, 100, 10, 10, 4, None),
    Case(200, 100, 30, 5, 3.3, 2.4, 1.5),
    Case(256, 256, 12, 4, 1.9, 1.3, 1.3),
    Case(1024, 256, 5, 2, 2.2, 1.5, 1.15),
    Case(1024, 512, 3, 1, 1.7, 1.2, 1.10),
)
NAMES = ("sknorm", "PyTorch eager", "PyTorch compiled", "JAX jit", "scikit-learn", "bare GEMMs")


def main() -> None:
    """Measure the asked-for rows and print the times, then the ratios beside their bars."""
    arguments = parse_arguments()
    restart_with_threads(1)
    times: dict[Case, dict[str, float]] = {}
    notes: list[str] = []
    with threadpool_limits(1):
        for case in (CASES[row] for row in arguments.rows):
            times[case] = measure(case, arguments, notes)
            print(f"batch {case.batch_size}, width {case.width}: done", flush=True)
    print(f"\n{describe_machine()}\n- {arguments.classes} classes, {arguments.clock} time\n")
    print(times_table(times), ratios_table(times), *notes, sep="\n\n")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=range(len(CASES)))
    parser.add_argument("--classes", type=int, default=10, help="2 or more")
    parser.add_argument("--batches", type=int, default=50, help="batches of the table")
    parser.add_argument("--repeats", type=int, default=5)
    add_clock_argument(parser)
    parser.add_argument("--contenders", nargs="+", choices=NAMES, default=NAMES)
    return parser.parse_args()


def measure(case: Case, arguments: argparse.Namespace, notes: list[str]) -> dict[str, float]:
    """Seconds per step of each contender that could be built; the others leave a note."""
    job = random_job(case.batch_size, case.width, arguments.classes, arguments.batches)
    contenders: list[Contender] = []
    for name in arguments.contenders:
        try:
            contenders.append(BUILDERS[name](job, case))
        except Exception as error:
            note = f"{name} not measured: {type(error).__name__}: {str(error)[:300]}"
            notes.extend([note] if note not in notes else [])
    wall, cpu = perf_counter(), process_time()
    times = interleave(contenders, arguments.repeats, clock=arguments.clock)
    share = (process_time() - cpu) / (perf_counter() - wall)
    note = f"{case.batch_size} x {case.width}, had the core {share:.0%} of the time: "
    notes.append(note + ", ".join(times))
    return {name.partition(" (")[0]: time for name, time in times.items()}


def times_table(times: dict[Case, dict[str, float]]) -> str:
    """Microseconds per step."""
    rows = [
        [case.batch_size, case.width, *(row[name] * 1e6 if name in row else None for name in NAMES)]
        for case, row in times.items()
    ]
    return "Microseconds per step\n\n" + markdown(["batch", "width", *NAMES], rows)


def ratios_table(times: dict[Case, dict[str, float]]) -> str:
    """Peers over sknorm, and the step over its GEMMs, beside the bars."""
    rows = [
        [
            case.batch_size,
            case.width,
            verdict(ratio(row, "PyTorch eager", "sknorm"), case.eager_bar),
            verdict(ratio(row, "PyTorch compiled", "sknorm"), None),
            verdict(ratio(row, "JAX jit", "sknorm"), case.jax_bar),
            verdict(ratio(row, "scikit-learn", "sknorm"), None),
            verdict(ratio(row, "sknorm", "bare GEMMs"), case.gemm_bar, at_least=False),
        ]
        for case, row in times.items()
    ]
    headers = [f"{name} / sknorm" for name in NAMES[1:5]]
    return "Ratios\n\n" + markdown(["batch", "width", *headers, "step / bare GEMMs"], rows)


def build_sknorm(job: Job, case: Case) -> Contender:
    """This library's fit; fitted once here, so that a missing package shows before timing."""
    contender = fit_contender("sknorm", job, case.fit_epochs, sknorm_estimator)
    contender.run()
    return contender


def build_sklearn(job: Job, case: Case) -> Contender:
    """scikit-learn's fit."""
    return fit_contender("scikit-learn", job, case.fit_epochs, sklearn_estimator)


def build_eager(job: Job, case: Case) -> Contender:
    """PyTorch's eager loop."""
    from torch_peer import eager_contender

    return eager_contender(job, case.peer_epochs)


def build_compiled(job: Job, case: Case) -> Contender:
    """PyTorch's compiled loop; compiled here, so that a failure shows before timing."""
    from torch_peer import compiled_contender

    return compiled_contender(job, case.peer_epochs)


def build_jax(job: Job, case: Case) -> Contender:
    """JAX's jitted update."""
    from jax_peer import jax_contender

    return jax_contender(job, case.peer_epochs)


def build_gemms(job: Job, case: Case) -> Contender:
    """The three forward, two input-gradient and three weight-gradient products of one step."""
    rng = np.random.default_rng(0)
    sizes = [job.X.shape[1], *job.hidden, job.n_outputs]
    products = []
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        x, w, dz = (
            rng.standard_normal(shape, dtype=np.float32)
            for shape in ((case.batch_size, inputs), (inputs, outputs), (case.batch_size, outputs))
        )
        products += [(x, w, np.empty_like(dz)), (x.T, dz, np.empty_like(w))]
        if layer:
            products.append((dz, w.T, np.empty_like(x)))

    def step() -> None:
        for a, b, out in products:
            np.matmul(a, b, out=out)

    return repeated("bare GEMMs", step, sample_seconds=0.2)


BUILDERS: dict[str, Callable[[Job, Case], Contender]] = {
    "sknorm": build_sknorm,
    "PyTorch eager": build_eager,
    "PyTorch compiled": build_compiled,
    "JAX jit": build_jax,
    "scikit-learn": build_sklearn,
    "bare GEMMs": build_gemms,
}


if __name__ == "__main__":
    main()
