"""Which of batch norm's claims hold on tables? All examples of docs/examples/claims, as one table.

Each example has ``measure(table, seed)`` and ``summarize(runs)``; this runs them on the tables that
scikit-learn ships, or on those of ``--tables DIR``, and prints one row for each claim and table.
``--save FILE`` writes them as results that the documentation shows.
"""

import argparse
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import tables
from timing import describe_machine, markdown, restart_with_threads

EXAMPLES = Path(__file__).resolve().parents[1] / "docs" / "examples" / "claims"
CLAIMS = (
    "plot_01_learning_rates",
    "plot_02_fewer_steps",
    "plot_03_initial_scale",
    "plot_04_sigmoids",
    "plot_05_zeros_of_relu",
    "plot_06_vanishing_gradients",
    "plot_07_regularizer",
    "plot_08_covariate_shift",
    "plot_09_statistics",
    "plot_10_other_norms",
    "plot_11_penalties",
    "plot_12_overfitting",
    "plot_13_activations",
    "plot_14_recipe",
)
COLUMNS = ["claim", "table", "measure", "with the norm", "without", "verdict"]


def main() -> None:
    """Print a row for each claim and table."""
    arguments = parse_arguments()
    restart_with_threads(1)
    print(f"{describe_machine()}\n- seeds 0 to {arguments.seeds - 1}\n", flush=True)
    rows = []
    for table in tables.chosen_tables(arguments):
        for claim in arguments.claims:
            start = time.perf_counter()
            row = measure(claim, table, arguments.seeds)
            rows.append(row)
            print(f"{' | '.join(row)} | {time.perf_counter() - start:.0f} s", flush=True)
    print("\n" + markdown(COLUMNS, rows))
    if arguments.save:
        save(arguments.save, rows, arguments)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    tables.add_arguments(parser)
    parser.set_defaults(cap=2_000)
    parser.add_argument("--claims", nargs="+", choices=CLAIMS, default=CLAIMS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--save", type=Path, metavar="FILE")
    parser.add_argument("--verdicts", action="store_true", help="save one column for each table")
    parser.add_argument("--machine", default=None, help="what the saved file says of it")
    return parser.parse_args()


def example(claim: str) -> ModuleType:
    """The module of an example, which runs nothing when it is imported."""
    os.environ.setdefault("MPLBACKEND", "agg")
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    return importlib.import_module(claim)


def title(claim: str) -> str:
    """The heading of an example."""
    return (example(claim).__doc__ or "").strip().splitlines()[0]


def measure(claim: str, table: tables.Table, seeds: int) -> list[str]:
    """A row of the table; an example that fails says so in its verdict."""
    module = example(claim)
    protocol = importlib.import_module("protocol")
    parts = (table.X_train, table.X_test, table.y_train, table.y_test)
    own = protocol.standardize(table.name, table.n_classes, *parts)
    try:
        row = list(module.summarize([module.measure(own, seed) for seed in range(seeds)]))
    except Exception:  # the other claims go on
        traceback.print_exc()
        row = ["-", "-", "-", "failed to run"]
    return [title(claim), table.name, *row]


def verdicts(rows: Iterable[list[str]]) -> tuple[list[str], list[list[str]]]:
    """One row for each claim, one column for each table."""
    found: dict[str, dict[str, str]] = {}
    for claim, table, *_, verdict in rows:
        found.setdefault(claim, {})[table] = verdict
    names = list(dict.fromkeys(row[1] for row in rows))
    return ["claim", *names], [
        [claim, *(own.get(name, "-") for name in names)] for claim, own in found.items()
    ]


def by_claim(rows: Iterable[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The rows of a claim one below the other, its measure in the first of them."""
    shown, told = [], set()
    for claim, table, measure, *figures in sorted(rows, key=lambda row: titles().index(row[0])):
        head = "" if claim in told else f"**{claim}**: {measure}"
        told.add(claim)
        shown.append([head, table, *figures])
    return ["claim", *COLUMNS[1:2], *COLUMNS[3:]], shown


def titles() -> list[str]:
    """The headings of all examples."""
    return [title(claim) for claim in CLAIMS]


def save(path: Path, rows: list[list[str]], arguments: argparse.Namespace) -> None:
    """Write a file of results as those in ``benchmarks/results``."""
    columns, shown = verdicts(rows) if arguments.verdicts else by_claim(rows)
    found: dict[str, Any] = {
        "title": f"Seeds 0 to {arguments.seeds - 1}: mean ± deviation, or mean (least to largest).",
        "date": date.today().isoformat(),
        "machine": arguments.machine or describe_machine().splitlines()[0].lstrip("- "),
        "columns": columns,
    }
    head = ",\n ".join(
        f'"{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in found.items()
    )
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in shown)
    path.write_text(f'{{\n {head},\n "rows": [\n  {lines}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
