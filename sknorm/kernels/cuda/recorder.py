"""Recording launches as a CUDA graph, which one call replays.

A small step takes the device less time than its launches take the host. CuPy refuses cuBLAS while
a stream is captured; nvmath-python's bindings call it on a handle that belongs to the recorder.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from sknorm.kernels.cuda import launcher

# What cuBLAS takes by default on Hopper; while it is captured it must not allocate any itself.
_WORKSPACE_BYTES = 32 << 20


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
        self.stream = runtime.cupy.cuda.Stream(non_blocking=True)
        self.handle = cublas.create()
        weakref.finalize(self, cublas.destroy, self.handle).atexit = False
        self.workspace = runtime.cupy.empty(_WORKSPACE_BYTES, dtype="uint8")
        cublas.set_stream(self.handle, self.stream.ptr)  # takes the workspace away
        cublas.set_workspace(self.handle, self.workspace.data.ptr, _WORKSPACE_BYTES)

    def launch(self, work: Callable[[], None]) -> None:
        """Compile what is missing, allocate what kernels share, and load what cuBLAS needs."""
        with self._beside(kept=[]):
            work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """A CUDA graph of what ``work`` launches; it goes to the stream that is current then."""
        kept: list[Any] = []
        with self._beside(kept):
            self.stream.begin_capture()
            try:
                work()
            except BaseException:
                self._give_up()
                raise
            graph = self.stream.end_capture()

        return partial(_replay, graph, kept)

    @contextmanager
    def _beside(self, kept: list[Any]) -> Iterator[None]:
        """Launch on the recorder's stream, which comes after and before what is on the current."""
        cuda = self.runtime.cupy.cuda
        mode = cuda.cublas.getMathMode(cuda.Device().cublas_handle)
        self.cublas.set_math_mode(self.handle, mode)
        current = cuda.get_current_stream()
        self.stream.wait_event(current.record())
        with (
            self.stream,
            self.runtime.recording(self.cublas.gemm_strided_batched_ex, self.handle, kept),
        ):
            yield
        current.wait_event(self.stream.record())

    def _give_up(self) -> None:
        """End a capture that came to nothing, so that the stream is of use again."""
        with suppress(self.runtime.cupy.cuda.runtime.CUDARuntimeError):  # the graph is invalid
            self.stream.end_capture()


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
