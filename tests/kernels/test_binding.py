"""Bound kernels do what the kernels do."""

from typing import Any

import numpy as np
import pytest
from kernel_case import Case

from sknorm.backends import resolve
from sknorm.backends.numpy import NumpyBackend
from sknorm.kernels import codes, cpu
from sknorm.kernels.cpu import binding
from sknorm.kernels.cpu.binding import bound

BLOCKS = [f"{norm}{way}" for norm in ("batch", "layer", "affine") for way in ("", "_backward")]


def split(arguments: dict[str, Any]) -> tuple[tuple, int]:
    """The arguments, and which of them is the number of the step."""
    return tuple(arguments.values()), list(arguments).index("step")


def run_bound(case: Case) -> dict[str, Any]:
    """The arguments after a call of the bound kernel."""
    arguments = {k: v.copy() if hasattr(v, "copy") else v for k, v in case.arguments.items()}
    if case.forward:
        arguments["statistics"] = case.forward.run(cpu)["statistics"]
    bound(getattr(cpu, case.kernel), *split(arguments))(arguments["step"])
    return arguments


@pytest.mark.parametrize(
    ("activation", "dtype"), [(codes.RELU, np.float32), (codes.TANH, np.float64)]
)
@pytest.mark.parametrize("block", BLOCKS)
def test_blocks(cases: Any, block: str, activation: int, dtype: type) -> None:
    for K in (1, 3):
        case = getattr(cases, block)(K, 9, 7, dtype, activation, 0.4)
        got, want = run_bound(case), case.run(cpu)
        for name in filter(case.is_output, want):
            np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def test_kernels_that_are_compiled_once(cases: Any) -> None:
    case = cases.dropout(2, 7, 5, np.float32)
    np.testing.assert_array_equal(run_bound(case)["out"], case.run(cpu)["out"])


def test_kernels_without_the_number_of_a_step(cases: Any) -> None:
    for case in (cases.adam(3, np.float32, True), cases.spectrum(2, 5, 4, np.float64)):
        want, arguments = case.run(cpu), dict(case.arguments)
        arguments = {k: v.copy() if hasattr(v, "copy") else v for k, v in arguments.items()}
        bound(getattr(cpu, case.kernel), tuple(arguments.values()), None)()
        for name in filter(case.is_output, want):
            np.testing.assert_array_equal(arguments[name], want[name], err_msg=name)


def test_the_number_and_the_arrays_may_change(cases: Any) -> None:
    case = cases.affine(1, 9, 7, np.float64, codes.RELU, 0.5)
    arguments = case.arguments
    call = bound(cpu.affine_block_forward, *split(arguments))
    for step in (3, 4):
        arguments["z"][...] = cases.rng.normal(size=(1, 9, 7))
        call(step)
        want = case._replace(arguments=arguments | {"step": step}).run(cpu)
        np.testing.assert_array_equal(arguments["out"], want["out"])


def test_arrays_of_other_layouts_have_code_of_their_own(cases: Any) -> None:
    """Read-only ones, and columns of wider arrays, whose strides other code would not know."""
    arguments = dict(cases.affine(1, 9, 8, np.float64, codes.RELU).arguments)
    want = cases.affine(1, 9, 8, np.float64, codes.RELU)._replace(arguments=arguments).run(cpu)
    bound(cpu.affine_block_forward, *split(arguments))(arguments["step"])
    arguments["shift"].setflags(write=False)
    wide = np.zeros((1, 9, 20))
    for name in ("z", "out"):
        view = wide[:, :, 10:18] if name == "z" else np.zeros((1, 9, 30))[:, :, 3:11]
        view[...] = arguments[name]
        arguments[name] = view
    bound(cpu.affine_block_forward, *split(arguments))(arguments["step"])
    np.testing.assert_array_equal(arguments["out"], want["out"])


def test_code_is_looked_up_once(cases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = cases.affine(1, 9, 7, np.float64, codes.RELU).arguments
    bound(cpu.affine_block_forward, *split(arguments))
    monkeypatch.setattr(binding, "_entry", None)
    bound(cpu.affine_block_forward, *split({k: v for k, v in arguments.items()}))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_are_the_same_bits_alone_and_in_a_stack(cases: Any, dtype: type) -> None:
    """All shapes and layouts of a layer's products, parts of a layer included."""
    backend, rng = resolve(np.zeros(1)), cases.rng
    assert isinstance(backend, NumpyBackend)
    special = (1, 1, 1), (64, 300, 10), (200, 7, 1)
    for n, m, d in (*special, *rng.integers(1, 40, (300, 3)).tolist()):
        a, b = rng.normal(size=(3, n, m)).astype(dtype), rng.normal(size=(3, m, d)).astype(dtype)
        if rng.uniform() < 0.5:
            a = np.ascontiguousarray(a.mT).mT
        if rng.uniform() < 0.5:
            b = np.ascontiguousarray(b.mT).mT
        stack, wide = np.empty((3, n, d), dtype), np.empty((1, n, d + 3), dtype)
        backend.product(a, b, stack).call()
        for alone in (np.empty((1, n, d), dtype), wide[:, :, :d]):
            backend.product(a[2:], b[2:], alone).call()
            np.testing.assert_array_equal(alone, stack[2:])
