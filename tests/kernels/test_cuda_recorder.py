"""Recording launches as a CUDA graph: what is asked of CuPy and cuBLAS, and in which order."""

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sknorm.kernels import codes, cuda
from sknorm.kernels.cuda import launcher, recorder

HANDLE, OWN_HANDLE = 7, 8


class CaptureError(RuntimeError):
    """What CuPy raises for a capture that cannot be ended."""


class Stream:
    """A stream that writes down what it is asked for; capturing, it must not be waited for."""

    def __init__(self, name: str, log: list[Any]) -> None:
        self.name, self.log, self.ptr, self.broken = name, log, id(self), False

    def record(self) -> str:
        self.log.append(f"{self.name} records")
        return f"event of {self.name}"

    def wait_event(self, event: str) -> None:
        self.log.append(f"{self.name} waits for {event}")

    def begin_capture(self) -> None:
        self.log.append("begin")

    def end_capture(self) -> Any:
        self.log.append("end")
        if self.broken:
            raise CaptureError
        return SimpleNamespace(launch=lambda: self.log.append("replay"))

    def use(self) -> None:
        self.log.append(f"{self.name} is current")


class Cupy(ModuleType):
    """As much of CuPy as recording takes."""

    def __init__(self, log: list[Any]) -> None:
        super().__init__("cupy")
        self.streams: list[Stream] = []
        main = Stream("main", log)

        def make(non_blocking: bool) -> Stream:
            assert non_blocking  # the default stream would wait for it, and it for that
            self.streams.append(Stream("own", log))
            return self.streams[-1]

        def multiply(handle: int, *_: Any) -> None:
            log.append(("CuPy", handle))

        cublas = SimpleNamespace(getMathMode=lambda handle: 3, gemmStridedBatchedEx=multiply)
        runtime = SimpleNamespace(getDevice=lambda: 0, CUDARuntimeError=CaptureError)
        self.cuda = SimpleNamespace(
            Stream=make, get_current_stream=lambda: main, cublas=cublas, runtime=runtime,
            Device=lambda: SimpleNamespace(cublas_handle=HANDLE),
        )  # fmt: skip

    def empty(self, size: int, dtype: str) -> Any:
        return SimpleNamespace(data=SimpleNamespace(ptr=size + 1))


class Cublas(ModuleType):
    """As much of nvmath-python's bindings as recording takes."""

    def __init__(self, log: list[Any]) -> None:
        super().__init__("nvmath.bindings.cublas")
        self.log = log

    def create(self) -> int:
        return OWN_HANDLE

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda handle, *values: self.log.append((name, handle, *values[:1]))


@pytest.fixture
def log() -> list[Any]:
    return []


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch, log: list[Any]) -> Cupy:
    """Stand-ins for both libraries, under the real runtime."""
    stand_in, cublas = Cupy(log), Cublas(log)
    bindings = SimpleNamespace(cublas=cublas)
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    monkeypatch.setitem(sys.modules, "nvmath", SimpleNamespace(bindings=bindings))
    monkeypatch.setitem(sys.modules, "nvmath.bindings", bindings)
    monkeypatch.setattr(launcher, "runtime", launcher.CupyRuntime())
    monkeypatch.setattr(recorder, "_recorders", recorder._Recorders())
    monkeypatch.setattr(recorder, "_idle", {})
    return stand_in


def multiply() -> None:
    launcher.runtime.multiply("float", (1, 1, 1), (0, 0, 1, 1), (0, 0, 1, 1), (0, 1, 1), 1)


def kernel(arrays: tuple) -> Callable[[], None]:
    """The launch of a kernel with these arguments."""
    return lambda: launcher.runtime.launch(lambda *_, **__: None, (1,), (1,), arrays, 0)


OWN = ("gemm_strided_batched_ex", OWN_HANDLE, 0)
BEFORE = [
    ("set_math_mode", OWN_HANDLE, 3), "main records", "own waits for event of main",
    "own is current",
]  # fmt: skip
AFTER = ["main is current", "own records", "main waits for event of own"]


def test_a_recorder_sets_its_handle_up(cupy: Cupy, log: list[Any]) -> None:
    """The workspace last: to set a stream takes it away."""
    made = recorder.recorder()
    size = 32 << 20
    assert log == [
        ("set_stream", OWN_HANDLE, made.stream.ptr), ("set_workspace", OWN_HANDLE, size + 1)
    ]  # fmt: skip


def test_first_launches_go_to_its_stream(cupy: Cupy, log: list[Any]) -> None:
    made = recorder.recorder()
    log.clear()
    made.launch(multiply)
    assert log == [*BEFORE, OWN, *AFTER]
    log.clear()
    multiply()
    assert log == [("CuPy", HANDLE)]


def test_graphs_are_replayed_where_they_are_called(cupy: Cupy, log: list[Any]) -> None:
    made = recorder.recorder()
    log.clear()
    replay = made.record(multiply)
    assert log == [*BEFORE, "begin", OWN, "end", *AFTER]
    log.clear()
    replay()
    replay()
    assert log == ["replay", "replay"]


@pytest.mark.parametrize("broken", [False, True])
def test_a_fault_ends_the_capture(cupy: Cupy, log: list[Any], broken: bool) -> None:
    """The fault itself is what is told, also where the capture cannot be ended properly."""

    def fail() -> None:
        raise KeyboardInterrupt

    made = recorder.recorder()
    made.stream.broken = broken
    with pytest.raises(KeyboardInterrupt):
        made.record(fail)
    assert log[-5:] == ["begin", "end", *AFTER]
    made.stream.broken = False
    log.clear()
    made.record(multiply)
    assert log == [*BEFORE, "begin", OWN, "end", *AFTER]
    multiply()
    assert log[-1] == ("CuPy", HANDLE)


def test_what_an_interrupted_step_has_launched_comes_first(cupy: Cupy, log: list[Any]) -> None:
    def fail() -> None:
        multiply()
        raise KeyboardInterrupt

    made = recorder.recorder()
    log.clear()
    with pytest.raises(KeyboardInterrupt):
        made.launch(fail)
    assert log == [*BEFORE, OWN, *AFTER]


@pytest.mark.parametrize("faults", [1, 2, 3])
def test_a_broken_capture_is_repeated(cupy: Cupy, log: list[Any], faults: int) -> None:
    """Another thread may break one; a fault of its own is told in the end."""
    left = iter(range(faults))

    def work() -> None:
        multiply()
        if next(left, None) is not None:
            raise CaptureError

    made = recorder.recorder()
    log.clear()
    if faults < 3:
        made.record(work)()
        assert log == [*BEFORE, *["begin", OWN, "end"] * (faults + 1), *AFTER, "replay"]
    else:
        with pytest.raises(CaptureError):
            made.record(work)
        assert log == [*BEFORE, *["begin", OWN, "end"] * faults, *AFTER]


def test_graphs_keep_the_arrays_of_their_launches(cupy: Cupy) -> None:
    class Scratch:
        """An array that another may replace."""

    scratch = Scratch()
    alive = weakref.ref(scratch)
    replay = recorder.recorder().record(kernel((scratch,)))
    del scratch
    gc.collect()
    assert alive() is not None
    del replay
    gc.collect()
    assert alive() is None


def test_a_thread_has_a_recorder_of_its_own(cupy: Cupy) -> None:
    found = [recorder.recorder(), recorder.recorder()]
    thread = threading.Thread(target=lambda: found.append(recorder.recorder()))
    thread.start()
    thread.join()
    assert found[0] is found[1] is not found[2]


def test_what_a_thread_leaves_is_of_use_to_the_next(cupy: Cupy, log: list[Any]) -> None:
    """No handle is ended, for which cuBLAS would wait for the device."""
    made = []

    def work() -> None:
        made.append(recorder.recorder())

    def run() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    run()
    assert recorder.recorder().stream is not made[0].stream  # who keeps a graph keeps these
    del made[:]
    gc.collect()
    log.clear()
    run()
    assert made[0].stream is cupy.streams[0] and len(cupy.streams) == 2 and not log


def test_other_threads_launch_as_ever(cupy: Cupy, log: list[Any]) -> None:
    def work() -> None:
        thread = threading.Thread(target=multiply)
        thread.start()
        thread.join()

    recorder.recorder().record(work)
    assert ("CuPy", HANDLE) in log and OWN not in log


def test_nothing_is_recorded_without_nvmath(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvmath.bindings", None)
    assert recorder.recorder() is None


@pytest.mark.parametrize(("R", "n"), [(1, 9), (3, 9), (2, 700)])
@pytest.mark.parametrize(("index", "first"), [(0, 0), (3, 40), (6, 2**32 - 2), (6, 2**40)])
def test_begin_step(cases: Any, cuda_machine: Any, R: int, n: int, index: int, first: int) -> None:
    case = cases.begin(R, n, index, first)
    got = cuda_machine.check(case)
    a, start = case.arguments, index * (7 * n - 3) // 7
    np.testing.assert_array_equal(got["rows"], a["order"][:, start : start + n])
    np.testing.assert_array_equal(got["numbers"], a["table"][index])
    assert got["clock"].tolist() == [index + 1, first]
    assert got["step"].tolist() == [(first + index) % 2**32]


RELU: dict[str, Any] = {"activation": codes.RELU, "rate": 0.4}
KEYED = [
    *((name, RELU) for name in ("batch", "layer", "affine")),
    *((f"{name}_backward", RELU) for name in ("batch", "layer", "affine")),
    ("dropout", {}), ("noise", {}),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "how"), KEYED)
@pytest.mark.parametrize("width", [9, 1100])  # a layer's rows in registers, or not
@pytest.mark.parametrize("held", [0, cuda.tiles.HELD_BYTES])
def test_the_number_of_a_step_may_stand_in_an_array(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch, kernel: str,
    how: dict[str, Any], width: int, held: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(cuda.tiles, "HELD_BYTES", held)
    case = getattr(cases, kernel)(1, 5, width, np.float64, **how)

    def run(step: Any) -> dict[str, Any]:
        changed = case.arguments | {"step": step}
        return cuda_machine.run(case._replace(arguments=changed))

    want, got, other = run(2**32 + 5), run(np.array([5], dtype=np.uint32)), run(6)
    outputs = [name for name in want if case.is_output(name)]
    for name in outputs:
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)
    assert any(not np.array_equal(other[name], want[name]) for name in outputs)
