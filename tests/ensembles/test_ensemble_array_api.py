"""Ensembles on arrays of another library and device: the answers of NumPy, where X is."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ensemble_case import TASKS, WEIGHTS, T, X, answers, kind_of, model, seeds
from places import placed_in_turn
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils._array_api import get_namespace_and_device, move_estimator_to

from sknorm.backends import to_host
from sknorm.ensembles.weighted import EnsembleClassifier, EnsembleRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

Put = Callable[[Any], Any]


def assert_answers(found: Any, expected: np.ndarray, like: Any) -> None:
    """The same numbers, in the library and on the device of the example."""
    assert type(found) is type(like) and found.device == like.device
    assert str(found.dtype).endswith(str(expected.dtype)) and found.shape == expected.shape
    np.testing.assert_allclose(to_host(found), expected, rtol=1e-9, atol=1e-11)


@placed_in_turn(TASKS)
def test_arrays_of_a_device(put: Put, dispatch: bool, task: str) -> None:
    """In one stack, one by one, and for models that were fitted there."""
    y = T[TASKS[task][0]]
    models = [*seeds(task, 2), model(task, hidden_layer_sizes=(5,)), model(task, n_members=2)]
    expected = kind_of(task)(models, WEIGHTS).fit(X, y)
    found = kind_of(task)(models, WEIGHTS).fit(put(X), y if task == "words" else put(y))
    methods = ["predict", "predict_proba", "predict_log_proba"]
    for method in [each for each in methods if hasattr(found, each)]:
        value = getattr(found, method)(put(X))
        if task == "words" and method == "predict":
            np.testing.assert_array_equal(value, expected.predict(X))
        else:
            assert_answers(value, getattr(expected, method)(X), put(X))
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_allclose(answers(again, X), answers(expected, X), rtol=1e-9)


def test_float32_stays_float32_on_a_device(put: Put) -> None:
    table = X.astype(np.float32)
    ensemble = EnsembleRegressor(seeds("number", 2), np.array([1.0, 3.0]))
    value = ensemble.fit(put(table), put(T["number"])).predict(put(table))
    assert str(value.dtype).endswith("float32")
    np.testing.assert_allclose(
        to_host(value), ensemble.fit(table, T["number"]).predict(table), 1e-3
    )


def test_members_that_compute_on_the_host_answer_on_the_device(put: Put, dispatch: bool) -> None:
    for models in (seeds("number", 2, backend="numpy"), [model("number", backend="numpy")]):
        ensemble = EnsembleRegressor(models).fit(put(X), put(T["number"]))
        assert_answers(ensemble.predict(put(X)), ensemble.predict(X), put(X))


def test_weights_and_scores_on_a_device(put: Put) -> None:
    with config_context(array_api_dispatch=True):
        ensemble = EnsembleClassifier(seeds("binary", 2), put(np.array([1.0, 3.0])))
        ensemble.fit(put(X), put(T["binary"]), sample_weight=put(T["weight"]))
        score = ensemble.score(put(X), put(T["binary"]))
    expected = EnsembleClassifier(seeds("binary", 2), [1.0, 3.0])
    expected.fit(X, T["binary"], sample_weight=T["weight"])
    assert float(score) == pytest.approx(expected.score(X, T["binary"]))


def test_models_move(put: Put) -> None:
    ensemble = EnsembleClassifier(seeds("words", 2), np.array([1.0, 3.0])).fit(X, T["words"])
    with config_context(array_api_dispatch=True):
        with pytest.raises(ValueError, match=r"EnsembleClassifier.predict\(\) must use the same"):
            ensemble.predict(put(X))
        xp, _, device = get_namespace_and_device(put(X))
        moved = move_estimator_to(ensemble, xp, device)
        assert_answers(moved.predict_proba(put(X)), ensemble.predict_proba(X), put(X))
        np.testing.assert_array_equal(moved.predict(put(X)), ensemble.predict(X))
        again = clone(moved).fit(put(X), T["words"])
        assert_answers(again.predict_proba(put(X)), ensemble.predict_proba(X), put(X))
