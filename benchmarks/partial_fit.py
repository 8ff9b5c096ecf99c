"""How many rows per second does partial_fit train on, in chunks, beside fit on the whole table?

Chunks of 1,000 rows of 64 float32 columns, batches of 100, two hidden layers (batch norm, ReLU,
dropout 0.1), one core.
"""

import argparse

import numpy as np
from job import fit_contender, random_job, sknorm_estimator
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

BAR = 0.9
CHUNK = 1000


def main() -> None:
    """Print rows per second and their ratio."""
    arguments = parse_arguments()
    restart_with_threads(1)
    rows = []
    with threadpool_limits(1):
        for width in (32, 100, 256):
            job = random_job(100, width, 10, batches=200)
            classes = np.arange(10)

            def stream(job: object = job, classes: np.ndarray = classes) -> None:
                model = sknorm_estimator(job, 1)
                for start in range(0, len(job.X), CHUNK):
                    chunk = slice(start, start + CHUNK)
                    model.partial_fit(job.X[chunk], job.y[chunk], classes=classes)

            contenders = [
                fit_contender("fit", job, 1, sknorm_estimator),
                Contender("partial_fit", stream, job.steps),
            ]
            times = interleave(contenders, arguments.repeats, clock=arguments.clock)
            share = verdict(times["fit"] / times["partial_fit"], BAR)
            speeds = [100 / times[name] for name in ("fit", "partial_fit")]
            rows.append([f"({width}, {width})", *speeds, share])
    headers = ["hidden layers", "fit rows/s", "partial_fit rows/s", "partial_fit / fit"]
    print(f"{describe_machine()}\n- {arguments.clock} time\n\n{markdown(headers, rows)}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    add_clock_argument(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
