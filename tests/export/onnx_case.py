"""Small models, and what onnxruntime predicts with their graphs."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd

import sknorm
from sknorm import MLPClassifier, MLPRegressor

ROWS = 60
SMALL: dict[str, Any] = {
    "preset": "sklearn",
    "hidden_layer_sizes": (6, 6),
    "max_iter": 2,
    "learning_rate": "cosine",
    "random_state": 0,
}
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}
TOLERANCE = {np.dtype("f4"): 1e-5, np.dtype("f8"): 1e-6}  # erf is computed in float32


def make_numbers() -> tuple[np.ndarray, np.ndarray]:
    """Numbers, of which some are missing, and a target."""
    rng = np.random.default_rng(0)
    X = rng.normal(loc=[0.0, 5.0, -3.0, 0.0], scale=[1.0, 10.0, 0.1, 1.0], size=(ROWS, 4))
    X[::7, 1] = np.nan
    X[:, 3] = rng.integers(0, 3, ROWS)
    return X.astype(np.float32), X[:, 0] + rng.normal(size=ROWS)


X, TARGET = make_numbers()
LABELS = np.random.default_rng(1).integers(0, 3, ROWS)


def classifier(**settings: Any) -> MLPClassifier:
    return MLPClassifier(**{**SMALL, **settings})


def regressor(**settings: Any) -> MLPRegressor:
    return MLPRegressor(**{**SMALL, **settings})


def session_of(graph: Any) -> Any:
    """A session of a graph, which is checked."""
    onnx.checker.check_model(graph, full_check=True)
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def feed(session: Any, table: Any) -> dict[str, np.ndarray]:
    """A table as a session takes it."""
    inputs = session.get_inputs()
    if not isinstance(table, pd.DataFrame) or [i.name for i in inputs] == ["X"]:
        return {"X": np.asarray(table, dtype=_DTYPES[inputs[0].type])}
    columns = {i.name: table[[i.name]].to_numpy(dtype=object) for i in inputs}
    made = {}
    for each in inputs:
        values, dtype = columns[each.name], _DTYPES[each.type]
        missing = pd.isna(values)
        values = np.where(missing, np.nan, values) if missing.any() else values
        made[each.name] = values.astype(dtype)
    return made


def answers(model: Any, table: Any, given: Any = None, **settings: Any) -> list[Any]:
    """The outputs of a model's graph."""
    session = session_of(sknorm.to_onnx(model, given, **settings))
    return session.run(None, feed(session, table))


def agree(model: Any, table: Any, given: Any = None) -> None:
    """The graph of a model answers as the model does, for a whole table and for one row."""
    session = session_of(sknorm.to_onnx(model, given))
    for part in (table, table[:1]):
        compare(model, part, session.run(None, feed(session, part)))


def compare(model: Any, table: Any, found: list[Any]) -> None:
    """Outputs of a graph beside the model's own."""
    expected = np.asarray(model.predict(table))
    if not hasattr(model, "predict_proba"):
        (value,) = found
        assert value.shape == (expected.reshape(-1, 1).shape if expected.ndim == 1 else value.shape)
        close(value.reshape(expected.shape), expected)
        return
    label, probability = found
    assert label.shape == expected.shape and np.array_equal(label, expected)
    close(probability, model.predict_proba(table))


def close(found: np.ndarray, expected: np.ndarray) -> None:
    tolerance = TOLERANCE[found.dtype]
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)
