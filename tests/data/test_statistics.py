"""Location and scale of columns: dense and sparse against NumPy, and pooled over parts."""

import itertools
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from scipy import sparse

from sknorm.data import statistics
from sknorm.data.statistics import Statistics, gather

FIELDS = ("weight", "mean", "variance", "low", "high", "two_valued")
each_container = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def expected(X: np.ndarray, weight: np.ndarray) -> dict[str, Any]:
    """The same in a few lines of NumPy."""
    wide = X.astype(np.float64)
    mean = np.average(wide, axis=0, weights=weight)
    return {
        "weight": weight.sum(),
        "mean": mean,
        "variance": np.average((wide - mean) ** 2, axis=0, weights=weight),
        "low": wide.min(axis=0),
        "high": wide.max(axis=0),
        "two_valued": np.array([len(np.unique(column)) <= 2 for column in wide.T]),
    }


def assert_same(found: Statistics, wanted: dict[str, Any], size: np.ndarray) -> None:
    """Moments to rounding of values of this size, the rest exactly."""
    for name in FIELDS:
        mine, theirs = getattr(found, name), wanted[name]
        if name in ("mean", "variance"):
            power = 1 if name == "mean" else 2
            assert np.all(np.abs(mine - theirs) <= 1e-12 * size**power), name
        elif name == "weight":
            assert mine == pytest.approx(theirs, rel=1e-12)
        else:
            np.testing.assert_array_equal(mine, theirs, err_msg=name)


def table(rng: np.random.Generator, rows: int = 200) -> np.ndarray:
    """Normal, sparse, shifted, constant, empty, two-valued and three-valued columns."""
    normal = rng.normal(size=rows)
    flags = rng.uniform(size=rows) < 0.2
    kept = np.where(rng.uniform(size=rows) < 0.3, rng.normal(size=rows), 0.0)
    return np.column_stack(
        [normal, kept, 1e3 + normal, np.full(rows, 0.1), np.zeros(rows), flags, 5.0 - 3.0 * flags,
         -1.0 * flags, np.arange(rows) % 3, np.abs(kept), -np.abs(kept)]
    )  # fmt: skip


@each_container
@each_dtype
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_are_those_of_numpy(container: Any, dtype: type, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    X = table(rng).astype(dtype)
    weight = rng.uniform(0.01, 5.0, 200) if weighted else None
    found = gather(container(X), weight)
    wanted = expected(X, np.ones(200) if weight is None else weight)
    assert_same(found, wanted, np.abs(X).max(axis=0).astype(np.float64))


@each_container
def test_statistics_do_not_depend_on_the_parts_looked_at(
    container: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    X, weight = table(rng), rng.uniform(0.01, 5.0, 200)
    monkeypatch.setattr(statistics, "_rows_at_once", lambda backend, X: 6)
    monkeypatch.setattr(statistics, "_STORED_CHUNK", 40)
    size = np.abs(X).max(axis=0)
    assert_same(gather(container(X), weight), expected(X, weight), size)


@each_container
@each_dtype
@pytest.mark.parametrize("weighted", [False, True])
def test_scaling_standardizes_and_maps_two_values_to_zero_and_one(
    container: Any, dtype: type, weighted: bool
) -> None:
    rng = np.random.default_rng(2)
    X = table(rng).astype(dtype)
    weight = rng.uniform(0.01, 5.0, 200) if weighted else None
    offset, factor = gather(container(X), weight).scaling()
    scaled = (X.astype(np.float64) - offset) * factor
    numeric = [0, 1, 2, 8, 9, 10]
    mean = np.average(scaled, axis=0, weights=weight)
    spread = np.average((scaled - mean) ** 2, axis=0, weights=weight)
    np.testing.assert_allclose(mean[numeric], 0.0, atol=1e-9)
    np.testing.assert_allclose(spread[numeric], 1.0, rtol=1e-6)
    for column in (5, 6, 7):
        np.testing.assert_allclose(np.unique(scaled[:, column]), [0.0, 1.0], atol=1e-15)
    np.testing.assert_allclose(scaled[:, [3, 4]], 0.0, atol=1e-12)
    np.testing.assert_array_equal(factor[[3, 4]], 1.0)


@each_container
@pytest.mark.parametrize("ratio", [1e3, 1e6])
def test_spread_survives_a_large_mean(container: Any, ratio: float) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X, weight = ratio + rng.normal(size=(500, 3)), rng.uniform(0.5, 2.0, 500)
        variance = expected(X - ratio, weight)["variance"]
        np.testing.assert_allclose(gather(container(X), weight).variance, variance, rtol=1e-9)


@pytest.mark.parametrize("two_valued", [False, True])
def test_rounding_in_the_variance_of_a_constant_column_is_none(two_valued: bool) -> None:
    low, variance = np.array([7.0]), np.array([1e-20])
    found = Statistics(3.0, low, variance, low, low, np.array([two_valued]))
    assert [a.tolist() for a in found.scaling()] == [[7.0], [1.0]]


@each_container
def test_two_values_of_parts_are_two_values_of_the_whole_where_they_are_the_same(
    container: Any,
) -> None:
    """For all pairs of sets out of three values."""
    sets = [[v for k, v in enumerate((-2.5, 0.0, 1.0)) if mask >> k & 1] for mask in range(1, 8)]
    first, second = zip(*itertools.product(sets, sets), strict=True)
    parts = [
        gather(container(np.array([(6 * s)[:6] for s in side]).T), None) for side in (first, second)
    ]
    together = parts[0].merged(parts[1]).two_valued
    assert together.tolist() == [len({*a, *b}) <= 2 for a, b in zip(first, second, strict=True)]


OFFSETS = {  # mean and deviation of columns that float32 holds in a few dozen steps
    "seconds since 1970": (1.7e9, 1e3), "milliseconds since 1970": (1.7e12, 1e6),
    "yyyymmddhh": (2.024e9, 900.0), "steps of one": (1e7, 5.0), "negative": (-1.7e9, 1e3),
}  # fmt: skip


@each_container
@each_dtype
@pytest.mark.parametrize(("mean", "spread"), OFFSETS.values(), ids=OFFSETS)
def test_column_of_large_mean_is_scaled_as_any(
    container: Any, dtype: type, mean: float, spread: float
) -> None:
    rng = np.random.default_rng(3)
    flags = rng.uniform(size=(300, 1)) < 0.3
    X = np.hstack([mean + spread * rng.normal(size=(300, 1)), mean + spread * flags]).astype(dtype)
    whole, parts = gather(container(X), None), [container(X[k::3]) for k in range(3)]
    first, second, third = (gather(part, None) for part in parts)
    for found in (whole, first.merged(second).merged(third)):
        offset, factor = found.scaling()
        scaled = (X.astype(np.float64) - offset) * factor
        np.testing.assert_allclose(scaled[:, 0].std(), 1.0, rtol=1e-6)
        np.testing.assert_array_equal(scaled[:, 1], flags[:, 0])


@each_container
@pytest.mark.parametrize("value", [0.3, 1.7e9, -1e-30, 1e30])
def test_what_differs_by_rounding_alone_is_constant(container: Any, value: float) -> None:
    noise = 1.0 + np.random.default_rng(5).integers(0, 2, (200, 1)) * 2.0**-52
    for X in (value * noise, np.full((200, 1), value), np.full((200, 1), value, np.float32)):
        assert gather(container(X), None).scaling()[1] == 1.0


@each_container
@pytest.mark.parametrize("power", [-1015, -980, -600, -401, 400, 480])
def test_units_of_any_size_scale_alike(container: Any, power: int) -> None:
    """By powers of two, bit for bit, also beyond where squares leave float64."""
    rng = np.random.default_rng(6)
    X, weight = table(rng), rng.uniform(0.01, 5.0, 200)
    X = X[:, [0, 1, 2, 5, 6, 8]]
    wanted = gather(container(X), weight).scaling()
    moved = gather(container(np.ldexp(X, power)), weight)
    parts = [gather(container(np.ldexp(X[rows], power)), weight[rows])
             for rows in (slice(None, 120), slice(120, None))]  # fmt: skip
    for found, exact in ((moved, power > -900), (parts[0].merged(parts[1]), False)):
        offset, factor = found.scaling()
        got = np.ldexp(offset, -power), np.ldexp(factor, power)
        for mine, theirs in zip(got, wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0.0 if exact else 1e-9, atol=1e-12)


@each_container
def test_parts_of_different_units_are_pooled(container: Any) -> None:
    small, large = np.array([[1e-170], [3e-170], [0.0]]), np.array([[1.0], [2.0], [4.0]])
    parts = [gather(container(X), None) for X in (np.zeros((3, 1)), small, large)]
    both = parts[0].merged(parts[1])
    offset, factor = both.scaling()
    scaled = (np.vstack([np.zeros((3, 1)), small]) - offset) * factor
    np.testing.assert_allclose([scaled.mean(), scaled.std()], [0.0, 1.0], atol=1e-12)
    scale = 1.0 / both.merged(parts[2]).scaling()[1]
    np.testing.assert_allclose(scale, np.vstack([np.zeros((6, 1)), large]).std(), rtol=1e-12)


@each_container
def test_column_whose_deviation_has_no_reciprocal_is_constant(container: Any) -> None:
    X = np.random.default_rng(7).normal(size=(50, 2)) * np.array([1.0, 1e-310])
    with pytest.warns(UserWarning, match=r"Column 1 of X varies by .*e-31\d.*constant.*Multiply"):
        offset, factor = gather(container(X), None).scaling()
    assert np.isfinite(offset).all() and factor[1] == 1.0


@each_container
@pytest.mark.parametrize("factor", [1e-300, 1e-3, 1e3, 1e300, 5e-324])
def test_common_factor_of_the_weights_changes_nothing_but_their_sum(
    container: Any, factor: float
) -> None:
    rng = np.random.default_rng(8)
    X, weight = table(rng), rng.integers(1, 5, 200).astype(np.float64)
    found, wanted = gather(container(X), weight * factor), gather(container(X), weight)
    assert found.weight == pytest.approx(wanted.weight * factor)
    np.testing.assert_allclose(found.scaling(), wanted.scaling(), rtol=1e-9, atol=1e-12)
    pooled, other = (c.merged(c).scaling() for c in (found, wanted))
    np.testing.assert_allclose(pooled, other, rtol=1e-9, atol=1e-12)


values = st.floats(-100, 100, width=32)
few = st.sampled_from([0.0, 1.0, -2.5])


@st.composite
def split_tables(draw: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows with weights, and where to cut them in two parts."""
    shape = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    elements = draw(st.sampled_from([values, few, st.just(7.0)]))
    X = draw(hnp.arrays(np.float64, shape, elements=elements))
    weight = draw(hnp.arrays(np.float64, shape[:1], elements=st.floats(0.125, 8.0, width=32)))
    return X, weight, draw(st.integers(1, shape[0] - 1))


@given(split_tables())
def test_pooled_parts_are_the_whole(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    """Where both parts hold one value, or two of which they share, two values remain."""
    X, weight, cut = case
    size = np.maximum(np.abs(X).max(axis=0), 1e-300)
    wanted = expected(X, weight)
    for container in (np.asarray, sparse.csr_array):
        first = gather(container(X[:cut]), weight[:cut])
        second = gather(container(X[cut:]), weight[cut:])
        assert_same(first.merged(second), wanted, size)
        assert_same(second.merged(first), wanted, size)


@given(split_tables())
def test_sparse_tables_have_the_scaling_of_dense_ones(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    X, weight, _ = case
    dense, stored = gather(X, weight), gather(sparse.csr_array(X), weight)
    for mine, theirs in zip(stored.scaling(), dense.scaling(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-10)


@given(split_tables())
def test_scaled_columns_are_finite_and_standard(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    X, weight, cut = case
    parts = [gather(X[rows], weight[rows]) for rows in (slice(None, cut), slice(cut, None))]
    for found in (gather(X, weight), parts[0].merged(parts[1])):
        offset, factor = found.scaling()
        assert np.isfinite(offset).all() and np.isfinite(factor).all() and (factor > 0).all()
        scaled = (X - offset) * factor
        share = weight / weight.sum()
        assert np.all(share @ scaled**2 <= 1.0 + 1e-6)


@each_container
def test_columns_beyond_the_range_are_named(container: Any) -> None:
    X = np.array([[1.0, 1e200], [2.0, -3e200]])
    with pytest.raises(ValueError, match=r"Column 1 of X reaches 3e\+200, whose square overflows"):
        gather(container(X), None)
    with pytest.raises(ValueError, match=r"Column 'far' of X reaches 3e\+200"):
        gather(container(X), None, ["near", "far"])
    with pytest.raises(ValueError, match=r"Column 'far' of X reaches 1e\+25, too large to train"):
        statistics.check_range(container(np.array([[1.0, 1e25]])), ["near", "far"])
    statistics.check_range(container(np.array([[1.0, -1e18]])))
