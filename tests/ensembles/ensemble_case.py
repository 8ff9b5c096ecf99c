"""Models for ensembles, of every kind of target, and what an ensemble of them must answer."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.ensembles.weighted import EnsembleClassifier, EnsembleRegressor

ROWS = 60
LEVELS = [0.1, 0.5, 0.9]
WEIGHTS = [3.0, 0.0, 1.0, 2.0]


def _table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(1.0, 2.0, (ROWS, 4))
    signal = X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=ROWS)
    table = {
        "X": X,
        "binary": (signal > 0).astype(np.int64),
        "words": np.where(signal > 0, "yes", "no"),
        "multiclass": np.digitize(signal, [-1.5, 1.5]) + 3,
        "multilabel": (X[:, :3] > 1.0).astype(np.int64),
        "number": 100.0 + 20.0 * signal,
        "numbers": np.column_stack([signal, 1e3 * X[:, 2]]),
        "counts": rng.poisson(np.exp(0.5 * X[:, 0])).astype(float),
        "weight": rng.uniform(0.5, 2.0, ROWS),
    }
    for array in table.values():
        array.setflags(write=False)
    return table


T = _table()
X = T["X"]
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "binary": ("binary", {}),
    "words": ("words", {}),
    "multiclass": ("multiclass", {}),
    "multilabel": ("multilabel", {}),
    "number": ("number", {}),
    "numbers": ("numbers", {}),
    "counts": ("counts", {"loss": "poisson"}),
    "quantile": ("number", {"loss": "quantile", "quantile": 0.9}),
    "quantiles": ("number", {"loss": "quantile", "quantile": LEVELS}),
    "quantiles of two": ("numbers", {"loss": "quantile", "quantile": LEVELS}),
}
LABELS = ("binary", "words", "multiclass", "multilabel")


def model(task: str, **changed: Any) -> Any:
    """A small unfitted model of a task."""
    common: dict[str, Any] = {
        "hidden_layer_sizes": (4,), "max_iter": 3, "batch_size": 20, "random_state": 0,
        "learning_rate_init": 0.03,
    }  # fmt: skip
    kind = MLPClassifier if TASKS[task][0] in LABELS else MLPRegressor
    return kind(preset="sklearn", **{**common, **TASKS[task][1], **changed})


def seeds(task: str, count: int = 4, **changed: Any) -> list[Any]:
    return [model(task, random_state=seed, **changed) for seed in range(count)]


def fitted(models: list[Any], task: str, table: Any = X) -> list[Any]:
    return [each.fit(table, T[TASKS[task][0]]) for each in models]


def kind_of(task: str) -> Any:
    return EnsembleClassifier if TASKS[task][0] in LABELS else EnsembleRegressor


def ensemble_of(task: str, models: list[Any], weights: Any = None) -> Any:
    return kind_of(task).from_fitted(models, weights)


def answers(estimator: Any, table: Any) -> Any:
    """What an ensemble averages."""
    return (estimator.predict_proba if is_classifier(estimator) else estimator.predict)(table)


def assert_average(
    ensemble: Any, models: list[Any], table: Any, weights: Any = None, **tolerance: float
) -> None:
    expected = np.average([answers(each, table) for each in models], axis=0, weights=weights)
    found = answers(ensemble, table)
    assert found.shape == expected.shape and found.dtype == answers(models[0], table).dtype
    np.testing.assert_allclose(found, expected, **{"rtol": 1e-12, **tolerance})


def steps(task: str, **changed: Any) -> Any:
    return make_pipeline(StandardScaler(), model(task, **changed))
