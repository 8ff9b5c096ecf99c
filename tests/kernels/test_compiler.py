"""What a kernel is linked with is its own, so that no other kernel's code runs in its place."""

import re
from typing import Any

import numba
import numpy as np

from sknorm.kernels.cpu import compiler
from sknorm.kernels.cpu.sums import squares


def norm(values, out):  # type: ignore[no-untyped-def]
    """A kernel with a sum in the order of the vector lanes, from two places."""
    out[0] = np.sqrt(squares(values, 0, values.size)) + squares(values, 0, values.size // 2)


def code_of(pipeline: Any) -> str:
    """What LLVM makes of the kernel; nothing is kept on disk."""
    dispatcher = numba.njit(pipeline_class=pipeline, **compiler.OPTIONS)(norm)
    values, out = np.arange(2000.0, dtype=np.float32), np.zeros(1)
    dispatcher(values, out)
    np.testing.assert_allclose(out, np.sqrt(np.sum(values**2)) + np.sum(values[:1000] ** 2))
    return str(dispatcher.overloads[dispatcher.signatures[0]].library.get_llvm_str())


def test_helpers_are_internal() -> None:
    """Under names of their own: code that is not closed, as a user's, must not find them."""
    helpers = [
        set(re.findall(r"define internal .*?@(\S+)\(", code_of(compiler._ClosedCompiler)))
        for _ in range(2)
    ]
    assert any("squares" in name for name in helpers[0])
    assert not helpers[0] & helpers[1]
    assert "define linkonce_odr" in code_of(compiler._NoAliasCompiler)  # as Numba has it
    assert "define linkonce_odr" not in code_of(compiler._ClosedCompiler)


def test_every_kernel_is_closed() -> None:
    from sknorm.kernels import cpu

    for name in cpu.__all__:
        function: Any = getattr(cpu, name)
        if hasattr(function, "overloads"):
            assert function._compiler.pipeline_class is compiler._ClosedCompiler, name
        elif hasattr(function, "build"):
            assert function.build(3)._compiler.pipeline_class is compiler._ClosedCompiler, name
