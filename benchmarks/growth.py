"""Do the time and the memory of fit grow no faster than the rows?

Each size is fitted in a fresh process: a frame of 16 numbers, of which some are mostly zeros or
missing, and 4 categories, by a preset, for a few epochs. CPU time of fit per row and epoch, what
is prepared before the first epoch included, and the peak of resident memory beyond what was there
with the frame. Linear growth is the same figure in each line.
"""

import argparse
import time
from typing import Any

from processes import in_fresh_process, peak_bytes, resident_bytes
from timing import describe_machine, markdown, verdict

BAR = 1.1  # of the largest size over the smallest


def main() -> None:
    """Measure in this process when told to, else in one fresh process per size."""
    arguments = parse_arguments()
    if arguments.case:
        print(*measured(arguments.case, arguments))
        return
    rows, first = [], None
    for size in arguments.rows:
        options = "--case", size, "--preset", arguments.preset, "--epochs", arguments.epochs
        seconds, extra = in_fresh_process(__file__, *options)
        own = 1e6 * seconds / size / arguments.epochs, extra / size
        first = first or own
        ratios = [verdict(a / b, BAR, at_least=False) for a, b in zip(own, first, strict=True)]
        rows.append([size, f"{own[0]:.1f}", ratios[0], f"{own[1]:.0f}", ratios[1]])
    print(f"{describe_machine()}\n- preset: {arguments.preset}, {arguments.epochs} epochs\n")
    headers = [
        "rows",
        "us of CPU a row and epoch",
        "over the first",
        "bytes a row",
        "over the first",
    ]
    print(markdown(headers, rows))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--preset", default="accurate")
    parser.add_argument("--case", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def measured(rows: int, arguments: argparse.Namespace) -> tuple[float, int]:
    """CPU seconds of a fit, and bytes of memory that it takes beyond the frame."""
    from job import quiet_fit

    from sknorm import MLPClassifier

    model = MLPClassifier(preset=arguments.preset, max_iter=arguments.epochs, random_state=0)
    quiet_fit(model, *table(1000))  # loads and compiles
    X, y = table(rows)
    before, started = resident_bytes(), time.process_time()
    quiet_fit(model, X, y)
    return time.process_time() - started, max(0, peak_bytes() - before)


def table(rows: int) -> tuple[Any, Any]:
    """A frame and two classes."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((rows, 16))
    y = (numbers[:, 0] + numbers[:, 1] ** 2 + rng.standard_normal(rows) > 1.0).astype(int)
    numbers[:, 4:8][rng.random((rows, 4)) < 0.8] = 0.0
    numbers[:, 8:10][rng.random((rows, 2)) < 0.1] = np.nan
    frame = pd.DataFrame(numbers).add_prefix("number ")
    for levels in (3, 8, 40, 1000):
        codes = rng.integers(0, levels, rows)
        frame[f"levels {levels}"] = pd.Categorical.from_codes(
            codes, [f"l{i}" for i in range(levels)]
        )
    return frame, y


if __name__ == "__main__":
    main()
