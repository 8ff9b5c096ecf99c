"""Quartiles of columns."""

import numpy as np
import pytest
from scipy import sparse

from sknorm.data.coded import CodeColumn, CodedTable
from sknorm.data.quantiles import quartiles
from sknorm.data.table import View

LEVELS = [0.25, 0.5, 0.75]


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 97, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quartiles(rows: int, dtype: type) -> None:
    X = np.random.default_rng(rows).normal(size=(rows, 3)).astype(dtype)
    want = np.quantile(X.astype(float), LEVELS, axis=0, method="inverted_cdf")
    got = quartiles(X, None)
    np.testing.assert_array_equal(got[:3], want)
    np.testing.assert_array_equal(got[3:], [X.min(axis=0), X.max(axis=0)])


def test_whole_weights_are_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    X, weight = rng.integers(0, 9, (50, 4)).astype(float), rng.integers(1, 5, 50)
    repeated = np.repeat(X, weight, axis=0)
    np.testing.assert_array_equal(quartiles(X, weight.astype(float)), quartiles(repeated, None))
    assert np.any(quartiles(X, None) != quartiles(repeated, None))


def test_values_whose_sum_overflows() -> None:
    X = np.array([[np.finfo(float).max]] * 3 + [[0.0], [1.0]])
    assert quartiles(X, None)[:, 0].tolist() == [1.0, *[X[0, 0]] * 2, 0.0, X[0, 0]]


def test_equal_weights_change_nothing() -> None:
    X = np.random.default_rng(0).normal(size=(101, 3))
    np.testing.assert_array_equal(quartiles(X, np.full(101, 0.3)), quartiles(X, None))


@pytest.mark.parametrize("weighted", [False, True])
def test_missing_values_do_not_count(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(60, 3)), rng.uniform(0.5, 2.0, 60) if weighted else None
    X[::3, 0] = X[:, 2] = np.nan
    flags = tuple(CodeColumn(j, "missing", np.array([True])) for j in (0, 2))
    codes = np.isnan(X[:, [0, 2]]).astype(np.int32)
    got = quartiles(CodedTable(X, (0, 1, 2), codes, flags, 3), weight)
    here = ~np.isnan(X[:, 0])
    own = None if weight is None else weight[here]
    np.testing.assert_array_equal(got[:, 0], quartiles(X[here, :1], own)[:, 0])
    np.testing.assert_array_equal(got[:, 1], quartiles(X[:, 1:2], weight)[:, 0])
    np.testing.assert_array_equal(got[:, 2], 0.0)


def test_views_and_sparse_tables() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) * (rng.uniform(size=(40, 3)) < 0.4)
    index = rng.permutation(40)[:25]
    np.testing.assert_array_equal(quartiles(View(X, index, X), None), quartiles(X[index], None))
    np.testing.assert_array_equal(quartiles(sparse.csr_array(X), None), quartiles(X, None))
