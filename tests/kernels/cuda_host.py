"""The CUDA kernels on a machine without a device: compiled by g++, threads one after the other."""

import ctypes
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from cuda_machine import GUARD_BYTES, KernelError, Machine, Zone

COMPILER = shutil.which("g++")
ORDERS = {"forward": 0, "reverse": 1, "random": 2}
FLAGS = [
    "-std=c++17", "-O1", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-w",
    "-U_FORTIFY_SOURCE", "-fno-gnu-unique",
]  # fmt: skip

_HERE = Path(__file__).parent
_ALIGNMENT = 256  # that of CuPy's allocations at least
_devices = itertools.count(-1, -1)  # none that CUDA has


class HostError(KernelError):
    """What would be an error, or undefined, on a device."""


class Launch(ctypes.Structure):
    """A launch, as cuda_host.h takes it."""

    _fields_ = [
        ("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared_bytes", ctypes.c_uint),
        ("order", ctypes.c_uint), ("seed", ctypes.c_uint),
    ]  # fmt: skip


class HostRuntime(Machine):
    """What compiles and launches in place of CuPy; see :mod:`sknorm.kernels.cuda.launcher`.

    Parameters
    ----------
    directory : Path
        Keeps the compiled kernels.

    Attributes
    ----------
    order : {"forward", "reverse", "random"}
        In which threads and blocks take turns.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory, self.order, self.seed = directory, "forward", 0
        self._device = next(_devices)
        self._headers = self._compiled_header()
        scheduler = self._built((_HERE / "cuda_host.cpp").read_text(), "scheduler")
        self._scheduler = ctypes.CDLL(str(scheduler), mode=ctypes.RTLD_GLOBAL)

    def place(self) -> tuple[int, int]:
        """Each runtime is a device of its own, so that it starts without buffers."""
        return self._device, 0

    def pointer(self, array: np.ndarray) -> int:
        """Address of the first value."""
        return array.ctypes.data

    def shared_bytes(self) -> int:
        """Shared memory of a block, that of an H200."""
        return 227 << 10

    def compile(self, code: str, expression: str) -> Any:
        """A library with one instantiation of a kernel."""
        text = (
            f'#include "cuda_host.h"\n{code}\n'
            'extern "C" const char *start(const char **kinds, int count, void **arguments,\n'
            "                             const host::Launch *launch) {\n"
            f"    return host::start<&{expression}>(&{expression}, kinds, count, arguments, "
            "*launch);\n}\n"
        )
        path = self._built(text, re.sub(r"\W+", "_", expression).strip("_"))
        start = ctypes.CDLL(str(path)).start
        start.restype = ctypes.c_char_p
        self.launched.add(expression)
        return start, _bound(code, expression)

    def launch(
        self, handle: Any, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple,
        shared_bytes: int,
    ) -> None:  # fmt: skip
        """Run a grid to its end."""
        start, bound = handle
        if np.prod(block) > bound:
            raise HostError(f"{block} threads are more than the kernel's launch bounds")
        kinds, values = zip(*map(_argument, arguments), strict=True)
        pointers = [ctypes.cast(ctypes.pointer(value), ctypes.c_void_p) for value in values]
        launch = Launch(_axes(grid), _axes(block), shared_bytes, ORDERS[self.order], self.seed)
        error = start(
            (ctypes.c_char_p * len(kinds))(*kinds), len(kinds),
            (ctypes.c_void_p * len(pointers))(*pointers), ctypes.byref(launch),
        )  # fmt: skip
        if error:
            raise HostError(error.decode())

    def multiply(
        self, real: str, sizes: tuple[int, int, int], a: tuple, b: tuple, out: tuple, count: int
    ) -> None:  # fmt: skip
        """Products as cuBLAS defines them, on matrices that are stored by columns."""
        rows, columns, common = sizes
        for k in range(count):
            first = stored(real, rows, common, *a, k)
            second = stored(real, common, columns, *b, k)
            stored(real, rows, columns, 0, *out, k)[...] = first @ second

    def guarded(self, array: np.ndarray, shift: int = 0) -> np.ndarray:
        """A copy between guards, ``shift`` bytes behind an aligned address."""
        before = GUARD_BYTES + shift
        zone = np.full(before + array.nbytes + GUARD_BYTES + _ALIGNMENT, 0xFF, dtype=np.uint8)
        start = -zone.ctypes.data % _ALIGNMENT + before
        copy = zone[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        copy[...] = array
        self._zones.append(Zone(zone, start, start + array.nbytes))
        return copy

    def asarray(self, values: np.ndarray) -> np.ndarray:
        """A table that no kernel writes to."""
        return values.copy()

    def fetched(self, value: Any) -> Any:
        """The value itself: arrays are NumPy's."""
        return value

    def ways(self) -> list[AbstractContextManager]:
        """Different orders of threads."""
        return [self._in_order(order) for order in ORDERS]

    @contextmanager
    def _in_order(self, order: str) -> Iterator[None]:
        before, self.order = self.order, order
        try:
            yield
        finally:
            self.order = before

    def _compiled_header(self) -> Path:
        """A folder with the header that all kernels begin with, read by the compiler already.

        Where it cannot be read ahead, the compiler takes the text beside it.
        """
        text = (_HERE / "cuda_host.h").read_text()
        folder = self.directory / f"headers_{_digest(text, *FLAGS)}"
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=self.directory) as work:
                made = Path(work, "headers")
                made.mkdir()
                header = made / "cuda_host.h"
                header.write_text(text)
                command = [COMPILER, *FLAGS, "-x", "c++-header", header, "-o", f"{header}.gch"]
                subprocess.run(command, capture_output=True)
                with suppress(OSError):  # others may have made the same
                    os.rename(made, folder)
        return folder

    def _built(self, text: str, name: str) -> Path:
        path = self.directory / f"{name[:80]}_{_digest(self._headers.name, text, *FLAGS)}.so"
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=self.directory) as work:
                source, built = Path(work, "source.cpp"), Path(work, "built.so")
                source.write_text(text)
                command = [COMPILER, *FLAGS, f"-I{self._headers}", "-shared", "-o", built, source]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise HostError(f"{name} does not compile:\n{done.stderr[:4000]}")
                os.replace(built, path)  # others may build the same
        return path


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def stored(
    real: str, rows: int, columns: int, transposed: int, address: int, stride: int, step: int,
    k: int,
) -> np.ndarray:  # fmt: skip
    """Matrix k of a stack, as cuBLAS finds it, checked as it checks."""
    along, across = (columns, rows) if transposed else (rows, columns)
    if stride < max(1, along):
        raise HostError(f"a stride of {stride} between columns of {along} values")
    kind = ctypes.c_float if real == "float" else ctypes.c_double
    size = ctypes.sizeof(kind)
    values = (kind * (stride * (across - 1) + along)).from_address(address + k * step * size)
    view = np.lib.stride_tricks.as_strided(
        np.ctypeslib.as_array(values), (along, across), (size, stride * size)
    )
    return view.T if transposed else view


def _argument(value: Any) -> tuple[bytes, Any]:
    """Kind of an argument, as cuda_host.h calls it, and its value for C."""
    if isinstance(value, np.ndarray):
        return f"*{value.dtype.str[1:]}".encode(), ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, np.uint32):
        return b"u4", ctypes.c_uint32(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return b"i8", ctypes.c_longlong(value)
    if isinstance(value, float):
        return b"f8", ctypes.c_double(value)
    raise HostError(f"an argument of {type(value)}")


def _axes(shape: tuple[int, ...]) -> Any:
    return (ctypes.c_uint * 3)(*shape, *[1] * (3 - len(shape)))


def _bound(code: str, expression: str) -> int:
    """Threads of a block that the kernel is compiled for."""
    name = expression.partition("<")[0]
    found = re.search(rf"__launch_bounds__\((\w+)[^)]*\)\s*(?:void\s+)?{name}\(", code)
    if found is None:
        return 1024
    word = found[1]
    if not word.isdigit():
        word = re.search(rf"constexpr int {word} = (\d+);", code)[1]
    return int(word)
