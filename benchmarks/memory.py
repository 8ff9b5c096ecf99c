"""How much memory does fit need, and does it grow with the epochs?

Each figure comes from a fresh process: peak resident memory during fit on a float64 X of 1 GB,
less what was resident before X was made, as a multiple of X (X itself included).
"""

import argparse

from processes import in_fresh_process, peak_bytes, resident_bytes
from timing import describe_machine, markdown, verdict

BAR = 1.6
COLUMNS = 100


def main() -> None:
    """Measure in this process when told to, else in one fresh process per case."""
    arguments = parse_arguments()
    if arguments.case:
        epochs, early_stopping = arguments.case
        print(peak_over_x(epochs, early_stopping, arguments.gigabytes))
        return
    rows = []
    for early_stopping in (0, 1):
        for epochs in arguments.epochs:
            options = "--case", epochs, early_stopping, "--gigabytes", arguments.gigabytes
            (multiple,) = in_fresh_process(__file__, *options)
            rows.append([bool(early_stopping), epochs, verdict(multiple, BAR, at_least=False)])
    print(f"{describe_machine()}\n")
    print(markdown(["early_stopping", "epochs", "peak / X"], rows))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--case", type=int, nargs=2, default=None, help=argparse.SUPPRESS)
    return parser.parse_args()


def peak_over_x(epochs: int, early_stopping: int, gigabytes: float) -> float:
    """Peak resident memory of one fit, X included, over the size of X."""
    import numpy as np
    from job import quiet_fit

    from sknorm import MLPClassifier

    rng = np.random.default_rng(0)
    model = MLPClassifier(
        hidden_layer_sizes=(32,), batch_size=1024, tol=0.0, random_state=0, max_iter=epochs,
        n_iter_no_change=epochs, early_stopping=bool(early_stopping), preset="sklearn",
    )  # fmt: skip
    quiet_fit(model, rng.standard_normal((4096, COLUMNS)), rng.integers(0, 2, 4096))
    before = resident_bytes()
    X = np.empty((round(gigabytes * 1e9 / 8 / COLUMNS), COLUMNS))
    rng.standard_normal(out=X)
    y = rng.integers(0, 2, len(X))
    quiet_fit(model, X, y)
    return (peak_bytes() - before) / X.nbytes


if __name__ == "__main__":
    main()
