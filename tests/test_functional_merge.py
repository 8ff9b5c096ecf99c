"""merge_statistics against the statistics of the concatenated rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sknorm.functional import merge_statistics


def moments(rows: np.ndarray) -> tuple[Any, Any]:
    """Mean and variance, NaN of no rows."""
    if len(rows) == 0:
        return (np.full(rows.shape[1:], np.nan),) * 2
    return rows.mean(axis=0), rows.var(axis=0)


sizes = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any)


@given(sizes=sizes, shape=st.sampled_from([(), (3,), (2, 4)]), seed=st.integers(0, 2**32 - 1),
       offset=st.sampled_from([0.0, 1.0, 1e4]))  # fmt: skip
def test_equals_the_statistics_of_all_rows(
    sizes: list[int], shape: tuple[int, ...], seed: int, offset: float
) -> None:
    rng = np.random.default_rng(seed)
    shards = [rng.normal(rng.normal(), 1.0, (n, *shape)) for n in sizes]
    rows = np.concatenate(shards)
    means, variances = (np.stack(part) for part in zip(*map(moments, shards), strict=True))
    mean, variance, count = merge_statistics(means + offset, variances, np.array(sizes))
    assert mean.shape == variance.shape == shape
    assert count == len(rows) and count.shape == ()
    np.testing.assert_allclose(mean, rows.mean(axis=0) + offset, rtol=1e-13, atol=1e-13)
    # The means that come in are rounded at their offset.
    np.testing.assert_allclose(variance, rows.var(axis=0), rtol=1e-13, atol=1e-13 + offset * 1e-15)


@given(sizes=sizes, seed=st.integers(0, 2**32 - 1))
def test_merging_in_two_steps_is_merging_at_once(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = len(sizes)
    parts = rng.normal(size=(n, 3)), rng.uniform(0.1, 2.0, (n, 3)), np.array(sizes)
    cut = n // 2
    steps = [merge_statistics(*(p[s] for p in parts)) for s in (slice(cut), slice(cut, n))
             if len(parts[0][s])]  # fmt: skip
    twice = merge_statistics(*(np.stack(p) for p in zip(*steps, strict=True)))
    for got, want in zip(twice, merge_statistics(*parts), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


def test_counts_of_each_coordinate() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, (4, 3))
    counts[0] = 1
    means, variances = rng.normal(size=(4, 3)), rng.uniform(size=(4, 3))
    mean, variance, count = merge_statistics(means, variances, counts)
    for j in range(3):
        got = mean[j], variance[j], count[j]
        want = merge_statistics(means[:, j], variances[:, j], counts[:, j])
        np.testing.assert_allclose(got, want, rtol=1e-14)
    same = merge_statistics(means, variances, counts[:, :1])
    np.testing.assert_allclose(same[0], merge_statistics(means, variances, counts[:, 0])[0])


def test_one_count_for_all_shards() -> None:
    mean, variance, count = merge_statistics([1.0, 3.0, 8.0], [0.0, 0.0, 0.0], 5)
    assert (mean, count) == (4.0, 15)
    np.testing.assert_allclose(variance, np.var([1.0, 3.0, 8.0]))


def test_no_rows_at_all() -> None:
    mean, variance, count = merge_statistics(np.ones((2, 3)), np.ones((2, 3)), [0, 0])
    assert np.isnan(mean).all() and np.isnan(variance).all() and count == 0


def test_nan_in_a_shard_that_counts() -> None:
    mean, _, _ = merge_statistics([1.0, np.nan], [1.0, 1.0], [1, 1])
    assert np.isnan(mean)


def test_what_is_not_finite_is_no_warning() -> None:
    assert np.isnan(merge_statistics([1.0, np.inf], [1.0, 1.0], [1, 1])[1])
    assert merge_statistics([-1e300, 1e300], [0.0, 0.0], [1, 1])[1] == np.inf


def test_float32() -> None:
    """Results have the dtype of the means; sums are in float64, far from zero too."""
    rng = np.random.default_rng(2)
    means = (1e4 + rng.normal(size=(500, 4))).astype(np.float32)
    variances = rng.uniform(0.5, 1.0, size=(500, 4)).astype(np.float32)
    mean, variance, count = merge_statistics(means, variances, np.full(500, 10**8))
    assert mean.dtype == variance.dtype == np.float32 and count == 500 * 10**8
    wide = means.astype(float)
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=1e-7)
    want = variances.astype(float).mean(axis=0) + wide.var(axis=0)
    np.testing.assert_allclose(variance, want, rtol=1e-7)


@pytest.mark.parametrize(
    ("means", "variances", "counts", "error", "match"),
    [
        (1.0, 1.0, 1, ValueError, r"means has shape \(\)"),
        (np.ones((0, 2)), np.ones((0, 2)), [], ValueError, r"means has shape \(0, 2\)"),
        (np.ones((3, 2)), np.ones(3), [1, 1, 1], ValueError, r"variances has shape \(3,\)"),
        (np.ones((3, 2)), np.ones((3, 2)), [1, 1], ValueError, r"counts has shape \(2,\)"),
        (np.ones(3), np.ones(3), np.ones((3, 2)), ValueError, r"counts has shape \(3, 2\)"),
        (np.ones(3), np.ones(3), [1, -1, 1], ValueError, "counts holds a negative"),
        (np.ones(3), np.ones(3), [1, np.nan, 1], ValueError, "counts holds a negative"),
        (np.ones(3), np.ones(3), [True, True, False], TypeError, "counts has dtype bool"),
        (np.ones(3) * 1j, np.ones(3), [1, 1, 1], TypeError, "means has dtype complex128"),
        (np.ones(3), ["a", "b", "c"], [1, 1, 1], TypeError, "variances has dtype"),
    ],
)
def test_errors(means: Any, variances: Any, counts: Any, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        merge_statistics(means, variances, counts)
