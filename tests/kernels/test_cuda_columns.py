"""The CUDA kernels on columns, against the specification."""

from typing import Any

import numpy as np
import pytest
from kernel_case import Case, poison

from sknorm.kernels import cuda, reference

DTYPES = [np.float32, np.float64]
STACKS = [1, 3]
FLAGS = [False, True]
# One block; several chunks of rows; several tiles of columns; more chunks than threads along them.
SHAPES = [(1, 1), (1, 67), (2, 5), (33, 64), (2100, 1), (300, 9), (150, 130), (650, 33), (140, 96)]


def exactness(case: Case) -> float:
    """Tolerance of 1e-13, whatever the dtype of the values."""
    return 1e-13 / np.finfo(case.arguments["z"].dtype).eps


def both(cases: Any, K: int, n: int, d: int, dtype: type) -> tuple[Case, Case]:
    return cases.moments(K, n, d, dtype, K == 1), cases.extremes(K, n, d, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("K", "shared"), [(1, True), (3, True), (3, False)])
def test_moments(cases: Any, cuda_machine: Any, K: int, shared: bool, dtype: type) -> None:
    for n, d in SHAPES:
        case = cases.moments(K, n, d, dtype, shared)
        cuda_machine.check(case, exactness(case))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", STACKS)
def test_extremes(cases: Any, cuda_machine: Any, K: int, dtype: type) -> None:
    for n, d in SHAPES:
        cuda_machine.check(cases.extremes(K, n, d, dtype), ulps=0.0)


@pytest.mark.parametrize("blocks", [1, 5])  # all rows in one block, or many batches of a chunk
def test_many_rows_of_a_block(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    monkeypatch.setattr(cuda.columns, "_BLOCKS", blocks)
    for dtype in DTYPES:
        for n, d in [(700, 33), (1500, 8)]:
            moments, extremes = both(cases, 2, n, d, dtype)
            cuda_machine.check(moments, exactness(moments))
            cuda_machine.check(extremes, ulps=0.0)


def test_arrays_need_no_alignment(cases: Any, cuda_machine: Any) -> None:
    for dtype in DTYPES:
        for case in both(cases, 2, 70, 40, dtype):
            cuda_machine.check(case, shift=np.dtype(dtype).itemsize)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_member_does_not_depend_on_the_stack(cases: Any, cuda_machine: Any, dtype: type) -> None:
    for n, d in [(300, 40), (33, 7)]:
        for case, output in zip(both(cases, 3, n, d, dtype), ("moments", "extremes"), strict=True):
            alone = {name: value[2:].copy() for name, value in case.arguments.items()}
            want = cuda_machine.run(case)[output][2:]
            got = cuda_machine.run(case._replace(arguments=alone))[output]
            np.testing.assert_array_equal(got, want)


def moments_of(z: np.ndarray, weight: np.ndarray, cuda_machine: Any) -> np.ndarray:
    """The moments (2, d) of a single table, as the reference has them to all digits."""
    arguments = {"z": z[None], "weight": weight[None], "moments": poison(1, 2, z.shape[1])}
    case = Case("column_moments", arguments)
    return cuda_machine.check(case, exactness(case))["moments"][0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("n", "d", "first"), [(500, 3, 0), (500, 40, 0), (2600, 17, 0), (2600, 17, 2300)]
)
def test_large_means(
    cases: Any, cuda_machine: Any, dtype: type, n: int, d: int, first: int
) -> None:
    """Means of 1e4 or 1e12 deviations, where differences of the values have no error.

    Weight begins at row ``first``: most chunks have none.
    """
    offset = {np.float32: 1e4, np.float64: 1e12}[dtype]
    z, weight = (offset + cases.rng.normal(size=(n, d))).astype(dtype), np.ones(n, dtype)
    weight[:first] = 0.0
    small = z[first:].astype(np.float64) - offset
    got = moments_of(z, weight, cuda_machine)
    np.testing.assert_allclose(got[1], small.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(got[0], offset + small.mean(axis=0), rtol=2e-16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [3, 40])
def test_rows_without_weight_have_no_say(
    cases: Any, cuda_machine: Any, dtype: type, d: int
) -> None:
    """Far-off values of no weight in most threads' rows, and in whole chunks."""
    z = cases.rng.normal(size=(900, d)).astype(dtype)
    weight = np.ones(900, dtype)
    weight[:300] = weight[400::2] = weight[401::6] = 0.0
    want = moments_of(z, weight, cuda_machine)
    z[weight == 0.0] = 1e15
    np.testing.assert_array_equal(moments_of(z, weight, cuda_machine), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_rows_may_be_far_off(cases: Any, cuda_machine: Any, dtype: type) -> None:
    """A trend, whose weights decay towards the first rows."""
    trend = np.arange(600.0)[:, None] + cases.rng.normal(size=(600, 5))
    moments_of(trend.astype(dtype), np.exp(np.arange(-599, 1) / 10.0).astype(dtype), cuda_machine)


def test_no_weight_at_all(cases: Any, cuda_machine: Any) -> None:
    z = cases.rng.normal(size=(300, 40))
    np.testing.assert_array_equal(moments_of(z, np.zeros(300), cuda_machine), 0.0)


def test_of_equal_values_nothing_is_left(cuda_machine: Any) -> None:
    for dtype in DTYPES:
        z = np.full((300, 40), 0.1, dtype)
        got = moments_of(z, np.linspace(0.1, 1.0, 300).astype(dtype), cuda_machine)
        np.testing.assert_allclose(got[0], z[0], rtol=2e-16)
        assert np.all(got[1] < 1e-33)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_stays_visible(cases: Any, cuda_machine: Any, dtype: type, bad: float) -> None:
    """In the first row, in one without weight, in the last."""
    for row in (0, 2, 299):
        case = cases.moments(2, 300, 40, dtype, True)
        case.arguments["z"][0, row, 7] = bad
        with np.errstate(invalid="ignore"):
            got, want = cuda_machine.run(case), case.run(reference)
        missing = np.isnan(got["moments"])
        np.testing.assert_array_equal(missing, np.isnan(want["moments"]))
        assert missing[0, :, 7].all() and missing.sum() == 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [5, 40])
def test_extremes_of_nan_and_infinity(cases: Any, cuda_machine: Any, dtype: type, d: int) -> None:
    """NaN wins against all, in the rows or from before."""
    case = cases.extremes(2, 300, d, dtype)
    z, seen = case.arguments["z"], case.arguments["extremes"]
    z[0, 0, 0] = z[0, 150, 1] = z[0, 299, 2] = z[0, :, 3] = np.nan
    z[1, 0, 0], z[1, 150, 1], z[1, 151, 1] = np.inf, -np.inf, np.nan
    seen[1, :, 2], seen[1, :, 3] = [np.inf, -np.inf], np.nan
    got = cuda_machine.check(case, ulps=0.0)["extremes"]
    assert np.isnan(got).sum() == 12


@pytest.mark.parametrize("dtype", DTYPES)
def test_extremes_of_equal_sign(cases: Any, cuda_machine: Any, dtype: type) -> None:
    """Nothing but the rows and what was seen before enters, no zero in particular."""
    for sign in (-1.0, 1.0):
        case = cases.extremes(1, 300, 40, dtype)
        case.arguments["z"][...] = sign * (1.0 + np.abs(case.arguments["z"]))
        case.arguments["extremes"][...] = np.array([np.inf, -np.inf])[:, None]
        got = cuda_machine.check(case, ulps=0.0)["extremes"]
        assert (sign * got >= 1.0).all()


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("table", [(1, 65_537, 129), (1, 65_536, 100), (64, 256, 256)])
def test_large_tables(cases: Any, device_cuda: Any, dtype: type, table: tuple) -> None:
    """The specification itself adds up so many values to eleven digits."""
    moments, extremes = both(cases, *table, dtype)
    device_cuda.check(moments, 100.0 * exactness(moments))
    device_cuda.check(extremes, ulps=0.0)


def test_arrays_must_be_contiguous(cases: Any, host_cuda: Any) -> None:
    for case in both(cases, 2, 7, 6, np.float32):
        for name, value in case.arguments.items():
            apart = np.repeat(value, 2, axis=-1)[..., ::2]
            with pytest.raises(ValueError, match=f"^{name} must be a C-contiguous"):
                getattr(cuda, case.kernel)(*(case.arguments | {name: apart}).values())
