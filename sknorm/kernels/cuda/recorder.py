"""Recording launches as a CUDA graph, which one call replays.

A small step takes the device less time than its launches take the host. CuPy refuses cuBLAS while
a stream is captured; nvmath-python's bindings call it on a handle that belongs to the recorder.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from sknorm.kernels.cuda import launcher

# What cuBLAS takes by default on Hopper; while it is captured it must not allocate any itself.
_WORKSPACE_BYTES = 32 << 20
# What waits for the device in another thread, as the end of a handle of cuBLAS does, breaks a
# capture. As a capture launches nothing, another one may follow.
_ATTEMPTS = 3


class _Parts(NamedTuple):
    """What a recorder is made of, bound to each other."""

    stream: Any
    handle: int  # of cuBLAS
    workspace: Any


# Those of recorders that are gone, by device: no handle is ended.
_idle: dict[int, list[_Parts]] = {}


class GraphRecorder:
    """Captures launches on a stream of its own; see :class:`sknorm.backends.base.Recorder`.

    Parameters
    ----------
    runtime : CupyRuntime
    cublas : module
        nvmath-python's bindings.
    """

    def __init__(self, runtime: Any, cublas: Any) -> None:
        self.runtime, self.cublas = runtime, cublas
        idle = _idle.setdefault(runtime.place()[0], [])
        try:
            parts = idle.pop()
        except IndexError:
            parts = _make_parts(runtime, cublas)
        weakref.finalize(self, idle.append, parts)
        self.stream, self.handle, _ = parts

    def launch(self, work: Callable[[], None]) -> None:
        """Compile what is missing, allocate what kernels share, and load what cuBLAS needs."""
        with self._beside(kept=[]):
            work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """A CUDA graph of what ``work`` launches; it goes to the stream that is current then."""
        kept: list[Any] = []
        with self._beside(kept):
            graph = self._graph(work)
        return partial(_replay, graph, kept)

    def _graph(self, work: Callable[[], None]) -> Any:
        for _ in range(_ATTEMPTS - 1):
            with suppress(Exception):
                return self._capture(work)
        return self._capture(work)

    def _capture(self, work: Callable[[], None]) -> Any:
        """Capture ``work``; whatever happens, the stream is of use again."""
        try:
            self.stream.begin_capture()
            work()
            return self.stream.end_capture()
        except BaseException:
            with suppress(self.runtime.cupy.cuda.runtime.CUDARuntimeError):  # the graph is invalid
                self.stream.end_capture()
            raise

    @contextmanager
    def _beside(self, kept: list[Any]) -> Iterator[None]:
        """Launch on the recorder's stream, which comes after and before what is on the current."""
        cuda = self.runtime.cupy.cuda
        mode = cuda.cublas.getMathMode(cuda.Device().cublas_handle)
        self.cublas.set_math_mode(self.handle, mode)
        current = cuda.get_current_stream()
        self.stream.wait_event(current.record())
        self.stream.use()
        try:
            with self.runtime.recording(self.cublas.gemm_strided_batched_ex, self.handle, kept):
                yield
        finally:
            current.use()  # a `with` would forget a stream that the caller has in `use`
            current.wait_event(self.stream.record())


def _make_parts(runtime: Any, cublas: Any) -> _Parts:
    stream, handle = runtime.cupy.cuda.Stream(non_blocking=True), cublas.create()
    workspace = runtime.cupy.empty(_WORKSPACE_BYTES, dtype="uint8")
    cublas.set_stream(handle, stream.ptr)  # takes the workspace away
    cublas.set_workspace(handle, workspace.data.ptr, _WORKSPACE_BYTES)
    return _Parts(stream, handle, workspace)


def _replay(graph: Any, kept: list[Any]) -> None:
    """Launch a graph; whoever keeps this function keeps the arrays, too."""
    graph.launch()


class _Recorders(threading.local):
    """A thread's recorders, as streams and handles are not for two threads at once."""

    def __init__(self) -> None:
        self.by_device: dict[int, GraphRecorder] = {}


_recorders = _Recorders()


def recorder() -> GraphRecorder | None:
    """The recorder of this thread for the current device; None without nvmath-python."""
    runtime = launcher.runtime
    device = runtime.place()[0]
    if device not in _recorders.by_device:
        try:
            from nvmath.bindings import cublas
        except ImportError:
            return None
        _recorders.by_device[device] = GraphRecorder(runtime, cublas)
    return _recorders.by_device[device]
