"""What does a prediction for few rows cost, beside scikit-learn's MLP and onnxruntime?

One, 8 and 32 rows: 20 numeric columns as an array, and with 4 columns of text as a frame, of which
scikit-learn's networks know nothing. These have the same layers; beside several members stand as
many calls of one. All run on one core.
"""

import argparse
import os
import warnings
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from onnx_export import ROWS, frame, numbers
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from timing import (
    CLOCKS,
    Contender,
    describe_machine,
    interleave,
    markdown,
    repeated,
    restart_with_threads,
    verdict,
)

import sknorm

TO_SKLEARN, TO_ONNX = 1.5, 2.0
SIZES = (1, 8, 32)


class Case(NamedTuple):
    """A model: its kind, layers, other parameters and members, and whether X is a frame."""

    classifies: bool
    layers: tuple[int, ...]
    settings: dict[str, Any]
    members: int = 1
    is_frame: bool = False


CASES: dict[str, Case] = {
    "classifier, 3 x 256": Case(True, (256,) * 3, {"preset": "sklearn", "dtype": "float32"}),
    "regressor, 3 x 256": Case(False, (256,) * 3, {"preset": "sklearn", "dtype": "float32"}),
    "classifier, 100": Case(True, (100,), {"preset": "sklearn"}),
    "regressor, 100": Case(False, (100,), {"preset": "sklearn"}),
    "classifier, accurate": Case(True, (256,) * 3, {"preset": "accurate"}, 4),
    "regressor, accurate": Case(False, (256,) * 3, {"preset": "accurate"}, 4),
    "classifier, frame, 3 x 256": Case(
        True, (256,) * 3, {"preset": "sklearn", "dtype": "float32"}, is_frame=True
    ),
}


def main() -> None:
    """Print the times of each case, and their ratios to the others'."""
    arguments = parse_arguments()
    os.environ.pop("OPENBLAS_CORETYPE", None)  # which slows some of them alone
    os.environ.pop("OPENBLAS_L2_SIZE", None)
    restart_with_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = []
    for name, case in CASES.items():
        ours, sklearns, session = _fit(case)
        for count in SIZES:
            part = (frame() if case.is_frame else numbers())[:count]
            contenders = _contenders(case, (ours, sklearns, session), part)
            times = interleave(contenders, arguments.repeats, clock=arguments.clock)
            rows.append([name, count, *_figures(times, case.members)])
    headers = ["model", "rows", "us", "scikit-learn us", "ratio", "onnxruntime us", "ratio"]
    print(f"{describe_machine()}\n- {arguments.clock} time\n\n{markdown(headers, rows)}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    return parser.parse_args()


def _fit(case: Case) -> tuple[Any, Any, onnxruntime.InferenceSession]:
    """This library's networks after an epoch, scikit-learn's, and a session of the export."""
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, ROWS) if case.classifies else rng.normal(size=ROWS)
    X: Any = frame() if case.is_frame else numbers()
    shared = {"hidden_layer_sizes": case.layers, "max_iter": 1, "random_state": 0}
    kind = sknorm.MLPClassifier if case.classifies else sknorm.MLPRegressor
    model = kind(**shared, **case.settings).fit(X, y)
    theirs = (MLPClassifier if case.classifies else MLPRegressor)(**shared)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = sknorm.to_onnx(model, X).SerializeToString()
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(graph, options, providers=providers)
    return model, None if case.is_frame else theirs.fit(X, y), session


def _contenders(case: Case, models: tuple[Any, Any, Any], part: Any) -> list[Contender]:
    ours, theirs, session = models
    method = "predict_proba" if case.classifies else "predict"
    inputs = {c: part[[c]].to_numpy() for c in part} if case.is_frame else {"X": part}
    output = session.get_outputs()[-1].name
    expected = getattr(ours, method)(part)
    found = np.reshape(session.run([output], inputs)[0], expected.shape)
    assert np.abs(expected - found).max() < 1e-4
    made = [
        repeated("sknorm", partial(getattr(ours, method), part), 0.03),
        repeated("onnxruntime", partial(session.run, [output], inputs), 0.03),
    ]
    if theirs is not None:
        made.append(repeated("scikit-learn", partial(getattr(theirs, method), part), 0.03))
    return made


def _figures(times: dict[str, float], members: int) -> list[object]:
    ours, onnx = times["sknorm"], times["onnxruntime"]
    theirs = members * times["scikit-learn"] if "scikit-learn" in times else None
    to_sklearn = None if theirs is None else ours / theirs
    return [
        ours * 1e6,
        None if theirs is None else theirs * 1e6,
        verdict(to_sklearn, TO_SKLEARN, at_least=False),
        onnx * 1e6,
        verdict(ours / onnx, TO_ONNX, at_least=False),
    ]


if __name__ == "__main__":
    main()
