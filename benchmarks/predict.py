"""What does predict cost beyond its matrix products?

10,000 rows of 64 float32 columns, two hidden layers of width 256, one core; the products are those
of the folded net, each over all rows at once.
"""

import argparse
from functools import partial
from itertools import pairwise

import numpy as np
from job import quiet_fit, random_job, sknorm_estimator
from threadpoolctl import threadpool_limits
from timing import (
    Contender,
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    repeated,
    restart_with_threads,
    verdict,
)

BAR = 1.1


def main() -> None:
    """Print the times of predict and predict_proba beside the bare products."""
    arguments = parse_arguments()
    restart_with_threads(1)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((arguments.rows, 64), dtype=np.float32)
    rows = []
    with threadpool_limits(1):
        for classes in (2, 10):
            job = random_job(256, arguments.width, classes, batches=8)
            model = quiet_fit(sknorm_estimator(job, 2), job.X, job.y)
            sizes = [X.shape[1], *job.hidden, job.n_outputs]
            contenders = [
                repeated("predict", partial(model.predict, X), 0.05),
                repeated("predict_proba", partial(model.predict_proba, X), 0.05),
                products(X, sizes),
            ]
            rows.append(
                _row(classes, interleave(contenders, arguments.repeats, clock=arguments.clock))
            )
    headers = ["classes", "GEMMs us", "predict us", "predict / GEMMs", "predict_proba / GEMMs"]
    print(f"{describe_machine()}\n- {arguments.clock} time\n\n{markdown(headers, rows)}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=11)
    add_clock_argument(parser)
    return parser.parse_args()


def products(X: np.ndarray, sizes: list[int]) -> Contender:
    """The matrix products of a plain MLP's forward pass, into arrays made beforehand."""
    rng = np.random.default_rng(0)
    layers, inputs = [], X
    for pair in pairwise(sizes):
        out = np.zeros((len(X), pair[1]), X.dtype)
        layers.append((inputs, rng.standard_normal(pair, dtype=X.dtype), out))
        inputs = out

    def forward() -> None:
        for a, b, out in layers:
            np.matmul(a, b, out=out)

    return repeated("GEMMs", forward, 0.05)


def _row(classes: int, times: dict[str, float]) -> list[object]:
    bare = times["GEMMs"]
    return [
        classes,
        bare * 1e6,
        times["predict"] * 1e6,
        verdict(times["predict"] / bare, BAR, at_least=False),
        verdict(times["predict_proba"] / bare, BAR, at_least=False),
    ]


if __name__ == "__main__":
    main()
