"""What networks are given in a fold: rows, what steps make of them, and metadata."""

import pickle
import threading
import traceback
from typing import Any

import array_api_strict as strict
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from search_case import T, classifier, regressor
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknorm.model_selection.inputs import (
    Fold,
    Once,
    Recorder,
    assembled,
    check_stackable,
    has_prefix,
    last_step,
    recorded,
    rows_of,
    taken,
)

X, Y, WEIGHT = T["X"], T["multiclass"], T["weight"]
TRAIN, TEST = np.r_[0:30, 60:90], np.arange(30, 60)


def piped(*steps: Any) -> Pipeline:
    return Pipeline([*((f"s{k}", step) for k, step in enumerate(steps)), ("mlp", classifier())])


CONTAINERS = {
    "array": np.asarray, "columns": np.asfortranarray, "frame": pd.DataFrame,
    "frame with an index": lambda a: pd.DataFrame(a, index=np.arange(len(a))[::-1]),
    "polars": lambda a: pl.DataFrame(a), "lists": lambda a: a.tolist(), "csr": sparse.csr_array,
    "device": lambda a: strict.asarray(a, device=strict.Device("device1")),
}  # fmt: skip


@pytest.mark.parametrize("put", CONTAINERS.values(), ids=CONTAINERS)
def test_rows_are_taken_from_any_table(put: Any) -> None:
    rows = np.array([5, 0, 0, 7])
    given = put(X)
    found = taken(given, rows)
    assert type(found) is type(given)
    if sparse.issparse(found):
        found = found.toarray()
    elif hasattr(found, "device") and not isinstance(found, np.ndarray):
        assert found.device == given.device
        found = strict.asarray(found, device=strict.Device("CPU_DEVICE"))
    np.testing.assert_array_equal(np.asarray(found), X[rows])


def test_rows_of_nothing() -> None:
    assert taken(None, np.array([0])) is None


def test_metadata_of_rows_are_cut_and_others_are_not() -> None:
    rows = np.array([2, 0])
    series = pd.Series(WEIGHT, index=np.arange(90)[::-1])
    given = {
        "weight": WEIGHT, "list": WEIGHT.tolist(), "series": series, "sparse": sparse.csr_array(X),
        "short": WEIGHT[:5], "number": 3, "word": "a" * 90, "none": None, "function": len,
        "dict": dict.fromkeys(range(90)), "tuple": (X, Y), "table": X,
    }  # fmt: skip
    found = rows_of(given, rows, 90)
    for name in ("short", "number", "word", "none", "function", "dict", "tuple"):
        assert found[name] is given[name]
    for name in ("weight", "list", "series"):
        np.testing.assert_array_equal(found[name], WEIGHT[rows])
    np.testing.assert_array_equal(found["table"], X[rows])
    np.testing.assert_array_equal(found["sparse"].toarray(), X[rows])
    assert list(found) == list(given)


def test_the_network_and_what_is_before_it() -> None:
    model = piped(StandardScaler())
    assert last_step(model) is model["mlp"] and has_prefix(model)
    alone = regressor()
    assert last_step(alone) is alone and not has_prefix(alone)
    for steps in ((), (None,), ("passthrough",), (None, "passthrough")):
        assert not has_prefix(piped(*steps))
    assert has_prefix(piped(None, StandardScaler()))
    check_stackable(model)
    with pytest.raises(TypeError, match=r"is RandomForestClassifier\. Use scikit-learn"):
        check_stackable(RandomForestClassifier())
    with pytest.raises(TypeError, match="ends in StandardScaler"):
        check_stackable(make_pipeline(StandardScaler()))


def test_the_last_step_is_given_what_a_fit_gives_it() -> None:
    seen: list[Any] = []

    class Spy(Recorder):
        def fit(self, X: Any, y: Any = None, **params: Any) -> "Spy":
            seen.append((X, y, params))
            return self

    model = piped(StandardScaler(), SelectKBest(k=3))
    params = {"s0__sample_weight": WEIGHT, "mlp__sample_weight": WEIGHT[::-1]}
    fitted, (Xt, yt, own) = recorded(model, X, Y, params)
    spied = clone(model).set_params(mlp=Spy(model["mlp"]))
    spied.fit(X, Y, **params)
    np.testing.assert_array_equal(Xt, seen[0][0])
    assert yt is Y and own.keys() == {"sample_weight"}
    np.testing.assert_array_equal(own["sample_weight"], WEIGHT[::-1])
    np.testing.assert_array_equal(fitted["s0"].mean_, spied["s0"].mean_)
    assert not hasattr(model["s0"], "mean_") and not hasattr(model["mlp"], "network_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_candidate_is_assembled_from_its_fitted_parts() -> None:
    model = piped(StandardScaler())
    fitted, (Xt, yt, _) = recorded(model, X, Y, {})
    network = classifier().fit(Xt, yt)
    whole = assembled(model, fitted.steps[:-1], network)
    expected = clone(model).fit(X, Y)
    np.testing.assert_array_equal(whole.predict_proba(X), expected.predict_proba(X))
    assert [name for name, _ in whole.steps] == ["s0", "mlp"] and whole["mlp"] is network
    assert assembled(classifier(), [], network) is network
    assert not hasattr(model["s0"], "mean_")


@pytest.mark.parametrize("steps", [None, (), (None,)])
def test_folds_without_steps(steps: tuple | None) -> None:
    model, name = (classifier(), "") if steps is None else (piped(*steps), "mlp__")
    fold = Fold(TRAIN, TEST, {f"{name}sample_weight": WEIGHT, f"{name}X_val": X[:4]})
    inputs = fold.plain(X, Y, model)
    for found, expected in zip(inputs.train(), (X[TRAIN], Y[TRAIN]), strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(inputs.test, (X[TEST], Y[TEST]), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(inputs.params["sample_weight"], WEIGHT[TRAIN])
    assert len(inputs.params["X_val"]) == 4
    assert [step for step, _ in inputs.steps] == [f"s{k}" for k in range(len(steps or ()))]
    with pytest.raises(ValueError, match="does not accept the spam parameter"):
        Fold(TRAIN, TEST, {"spam": 1}).plain(X, Y, piped(None))


def test_folds_with_steps_are_fitted_to_training_rows() -> None:
    fold = Fold(TRAIN, TEST, {"mlp__sample_weight": WEIGHT})
    inputs = fold.prepared(X, Y, piped(StandardScaler()))
    scaler = StandardScaler().fit(X[TRAIN])
    (Xt, yt), (X_test, y_test) = inputs.train(), inputs.test
    np.testing.assert_array_equal(Xt, scaler.transform(X[TRAIN]))
    np.testing.assert_array_equal(X_test, scaler.transform(X[TEST]))
    np.testing.assert_array_equal(yt, Y[TRAIN])
    np.testing.assert_array_equal(y_test, Y[TEST])
    np.testing.assert_array_equal(inputs.params["sample_weight"], WEIGHT[TRAIN])
    np.testing.assert_array_equal(inputs.steps[0][1].mean_, scaler.mean_)
    assert inputs.test is inputs.test  # made once


def test_rows_that_cannot_be_transformed_are_none() -> None:
    table = np.where(np.arange(90)[:, None] == 40, "z", "a")
    inputs = Fold(TRAIN, TEST, {}).prepared(table, Y, piped(OneHotEncoder()))
    assert inputs.test[0] is None and len(inputs.test[1]) == 30
    assert inputs.train()[0].shape == (60, 1)


def test_once_computes_for_all_and_lets_go() -> None:
    made: list[tuple] = []

    def compute(X: Any, y: Any) -> list:
        made.append((X, y))
        return [len(made)]

    once = Once(compute, uses=3)
    values = [once("X", "y") for _ in range(3)]
    assert values[0] is values[1] is values[2] and made == [("X", "y")]
    assert once._value is None
    assert once("X", "y") == [2]  # somebody asked more often


def test_once_fails_each_time_in_the_same_words() -> None:
    calls: list[int] = []

    def compute(X: Any, y: Any) -> None:
        calls.append(1)
        raise RuntimeError("no such step")

    once, words = Once(compute, uses=5), []
    for _ in range(4):
        try:
            once(X, Y)
        except RuntimeError:
            words.append(traceback.format_exc())
    assert len(calls) == 1 and len(words) == 4 and len(set(words)) == 1


def test_once_computes_once_for_threads_that_ask_together() -> None:
    calls, values, barrier = [], [], threading.Barrier(4)

    def compute(X: Any, y: Any) -> object:
        calls.append(1)
        return object()

    once = Once(compute, uses=4)

    def ask() -> None:
        barrier.wait()
        values.append(once(None, None))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and len({id(value) for value in values}) == 1


def shape(X: Any, y: Any) -> tuple:
    return X.shape


def test_once_computes_anew_in_another_process() -> None:
    once = Once(shape, uses=2)
    assert once(X, Y) == X.shape
    again = pickle.loads(pickle.dumps(once))
    assert again.uses == 1 and again._value is None
    assert again(X[:3], Y) == (3, 6)
