"""How long does an export to ONNX take, and a prediction by onnxruntime beside the estimator's?

A classifier of three layers of 256 units on 20 numeric columns and 4 of text, all in one graph, and
the same networks on an array of numbers alone. All run on one core.
"""

import argparse
import pickle
import time
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from timing import (
    add_clock_argument,
    describe_machine,
    interleave,
    markdown,
    repeated,
    restart_with_threads,
    verdict,
)

import sknorm

BAR = 1.0  # seconds of an export
ROWS = 4_000
COLUMNS = 20


def main() -> None:
    """Print the times of exports and of predictions."""
    arguments = parse_arguments()
    restart_with_threads(1)
    exports, predictions = [], []
    for kind, table in (("array", numbers()), ("frame", frame())):
        for preset, settings in CASES.items():
            model = fitted(table, settings)
            name = f"{kind}, {preset}"
            exports.append(_export(name, model, table, arguments.repeats))
            for rows in (1, 1000):
                times = _predictions(model, table, rows, arguments)
                predictions.append([name, rows, *(1e6 * t for t in times.values())])
    print(describe_machine(), end="\n\n")
    print(markdown(["model", "export s", "verdict", "MB"], exports), end="\n\n")
    headers = ["model", "rows", "predict_proba us", "onnxruntime us"]
    print(markdown(headers, predictions))


CASES: dict[str, dict[str, Any]] = {
    "relu": {"preset": "sklearn", "dtype": "float32"},
    "accurate": {"preset": "accurate"},
}


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11)
    add_clock_argument(parser)
    return parser.parse_args()


def numbers() -> np.ndarray:
    """A table of numbers."""
    return np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)


def frame() -> pd.DataFrame:
    """A table with columns of text, in which values are missing."""
    rng, X = np.random.default_rng(1), numbers()
    X[rng.random(X.shape) < 0.05] = np.nan
    table = pd.DataFrame(X, columns=[f"number {i}" for i in range(COLUMNS)])
    for levels in (3, 8, 30, 200):
        values = rng.integers(0, levels, ROWS).astype(str).astype(object)
        values[rng.random(ROWS) < 0.05] = None
        table[f"text {levels}"] = values
    return table


def fitted(table: Any, settings: dict[str, Any]) -> sknorm.MLPClassifier:
    """Networks of an epoch."""
    y = np.random.default_rng(2).integers(0, 3, ROWS)
    given = {"hidden_layer_sizes": (256, 256, 256), "learning_rate": "cosine", "max_iter": 1}
    return sknorm.MLPClassifier(**given, **settings, random_state=0).fit(table, y)


def _export(name: str, model: sknorm.MLPClassifier, table: Any, repeats: int) -> list[object]:
    """The median of exports of models that have not predicted yet, and the size of the file."""
    samples = []
    for _ in range(repeats):
        fresh = pickle.loads(pickle.dumps(model))
        start = time.perf_counter()
        graph = sknorm.to_onnx(fresh, table)
        samples.append(time.perf_counter() - start)
    seconds = float(np.median(samples))
    return [name, seconds, verdict(seconds, BAR, at_least=False), graph.ByteSize() / 1e6]


def _predictions(
    model: sknorm.MLPClassifier, table: Any, rows: int, arguments: argparse.Namespace
) -> dict[str, float]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = sknorm.to_onnx(model, table).SerializeToString()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    part = table[:rows]
    is_array = isinstance(part, np.ndarray)
    inputs = {"X": part} if is_array else {c: part[[c]].to_numpy() for c in part}
    expected, found = model.predict_proba(part), session.run(["probabilities"], inputs)[0]
    assert np.abs(expected - found).max() < 1e-5
    contenders = [
        repeated("predict_proba", partial(model.predict_proba, part), 0.05),
        repeated("onnxruntime", partial(session.run, ["probabilities"], inputs), 0.05),
    ]
    return interleave(contenders, arguments.repeats, clock=arguments.clock)


if __name__ == "__main__":
    main()
