"""Steps as machine code: the same bits as steps that Python takes, whoever runs them."""

import gc
import itertools
import multiprocessing
import os
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from test_parity_of_backends import GROUP, L1, SGD

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends.executors import Loop, compiled
from sknorm.backends.executors.compiled import Compiled
from sknorm.backends.numpy import NumpyBackend
from sknorm.backends.threads import Limits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CASES: dict[str, dict[str, Any]] = {
    "batch": {},
    "ghost": {"normalization": "ghost", "ghost_batch_size": 4, "dtype": "float64"},
    "layer": {"normalization": "layer", "activation": "tanh"},
    "no norm": {"normalization": None, "dtype": "float64"},
    "no scale and shift": {"norm_affine": False},
    "residual": {"residual": True, "hidden_layer_sizes": (7, 7, 7)},
    "residual cut": {"residual": True, "hidden_layer_sizes": (512, 512), "max_iter": 2},
    "linear": {"hidden_layer_sizes": ()},
    "one unit": {"hidden_layer_sizes": (1, 1)},
    "random": {"input_dropout": 0.2, "input_noise": 0.3, "mixup_alpha": 0.4},
    "l1 sgd": {**SGD, **L1, "max_grad_norm": 0.5, "learning_rate": "cosine"},
    "l1 adamw": {"solver": "adamw", **L1, "learning_rate": "one_cycle"},
    "group lasso": GROUP,
    "l0": {"penalty": "l0", "alpha": 1e-4},
    "shrinking": {"learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2, "max_iter": 30},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 12},
    "averaged": {"swa_fraction": 0.5},
    "population": {"norm_statistics": "population"},
    "cumulative": {"norm_statistics": "cumulative"},
}


def table(rows: int = 61) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 5)).astype(np.float32)
    return X, X[:, 0] * X[:, 1] + rng.normal(size=rows)


def fitted(parameters: dict[str, Any], X: Any, y: np.ndarray, members: int = 3) -> list[np.ndarray]:
    """What a regressor has learned, and its course."""
    common: dict[str, Any] = {
        "hidden_layer_sizes": (6, 4), "max_iter": 5, "batch_size": 10, "dropout": 0.3,
    }  # fmt: skip
    settings = common | {"random_state": 0, "n_members": members} | parameters
    model = MLPRegressor(**settings, preset="sklearn").fit(X, y)
    network = model.network_
    return [network.parameters.flat, *network.statistics, np.array(model.loss_curve_)]


def assert_same(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CASES)
def test_the_bits_of_steps_that_python_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table()
    for members in (1, 3):
        monkeypatch.setattr(Loop, "epoch", None)
        got = fitted(CASES[name], X, y, members)
        monkeypatch.undo()
        monkeypatch.setattr(NumpyBackend, "compiles", False)
        monkeypatch.setattr(Compiled, "epoch", None)
        assert_same(got, fitted(CASES[name], X, y, members))
        monkeypatch.undo()


@pytest.mark.parametrize("thresholds", [[0.0], [-0.5, 0.5]])
def test_classifiers_and_sparse_rows(
    thresholds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = table()
    classes = np.digitize(y, thresholds)
    sparse, found = csr_array(np.where(np.abs(X) > 1, X, 0)), []
    for compiles in (True, False):
        monkeypatch.setattr(NumpyBackend, "compiles", compiles)
        model = MLPClassifier(
            hidden_layer_sizes=(6, 4), max_iter=4, batch_size=10, dropout=0.2, n_members=2,
            random_state=0, preset="sklearn"
        )  # fmt: skip
        found.append(model.fit(sparse, classes).predict_proba(sparse))
    np.testing.assert_array_equal(*found)


def test_nuclear_norms_are_left_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compiled, "epoch", None)
    fitted({"penalty": "nuclear", "solver": "adamw", "alpha": 1e-3}, *table())


@pytest.mark.parametrize("available", [2, 3])
def test_threads_change_nothing(available: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members side by side, each thread with arrays of its own; all tables longer than a call."""
    monkeypatch.setattr(compiled, "_LONGEST", 1e-5)
    found = []
    for count in (1, available):
        monkeypatch.setattr(Limits, "threads", count)
        for parameters in ({}, {"norm_affine": False}, GROUP, CASES["shrinking"]):
            found.append(fitted(parameters, *table(), members=7))
    for one, other in zip(found[:4], found[4:], strict=True):
        assert_same(one, other)


WIDE = {"hidden_layer_sizes": (300, 1100, 30), "batch_size": 200, "max_iter": 2}


@pytest.mark.parametrize("count", [2, 3, 4])
def test_large_layers_are_shared_out(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads take the steps of one network together, with the bits of one thread."""
    X, y = table(700)
    alone = fitted(WIDE, X, y, members=1)
    monkeypatch.setattr(Limits, "threads", count)
    monkeypatch.setattr(compiled, "take_steps", None)
    for parameters in (WIDE, {**WIDE, "residual": True, "hidden_layer_sizes": (300, 300)}):
        monkeypatch.setattr(Limits, "threads", count)
        got = fitted(parameters, X, y, members=1)
        if parameters is WIDE:
            assert_same(got, alone)
    with monkeypatch.context() as patch:
        patch.undo()
        assert_same(got, fitted(parameters, X, y, members=1))


@pytest.mark.parametrize("missing", [0, 1])
def test_a_thread_that_does_not_come_keeps_no_other(
    missing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt may end a thread before it arrives where the others wait."""
    monkeypatch.setattr(Limits, "threads", 2)
    take = compiled.take_steps_together

    def interrupted(thread: int, *rest: Any) -> None:
        if thread == missing:
            raise KeyboardInterrupt
        take(thread, *rest)

    monkeypatch.setattr(compiled, "take_steps_together", interrupted)
    X, y = table(700)
    with pytest.raises(KeyboardInterrupt):
        fitted(WIDE, X, y, members=1)
    monkeypatch.setattr(compiled, "take_steps_together", take)
    fitted(WIDE, X, y, members=1)


def test_chunks_of_partial_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gathers the rows changes from call to call: tables, their kinds, sizes of batches."""
    X, y = table(60)
    found = []
    for compiles in (True, False):
        monkeypatch.setattr(NumpyBackend, "compiles", compiles)
        model = MLPRegressor(
            hidden_layer_sizes=(6,), random_state=0, batch_size=5, n_members=2, preset="sklearn"
        )
        kinds = itertools.cycle([np.float32, np.float64, np.float32])
        for start, stop in ((0, 20), (20, 40), (40, 47), (47, 60), (0, 20), (20, 40)):
            chunk = X[start:stop].astype(next(kinds), order="F" if start == 40 else "C")
            chunk.setflags(write=start != 20)
            model.partial_fit(chunk, y[start:stop].copy())
        found.append([model.network_.parameters.flat, *model.network_.statistics])
    assert_same(*found)


@pytest.mark.parametrize("count", [1, 2])
def test_interrupts_are_heard_within_an_epoch(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call lasts a fraction of a second, and no thread goes on with another member."""
    monkeypatch.setattr(Limits, "threads", count)
    calls: list[tuple[int, int]] = []
    take = compiled.take_steps

    def interrupted(member: int, first: int, stop: int, *rest: Any) -> None:
        calls.append((member, stop - first))
        if len(calls) == 12:
            raise KeyboardInterrupt
        take(member, first, stop, *rest)

    monkeypatch.setattr(compiled, "take_steps", interrupted)
    monkeypatch.setattr(compiled, "_LONGEST", 1e-6)
    X, y = table(2000)
    with pytest.raises(KeyboardInterrupt):
        MLPRegressor(hidden_layer_sizes=(6, 4), batch_size=10, n_members=5, preset="sklearn").fit(
            X, y
        )
    assert len(calls) <= 12 + count
    monkeypatch.setattr(compiled, "take_steps", take)
    fitted({}, X, y)


def test_calls_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the first, of one step, they come close to the limit where all steps are alike."""
    steps: list[int] = []
    take = compiled.take_steps

    def counted(member: int, first: int, stop: int, *rest: Any) -> None:
        steps.append(stop - first)
        take(member, first, stop, *rest)

    monkeypatch.setattr(compiled, "take_steps", counted)
    # A clock by which a step takes 4 ms.
    monkeypatch.setattr(compiled.time, "perf_counter", lambda: 0.004 * sum(steps))
    fitted({"max_iter": 1, "early_stopping": False}, *table(4000), members=1)
    assert steps[:3] == [1, 4, 7]
    assert max(steps) == 7
    assert sum(steps) == 400


def go_on(model: MLPRegressor) -> list[np.ndarray]:
    """The weights after another chunk, and those of a stack of its own."""
    X, y = table(20)
    network = model.partial_fit(X, y).network_
    return [network.parameters.flat, *network.statistics, *fitted({}, X, y, members=5)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork")  # of Python, and of JAX where it is loaded
def test_forked_children_go_on_with_what_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code stands where it stood; threads do not, and are started anew."""
    monkeypatch.setattr(Limits, "threads", 2)
    X, y = table(60)
    model = MLPRegressor(
        hidden_layer_sizes=(6,), random_state=0, batch_size=5, n_members=4, preset="sklearn"
    )
    model.partial_fit(X, y)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(go_on(model)))
    child.start()
    got = queue.get()
    child.join()
    assert child.exitcode == 0
    assert_same(got, go_on(model))


def test_pickles_leave_machine_code_behind() -> None:
    """Addresses of one process mean nothing in another; training is recorded anew."""
    X, y = table(60)
    model = MLPRegressor(
        hidden_layer_sizes=(6,), random_state=0, batch_size=5, n_members=2, preset="sklearn"
    )
    text = pickle.dumps(model.partial_fit(X, y))
    assert b"compiled" not in text and b"records" not in text
    assert_same(go_on(pickle.loads(text)), go_on(model))


def test_fits_in_several_threads_at_once() -> None:
    """Each has tables and arrays of its own; kernels that are missing are compiled once."""
    X, y = table()
    parameters = [{"activation": name} for name in ("relu", "tanh", "relu", "tanh")]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda each: fitted(each, X, y), parameters))
    assert_same(found[0], found[2])
    assert_same(found[1], found[3])
    assert_same(found[0], fitted({}, X, y))


def test_chunks_are_let_go() -> None:
    """Nothing that is recorded keeps the table of a call alive."""
    X, y = table(40)
    chunk = X.copy()
    kept = weakref.ref(chunk)
    model = MLPRegressor(
        hidden_layer_sizes=(6,), random_state=0, batch_size=5, n_members=3, preset="sklearn"
    )
    model.partial_fit(chunk, y)
    del chunk
    gc.collect()
    assert kept() is None
