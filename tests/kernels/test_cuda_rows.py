"""The CUDA kernels on rows, against the specification."""

from typing import Any

import numpy as np
import pytest

from sknorm.kernels import cuda

DTYPES = [np.float32, np.float64]
SHAPES = [(1, 1), (1, 67), (2, 5), (7, 64), (33, 130), (300, 9), (9, 1030)]
FLAGS = [False, True]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 3])
def test_random_numbers(cases: Any, cuda_machine: Any, K: int, dtype: type) -> None:
    for n, d in SHAPES:
        cuda_machine.check(cases.dropout(K, n, d, dtype), ulps=0.0)
        cuda_machine.check(cases.noise(K, n, d, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("x_dtype", DTYPES)
@pytest.mark.parametrize(("R", "M"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_gather(
    cases: Any, cuda_machine: Any, dtype: type, x_dtype: type, R: int, M: int
) -> None:  # fmt: skip
    for n, d in SHAPES:
        for classes in FLAGS:
            cuda_machine.check(cases.gather(R, M, n, d, dtype, x_dtype, classes), ulps=2.0)


def widened(case: Any, name: str, columns: int) -> Any:
    """The case with more columns beside those of an array, none of which are a kernel's."""
    array = case.arguments[name]
    beside = np.full((*array.shape[:2], columns), -5.0, array.dtype)
    wide = np.concatenate([array, beside], axis=2)
    return case._replace(arguments=case.arguments | {name: wide})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 4])
def test_gather_into_wider_rows(
    cases: Any, cuda_machine: Any, dtype: type, columns: int
) -> None:  # fmt: skip
    for x_dtype in DTYPES:
        for n, d in (*SHAPES, (7, 0)):
            case = widened(cases.gather(3, 1, n, d, dtype, x_dtype, False), "x_out", columns)
            for shift in (0, np.dtype(dtype).itemsize):
                got = cuda_machine.check(case, ulps=2.0, shift=shift)["x_out"]
                assert np.all(got[:, :, d:] == -5.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("R", [1, 3])
def test_squash(cases: Any, cuda_machine: Any, dtype: type, R: int) -> None:
    for n, d in (*SHAPES, (7, 0)):
        narrow = cases.squash(R, n, d, dtype)
        for case in (narrow, widened(narrow, "x", 1)):
            cuda_machine.check(case, ulps=4.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_of_any_size_are_squashed(cases: Any, cuda_machine: Any, dtype: type) -> None:
    case = cases.squash(1, 33, 8, dtype)
    case.arguments["clip"][...] = 0.5
    case.arguments["x"][:, ::3, :8] = [1e25, -1e25, np.inf, -np.inf] * 2
    got = cuda_machine.check(case, ulps=4.0)["x"]
    np.testing.assert_allclose(got[:, ::3, :8], np.resize([2.0, -2.0], (1, 11, 8)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_columns_that_are_not_clipped_keep_their_bits(
    cases: Any, cuda_machine: Any, dtype: type
) -> None:  # fmt: skip
    case = cases.squash(1, 33, 8, dtype)
    case.arguments["clip"][...] = 0.0
    x, fill = case.arguments["x"], case.arguments["fill"].astype(dtype)
    got = cuda_machine.check(case)["x"]
    np.testing.assert_array_equal(got[:, :, :8], np.where(np.isnan(x[:, :, :8]), fill, x[:, :, :8]))
    np.testing.assert_array_equal(got[:, :, 8:], x[:, :, 8:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_gather_without_targets_and_weights(cases: Any, cuda_machine: Any, dtype: type) -> None:
    """As rows are taken to predict for."""
    for n, d in SHAPES:
        case = cases.gather(1, 1, n, d, dtype, dtype, False)
        a = case.arguments
        for name in ("weight", "weight_out"):
            a[name] = a[name][:0]
        for name in ("y", "y_out"):
            a[name] = a[name][..., :0]
        cuda_machine.check(case, ulps=2.0)


def test_more_rows_than_a_grid_takes_at_once(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda.rows, "_BLOCKS", 3)
    for case in (
        cases.gather(1, 2, 3000, 130, np.float32, np.float32, False),
        cases.dropout(2, 300, 40, np.float32),
        cases.noise(2, 300, 40, np.float32),
        cases.squash(2, 3000, 130, np.float32),
    ):
        cuda_machine.check(case)


def test_arrays_that_are_not_aligned(cases: Any, cuda_machine: Any) -> None:
    for dtype in DTYPES:
        size = np.dtype(dtype).itemsize
        cuda_machine.check(cases.dropout(2, 7, 64, dtype), shift=size)
        cuda_machine.check(cases.gather(1, 2, 7, 64, dtype, dtype, False), shift=size)
        cuda_machine.check(widened(cases.squash(2, 7, 64, dtype), "x", 1), shift=size)


@pytest.mark.parametrize("kernel", ["dropout", "noise"])
def test_a_rate_of_zero_touches_nothing(cases: Any, cuda_machine: Any, kernel: str) -> None:
    case = getattr(cases, kernel)(2, 7, 5, np.float32)
    case.arguments["rate" if kernel == "dropout" else "deviation"][...] = 0.0
    case.arguments["out"][0, 3, 2] = np.inf
    np.testing.assert_array_equal(cuda_machine.check(case)["out"], case.arguments["out"])


def test_dropped_values_are_zero_where_they_were_not_finite(cases: Any, cuda_machine: Any) -> None:
    case = cases.dropout(1, 33, 5, np.float32)
    case.arguments["out"][...] = np.nan
    out = cuda_machine.check(case)["out"]
    assert (out == 0.0).any() and np.isnan(out).any()


def test_arrays_must_be_contiguous(cases: Any, host_cuda: Any) -> None:
    for case in (
        cases.dropout(2, 7, 6, np.float32),
        cases.noise(2, 7, 6, np.float32),
        cases.gather(3, 3, 7, 6, np.float32, np.float64, False),
        cases.squash(3, 7, 6, np.float32),
    ):
        check_refusals(case)


def check_refusals(case: Any) -> None:
    """Each array of a case is refused where its values do not lie in a row."""
    for name, value in case.arguments.items():
        if not isinstance(value, np.ndarray) or name == "segments":
            continue
        wide = np.repeat(value, 2, axis=-1)[..., ::2]
        with pytest.raises(ValueError, match=f"^{name} must be a C-contiguous"):
            getattr(cuda, case.kernel)(*(case.arguments | {name: wide}).values())
