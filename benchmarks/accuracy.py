"""How accurate are the estimators on raw tables, and how long do they take, beside other libraries?

``scores.py`` beside the tables gives one error per table, lower is better, and ``anchors.json``
the errors and times of other libraries' defaults on the same split. A mean ratio below 1 means
fewer errors than theirs. Tables go in as they are: frames with text and missing values.

Each fit is a line of ``--results``, by which a run that was ended goes on, and settings are
compared. ``--choose`` scores a quarter of the training rows in place of the test rows: settings
are chosen by it, and never by test rows.
"""

import argparse
import ast
import json
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split
from tables import add_arguments, bench_module, tables_folder
from timing import describe_machine, markdown

TASKS = ("binary", "multiclass", "regression")
REFERENCE = "realmlp"
Line = dict[str, Any]


class Split(NamedTuple):
    """A table as it is, and rows to score."""

    name: str
    task: str
    n_classes: int
    X: Any
    y: np.ndarray
    X_scored: Any
    y_scored: np.ndarray


def main() -> None:
    """Fit what is missing, and print a table of tables, and one of mean ratios."""
    arguments = parse_arguments()
    lines = stored(arguments.results)
    for job in missing(arguments, lines):
        made = Parallel(n_jobs=arguments.jobs)(delayed(evaluate)(arguments, *each) for each in job)
        for line in made:
            lines.append(line)
            keep(arguments.results, line)
            text = "{table}, seed {seed}: error {error:.5f}, {fit_s:.2f} s".format(**line)
            print(text, flush=True)
    own = [line for line in lines if line["setting"] == setting_of(arguments)]
    print(f"\n{describe_machine()}\n- setting: {setting_of(arguments)}\n")
    report(arguments, own)


def parse_arguments() -> argparse.Namespace:
    """Command line; the folder of the tables is resolved."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--task", choices=TASKS, default=None)
    parser.add_argument("--set", nargs="*", type=_override, default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="seeds fitted at the same time")
    parser.add_argument("--results", type=Path, default=None, metavar="FILE.jsonl")
    parser.add_argument(
        "--search", type=int, default=0, metavar="N",
        help="in place of the network, an ensemble of N candidates of the default space",
    )  # fmt: skip
    parser.add_argument(
        "--refitted", type=int, default=0, metavar="N", help="networks of each that is refitted"
    )
    parser.add_argument("--choose", action="store_true", help="score training rows, to choose by")
    arguments = parser.parse_args()
    arguments.folder = tables_folder(arguments)
    if arguments.folder is None:
        parser.error("name the folder of the development tables: --tables DIR")
    return arguments


def setting_of(arguments: argparse.Namespace) -> str:
    """What is fitted and scored, as the lines of results name it."""
    changed = ", ".join(f"{name}={value!r}" for name, value in sorted(arguments.set))
    scored = "held-out training rows" if arguments.choose else "test rows"
    if arguments.search:
        changed += f"{', ' * bool(changed)}ensemble of {arguments.search} candidates"
        changed += f", {arguments.refitted} networks each" * bool(arguments.refitted)
    return f"{changed or 'defaults'}; cap {arguments.cap}; {scored}"


def stored(path: Path | None) -> list[Line]:
    """The lines of a file of results; a last one that was cut off is left out."""
    if path is None or not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            print(f"left out a line of {path} that is no JSON: {text[:60]}")
    return lines


def keep(path: Path | None, line: Line) -> None:
    """Append a line to the file of results."""
    if path is not None:
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def missing(arguments: argparse.Namespace, lines: list[Line]) -> Iterator[list[tuple[str, int]]]:
    """Fits that are not in the results yet, those of a table together."""
    setting = setting_of(arguments)
    done = {(line["table"], line["seed"]) for line in lines if line["setting"] == setting}
    tabdata = bench_module(arguments.folder, "tabdata")
    for name in arguments.only or tabdata.names(arguments.task):
        job = [(name, seed) for seed in range(arguments.seeds) if (name, seed) not in done]
        if job:
            yield job


def evaluate(arguments: argparse.Namespace, name: str, seed: int) -> Line:
    """Fit one estimator to a table and score it."""
    from sknorm import MLPClassifier, MLPRegressor

    split = split_of(arguments, name, seed)
    kind: Any = MLPClassifier if split.n_classes else MLPRegressor
    model = kind(**{**dict(arguments.set), "random_state": seed})
    if arguments.search:
        model = searched(model, arguments.search, arguments.refitted, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind(**{**dict(arguments.set), "max_iter": 1}).fit(split.X, split.y)  # loads and compiles
        seconds = _timed(lambda: model.fit(split.X, split.y))[0]
        ask = model.predict_proba if split.n_classes else model.predict
        asked, prediction = _timed(lambda: ask(split.X_scored))
    score = bench_module(arguments.folder, "scores").error
    return {
        "setting": setting_of(arguments),
        "table": name,
        "task": split.task,
        "seed": seed,
        "error": score(split.task, split.y_scored, prediction, split.n_classes),
        "fit_s": round(seconds, 4),
        "predict_s": round(asked, 4),
        "epochs": 0 if arguments.search else int(model.n_iter_),
    }


def searched(model: Any, candidates: int, refitted: int, seed: int) -> Any:
    """A search around a network's values, which ends in an ensemble."""
    from sknorm.model_selection import StackedRandomizedSearchCV, default_space

    scoring = "neg_log_loss" if is_classifier(model) else "neg_root_mean_squared_error"
    settings = {"n_iter": candidates, "cv": 3, "scoring": scoring, "refit": "ensemble"}
    own, space = {"n_members": refitted} if refitted else None, default_space(model)
    return StackedRandomizedSearchCV(
        model, space, **settings, refit_params=own, n_jobs=-1, random_state=seed
    )


def split_of(arguments: argparse.Namespace, name: str, seed: int) -> Split:
    """The one split of a table, or one of its training rows."""
    tabdata = bench_module(arguments.folder, "tabdata")
    X, y, X_test, y_test, meta = tabdata.split(name, seed=0, cap=arguments.cap)
    n_classes = 0 if meta["task"] == "regression" else len(meta["classes"])
    if arguments.choose:
        several = n_classes and np.bincount(y).min() > 1
        X, X_test, y, y_test = train_test_split(
            X, y, test_size=0.25, random_state=seed, stratify=y if several else None
        )
    return Split(name, meta["task"], n_classes, X, y, X_test, y_test)


def report(arguments: argparse.Namespace, lines: list[Line]) -> None:
    """Print the errors and times of each table, and mean ratios to the other libraries'."""
    anchors = json.loads((arguments.folder / "bench" / "anchors.json").read_text())["tables"]
    libraries = sorted({library for each in anchors.values() for library in each})
    errors, tasks, rows = {}, {}, []
    for name in sorted({line["table"] for line in lines}):
        own = [line for line in lines if line["table"] == name]
        each = [line["error"] for line in own]
        errors[name], tasks[name] = float(np.mean(each)), own[0]["task"]
        medians = [float(np.median([line[key] for line in own])) for key in ("fit_s", "predict_s")]
        spread = f"{np.std(each):.5f}"
        others = [anchors.get(name, {}).get(library, {}).get("error") for library in libraries]
        rows.append([name, own[0]["task"], f"{errors[name]:.5f}", spread, *medians, *others])
    headers = ["table", "task", "sknorm", "spread", "fit s", "predict s", *libraries]
    print(markdown(headers, rows), "\n")
    if arguments.choose:
        print("Held-out training rows are other rows than those of the libraries.")
        return
    mean_ratio = bench_module(arguments.folder, "scores").mean_ratio
    print(markdown(["tables", "number", *libraries], _ratios(errors, tasks, anchors, mean_ratio)))
    print(f"\nfit time over {REFERENCE}'s, as stored: {_time_ratio(lines, anchors):.3f}")


def _ratios(
    errors: dict[str, float], tasks: dict[str, str], anchors: Any, mean_ratio: Any
) -> Iterator[Sequence[object]]:
    libraries = sorted({library for each in anchors.values() for library in each})
    for group in ("all", *TASKS):
        chosen = {t: e for t, e in errors.items() if group in ("all", tasks[t])}
        row: list[object] = [group, len(chosen)]
        for library in libraries:
            known = {t: each[library]["error"] for t, each in anchors.items() if library in each}
            shared = chosen.keys() & known.keys()
            row.append(f"{mean_ratio(chosen, known):.3f} ({len(shared)})" if shared else "-")
        if chosen:
            yield row


def _time_ratio(lines: list[Line], anchors: Any) -> float:
    """Geometric mean over the tables of the median fit time over the reference's."""
    logs = []
    for name in {line["table"] for line in lines}:
        known = anchors.get(name, {}).get(REFERENCE)
        if known:
            own = np.median([line["fit_s"] for line in lines if line["table"] == name])
            logs.append(np.log(own / known["fit_s"]))
    return float(np.exp(np.mean(logs))) if logs else float("nan")


def _timed(call: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


def _override(text: str) -> tuple[str, Any]:
    """``name=value``, the value a Python literal where it is one."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


if __name__ == "__main__":
    main()
