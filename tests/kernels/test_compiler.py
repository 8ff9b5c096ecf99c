"""What a kernel is linked with is its own, so that no other kernel's code runs in its place."""

import re
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.compiler import Compiler

from sknorm.kernels.cpu import compiler, locks, moments
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
    assert "define linkonce_odr" in code_of(Compiler)  # as Numba has it
    assert "define linkonce_odr" not in code_of(compiler._ClosedCompiler)


def test_helpers_are_not_compiled_for_literals() -> None:
    """Which have types of their own, so that the same helper would be compiled once more."""
    moments_of = numba.njit(**compiler.OPTIONS)(moments.column_moments.py_func)
    moments_of(np.ones((1, 9, 5)), np.ones((1, 9)), np.zeros((1, 2, 5)))
    kinds = [kind for signature in moments.add_sums.signatures for kind in signature]
    assert kinds and not any(isinstance(kind, numba.types.Literal) for kind in kinds)


def test_every_kernel_is_closed() -> None:
    from sknorm.kernels import cpu

    for name in cpu.__all__:
        function: Any = getattr(cpu, name)
        if hasattr(function, "overloads"):
            assert function._compiler.pipeline_class is compiler._ClosedCompiler, name
        elif hasattr(function, "build"):
            assert function.build(3)._compiler.pipeline_class is compiler._ClosedCompiler, name


def doubled(values, out):  # type: ignore[no-untyped-def]
    """A kernel that another one is made of."""
    out[0] = 2.0 * values[0]


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Files that are locked from here on."""
    files: list[Any] = []
    wait = locks.wait

    def noted(file: Any, place: int, patience: float) -> bool:
        files.append(file)
        return wait(file, place, patience)

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(locks, "wait", noted)
    return files


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_turn_ends_with_a_compilation_that_fails(
    locked: list[Any], monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    kernel = compiler.kernel(doubled)

    def fail(*_: object) -> None:
        assert [file.closed for file in locked] == [False]
        raise error

    out = np.zeros(1)
    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(kernel._compiler, "compile", fail)
        kernel(np.ones(1), out)
    assert [file.closed for file in locked] == [True]
    kernel(np.ones(1), out)
    assert out[0] == 2.0


def test_kernels_within_a_kernel_take_no_turn(locked: list[Any]) -> None:
    inner = compiler.kernel(doubled)

    def outer(values, out):  # type: ignore[no-untyped-def]
        inner(values, out)
        inner(out, out)

    out = np.zeros(1)
    kernel = compiler.kernel(outer)
    kernel(np.ones(1), out)
    assert out[0] == 4.0
    assert [file.closed for file in locked] == [True]
    kernel(np.ones(1, dtype=np.float32), out)
    assert [file.closed for file in locked] == [True, True]
