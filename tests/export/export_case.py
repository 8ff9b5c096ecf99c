"""Tiny models, files of them, and what two models that are the same have in common."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import RandomState

import sknorm
from sknorm import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
BINARY = np.where(X[:, 0] > 0, "yes", "no")
CLASSES = np.repeat([3, 1, 2, 1], 10)
LABELS = (X > 0).astype(int)
NUMBERS = X @ [1.0, -1.0, 0.5] + 3.0


def small(estimator: type, **settings: Any) -> Any:
    own = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, "preset": "sklearn"}
    return estimator(**{**own, **settings})


def classifier(**settings: Any) -> Any:
    return small(MLPClassifier, **settings)


def regressor(**settings: Any) -> Any:
    return small(MLPRegressor, **settings)


def again(model: Any, folder: Path) -> Any:
    """The model that a file of this one holds."""
    sknorm.save(model, folder / "model.safetensors")
    return sknorm.load(folder / "model.safetensors")


def outputs(model: Any, table: Any) -> Any:
    """What a model predicts, as far as it can be compared bit by bit."""
    found = model.predict_proba(table) if hasattr(model, "predict_proba") else model.predict(table)
    return found.toarray() if hasattr(found, "toarray") else found


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Equal to the last bit, and of the same types all through."""
    assert type(found) is type(expected), f"{where}: {type(found)} for {type(expected)}"
    if isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), where
        assert found.flags.writeable
        if expected.flags.forc:
            assert found.flags.f_contiguous == expected.flags.f_contiguous, where
        if found.dtype == object:
            assert_same(found.tolist(), expected.tolist(), where)
        else:
            np.testing.assert_array_equal(found, expected, where)
    elif isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for place, value in enumerate(expected):
            assert_same(found[place], value, f"{where}[{place}]")
    elif isinstance(expected, RandomState):
        assert_same(found.get_state(legacy=False), expected.get_state(legacy=False), where)
    elif hasattr(expected, "get_params"):
        assert_same(found.__getstate__(), expected.__getstate__(), where)
    elif hasattr(expected, "dist"):
        assert_same((found.args, found.kwds), (expected.args, expected.kwds), where)
    else:
        assert found == expected or (found != found and expected != expected), where
