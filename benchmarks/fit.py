"""How long is a whole fit on real tables, with the same net, batches and epochs for everyone?

This library and scikit-learn are timed through ``fit``, from arrays to a trained estimator. PyTorch
and JAX are timed in their training loops alone: net and tensors are ready, everything is compiled.
"""

import argparse
from typing import Any

import numpy as np
from job import Job, fit_contender, sklearn_estimator, sknorm_estimator
from tables import Table, add_arguments, chosen_tables
from threadpoolctl import threadpool_limits
from timing import (
    Contender,
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    restart_with_threads,
)

PEERS = ("PyTorch eager", "JAX jit", "scikit-learn")


def main() -> None:
    """Print one row a table: seconds of each fit, and the peers' multiples."""
    arguments = parse_arguments()
    restart_with_threads(1)
    rows = []
    with threadpool_limits(1):
        for table in chosen_tables(arguments):
            rows.append(measure(table, arguments))
            print(f"{table.name}: done", flush=True)
    headers = ["table", "rows", "columns", "outputs", "sknorm s"]
    headers += [f"{peer} / sknorm" for peer in arguments.peers]
    means = [_geometric_mean([row[column] for row in rows]) for column in range(5, len(headers))]
    rows.append(["geometric mean", *["-"] * 4, *means])
    print(f"\n{describe_machine()}\n- {settings(arguments)}\n\n{markdown(headers, rows)}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--hidden", type=int, nargs="+", default=[100, 100])
    parser.add_argument("--batch-size", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    add_clock_argument(parser)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    return parser.parse_args()


def measure(table: Table, arguments: argparse.Namespace) -> list[Any]:
    """Medians of interleaved fits on one table."""
    X = np.ascontiguousarray(table.X_train, dtype=np.float32)
    y = table.y_train if table.n_classes else _standardized(table.y_train)
    job = Job(X, y, table.n_classes, tuple(arguments.hidden), min(len(X), arguments.batch_size))
    contenders = [fit_contender("sknorm", job, arguments.epochs, sknorm_estimator)]
    contenders += [_peer(name, job, arguments.epochs) for name in arguments.peers]
    times = interleave(contenders, arguments.repeats, clock=arguments.clock)
    per_step = {name.partition(" (")[0]: time for name, time in times.items()}
    seconds = per_step["sknorm"] * arguments.epochs * job.steps
    multiples = [per_step[peer] / per_step["sknorm"] for peer in arguments.peers]
    return [table.name, *X.shape, job.n_outputs, seconds, *multiples]


def settings(arguments: argparse.Namespace) -> str:
    """The net and its training, for the heading."""
    return (
        f"hidden {arguments.hidden}, batches of {arguments.batch_size}, "
        f"{arguments.epochs} epochs, float32, {arguments.clock} time"
    )


def _peer(name: str, job: Job, epochs: int) -> Contender:
    if name == "scikit-learn":
        return fit_contender(name, job, epochs, sklearn_estimator)
    if name == "JAX jit":
        from jax_peer import jax_contender

        return jax_contender(job, epochs)
    from torch_peer import eager_contender

    return eager_contender(job, epochs)


def _standardized(y: np.ndarray) -> np.ndarray:
    return ((y - y.mean()) / y.std()).astype(np.float32)


def _geometric_mean(values: list[Any]) -> float:
    return float(np.exp(np.mean(np.log(values))))


if __name__ == "__main__":
    main()
