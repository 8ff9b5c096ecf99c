"""The CUDA kernels of losses, against the specification."""

import inspect
from typing import Any

import numpy as np
import pytest
from kernel_case import LOSSES

from sknorm.kernels import cuda, reference

DTYPES = [np.float32, np.float64]
STACKS = [1, 3]
FLAGS = [False, True]
SOFTMAX = ["multiclass_log_loss", "soft_multiclass_log_loss"]
TERMS = [name for name in LOSSES if name not in SOFTMAX]
# One block; several chunks of rows; several tiles of columns; both.
SIZES = [(1, 1), (2, 5), (7, 2), (33, 17), (2500, 1), (300, 9), (3, 67), (75, 40)]


@pytest.mark.parametrize("name", LOSSES)
def test_signatures_are_the_same(name: str) -> None:
    function = getattr(cuda, name)
    assert inspect.signature(function) == inspect.signature(getattr(reference, name))
    assert function.__name__ == name


def seldom(case: tuple, condition: bool) -> Any:
    """A case that is thorough on this condition."""
    return pytest.param(*case, marks=pytest.mark.thorough if condition else [])


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize(
    ("dtype", "K"),
    [seldom((dtype, K), dtype is np.float64 and K == 1) for dtype in DTYPES for K in STACKS],
)
def test_terms(cases: Any, cuda_machine: Any, name: str, dtype: type, K: int) -> None:
    for n, o in SIZES:
        for shared in FLAGS:
            cuda_machine.check(cases.loss(name, K, n, o, dtype, shared))


# All ways to hold a row: in lanes of a warp, in registers of each, in shared memory, in `out`.
@pytest.mark.parametrize(
    ("dtype", "o"),
    [
        seldom((dtype, o), dtype is np.float64 and o in (1, 3, 17, 64, 256, 512))
        for dtype in DTYPES
        for o in (1, 2, 3, 7, 17, 33, 64, 100, 256, 257, 512, 600, 5200)
    ],
)
@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax(cases: Any, cuda_machine: Any, name: str, dtype: type, o: int) -> None:
    for K, n, shared in [(1, 1, True), (3, 33, False), (2, 9, True)]:
        cuda_machine.check(cases.loss(name, K, n, o, dtype, shared))


@pytest.mark.parametrize("name", SOFTMAX)
def test_few_classes_of_many_rows(cases: Any, cuda_machine: Any, name: str) -> None:
    for n, o in [(1100, 3), (700, 2), (300, 9)]:
        cuda_machine.check(cases.loss(name, 2, n, o, np.float32, False))


@pytest.mark.parametrize(("name", "o"), [("squared_error", 450), ("multiclass_log_loss", 500)])
def test_many_sums_are_added_by_a_second_launch(
    cases: Any, cuda_machine: Any, name: str, o: int
) -> None:
    cuda_machine.check(cases.loss(name, 1, 65, o, np.float64))
    assert "add_chunks<double>" not in cuda_machine.launched
    cuda_machine.check(cases.loss(name, 2, 300, o, np.float64))
    assert "add_chunks<double>" in cuda_machine.launched


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_output_may_be_the_input(cases: Any, cuda_machine: Any, name: str, dtype: type) -> None:
    for n, o in [(67, 1), (67, 5), (5, 40), *[(9, 600), (9, 5200)] * (name in SOFTMAX)]:
        case = cases.loss(name, 3, n, o, dtype)
        want = case.run(reference)
        for way in cuda_machine.ways():
            with way:
                got = cuda_machine.run(case, out="z")
            case.compare(got | {"z": case.arguments["z"]}, want)


@pytest.mark.parametrize("name", LOSSES)
def test_arrays_need_no_alignment(cases: Any, cuda_machine: Any, name: str) -> None:
    cuda_machine.check(cases.loss(name, 2, 33, 8, np.float32), shift=4)


@pytest.mark.parametrize("name", LOSSES)
def test_a_member_does_not_depend_on_the_stack(cases: Any, cuda_machine: Any, name: str) -> None:
    stacked = {"z", "bias", "y", "factor", "parameter", "value", "dbias", "out"}
    for n, o in [(300, 4), (2500, 1), (70, 33), (300, 500)]:
        case = cases.loss(name, 3, n, o, np.float32, False)
        alone = {k: v[2:].copy() if k in stacked else v for k, v in case.arguments.items()}
        want = cuda_machine.run(case)
        got = cuda_machine.run(case._replace(arguments=alone))
        for output in ("value", "dbias", "out"):
            np.testing.assert_array_equal(got[output], want[output][2:], err_msg=output)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SOFTMAX + TERMS[:1])
def test_large_logits(cases: Any, cuda_machine: Any, name: str, dtype: type) -> None:
    for o in (2, 40, 600):
        case = cases.loss(name, 2, 5, o, dtype)
        case.arguments["z"][...] = cases.rng.choice([-1e4, 0.0, 1e4], case.arguments["z"].shape)
        got = cuda_machine.check(case._replace(magnitude=1e4))
        assert np.isfinite(got["value"]).all() and np.isfinite(got["out"]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_stays_visible(
    cases: Any, cuda_machine: Any, name: str, dtype: type, bad: float
) -> None:
    for o in (1, 5, 70, *[600] * (name in SOFTMAX)):
        case = cases.loss(name, 2, 5, o, dtype)
        case.arguments["weight"][:, 1] = 1.0
        case.arguments["z"][0, 1, o // 2] = bad
        with np.errstate(invalid="ignore", over="ignore"):
            got, want = cuda_machine.run(case), case.run(reference)
        for output in ("out", "dbias", "value"):
            np.testing.assert_array_equal(np.isnan(got[output]), np.isnan(want[output]), output)
            np.testing.assert_array_equal(np.isinf(got[output]), np.isinf(want[output]), output)
        assert np.isfinite(got["value"][1]) and np.isfinite(got["out"][0, 0]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["absolute_error", "huber", "pinball", "squared_error"])
def test_no_slope_at_the_target(cases: Any, cuda_machine: Any, name: str, dtype: type) -> None:
    case = cases.loss(name, 2, 7, 1, dtype)
    case.arguments["bias"][...] = 0.0
    case.arguments["z"][...] = case.arguments["y"]
    got = cuda_machine.check(case)
    np.testing.assert_array_equal(got["out"], 0.0)
    np.testing.assert_array_equal(got["value"], case.arguments["value"])


@pytest.mark.parametrize("name", ["multiclass_log_loss", "squared_error"])
@pytest.mark.parametrize("argument", ["z", "y", "weight", "dbias"])
def test_arrays_that_are_not_contiguous_are_refused(cases: Any, name: str, argument: str) -> None:
    arguments = cases.loss(name, 2, 6, 4, np.float32, argument != "y").arguments
    arguments[argument] = np.repeat(arguments[argument], 2, axis=-1)[..., ::2]
    with pytest.raises(ValueError, match=f"{argument} must be a C-contiguous array"):
        getattr(cuda, name)(*arguments.values())
