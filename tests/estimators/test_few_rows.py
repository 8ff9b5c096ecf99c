"""A few rows at a time: the same predictions, errors and warnings as in a table of many."""

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone

from sknorm import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (16, 8), "max_iter": 2, "random_state": 0}
TIMES = 4  # by the last of which calls are put together


def numbers() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(90, 5))


def frame() -> pd.DataFrame:
    """Numbers, two of which have gaps, text of few and many levels, a category and booleans."""
    rng, X = np.random.default_rng(1), numbers().astype(np.float32)
    X[rng.random(len(X)) < 0.3, 1] = np.nan
    X[:, 2] = np.nan
    table = pd.DataFrame(X, columns=[f"number {j}" for j in range(5)])
    table["whole"] = rng.integers(0, 9, len(X))
    for levels in (3, 12):
        text = rng.integers(0, levels, len(X)).astype(str).astype(object)
        text[rng.random(len(X)) < 0.1] = None
        table[f"text {levels}"] = [each if each is None else f"level {each}" for each in text]
    table["category"] = pd.Categorical(rng.choice(["a", "b", None], len(X)))
    table["flag"] = rng.random(len(X)) > 0.5
    return table


def repeated(model: Any, rows: Any, method: str = "predict") -> list[np.ndarray]:
    return [np.asarray(getattr(model, method)(rows)) for _ in range(TIMES)]


CASES: dict[str, tuple[type, dict[str, Any], Callable[[], Any]]] = {
    "plain": (MLPClassifier, {"preset": "sklearn", "normalization": None}, numbers),
    "batch": (MLPClassifier, {"preset": "sklearn"}, numbers),
    "layer": (MLPRegressor, {"preset": "sklearn", "normalization": "layer"}, numbers),
    "residual": (MLPRegressor, {"preset": "sklearn", "residual": True,
                                "hidden_layer_sizes": (8, 8)}, numbers),
    "no hidden layer": (MLPRegressor, {"preset": "sklearn", "hidden_layer_sizes": ()}, numbers),
    "members": (MLPRegressor, {"preset": "sklearn", "n_members": 3}, numbers),
    "embedded": (MLPClassifier, {"preset": "accurate", "n_members": 2}, numbers),
    "frame": (MLPClassifier, {"preset": "sklearn"}, frame),
    "frame, members": (MLPRegressor, {"preset": "sklearn", "n_members": 2}, frame),
    "frame, embedded": (MLPRegressor, {"preset": "accurate", "n_members": 2}, frame),
    "frame, no hidden layer": (MLPRegressor, {"preset": "sklearn", "hidden_layer_sizes": ()},
                               frame),
}  # fmt: skip


def fitted(case: str) -> tuple[Any, Any]:
    kind, settings, make = CASES[case]
    table = make()
    y = np.arange(len(table)) % 3
    return kind(**{**SETTINGS, **settings}).fit(table, y if kind is MLPClassifier else y + 0.5), (
        table
    )


@pytest.mark.parametrize("case", CASES)
def test_predictions_are_those_of_a_first_call_to_the_bit(case: str) -> None:
    model, table = fitted(case)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    for rows in (1, 2, 7, 32):
        part = table[40 : 40 + rows]
        first, *others = repeated(model, part, method)
        assert all(each.dtype == first.dtype for each in others)
        assert all(np.array_equal(each, first) for each in others)
        assert np.allclose(first, getattr(model, method)(table)[40 : 40 + rows], rtol=1e-4)


@pytest.mark.parametrize("case", ["frame", "frame, embedded"])
def test_levels_and_gaps_are_looked_up_as_in_a_long_table(case: str) -> None:
    """Of texts of each dtype, of levels that are new, and of missing values of each kind."""
    model, table = fitted(case)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    table.loc[0, ["text 3", "text 12"]] = "new"
    table.loc[1, ["text 3", "number 1"]] = None
    for dtype in ("str", "object", "category", "string"):
        rows = table.astype({"text 3": dtype, "text 12": dtype})
        expected = getattr(model, method)(rows)
        for row in range(12):
            for found in repeated(model, rows.iloc[[row]], method):
                assert np.allclose(found, expected[[row]], rtol=1e-4, atol=1e-6), (dtype, row)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("layout", ["C", "F", "strided", "read-only"])
def test_arrays_of_any_dtype_and_layout(dtype: type, layout: str) -> None:
    model, table = fitted("batch")
    rows = np.ascontiguousarray(table[:6].astype(dtype))
    given = {"C": rows, "F": np.asfortranarray(rows), "read-only": rows.copy()}
    given["strided"] = np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)[::2, ::3]
    given["read-only"].flags.writeable = False
    float_dtype = np.float32 if dtype is np.float32 else np.float64
    expected = model.predict_proba(np.concatenate([rows] * 10))[:6]
    for found in repeated(model, given[layout], "predict_proba"):
        assert found.dtype == float_dtype
        assert np.allclose(found, expected, rtol=1e-5)


def outcome(model: Any, rows: Any) -> tuple[str, str]:
    try:
        model.predict(rows)
    except Exception as error:
        return type(error).__name__, str(error)
    return "no error", ""


BAD: dict[str, Callable[[np.ndarray], Any]] = {
    "too few columns": lambda X: X[:, :3],
    "too many columns": lambda X: np.hstack([X, X]),
    "infinite": lambda X: np.where(X[0, 2] == X, np.inf, X),
    "negative infinite": lambda X: np.where(X[0, 2] == X, -np.inf, X).astype(np.float32),
    "one dimension": lambda X: X[0],
    "three dimensions": lambda X: X[None],
    "text": lambda X: np.full(X.shape, "a"),
    "objects": lambda X: np.full(X.shape, object()),
    "complex": lambda X: X + 1j,
    "sparse": lambda X: sparse.csr_array(X[:, :3]),
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "a number": lambda X: 1.0,
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_arrays_are_refused_as_before_any_prediction(kind: str) -> None:
    model, table = fitted("batch")
    bad = BAD[kind](table[:2].copy())
    before = outcome(model, bad)
    repeated(model, table[:2])
    assert before[0] in ("ValueError", "TypeError", "InvalidEntryError")
    assert outcome(model, bad) == before


BAD_FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "no column": lambda F: F.drop(columns="whole"),
    "another order": lambda F: F[F.columns[::-1]],
    "other names": lambda F: F.rename(columns={"whole": "half"}),
    "numbers for text": lambda F: F.assign(**{"text 3": 1.0}),
    "text for numbers": lambda F: F.assign(**{"number 0": "a"}),
    "numbers for flags": lambda F: F.assign(flag=2),
    "dates": lambda F: F.assign(**{"number 0": pd.Timestamp("2020-01-01")}),
    "infinite": lambda F: F.assign(**{"number 0": np.inf}),
    "infinite with gaps": lambda F: F.assign(**{"number 1": -np.inf}),
    "complex": lambda F: F.assign(**{"number 0": 1j}),
    "no rows": lambda F: F.iloc[:0],
    "mixed": lambda F: F.assign(**{"text 3": pd.Series(["a", 1], dtype=object, index=F.index)}),
    "an array": lambda F: F.drop(columns="whole").to_numpy(),
    "two of a name": lambda F: pd.concat([F, F], axis=1),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_bad_frames_are_refused_as_before_any_prediction(kind: str) -> None:
    model, table = fitted("frame")
    bad = BAD_FRAMES[kind](table.iloc[:2].copy())
    before = outcome(model, bad)
    repeated(model, table.iloc[:2])
    assert before[0] in ("ValueError", "TypeError", "InvalidEntryError")
    assert outcome(model, bad) == before


def test_names_that_are_missing_or_unknown_are_warned_of() -> None:
    X, y = numbers(), np.arange(90) % 2
    named = pd.DataFrame(X, columns=list("abcde"))
    model = MLPClassifier(preset="sklearn", **SETTINGS).fit(named, y)
    repeated(model, named[:1])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X[:1])
    model = MLPClassifier(preset="sklearn", **SETTINGS).fit(X, y)
    repeated(model, X[:1])
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        model.predict(named[:1])


def test_new_gaps_are_warned_of_and_filled() -> None:
    """Missing values are no error, whatever ``assume_finite`` says."""
    model, table = fitted("batch")
    rows = table[:1].copy()
    rows[0, 3] = np.nan
    for finite in (False, True):
        with config_context(assume_finite=finite):
            for _ in range(TIMES):
                with pytest.warns(UserWarning, match="no training row had any"):
                    assert np.isfinite(model.predict_proba(rows)).all()
            assert "infinity" in outcome(model, np.full((1, 5), np.inf))[1]
    model, table = fitted("frame")
    with pytest.warns(UserWarning, match="'number 0'"):
        model.predict(table.iloc[:1].assign(**{"number 0": np.nan}))


def test_copies_and_pickles_share_no_buffers() -> None:
    model, table = fitted("members")
    size = len(pickle.dumps(model))
    expected = repeated(model, table[:1])[-1]
    assert len(pickle.dumps(model)) == size
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(repeated(other, table[:1])[-1], expected)
    network = copy.deepcopy(model.network_)
    assert network is not model.network_
    assert np.array_equal(model.predict(table[:1]), expected)


def test_a_result_is_not_written_to_by_the_next_call() -> None:
    model, table = fitted("no hidden layer")
    results = [model.predict(table[row : row + 1]) for row in range(8)]
    again = [model.predict(table[row : row + 1]) for row in range(8)]
    assert np.array_equal(results, again)


def test_a_new_fit_is_what_predicts() -> None:
    model, table = fitted("batch")
    before = repeated(model, table[:1], "predict_proba")[-1]
    model.set_params(random_state=5).fit(table, np.arange(90) % 3)
    found = repeated(model, table[:1], "predict_proba")
    assert not np.array_equal(found[-1], before)
    assert all(np.array_equal(each, found[0]) for each in found)


@pytest.mark.parametrize("case", ["batch", "frame"])
def test_sixteen_threads_predict_with_one_model_while_others_fit(case: str) -> None:
    model, table = fitted(case)
    sizes = [1, 2, 3, 8, 31, 32, 40]
    expected = {n: model.predict_proba(table[n : 2 * n]) for n in sizes}
    wrong, stop, start = [], threading.Event(), threading.Barrier(17)

    def predict(seed: int) -> None:
        order = np.random.default_rng(seed).choice(sizes, 60).tolist()
        start.wait()
        for n in order:
            found = model.predict_proba(table[n : 2 * n])
            if not np.array_equal(found, expected[n]):
                wrong.append((seed, n))

    def fit() -> None:
        start.wait()
        while not stop.is_set():
            clone(model).fit(table, np.arange(90) % 3).predict(table[:1])

    threads = [threading.Thread(target=predict, args=(seed,)) for seed in range(16)]
    other = threading.Thread(target=fit)
    for each in (*threads, other):
        each.start()
    for each in threads:
        each.join()
    stop.set()
    other.join()
    assert wrong == []


def test_threads_see_one_model_or_the_other_while_it_is_fitted_anew() -> None:
    model, table = fitted("batch")
    y, known = np.arange(90) % 3, []
    for seed in (1, 2):
        other = clone(model).set_params(random_state=seed).fit(table, y)
        known.append(other.predict_proba(table[:1]).tobytes())
    model.set_params(random_state=1).fit(table, y)
    found: set[bytes] = set()
    done = threading.Event()

    def predict() -> None:
        while not done.is_set():
            found.add(model.predict_proba(table[:1]).tobytes())

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for each in threads:
        each.start()
    for seed in (2, 1, 2):
        model.set_params(random_state=seed).fit(table, y)
    done.set()
    for each in threads:
        each.join()
    assert found <= set(known)
