"""What networks are given in a fold: rows, what steps make of them, and metadata."""

import gc
import pickle
import threading
import traceback
import weakref
from typing import Any, ClassVar

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
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknorm.ensembles.members import network_of
from sknorm.model_selection.context import Context, rows_of, taken
from sknorm.model_selection.folds import (
    Fold,
    Inputs,
    Recorder,
    assembled,
    check_stackable,
    has_steps,
    recorded,
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
    assert network_of(model) is model["mlp"] and has_steps(model)
    alone = regressor()
    assert network_of(alone) is alone and not has_steps(alone)
    for steps in ((), (None,), ("passthrough",), (None, "passthrough")):
        assert not has_steps(piped(*steps))
    assert has_steps(piped(None, StandardScaler()))
    check_stackable(model)
    with pytest.raises(
        TypeError, match=r"is scikit-learn's RandomForestClassifier\. Use scikit-learn"
    ):
        check_stackable(RandomForestClassifier())
    with pytest.raises(TypeError, match="ends in scikit-learn's StandardScaler"):
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
    whole = assembled(model, fitted, network)
    expected = clone(model).fit(X, Y)
    np.testing.assert_array_equal(whole.predict_proba(X), expected.predict_proba(X))
    assert [name for name, _ in whole.steps] == ["s0", "mlp"] and whole["mlp"] is network
    assert assembled(classifier(), classifier(), network) is network
    assert not hasattr(model["s0"], "mean_")


def context(X: Any = X, fit_params: dict[str, Any] | None = None) -> Context:
    return Context(X, Y, [(TRAIN, TEST)], fit_params or {}, {}, check_scoring(classifier()))


def opened(model: Any, **given: Any) -> Inputs:
    return Fold(0, model).open(context(**given))


@pytest.mark.parametrize("steps", [None, (), (None,)])
def test_folds_without_steps(steps: tuple | None) -> None:
    model, name = (classifier(), "") if steps is None else (piped(*steps), "mlp__")
    given = {f"{name}sample_weight": WEIGHT, f"{name}X_val": X[:4]}
    inputs = opened(model, fit_params=given)
    assert inputs.X is None  # the training rows of the common table
    np.testing.assert_array_equal(Y[TRAIN] if steps is None else inputs.y, Y[TRAIN])
    assert (inputs.y is None) == (steps is None)
    network, *rows = inputs.asked(model, network_of(model), test=True)
    assert network is network_of(model)
    for found, expected in zip(rows, (X[TEST], Y[TEST]), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(inputs.params["sample_weight"], WEIGHT[TRAIN])
    assert len(inputs.params["X_val"]) == 4
    with pytest.raises(ValueError, match="does not accept the spam parameter"):
        opened(piped(None), fit_params={"spam": 1})


def test_folds_with_steps_are_fitted_to_training_rows() -> None:
    inputs = opened(piped(StandardScaler()), fit_params={"mlp__sample_weight": WEIGHT})
    scaler = StandardScaler().fit(X[TRAIN])
    np.testing.assert_array_equal(inputs.X, scaler.transform(X[TRAIN]))
    np.testing.assert_array_equal(inputs.test, scaler.transform(X[TEST]))
    np.testing.assert_array_equal(inputs.y, Y[TRAIN])
    np.testing.assert_array_equal(inputs.params["sample_weight"], WEIGHT[TRAIN])
    np.testing.assert_array_equal(inputs.fitted["s0"].mean_, scaler.mean_)
    assert inputs.test is inputs.test  # made once


def test_rows_that_cannot_be_transformed_are_none() -> None:
    table = np.where(np.arange(90)[:, None] == 40, "z", "a")
    inputs = opened(model := piped(OneHotEncoder()), X=table)
    assert inputs.test is None and inputs.X.shape == (60, 1)
    whole, rows, y = inputs.asked(model, network_of(model), test=True)
    assert isinstance(whole, Pipeline) and len(rows) == len(y) == 30


class Counted(StandardScaler):
    """A step that counts its fits, and may fail."""

    fits: ClassVar[list[int]] = []

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails

    def fit(self, X: Any, y: Any = None) -> Any:
        self.fits.append(len(X))
        if self.fails:
            raise RuntimeError("no such step")
        return super().fit(X, y)


@pytest.fixture
def fits() -> list[int]:
    Counted.fits.clear()
    return Counted.fits


def shared(uses: int, **settings: Any) -> Fold:
    fold = Fold(0, piped(Counted(**settings)))
    fold.uses = uses
    return fold


def test_a_fold_is_opened_for_all_and_lets_go(fits: list[int]) -> None:
    fold = shared(uses=3)
    values = [fold.open(context()) for _ in range(3)]
    assert values[0] is values[1] is values[2] and fits == [60]
    kept = weakref.ref(values[0])
    del values
    gc.collect()
    assert kept() is None
    assert fold.open(context()).X.shape == (60, 6) and len(fits) == 2  # somebody asked more often


def test_a_fold_fails_each_time_in_the_same_words(fits: list[int]) -> None:
    fold, words = shared(uses=5, fails=True), []
    for _ in range(4):
        try:
            fold.open(context())
        except RuntimeError:
            words.append(traceback.format_exc())
    assert len(fits) == 1 and len(words) == 4 and len(set(words)) == 1


def test_a_fold_is_opened_once_for_threads_that_ask_together(fits: list[int]) -> None:
    fold, values, barrier = shared(uses=4), [], threading.Barrier(4)

    def ask() -> None:
        barrier.wait()
        values.append(fold.open(context()))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fits) == 1 and len({id(value) for value in values}) == 1


def test_a_fold_is_opened_anew_in_another_process(fits: list[int]) -> None:
    fold = shared(uses=2)
    fold.open(context())
    again = pickle.loads(pickle.dumps(fold))
    assert again.uses == 1 and again.split == 0
    assert again.open(context(X=2.0 * X)).X.shape == (60, 6) and len(fits) == 2
