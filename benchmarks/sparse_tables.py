"""What does training on a sparse table cost beside its dense products, and how much memory?

100,000 rows of 5,000 columns at a density of 0.5%, float32, one hidden layer of 100 (batch norm,
ReLU), batches of 256, Adam, one core. The products are those of the same batches made dense, in
the first layer: inputs by weights, and that of the weights' gradient. Memory is what ``fit``
allocates at its peak in a fresh process, beside a dense batch and the dense table.
"""

import argparse
import tracemalloc
from functools import partial

import numpy as np
from job import quiet_fit
from processes import in_fresh_process
from scipy import sparse
from threadpoolctl import threadpool_limits
from timing import (
    Contender,
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    restart_with_threads,
    verdict,
)

BAR = 1.5
BATCH, WIDTH = 256, 100


def main() -> None:
    """Print time over products and peak memory."""
    arguments = parse_arguments()
    if arguments.memory:
        print(peak_bytes(*arguments.shape, arguments.density))
        return
    restart_with_threads(1)
    X, y = make_table(*arguments.shape, arguments.density)
    epochs = 2
    with threadpool_limits(1):
        contenders = [
            Contender("fit", partial(fit, X, y, epochs), epochs),
            Contender("products", partial(products, X.shape, epochs), epochs),
        ]
        times = interleave(contenders, arguments.repeats, clock=arguments.clock)
    print(f"{describe_machine()}\n- {arguments.clock} time\n")
    share = verdict(times["fit"] / times["products"], BAR, at_least=False)
    rows = [["x".join(map(str, X.shape)), times["products"], times["fit"], share]]
    print(markdown(["table", "products s/epoch", "fit s/epoch", "fit / products"], rows))
    peak, batch = peak_in_fresh_process(arguments), BATCH * X.shape[1] * 4
    dense = X.shape[0] * X.shape[1] * 4
    rows = [[f"{peak / 1e6:.0f} MB", f"{batch / 1e6:.1f} MB", f"{peak / dense:.3f}"]]
    print("\n" + markdown(["peak beyond the table", "a dense batch", "peak / dense table"], rows))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=2, default=[100_000, 5_000])
    parser.add_argument("--density", type=float, default=0.005)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    add_clock_argument(parser)
    return parser.parse_args()


def make_table(rows: int, columns: int, density: float) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Standard normal entries at random places, and two classes that depend on them."""
    rng = np.random.default_rng(0)
    stored = rng.binomial(columns, density, rows)
    starts = np.concatenate([[0], np.cumsum(stored)])
    indices = np.concatenate([np.sort(rng.choice(columns, n, replace=False)) for n in stored])
    values = rng.standard_normal(starts[-1]).astype(np.float32)
    X = sparse.csr_matrix((values, indices.astype(np.int32), starts), shape=(rows, columns))
    return X, (X @ rng.standard_normal(columns).astype(np.float32) > 0).astype(int)


def fit(X: sparse.csr_matrix, y: np.ndarray, epochs: int) -> object:
    """Train for this many epochs."""
    from sknorm import MLPClassifier

    model = MLPClassifier(
        (WIDTH,), batch_size=BATCH, max_iter=epochs, n_iter_no_change=epochs, tol=0.0,
        early_stopping=False, random_state=0, preset="sklearn",
    )  # fmt: skip
    return quiet_fit(model, X, y)


def products(shape: tuple[int, int], epochs: int) -> None:
    """The products of the first layer, forward and backward, batch by batch."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, shape[1]), dtype=np.float32)
    weight = rng.standard_normal((shape[1], WIDTH), dtype=np.float32)
    z, gradient = np.empty((BATCH, WIDTH), np.float32), np.empty_like(weight)
    for _ in range(epochs * -(-shape[0] // BATCH)):
        np.matmul(x, weight, out=z)
        np.matmul(x.T, z, out=gradient)


def peak_in_fresh_process(arguments: argparse.Namespace) -> float:
    """Bytes beyond the table at the peak of ``fit``."""
    options = "--memory", "--density", arguments.density, "--shape", *arguments.shape
    (peak,) = in_fresh_process(__file__, *options)
    return peak


def peak_bytes(rows: int, columns: int, density: float) -> float:
    """Peak of what ``fit`` allocates, kernels loaded before."""
    X, y = make_table(rows, columns, density)
    fit(X[:1000], y[:1000], 1)
    tracemalloc.start()
    fit(X, y, 1)
    return float(tracemalloc.get_traced_memory()[1])


if __name__ == "__main__":
    main()
