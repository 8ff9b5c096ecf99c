"""Rows: taking them, their moments, products."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from sknorm.kernels import cpu, reference


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_of_any_size_are_squashed(dtype: type) -> None:
    far = np.array([1e10, 1e25, np.finfo(dtype).max, np.inf], dtype=dtype)
    x = np.stack([np.append(far, -far)] * 3, axis=1)[None]
    x[0, 3::4, 1] = 1.0  # of which nothing is left without a bound
    clip, rows = np.array([[1.0 / 3.0, 0.0, 2.0]]), np.arange(8)[None]
    for kernels in (reference, cpu):
        got = x.copy()
        kernels.squash(rows, 8, clip, np.zeros((1, 3)), got)
        np.testing.assert_allclose(got[0, :, 0], np.repeat([3.0, -3.0], 4), rtol=1e-6)
        np.testing.assert_array_equal(got[0, :, 1], x[0, :, 1])
        np.testing.assert_allclose(got[0, :, 2], np.repeat([0.5, -0.5], 4), rtol=1e-6)


@pytest.mark.parametrize(("R", "M"), [(1, 1), (1, 3), (3, 1), (3, 3)])
@pytest.mark.parametrize("classes", [True, False])
def test_gather(cases: Any, R: int, M: int, classes: bool) -> None:
    case = cases.gather(R, M, 8, 4, np.float64, np.float64, classes)
    a, got = case.arguments, case.run(reference)
    offset, factor = a["offset"][::-1, None], a["factor"][::-1, None]  # the last view comes first
    want = (a["X"][a["rows"] % len(a["X"])] - offset) * factor
    np.testing.assert_array_equal(got["x_out"], want)
    np.testing.assert_array_equal(got["y_out"], a["y"][a["rows"]])
    for m in range(max(R, M)):
        want = a["weight"][m if M > 1 else 0][a["rows"][m if R > 1 else 0]]
        np.testing.assert_array_equal(got["weight_out"][m], want)


def test_gather_subtracts_in_float64(cases: Any) -> None:
    case = cases.gather(1, 1, 8, 4, np.float32, np.float64, False)
    a = case.arguments
    a["X"] += 1e8
    a["offset"] += 1e8
    want = (a["X"][a["rows"]] - a["offset"]) * a["factor"]
    np.testing.assert_allclose(case.run(reference)["x_out"], want, rtol=1e-7)


def test_gather_into_wider_rows(cases: Any) -> None:
    """What stands beside the columns of the table is left alone."""
    for kernels in (reference, cpu):
        case = cases.gather(3, 3, 8, 4, np.float64, np.float64, False)
        want = case.run(kernels)["x_out"]
        case.arguments["x_out"] = np.full((3, 8, 7), -5.0)
        got = case.run(kernels)["x_out"]
        np.testing.assert_array_equal(got[:, :, :4], want)
        assert (got[:, :, 4:] == -5.0).all()


@pytest.mark.parametrize("R", [1, 3])
def test_squash(cases: Any, R: int) -> None:
    case = cases.squash(R, 8, 4, np.float64)
    a = case.arguments
    for kernels in (reference, cpu):
        got = case.run(kernels)["x"]
        for r in range(R):
            view, z = a["rows"][r, 0] // a["count"], a["x"][r, :, :4]
            clip, fill = a["clip"][view], a["fill"][view]
            want = np.where(np.isnan(z), fill, z / np.sqrt(1 + (clip * z) ** 2))
            np.testing.assert_allclose(got[r, :, :4], want, rtol=1e-14)
            np.testing.assert_array_equal(got[r, :, 4:], a["x"][r, :, 4:])
            own = ~np.isnan(z) & (clip == 0.0)
            np.testing.assert_array_equal(got[r, :, :4][own], z[own])  # bit for bit
        assert (np.abs(got[0, :, :4])[~np.isnan(a["x"][0, :, :4])] < 1e3).all()


@pytest.mark.parametrize(("R", "M"), [(1, 1), (1, 3), (3, 1), (3, 3)])
@pytest.mark.parametrize("x_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_gather_sparse(cases: Any, R: int, M: int, x_dtype: type, index: type) -> None:
    """Bit for bit what comes of the dense table."""
    case = cases.gather_sparse(R, M, 16, 5, np.float32, x_dtype, index)
    check_sparse(case, densified(case, 5))


def test_gather_sparse_of_nothing(cases: Any) -> None:
    case = cases.gather_sparse(1, 1, 16, 5, np.float32, np.float64, np.int32)
    a = case.arguments
    a["values"], a["columns"] = a["values"][:0], a["columns"][:0]
    a["starts"][...] = 0
    check_sparse(case, np.zeros((a["starts"].size - 1, 5)))


def densified(case: Any, d: int) -> np.ndarray:
    """The table, by SciPy."""
    a = case.arguments
    table = sparse.csr_array((a["values"], a["columns"], a["starts"]), (a["starts"].size - 1, d))
    dense = table.toarray()
    rows = np.diff(a["starts"])
    taken = rows[a["rows"] % len(rows)]
    assert 0 in taken and taken.max() > 1  # empty and full rows are taken
    return dense


def check_sparse(case: Any, dense: np.ndarray) -> None:
    names = [name for name in case.arguments if name not in ("values", "columns", "starts")]
    arguments = {"X": dense} | {name: case.arguments[name] for name in names}
    want = case._replace(kernel="gather", arguments=arguments).run(reference)
    for kernels in (reference, cpu):
        got = case.run(kernels)
        for name in ("x_out", "y_out", "weight_out"):
            np.testing.assert_array_equal(got[name], want[name], err_msg=name)


@pytest.mark.parametrize("shared", [True, False])
def test_column_moments(cases: Any, shared: bool) -> None:
    case = cases.moments(3, 40, 5, np.float64, shared)
    a, got = case.arguments, case.run(reference)["moments"]
    for k in range(3):
        w = a["weight"][0 if shared else k]
        mean = np.average(a["z"][k], axis=0, weights=w)
        np.testing.assert_allclose(got[k, 0], mean, rtol=1e-13)
        variance = np.average((a["z"][k] - mean) ** 2, axis=0, weights=w)
        np.testing.assert_allclose(got[k, 1], variance, rtol=1e-11)


def test_column_moments_of_no_weight(cases: Any) -> None:
    case = cases.moments(2, 5, 3, np.float32, False)
    case.arguments["weight"][1] = 0.0
    for kernels in (reference, cpu):
        assert (case.run(kernels)["moments"][1] == 0.0).all()


def test_column_extremes(cases: Any) -> None:
    case = cases.extremes(2, 30, 7, np.float32)
    z, seen = case.arguments["z"].astype(float), case.arguments["extremes"]
    for kernels in (reference, cpu):
        got = case.run(kernels)["extremes"]
        np.testing.assert_array_equal(got[:, 0], np.minimum(seen[:, 0], z.min(axis=1)))
        np.testing.assert_array_equal(got[:, 1], np.maximum(seen[:, 1], z.max(axis=1)))


def test_moments_far_from_zero() -> None:
    """Exact numbers: the naive E[x^2] - E[x]^2 is wrong by a factor here."""
    z = (2.0**30 + np.array([0.0, 1.0, 2.0, 1.0])).reshape(1, 4, 1)
    moments = np.full((1, 2, 1), np.nan)
    reference.column_moments(z, np.ones((1, 4)), moments)
    np.testing.assert_array_equal(moments[0, :, 0], [2.0**30 + 1.0, 0.5])


def test_moments_correct_the_rounding_of_the_mean() -> None:
    z = 1e12 + np.random.default_rng(0).normal(size=(1, 500, 20))
    small = z - 1e12  # exact, since both are multiples of the same power of two
    weight = np.ones((1, 500))
    moments = np.full((1, 2, 20), np.nan)
    reference.column_moments(z, weight, moments)
    np.testing.assert_allclose(moments[:, 1], small.var(axis=1), rtol=1e-12)


@pytest.mark.parametrize("broadcast", [True, False])
def test_matmul(cases: Any, broadcast: bool) -> None:
    case = cases.matmul(3, broadcast, np.float64)
    a = case.arguments
    np.testing.assert_allclose(case.run(reference)["out"], np.matmul(a["a"], a["b"]), rtol=1e-14)
