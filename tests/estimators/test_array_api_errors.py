"""Arrays of a device: what is refused, what is left alone, and models that move."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from sklearn import config_context
from sklearn.utils._array_api import get_namespace_and_device, move_estimator_to

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends import to_host

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DEVICE = strict.Device("device1")
ROWS = 30
X = np.random.default_rng(0).normal(1.0, 2.0, (ROWS, 4))
SIGNAL = X[:, 0] - X[:, 1]
LABELS = (SIGNAL > 0).astype(np.int64)
WORDS = np.where(SIGNAL > 0, "yes", "no")


def put(array: Any) -> Any:
    return strict.asarray(array, device=DEVICE)


def classifier(**changed: Any) -> MLPClassifier:
    return MLPClassifier(
        (4,), max_iter=2, batch_size=10, random_state=0, **changed, preset="sklearn"
    )


def regressor(**changed: Any) -> MLPRegressor:
    return MLPRegressor(
        "squared_error",
        (4,),
        max_iter=2,
        batch_size=10,
        random_state=0,
        **changed,
        preset="sklearn",
    )


def spoiled(value: float) -> np.ndarray:
    table = X.copy()
    table[7, 2] = value
    return table


BAD_TABLES = {
    "infinity": (spoiled(-np.inf), "contains infinity: column 2, first at row 7"),
    "one dimension": (X[:, 0], "Expected 2D array, got 1D array"),
    "three dimensions": (X[:, :, None], "got 3D array|dim 3"),
    "too few rows": (X[:1], r"1 sample\(s\).*minimum of 2"),
    "no columns": (X[:, :0], r"0 feature\(s\)"),
    "complex": (X + 1j, "Complex data not supported"),
    "squares overflow": (spoiled(1e200), "Column 2 of X reaches 1e\\+200"),
}
BAD_TARGETS = {
    "short": (LABELS[:5], r"inconsistent numbers of samples: \[30, 5\]"),
    "NaN": (np.where(LABELS > 0, np.nan, 0.0), "Input y contains NaN"),
    "one class": (0 * LABELS, "at least 2 classes"),
    "continuous": (SIGNAL, "Unknown label type"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_are_refused_as_on_the_host(name: str) -> None:
    table, message = BAD_TABLES[name]
    for place in (put, np.asarray):
        with pytest.raises(ValueError, match=message):
            classifier().fit(place(table), LABELS[: len(table)])


@pytest.mark.parametrize("name", ["infinity", "one dimension", "complex"])
def test_bad_tables_are_refused_in_prediction(name: str) -> None:
    table, message = BAD_TABLES[name]
    model = regressor().fit(put(X), SIGNAL)
    with pytest.raises(ValueError, match=message):
        model.predict(put(table))


@pytest.mark.parametrize("name", BAD_TARGETS)
@pytest.mark.parametrize("place", [put, np.asarray], ids=["device1", "host"])
def test_bad_targets_are_refused(name: str, place: Callable[[Any], Any]) -> None:
    y, message = BAD_TARGETS[name]
    with pytest.raises(ValueError, match=message):
        classifier().fit(put(X), place(y))


def test_missing_targets_are_asked_for() -> None:
    for table in (X, put(X)):
        with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
            classifier().fit(table, None)


def test_other_numbers_of_columns_are_refused() -> None:
    model = classifier().fit(put(X), LABELS)
    message = "X has 3 features, but MLPClassifier is expecting 4 features"
    for table in (put(X[:, :3]), X[:, :3]):
        with pytest.raises(ValueError, match=message):
            model.predict(table)
    with pytest.raises(ValueError, match=f"X_val or y_val: {message}"):
        classifier().fit(put(X), LABELS, X_val=put(X[:, :3]), y_val=LABELS)


def test_bad_weights_name_their_row() -> None:
    weight = np.ones(ROWS)
    weight[4] = -1.0
    with pytest.raises(ValueError, match=r"Negative values.*at row 4"):
        classifier().fit(put(X), LABELS, sample_weight=put(weight))
    with pytest.raises(ValueError, match=r"sample_weight_val: Negative values.*at row 4"):
        classifier().fit(put(X), LABELS, None, put(X), LABELS, put(weight))


def test_weights_of_zero_leave_rows_out() -> None:
    kept = np.arange(ROWS) % 3 > 0
    model = classifier().fit(put(X), put(LABELS), sample_weight=put(kept.astype(float)))
    expected = classifier().fit(X[kept], LABELS[kept])
    found = to_host(model.predict_proba(put(X)))
    np.testing.assert_allclose(found, expected.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("normalization", ["batch", None])
def test_arrays_are_never_modified(dtype: str, normalization: str | None) -> None:
    given = X.astype(dtype), SIGNAL.astype(dtype), np.linspace(0.5, 2.0, ROWS).astype(dtype)
    table, y, weight = (put(array.copy()) for array in given)
    stops = {"early_stopping": True, "validation_fraction": 0.3}
    model = regressor(normalization=normalization, input_noise=0.1, mixup_alpha=0.3, **stops)
    model.fit(table, y, sample_weight=weight, X_val=table, y_val=y, sample_weight_val=weight)
    regressor(normalization=normalization).partial_fit(table, y, weight).predict(table)
    model.predict(table)
    for array, before in zip((table, y, weight), given, strict=True):
        np.testing.assert_array_equal(to_host(array), before)


def test_tables_elsewhere_are_refused_under_dispatch() -> None:
    message = "must use the same namespace and the same device"
    on_device, on_host = classifier().fit(put(X), LABELS), classifier().fit(X, LABELS)
    elsewhere = strict.asarray(X)  # of the library, but on its CPU
    with config_context(array_api_dispatch=True):
        for model, table in ((on_device, X), (on_host, put(X)), (on_device, elsewhere)):
            for method in ("predict", "predict_proba", "predict_log_proba"):
                with pytest.raises(ValueError, match=message):
                    getattr(model, method)(table)


def test_tables_elsewhere_are_answered_without_dispatch() -> None:
    tables = X, put(X), strict.asarray(X)
    expected = classifier().fit(X, LABELS).predict_proba(X)
    for model in (classifier().fit(table, LABELS) for table in tables):
        for table in tables:
            found = model.predict_proba(table)
            assert type(found) is type(table) and found.device == table.device
            np.testing.assert_allclose(to_host(found), expected, rtol=1e-9)


@pytest.mark.parametrize("dispatch", [True, False])
def test_the_backend_named_numpy_computes_on_the_host(dispatch: bool) -> None:
    with config_context(array_api_dispatch=dispatch):
        model = regressor(backend="numpy").fit(put(X), put(SIGNAL))
        assert type(model.network_.parameters.flat) is np.ndarray
        found, expected = model.predict(put(X)), regressor().fit(X, SIGNAL).predict(X)
    assert found.device == DEVICE
    np.testing.assert_array_equal(to_host(found), expected)


@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize("y", [LABELS, WORDS], ids=["numbers", "words"])
def test_pickles_are_on_the_host(normalization: str | None, y: np.ndarray) -> None:
    model = classifier(normalization=normalization).fit(put(X), y)
    expected = to_host(model.predict_proba(put(X)))
    text = pickle.dumps(model)
    assert b"array_api_strict" not in text  # it loads where the library is not
    loaded = pickle.loads(text)
    with config_context(array_api_dispatch=True):
        found = loaded.predict_proba(X)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(loaded.predict(X), to_host(model.predict(put(X))))
    assert model.input_mean_.device == DEVICE  # the original has not moved


def test_partial_fits_pickle_on_the_host() -> None:
    for solver, penalty in (("adam", "group_lasso"), ("sgd", "elasticnet")):
        model = regressor(solver=solver, penalty=penalty, alpha=0.1).partial_fit(put(X), SIGNAL)
        text = pickle.dumps(model)
        assert b"array_api_strict" not in text
        loaded = pickle.loads(text).partial_fit(X, SIGNAL)
        expected = to_host(model.partial_fit(put(X), SIGNAL).predict(put(X)))
        np.testing.assert_allclose(loaded.predict(X), expected, rtol=1e-9)


def test_shallow_copies_stay_on_the_device() -> None:
    model = regressor().fit(put(X), SIGNAL)
    twin = copy.copy(model)
    assert twin.network_ is model.network_ and twin.target_mean_.device == DEVICE
    with config_context(array_api_dispatch=True):
        assert twin.predict(put(X)).device == DEVICE


@pytest.mark.parametrize("make", [classifier, regressor])
def test_models_move_as_scikit_learn_moves_them(make: Callable[..., Any]) -> None:
    y = WORDS if make is classifier else SIGNAL
    method = "predict_proba" if make is classifier else "predict"
    expected = getattr(make().fit(X, y), method)(X)
    with config_context(array_api_dispatch=True):
        for model, table in ((make().fit(put(X), y), X), (make().fit(X, y), put(X))):
            xp, _, device = get_namespace_and_device(table)
            moved = move_estimator_to(model, xp, device)
            found = getattr(moved, method)(table)
            assert type(found) is type(table) and moved.network_ is not model.network_
            np.testing.assert_allclose(to_host(found), expected, rtol=1e-9)
