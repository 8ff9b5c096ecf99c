"""Mixup in CUDA C++, against the specification."""

from typing import Any

import numpy as np
import pytest

from sknorm.kernels import cuda, reference

DTYPES = [np.float32, np.float64]
STACKS = [1, 3]
SHAPES = [(1, 1), (1, 67), (2, 5), (7, 64), (33, 130), (300, 1), (9, 2060)]
ARRAYS = ("x", "y", "weight")


def wide(cases: Any, case: Any, targets: int) -> Any:
    """The same with another number of targets."""
    x = case.arguments["x"]
    y = cases.rng.normal(size=(*x.shape[:2], targets)).astype(x.dtype)
    return case._replace(arguments=case.arguments | {"y": y})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_mixup(cases: Any, cuda_machine: Any, K: int, dtype: type) -> None:
    for n, d in SHAPES:
        case = cases.mixup(K, n, d, dtype)
        cuda_machine.check(case, ulps=4.0)
        cuda_machine.check(wide(cases, case, 9), ulps=4.0)


def test_more_rows_than_a_grid_takes_at_once(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda.augmentation, "_BLOCKS", 6)
    for n in (301, 302):
        cuda_machine.check(wide(cases, cases.mixup(2, n, 40, np.float32), 70), ulps=4.0)


def test_arrays_need_no_alignment(cases: Any, cuda_machine: Any) -> None:
    for dtype in DTYPES:
        cuda_machine.check(cases.mixup(2, 7, 64, dtype), ulps=4.0, shift=np.dtype(dtype).itemsize)


def test_members_that_do_not_mix_are_left_alone(cases: Any, cuda_machine: Any) -> None:
    case = cases.mixup(3, 7, 5, np.float32)
    for name in ARRAYS:
        case.arguments[name][1, 2] = np.nan
    got = cuda_machine.run(case)
    for name in ARRAYS:
        np.testing.assert_array_equal(got[name][1], case.arguments[name][1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_mixtures_of_equal_rows_are_exact(cases: Any, cuda_machine: Any, dtype: type) -> None:
    case = cases.mixup(1, 8, 5, dtype)
    case.arguments["x"][...] = case.arguments["x"][:, :1]
    np.testing.assert_array_equal(cuda_machine.run(case)["x"], case.arguments["x"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_stays_visible(cases: Any, cuda_machine: Any, bad: float) -> None:
    case = cases.mixup(1, 6, 64, np.float32)
    case.arguments["x"][0, 1, 5] = case.arguments["y"][0, 2, 1] = bad
    case.arguments["weight"][0, 5] = bad
    with np.errstate(invalid="ignore"):
        got, want = cuda_machine.run(case), case.run(reference)
    for name in ARRAYS:
        np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(want[name]))
        np.testing.assert_array_equal(np.isinf(got[name]), np.isinf(want[name]))
        assert np.sum(~np.isfinite(got[name])) == 2


def test_a_member_does_not_depend_on_the_stack(cases: Any, cuda_machine: Any) -> None:
    case = cases.mixup(3, 33, 9, np.float32)
    alone = {name: value[2:].copy() for name, value in case.arguments.items()}
    got, want = cuda_machine.run(case._replace(arguments=alone)), cuda_machine.run(case)
    for name in ARRAYS:
        np.testing.assert_array_equal(got[name], want[name][2:])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [(1, 65_537, 129), (1, 20_000, 512), (64, 256, 256)])
def test_large_batches(cases: Any, device_cuda: Any, dtype: type, batch: tuple) -> None:
    device_cuda.check(cases.mixup(*batch, dtype), ulps=4.0)


def test_arrays_must_be_contiguous(cases: Any, host_cuda: Any) -> None:
    case = cases.mixup(2, 7, 6, np.float32)
    for name, value in case.arguments.items():
        apart = np.repeat(value, 2, axis=-1)[..., ::2]
        with pytest.raises(ValueError, match=f"^{name} must be a C-contiguous"):
            cuda.mixup(*(case.arguments | {name: apart}).values())
