"""What do the penalties cost per training step, beside the elastic net with an L1 part?

A classification table of 64 or 200 columns, two hidden layers (batch norm, ReLU, dropout 0.1), one
core; each penalty through ``fit`` at an alpha that keeps most weights.
"""

import argparse
from functools import partial

from job import fit_contender, random_job, sknorm_estimator
from threadpoolctl import threadpool_limits
from timing import (
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    restart_with_threads,
    verdict,
)

BAR = 1.1
NETS = [(32, 32, 64), (200, 100, 64), (256, 256, 64), (256, 256, 200), (1024, 256, 200)]
PENALTIES = {
    "L1": {"l1_ratio": 1.0},
    "L2": {},
    "l0": {"penalty": "l0"},
    "group_lasso": {"penalty": "group_lasso"},
    "nuclear": {"penalty": "nuclear", "solver": "adamw"},
}


def main() -> None:
    """Print microseconds per step and ratios to L1."""
    arguments = parse_arguments()
    restart_with_threads(1)
    rows = []
    with threadpool_limits(1):
        for batch, width, inputs in NETS:
            job = random_job(batch, width, 10, arguments.batches, inputs)
            contenders = [
                fit_contender(name, job, 2, partial(sknorm_estimator, alpha=1e-6, **settings))
                for name, settings in PENALTIES.items()
            ]
            times = interleave(contenders, arguments.repeats, clock=arguments.clock)
            base = times["L1"]
            bars = {"l0": BAR, "group_lasso": BAR}
            ratios = [
                verdict(times[name] / base, bars.get(name), at_least=False)
                for name in PENALTIES
                if name != "L1"
            ]
            rows.append([f"{batch}x{width}, {inputs} columns", base * 1e6, *ratios])
    headers = ["batch x width", "L1, us a step"]
    headers += [f"{name} / L1" for name in PENALTIES if name != "L1"]
    print(f"{describe_machine()}\n- {arguments.clock} time\n\n{markdown(headers, rows)}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=11)
    add_clock_argument(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
