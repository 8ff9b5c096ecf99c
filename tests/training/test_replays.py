"""Recorded steps: replays train the model that single launches do, bit for bit."""

import contextlib
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from cuda_host import COMPILER, HostRuntime
from test_cuda_parity import HostCudaBackend
from test_parity_of_backends import GROUP, L1, SGD, TOLERANCE, assert_same_model, settings

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends import resolve
from sknorm.backends.cupy import SWITCH, CupyBackend
from sknorm.backends.executors import Graph
from sknorm.backends.program import Operation, Program
from sknorm.data import table as tables
from sknorm.kernels.cuda import launcher
from sknorm.kernels.cuda.recorder import GraphRecorder
from sknorm.training import steps
from sknorm.training.steps import Steps

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS, BATCH = 61, 10  # batches of 8 and of 9 rows
ALIKE: dict[str, dict[str, Any]] = {
    "batch": {},
    "ghost": {"normalization": "ghost", "ghost_batch_size": 4},
    "layer": {"normalization": "layer", "dropout": 0.3},
    "no norm": {"normalization": None, "dropout": 0.3},
    "random": {"dropout": 0.3, "input_dropout": 0.2, "input_noise": 0.3},
    "l1 sgd": {**SGD, **L1, "max_grad_norm": 0.5, "learning_rate": "cosine"},
    "l1 adamw": {"solver": "adamw", **L1, "learning_rate": "one_cycle"},
    "group lasso": GROUP,
    "stack": {"n_members": 3, "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1},
    "mixup": {"mixup_alpha": 0.4, "n_members": 2},
    "population": {"norm_statistics": "population"},
    "cumulative": {"norm_statistics": "cumulative"},
}
# What the array library computes itself is recorded as well, but not by the host's runtime.
DEVICE_ONLY = {"residual": {"residual": True, "hidden_layer_sizes": (4, 4)}}


class RecordingRuntime(HostRuntime):
    """The host in place of a device, which can keep launches for later."""

    recorded: list[Callable[[], None]] | None = None
    replays = 0

    def launch(self, *arguments: Any) -> None:
        self._take(partial(super().launch, *arguments))

    def multiply(self, *arguments: Any) -> None:
        self._take(partial(super().multiply, *arguments))

    def _take(self, launch: Callable[[], None]) -> None:
        if self.recorded is None:
            launch()
        else:
            self.recorded.append(launch)


class Recorder:
    """Records as a CUDA graph does: numbers and addresses are kept, nothing is launched."""

    def __init__(self, runtime: RecordingRuntime) -> None:
        self.runtime, self.works = runtime, []

    def launch(self, work: Callable[[], None]) -> None:
        self.works.append("launched")
        work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        self.works.append("recorded")
        launches = self.runtime.recorded = []
        work()
        self.runtime.recorded = None

        def replay() -> None:
            self.runtime.replays += 1
            for launch in launches:
                launch()

        return replay


class RecordingBackend(HostCudaBackend):
    """A backend of the host's runtime that records."""

    def __init__(self, runtime: RecordingRuntime) -> None:
        super().__init__()
        self.made = Recorder(runtime)

    def recorder(self) -> Recorder:
        return self.made


class ThreadRecorder(Recorder):
    """Serves the thread that it was made by."""

    def __init__(self, runtime: RecordingRuntime) -> None:
        super().__init__(runtime)
        self.thread = threading.current_thread()

    def launch(self, work: Callable[[], None]) -> None:
        assert threading.current_thread() is self.thread
        super().launch(work)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        assert threading.current_thread() is self.thread
        return super().record(work)


class ThreadBackend(RecordingBackend):
    """A backend with a recorder for each thread."""

    def __init__(self, runtime: RecordingRuntime) -> None:
        super().__init__(runtime)
        self.recorders: list[ThreadRecorder] = []

    def recorder(self) -> ThreadRecorder:
        if not self.recorders or self.recorders[-1].thread is not threading.current_thread():
            self.recorders.append(ThreadRecorder(self.made.runtime))
        return self.recorders[-1]


@pytest.fixture
def runtime(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> Iterator[RecordingRuntime]:
    if COMPILER is None:
        pytest.skip("no g++ to compile the CUDA kernels for the host")
    host = RecordingRuntime(pytestconfig.cache.mkdir("cuda_host"))
    monkeypatch.setattr(launcher, "runtime", host)
    yield host
    host.check_guards()


def fitted(model: Any, backend: Any, rows: int = ROWS) -> Any:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 4))
    y = X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=rows)
    if isinstance(model, MLPClassifier):
        y = np.digitize(y, [-1.0, 1.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "resolve", lambda *_: backend)
        return model.fit(X, y, rng.uniform(0.5, 2.0, rows))


def model(changed: dict[str, Any], kind: type = MLPRegressor) -> Any:
    return kind(preset="sklearn", **settings({"max_iter": 4, "batch_size": BATCH, **changed}))


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each epoch comes from another thread, as in a race that compares between epochs."""
    plain = Steps.epoch

    def epoch(self: Steps, *given: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(plain, self, *given).result()

    monkeypatch.setattr(Steps, "epoch", epoch)


def assert_same_bits(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(one.loss_curve_, other.loss_curve_)
    for name in one.history_:
        if name != "seconds":
            np.testing.assert_array_equal(one.history_[name], other.history_[name], name)
    flat = (each.network_.parameters.flat for each in (one, other))
    np.testing.assert_array_equal(*flat)
    for mine, theirs in zip(one.network_.statistics, other.network_.statistics, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ALIKE)
def test_replays_train_the_same_model(runtime: RecordingRuntime, name: str) -> None:
    backend = RecordingBackend(runtime)
    replayed = fitted(model(ALIKE[name]), backend)
    assert backend.made.works == ["launched", "launched", "recorded", "recorded"]
    # The first two epochs are too few to record for; then each size is launched once.
    assert runtime.replays == (replayed.n_iter_ - 2) * 7 - 2
    launched = fitted(model(ALIKE[name]), HostCudaBackend())
    assert np.ptp(launched.loss_curve_) > 1e-3
    assert_same_bits(replayed, launched)


def test_steps_that_are_not_kernels_alone_are_launched(runtime: RecordingRuntime) -> None:
    backend = RecordingBackend(runtime)
    fitted(model({"penalty": "nuclear", "alpha": 0.05, "solver": "sgd"}), backend)
    assert not backend.made.works


def test_classes_with_early_stopping(runtime: RecordingRuntime) -> None:
    """Held-out rows are scored between the epochs, by launches of other sizes."""
    early = {"early_stopping": True, "validation_fraction": 0.3, "n_members": 2}
    backend = RecordingBackend(runtime)
    replayed = fitted(model(early, MLPClassifier), backend, 120)
    assert "recorded" in backend.made.works
    assert_same_bits(replayed, fitted(model(early, MLPClassifier), HostCudaBackend(), 120))


def test_a_smaller_stack_is_recorded_anew(runtime: RecordingRuntime) -> None:
    """Members that converge leave the stack; the others go on as before."""
    changed = {"n_members": 3, "tol": 0.02, "n_iter_no_change": 1, "max_iter": 12}
    backend = RecordingBackend(runtime)
    replayed = fitted(model(changed), backend)
    launched = fitted(model(changed), HostCudaBackend())
    assert backend.made.works.count("recorded") > 2
    assert_same_bits(replayed, launched)


@pytest.mark.usefixtures("in_threads")
@pytest.mark.parametrize("batch", [BATCH, ROWS])  # some steps an epoch, and one
def test_what_a_thread_records_serves_no_other(runtime: RecordingRuntime, batch: int) -> None:
    """The memory that launches share is a thread's own."""
    backend = ThreadBackend(runtime)
    changed = {"batch_size": batch, "max_iter": 18}
    replayed = fitted(model(changed), backend)
    works = [each.works for each in backend.recorders]
    if batch == BATCH:
        assert works == [["launched", "launched", "recorded", "recorded"]] * 16
    else:
        assert works == [["launched"]] * 3  # from the 16th step on
    assert_same_bits(replayed, fitted(model(changed), HostCudaBackend()))


def test_an_interrupted_launch_is_repeated(runtime: RecordingRuntime) -> None:
    """What it has not prepared cannot be recorded."""
    backend = RecordingBackend(runtime)
    graph, rows = Graph(backend, backend.made, [(0, 3), (3, 6)]), np.zeros((1, 3), np.int64)
    faults, taken = iter([KeyboardInterrupt]), []

    def take(step: Any) -> None:
        for fault in faults:
            raise fault
        taken.append((rows.tolist(), step.tolist()))

    program = Program({3: [Operation(take, (0,), 0)]}, {3: rows}, np.zeros((1, 1)), [])
    for _ in "12":
        with contextlib.suppress(KeyboardInterrupt):
            graph.epoch(program, np.arange(6)[None, :], np.zeros((2, 1, 1)), 5)
    assert backend.made.works == ["launched", "launched", "recorded"]
    assert taken[0] == ([[0, 1, 2]], [5])


def test_few_steps_are_launched(runtime: RecordingRuntime) -> None:
    backend = RecordingBackend(runtime)
    fitted(model({"max_iter": 2}), backend)
    assert steps._WORTH_RECORDING > 2 * 7 and not backend.made.works


def test_recorded_steps_go_with_their_owner(
    runtime: RecordingRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cycle keeps a stack's memory until the garbage is collected."""
    made = []
    plain = Steps.__init__

    def noted(self: Steps, *given: Any) -> None:
        plain(self, *given)
        made.append(weakref.ref(self))

    monkeypatch.setattr(Steps, "__init__", noted)
    gc.collect()
    gc.disable()
    try:
        fitted(model({}), RecordingBackend(runtime))
        assert [each() for each in made] == [None]
    finally:
        gc.enable()


def on_host(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*ALIKE, "residual"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_graphs_train_the_same_model(
    monkeypatch: pytest.MonkeyPatch, name: str, dtype: str
) -> None:
    """As launches do, but for products on another handle of cuBLAS; the same bits each time."""
    monkeypatch.setenv(SWITCH, "1")
    recorded, plain = [], GraphRecorder.record

    def record(self: GraphRecorder, work: Callable[[], None]) -> Callable[[], None]:
        recorded.append(work)
        return plain(self, work)

    monkeypatch.setattr(GraphRecorder, "record", record)
    changed = {"dtype": dtype, **DEVICE_ONLY.get(name, ALIKE.get(name, {}))}
    one, other = (on_host(fitted(model(changed), resolve(np.zeros(1), "cupy"))) for _ in "12")
    assert len(recorded) == 4
    assert_same_bits(one, other)
    monkeypatch.setattr(CupyBackend, "recorder", lambda self: None)
    launched = on_host(fitted(model(changed), resolve(np.zeros(1), "cupy")))
    assert len(recorded) == 4
    assert_same_model(one, launched, TOLERANCE[dtype])


@pytest.mark.gpu
@pytest.mark.usefixtures("in_threads")
@pytest.mark.parametrize("batch", [BATCH, ROWS])
def test_graphs_are_recorded_anew_in_each_thread(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setenv(SWITCH, "1")
    changed = {"batch_size": batch, "max_iter": 18}
    replayed = on_host(fitted(model(changed), resolve(np.zeros(1), "cupy")))
    monkeypatch.setattr(CupyBackend, "recorder", lambda self: None)
    launched = on_host(fitted(model(changed), resolve(np.zeros(1), "cupy")))
    assert_same_model(replayed, launched, TOLERANCE["float64"])
