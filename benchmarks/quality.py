"""How good are the default estimators on the development tables, beside other libraries' defaults?

``scores.py`` beside the tables gives one error per table, lower is better, and ``anchors.json`` the
errors of other libraries on the same split. A mean ratio below 1 means fewer errors than theirs.
``--set`` overrides constructor parameters, ``--save`` and ``--beside`` compare settings, so that
defaults can be chosen by measurement.
"""

import argparse
import ast
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from tables import Table, add_arguments, bench_module, chosen_tables, tables_folder
from timing import describe_machine, markdown

TASKS = ("binary", "multiclass", "regression")
Errors = dict[str, float]


class Result(NamedTuple):
    """What one fit gave."""

    prediction: np.ndarray
    epochs: int
    seconds: float


def main() -> None:
    """Print one row a table, then the mean ratios to each anchor."""
    arguments = parse_arguments()
    scores = bench_module(arguments.folder, "scores")
    errors: Errors = {}
    tasks: dict[str, str] = {}
    anchors, rows = load_anchors(arguments), []
    for table, results in evaluate_all(arguments):
        each = [
            scores.error(table.task, table.y_test, r.prediction, table.n_classes) for r in results
        ]
        errors[table.name], tasks[table.name] = float(np.mean(each)), table.task
        rows.append([table.name, table.task, *summary(each, results)])
        rows[-1] += [reference.get(table.name) for reference in anchors.values()]
        print(f"{table.name}: {errors[table.name]:.5f}", flush=True)
    if arguments.save:
        arguments.save.write_text(json.dumps(errors, indent=1))
    print(f"\n{describe_machine()}\n- parameters: {dict(arguments.set) or 'defaults'}\n")
    print(markdown(["table", "task", "sknorm", "spread", "epochs", "s", *anchors], rows), "\n")
    print(ratios_table(scores.mean_ratio, errors, tasks, anchors))


def parse_arguments() -> argparse.Namespace:
    """Command line; the folder of the tables is resolved."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--task", choices=TASKS, default=None)
    parser.add_argument("--set", nargs="*", type=_override, default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="seeds fitted at the same time")
    parser.add_argument("--scale-target", action="store_true", help="standardize y of regressions")
    parser.add_argument("--save", type=Path, default=None, help="write the errors to this file")
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="files of --save")
    arguments = parser.parse_args()
    arguments.folder = tables_folder(arguments)
    if arguments.folder is None:
        parser.error("name the folder of the development tables: --tables DIR")
    return arguments


def load_anchors(arguments: argparse.Namespace) -> dict[str, Errors]:
    """Errors by table of each other library, and of each file of ``--beside``."""
    stored = json.loads((arguments.folder / "bench" / "anchors.json").read_text())["tables"]
    anchors: dict[str, Errors] = {
        path.stem: json.loads(path.read_text()) for path in arguments.beside
    }
    for table, libraries in stored.items():
        for library, figures in libraries.items():
            anchors.setdefault(library, {})[table] = figures["error"]
    return anchors


def evaluate_all(arguments: argparse.Namespace) -> Iterator[tuple[Table, list[Result]]]:
    """The results of every seed, table by table."""
    for table in chosen_tables(arguments):
        if arguments.task in (None, table.task):
            calls = (
                delayed(evaluate)(
                    table, {**dict(arguments.set), "random_state": seed}, arguments.scale_target
                )
                for seed in range(arguments.seeds)
            )
            yield table, Parallel(n_jobs=arguments.jobs)(calls)


def evaluate(table: Table, parameters: dict[str, Any], scale_target: bool) -> Result:
    """Fit one estimator and predict the test rows."""
    from sknorm import MLPClassifier, MLPRegressor

    model = (MLPClassifier if table.n_classes else MLPRegressor)(**parameters)
    if scale_target and not table.n_classes:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(table.X_train, table.y_train)
    seconds = time.perf_counter() - start
    predict = model.predict_proba if table.n_classes else model.predict
    epochs = getattr(model, "regressor_", model).n_iter_
    return Result(predict(table.X_test), epochs, seconds)


def summary(errors: list[float], results: list[Result]) -> list[object]:
    """Mean error, its spread over seeds, mean epochs and mean seconds of a table."""
    epochs, seconds = (np.mean([result[part] for result in results]) for part in (1, 2))
    return [f"{np.mean(errors):.5f}", f"{np.std(errors):.5f}", float(epochs), float(seconds)]


def ratios_table(
    mean_ratio: Any, errors: Errors, tasks: dict[str, str], anchors: dict[str, Errors]
) -> str:
    """Mean ratio of the errors to each anchor's, over all tables and by task."""
    rows = []
    for group in ("all", *TASKS):
        chosen = {t: e for t, e in errors.items() if group in ("all", tasks[t])}
        if chosen:
            row: list[object] = [group, len(chosen)]
            for reference in anchors.values():
                shared = chosen.keys() & reference.keys()
                row.append(
                    f"{mean_ratio(chosen, reference):.3f} ({len(shared)})" if shared else "-"
                )
            rows.append(row)
    return markdown(["mean ratio to (tables)", "tables", *anchors], rows)


def _override(text: str) -> tuple[str, Any]:
    """``name=value``, the value a Python literal where it is one."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


if __name__ == "__main__":
    main()
