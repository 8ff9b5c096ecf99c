"""NVRTC from the wheel nvidia-cuda-nvrtc: compiling for devices that are not there.

``python tests/kernels/nvrtc.py sm_90 steps`` prints what the kernels of a source take.
"""

import ctypes
import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import files
from typing import NamedTuple

WHEEL = "nvidia-cuda-nvrtc"


# ptxas reports what kernels take; constants that a source does not use are no matter.
_FLAGS = ("--ptxas-options=-v", "--diag-suppress=177")


class Usage(NamedTuple):
    """What a kernel takes of a multiprocessor."""

    registers: int
    spilled_bytes: int
    stack_bytes: int
    shared_bytes: int


@cache
def library() -> ctypes.CDLL:
    """The library of the wheel; an error where it is not installed."""
    found = [f for f in files(WHEEL) or [] if re.match(r"libnvrtc\.so|nvrtc64_\d+_\d\.dll", f.name)]
    return ctypes.CDLL(str(found[0].locate()))


def compile_kernels(
    code: str, expressions: Sequence[str], architecture: str, options: Sequence[str]
) -> dict[str, Usage]:
    """Machine code for ``architecture``; what each of the name expressions takes.

    Raises
    ------
    RuntimeError
        With the compiler's messages.
    """
    nvrtc, program = library(), ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None)
    try:
        for expression in expressions:
            nvrtc.nvrtcAddNameExpression(program, expression.encode())
        flags = [f"--gpu-architecture={architecture}", *_FLAGS, *options]
        array = (ctypes.c_char_p * len(flags))(*[flag.encode() for flag in flags])
        failed = nvrtc.nvrtcCompileProgram(program, len(flags), array)
        log = _log(nvrtc, program)
        if failed or "warning" in log:
            raise RuntimeError(log)
        return {each: _usage(log, _symbol(nvrtc, program, each)) for each in expressions}
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _log(nvrtc: ctypes.CDLL, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    return log.value.decode()


def _symbol(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, expression: str) -> str:
    name = ctypes.c_char_p()
    nvrtc.nvrtcGetLoweredName(program, expression.encode(), ctypes.byref(name))
    return name.value.decode()


def _usage(log: str, symbol: str) -> Usage:
    """What ptxas reports of a kernel."""
    part = log.partition(f"Function properties for {symbol}\n")[2].partition("Compile time")[0]

    def number(pattern: str) -> int:
        found = re.search(rf"(\d+) {pattern}", part)
        return int(found[1]) if found else 0

    spilled = number("bytes spill stores") + number("bytes spill loads")
    return Usage(number("registers"), spilled, number("bytes stack frame"), number("bytes smem"))


def main(architecture: str, *sources: str) -> None:
    """Print a table of the kernels' registers and memory."""
    from cuda_instances import INSTANCES

    from sknorm.kernels.cuda.launcher import OPTIONS, code

    print(f"{'kernel':60} {'registers':>9} {'spilled':>9} {'stack':>9} {'shared':>9}")
    for source in sources or INSTANCES:
        found = compile_kernels(code(source), INSTANCES[source], architecture, OPTIONS)
        for expression, usage in found.items():
            print(f"{expression:60}", *(f"{value:9}" for value in usage))


if __name__ == "__main__":
    main(*sys.argv[1:])
