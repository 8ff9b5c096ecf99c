"""The CUDA kernels of the group lasso, against the specification."""

from typing import Any

import numpy as np
import pytest
from kernel_case import Case

from sknorm.kernels import cuda, reference

DTYPES = [np.float32, np.float64]
STACKS = [1, 3]
FLAGS = [False, True]
# Teams of one thread, of some, of a warp, whose lanes take one value or several; several blocks.
SHAPES = [(1, 1), (5, 3), (7, 67), (40, 8), (3, 300), (300, 2), (11, 1028)]


def every_step(cases: Any, K: int, inputs: int, outputs: int, dtype: type) -> list[Case]:
    size = (K, inputs, outputs, dtype)
    return [step(*size, flag) for step in (cases.sgd_group, cases.adam_group) for flag in FLAGS]


def stacked(name: str, value: Any) -> bool:
    """Whether an argument has a part for each member."""
    return isinstance(value, np.ndarray) and name != "groups"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_steps(cases: Any, cuda_machine: Any, K: int, dtype: type) -> None:
    for shape in SHAPES:
        for case in every_step(cases, K, *shape, dtype):
            cuda_machine.check(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_norms(cases: Any, cuda_machine: Any, K: int, dtype: type) -> None:
    for shape in SHAPES:
        cuda_machine.check(cases.group_norms(K, *shape, dtype), 1e-13 / np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("decades", [0.0, 6.0])
def test_metrics_of_adam(cases: Any, cuda_machine: Any, dtype: type, decades: float) -> None:
    """Equal steps, and such that differ by millions: many steps of Newton's method."""
    for outputs in (5, 64, 300):
        cuda_machine.check(cases.adam_group(3, 40, outputs, dtype, False, decades))


def test_more_groups_than_a_grid_takes_at_once(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda.group_steps, "_BLOCKS", 2)
    for case in every_step(cases, 2, 45, 130, np.float32):
        cuda_machine.check(case)
    cuda_machine.check(cases.group_norms(2, 45, 130, np.float32))


def test_arrays_need_no_alignment(cases: Any, cuda_machine: Any) -> None:
    for dtype in DTYPES:
        shift = np.dtype(dtype).itemsize
        for case in every_step(cases, 2, 9, 64, dtype):
            cuda_machine.check(case, shift=shift)
        cuda_machine.check(cases.group_norms(2, 9, 64, dtype), shift=shift)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_member_does_not_depend_on_the_stack(cases: Any, cuda_machine: Any, dtype: type) -> None:
    steps = every_step(cases, 3, 40, 24, dtype)
    for case in (*steps, cases.group_norms(3, 40, 24, dtype)):
        alone = {
            name: value[2:].copy() if stacked(name, value) else value
            for name, value in case.arguments.items()
        }
        want = cuda_machine.run(case)
        got = cuda_machine.run(case._replace(arguments=alone))
        for name in filter(case.is_output, want):
            np.testing.assert_array_equal(got[name], want[name][2:], err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_stays_visible(cases: Any, cuda_machine: Any, dtype: type, bad: float) -> None:
    for case in every_step(cases, 2, 9, 64, dtype):
        for outcome in ("weight", "second"):
            case.arguments["strength"][...] = 1.0
            if outcome in case.arguments:
                case.arguments[outcome][0, 4, 7] = bad
            with np.errstate(all="ignore"):
                got, want = cuda_machine.run(case), case.run(reference)
            for name in filter(case.is_output, want):
                np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(want[name]), name)
            assert np.isfinite(got["weight"][:, :4]).all()
            assert not np.isfinite(got["weight"][0, 4, 7])


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_of_nan(cases: Any, cuda_machine: Any, dtype: type) -> None:
    case = cases.group_norms(3, 300, 2, dtype)
    case.arguments["weight"][1, 299, 1] = np.nan
    monitor = cuda_machine.check(case)["monitor"]
    assert np.isnan(monitor[1, 1]) and np.isnan(monitor).sum() == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_strength_zero_changes_nothing(cases: Any, cuda_machine: Any, dtype: type) -> None:
    for case in every_step(cases, 3, 9, 64, dtype):
        case.arguments["strength"][...] = 0.0
        case.arguments["weight"][0, 2, 1] = np.nan
        got = cuda_machine.run(case)
        for name in filter(case.is_output, got):
            np.testing.assert_array_equal(got[name], case.arguments[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_scratch_is_not_needed(cases: Any, cuda_machine: Any, dtype: type) -> None:
    case = cases.adam_group(2, 9, 64, dtype, False)
    got = cuda_machine.check(case)
    assert np.isnan(got["scratch"]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [3, 33, 64])
def test_norms_at_the_border_of_zero(
    cases: Any, cuda_machine: Any, dtype: type, outputs: int
) -> None:
    """Groups that barely stay, or barely go, end close to zero and never turn round."""
    second = (10.0 ** cases.rng.uniform(-6, 0, (1, 60, outputs))).astype(dtype)
    for size in (1, 4):
        a = 0.1 * 0.5 * np.sqrt(size) / (np.sqrt(second.astype(np.float64)) + 1e-8)
        a = a.reshape(60 // size, size * outputs)
        p = cases.rng.normal(size=a.shape) * a
        border = 1 + np.linspace(-4, 4, len(p))[:, None] * np.finfo(dtype).eps
        p *= border / np.sqrt(np.sum((p / a) ** 2, axis=1, keepdims=True))
        p = p.reshape(second.shape)
        arguments = {
            "weight": p.astype(dtype), "second": second, "groups": np.arange(0, 61, size),
            "rate": np.array([0.1]), "strength": np.array([0.5]), "correction": np.ones(1),
            "epsilon": 1e-8, "decoupled": False, "scratch": np.empty((1, size * outputs), dtype),
        }  # fmt: skip
        weight = cuda_machine.run(Case("adam_group_step", arguments))["weight"]
        assert np.all(weight * p >= 0)
        assert np.all(np.abs(weight) <= 1e3 * np.finfo(dtype).eps * np.abs(p))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [1, 7, 64])
def test_groups_are_rows_of_a_longer_matrix(
    cases: Any, cuda_machine: Any, dtype: type, outputs: int
) -> None:
    """Groups of p rows of d values are single ones of p d values at a larger strength."""
    for case in every_step(cases, 2, 12, outputs, dtype):
        for size in (3, 6):
            groups = np.arange(0, 13, size)
            scratch = {"scratch": np.empty((2, size * outputs), dtype)}
            own = {k: v for k, v in scratch.items() if k in case.arguments}
            grouped = case._replace(arguments={**case.arguments, "groups": groups, **own})
            longer = {
                name: value.reshape(2, 12 // size, -1) if np.ndim(value) == 3 else value
                for name, value in grouped.arguments.items()
            }
            longer["strength"] = longer["strength"] * np.sqrt(size)
            longer["groups"] = np.arange(12 // size + 1)
            got = cuda_machine.run(grouped)["weight"]
            want = case._replace(arguments=longer).run(reference)["weight"]
            tolerance = 100 * np.finfo(dtype).eps
            want = want.reshape(got.shape)
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=10 * tolerance)


def test_groups_whose_squares_are_zero_in_float32(cases: Any, cuda_machine: Any) -> None:
    case = cases.adam_group(1, 40, 24, np.float32, False)
    tiny = np.float32(1e-26)
    case.arguments["weight"] *= tiny
    case.arguments["strength"] *= tiny
    got, want = cuda_machine.run(case)["weight"], case.run(reference)["weight"]
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert 0 < np.sum(~want.any(axis=2)) < 40


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("matrix", [(1, 20_001, 33), (1, 300, 4100), (64, 100, 256)])
def test_large_matrices(cases: Any, device_cuda: Any, dtype: type, matrix: tuple) -> None:
    for case in (*every_step(cases, *matrix, dtype), cases.group_norms(*matrix, dtype)):
        device_cuda.check(case)


def test_arrays_must_be_contiguous(cases: Any, host_cuda: Any) -> None:
    steps = every_step(cases, 2, 7, 6, np.float32)
    for case in (*steps, cases.group_norms(2, 7, 6, np.float32)):
        for name, value in case.arguments.items():
            if not isinstance(value, np.ndarray) or name == "scratch":
                continue
            apart = np.repeat(value, 2, axis=-1)[..., ::2]
            with pytest.raises(ValueError, match=f"^{name} must be a C-contiguous"):
                getattr(cuda, case.kernel)(*(case.arguments | {name: apart}).values())
