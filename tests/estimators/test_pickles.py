"""Pickles know their version, hold plain values, and keep nothing of the caller's."""

import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning as TheirWarning

from sknorm import MLPClassifier, MLPRegressor
from sknorm.exceptions import InconsistentVersionWarning
from sknorm.model_selection import EnsembleClassifier, StackedGridSearchCV

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
VERSION = "_sknorm_version"
SETTINGS: list[dict[str, Any]] = [
    {},
    {"normalization": "layer", "n_members": 2, "dropout": 0.1},
    {"solver": "sgd", "learning_rate": "adaptive"},
    {"solver": "sgd", "learning_rate": "invscaling"},
    {"normalization": None, "penalty": "group_lasso"},
]


def small(estimator: type, **settings: Any) -> Any:
    return estimator(
        preset="sklearn",
        **{"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0, **settings},
    )


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def trained(estimator: type, table: Table, how: str, **settings: Any) -> Any:
    model = small(estimator, **settings)
    if how == "fit":
        return model.fit(*table)
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    return model.partial_fit(*table, **extra)


def values(state: Any) -> Iterator[Any]:
    """All values of nested containers."""
    if isinstance(state, dict):
        state = [*state, *state.values()]
    if isinstance(state, list | tuple):
        for each in state:
            yield from values(each)
    else:
        yield state


@each_estimator
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_state_is_plain(binary: Table, estimator: type, how: str, settings: dict) -> None:
    model = trained(estimator, binary, how, **settings)
    kinds = {type(value) for value in values(model.__getstate__())}
    plain = {str, int, float, bool, type(None), np.ndarray, np.float64, np.int64}
    assert kinds <= {*plain, np.random.RandomState}


@each_estimator
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_restored_model_goes_on(binary: Table, estimator: type, how: str, settings: dict) -> None:
    X, y = binary
    model = trained(estimator, binary, how, **settings)
    restored = pickle.loads(pickle.dumps(model))
    for _ in range(2):
        np.testing.assert_array_equal(outputs(restored, X), outputs(model, X))
        np.testing.assert_array_equal(restored.coefs_[0], model.coefs_[0])
        model.partial_fit(X, y)
        restored.partial_fit(X, y)


def fitted_kinds(table: Table) -> list[Any]:
    model = small(MLPClassifier).fit(*table)
    search = StackedGridSearchCV(small(MLPClassifier), {"alpha": [0.0, 1.0]}, cv=2)
    return [
        model,
        small(MLPRegressor).fit(*table),
        EnsembleClassifier.from_fitted([model]),
        search.fit(*table),
        small(MLPClassifier),
    ]


@pytest.mark.parametrize("version", ["0.0.1", None])
def test_other_versions_are_told(binary: Table, version: str | None) -> None:
    for model in fitted_kinds(binary):
        state = model.__getstate__()
        assert state[VERSION]
        if version is None:
            del state[VERSION]
        else:
            state[VERSION] = version
        new = type(model).__new__(type(model))
        name = type(model).__name__
        with pytest.warns(InconsistentVersionWarning, match=f"{name} that sknorm .*fit.*anew") as w:
            new.__setstate__(state)
        assert issubclass(w[0].category, TheirWarning)
        if version is not None:
            assert w[0].message.original_version == version


def test_the_same_version_is_not(binary: Table) -> None:
    for model in fitted_kinds(binary):
        pickle.loads(pickle.dumps(model))


@each_estimator
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_a_model_in_read_only_memory(
    binary: Table, estimator: type, how: str, tmp_path: Any
) -> None:
    """It predicts, and goes on in memory of its own."""
    X, y = binary
    model = trained(estimator, binary, how, warm_start=True)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(outputs(mapped, X), outputs(model, X))
    for method in ("partial_fit", "partial_fit", "fit"):
        getattr(mapped, method)(X, y)
        getattr(model, method)(X, y)
        np.testing.assert_array_equal(outputs(mapped, X), outputs(model, X))
    again = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert np.any(outputs(again, X) != outputs(model, X))


@each_estimator
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_no_table_is_kept(binary: Table, estimator: type, how: str) -> None:
    X, y = binary[0].copy(), binary[1].copy()
    held = weakref.ref(X), weakref.ref(y)
    model = trained(estimator, (X, y), how)
    outputs(model, X)
    del X, y
    gc.collect()
    assert [each() for each in held] == [None, None]
