"""What do the first import and the first fit of a fresh process cost, beside scikit-learn's?

Every figure is a median over fresh processes. A cold kernel cache is an empty NUMBA_CACHE_DIR.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from timing import describe_machine, markdown, verdict

IMPORT_BAR, WARM_BAR, COLD_BAR = 0.2, 1.0, 15.0
IMPORT = """
import time
start = time.perf_counter()
import sklearn.neural_network
middle = time.perf_counter()
from sknorm import MLPClassifier, MLPRegressor
print(middle - start, time.perf_counter() - middle)
"""
FIT = """
import time, warnings
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from {package} import {estimator}
warnings.simplefilter("ignore")
X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
start = time.perf_counter()
{estimator}(max_iter={epochs}, random_state=0{more}).fit(X, y)
print(time.perf_counter() - start)
"""


def main() -> None:
    """Print import time, first fit with a warm and with a cold kernel cache."""
    arguments = parse_arguments()
    rows = []
    for estimator in ("MLPClassifier", "MLPRegressor"):
        peer, warm, cold = first_fits(estimator, arguments.repeats)
        extra = verdict(warm - peer, WARM_BAR, at_least=False)
        rows.append([estimator, peer, warm, extra, verdict(cold, COLD_BAR, at_least=False)])
    peer_import, own_import = import_times(arguments.repeats)
    print(f"{describe_machine()}\n")
    own = verdict(own_import, IMPORT_BAR, at_least=False)
    print(
        markdown(["import, s", "sklearn.neural_network", "then sknorm"], [["", peer_import, own]])
    )
    headers = ["first fit, s", "scikit-learn", "warm cache", "warm - scikit-learn", "cold cache"]
    print(f"\n{markdown(headers, rows)}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def import_times(repeats: int) -> tuple[float, float]:
    """Seconds of scikit-learn's import, and of this library's after it."""
    run(IMPORT)
    samples = [run(IMPORT) for _ in range(repeats)]
    return statistics.median(s[0] for s in samples), statistics.median(s[1] for s in samples)


def first_fits(estimator: str, repeats: int, epochs: int = 10) -> tuple[float, float, float]:
    """Seconds of the first fit: scikit-learn's, and this library's with a warm and a cold cache."""
    peer = FIT.format(package="sklearn.neural_network", estimator=estimator, epochs=epochs, more="")
    more = ', preset="sklearn"'
    own = FIT.format(package="sknorm", estimator=estimator, epochs=epochs, more=more)
    with tempfile.TemporaryDirectory() as folder:
        (cold,) = run(own, NUMBA_CACHE_DIR=folder)
        pairs = [(run(peer)[0], run(own, NUMBA_CACHE_DIR=folder)[0]) for _ in range(repeats)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs), cold


def run(script: str, **environment: str) -> list[float]:
    """The numbers that a script prints in a fresh process."""
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [float(number) for number in result.stdout.split()]


if __name__ == "__main__":
    main()
