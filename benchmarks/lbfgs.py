"""How long is an iteration of L-BFGS on digits, beside scikit-learn's, which has no norm?

One hidden layer of 100, the same number of iterations, one core or two. Times are of the whole
``fit``, per iteration. scikit-learn computes in the precision of X, float64; this library by
default in float32 from 100,000 values on, as here, and in either when told to.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as Peer
from timing import (
    Contender,
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    restart_with_threads,
    verdict,
)

from sknorm import MLPClassifier

BAR = 2.0


def main() -> None:
    """Print milliseconds per iteration and the ratios."""
    arguments = parse_arguments()
    restart_with_threads(arguments.threads)
    X, y = load_digits(return_X_y=True)
    X = X / 16.0
    common = {"solver": "lbfgs", "max_iter": arguments.iterations, "tol": 0.0, "random_state": 0}
    alpha = 1e-4 / len(X)  # scikit-learn divides its alpha by the number of rows
    makers = {
        "batch norm": partial(MLPClassifier, alpha=alpha, **common),
        "batch norm, float64": partial(MLPClassifier, alpha=alpha, dtype="float64", **common),
        "no norm": partial(MLPClassifier, alpha=alpha, normalization=None, **common),
        "no norm, float64": partial(
            MLPClassifier, alpha=alpha, normalization=None, dtype="float64", **common
        ),
        "scikit-learn": partial(Peer, **common),
    }
    contenders = [contender(name, make, X, y) for name, make in makers.items()]
    times = interleave(contenders, arguments.repeats, clock=arguments.clock)
    rows = [
        [
            name,
            time * 1e3,
            verdict(times["scikit-learn"] / time, BAR if name == "batch norm" else None),
        ]
        for name, time in times.items()
    ]
    print(f"{describe_machine()}\n- {arguments.clock} time\n")
    print(markdown(["", "ms an iteration", "scikit-learn / this"], rows))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=7)
    add_clock_argument(parser)
    return parser.parse_args()


def contender(name: str, make: Callable, X: np.ndarray, y: np.ndarray) -> Contender:
    """Whole fits, counted in the iterations that they take."""

    def run() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return make().fit(X, y)

    return Contender(name, run, run().n_iter_)


if __name__ == "__main__":
    main()
