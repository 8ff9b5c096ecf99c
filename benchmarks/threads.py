"""Does a second thread pay? The same fit under a limit of one and of two threads, interleaved.

Batches of 1024, two hidden blocks of width 256 (batch norm, ReLU, dropout 0.1), Adam, float32.
"""

import argparse
from functools import partial

from job import Job, fit_contender, random_job, sknorm_estimator
from threadpoolctl import threadpool_limits
from timing import (
    Contender,
    describe_machine,
    interleave,
    markdown,
    restart_with_threads,
    verdict,
)

BAR = 1.5
NETS = [(32, 32, 100), (1024, 256, 5)]


def main() -> None:
    """Print the time per step under each limit and their ratio."""
    arguments = parse_arguments()
    restart_with_threads(2)
    rows = []
    for batch_size, width, epochs in arguments.nets:
        job = random_job(batch_size, width, 10, arguments.batches)
        times = measure(job, epochs, arguments.repeats)
        bar = BAR if (batch_size, width) == (1024, 256) else None
        one, two = times["1 thread"], times["2 threads"]
        rows.append([batch_size, width, one * 1e6, two * 1e6, verdict(one / two, bar)])
    headers = ["batch", "width", "1 thread, us a step", "2 threads, us a step", "1 / 2"]
    print(f"{describe_machine()}\n\n{markdown(headers, rows)}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument(
        "--nets",
        metavar="BATCHxWIDTHxEPOCHS",
        type=_net,
        nargs="+",
        default=[(32, 32, 100), (1024, 256, 5)],
    )
    return parser.parse_args()


def measure(job: Job, epochs: int, repeats: int) -> dict[str, float]:
    """Seconds per step under each limit."""
    fit = fit_contender("fit", job, epochs, sknorm_estimator)
    contenders = [
        Contender("1 thread", partial(_limited, fit, 1), fit.units),
        Contender("2 threads", partial(_limited, fit, 2), fit.units),
    ]
    return interleave(contenders, repeats)


def _limited(fit: Contender, threads: int) -> None:
    with threadpool_limits(threads):
        fit.run()


def _net(text: str) -> tuple[int, int, int]:
    batch_size, width, epochs = map(int, text.split("x"))
    return batch_size, width, epochs


if __name__ == "__main__":
    main()
