"""What networks see of numbers under each scaling."""

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from sknorm import MLPRegressor
from sknorm.backends import resolve
from sknorm.data import checks, columns
from sknorm.data.columns import Columns, Reading
from sknorm.data.table import View
from sknorm.network.batch import standardized

SCALINGS = ["robust", "standard", None]


def seen(X: np.ndarray, scaling: str | None, weight: np.ndarray | None = None, new: object = None):  # type: ignore[no-untyped-def]
    """Numbers as networks see them, in float64."""
    learned = Columns.learn(checked(X), weight, None, Reading(scaling))
    table, backend = checked(X if new is None else new), resolve(np.zeros(1))
    how = learned.scaling(backend, table)
    engine = learned.engine_table(backend, table)
    return standardized(backend, engine, slice(0, len(table)), how, np.dtype(float)).x[0]


def checked(X: object) -> object:
    return checks.check_features(MLPRegressor(preset="sklearn"), X)


def test_robust_scaling_is_its_formula() -> None:
    X = np.random.default_rng(0).normal(5.0, 3.0, (401, 2)) ** 3
    low, median, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0, method="inverted_cdf")
    z = (X - median) / (high - low)
    np.testing.assert_allclose(seen(X, "robust"), z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-12)
    assert np.abs(seen(1e9 * X, "robust")).max() < 3.0


def test_robust_scaling_without_a_range() -> None:
    """Where half of the values are one, the range counts; a constant column is zero."""
    X = np.array([[0.0, 7.0], [0.0, 7.0], [0.0, 7.0], [0.0, 7.0], [4.0, 7.0]])
    got = seen(X, "robust")
    np.testing.assert_array_equal(got[:, 1], 0.0)
    z = X[:, 0] / 2.0
    np.testing.assert_allclose(got[:, 0], z / np.sqrt(1 + (z / 3) ** 2))


def test_standard_scaling_is_scikit_learns() -> None:
    X = np.random.default_rng(0).normal(5.0, 3.0, (401, 2))
    np.testing.assert_allclose(seen(X, "standard"), StandardScaler().fit_transform(X), atol=1e-12)


def test_no_scaling_is_the_table() -> None:
    X = np.random.default_rng(0).normal(5.0, 3.0, (41, 2))
    np.testing.assert_array_equal(seen(X, None), X)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_missing_values_are_the_middle(scaling: str | None) -> None:
    X = np.random.default_rng(0).normal(5.0, 3.0, (41, 3)) ** 2
    X[::4, 1] = np.nan
    got, rest = seen(X, scaling), ~np.isnan(X[:, 1])
    np.testing.assert_array_equal(got[:, [0, 2]], seen(X[:, [0, 2]], scaling))
    np.testing.assert_allclose(got[rest, 1], seen(X[rest], scaling)[:, 1], rtol=1e-14)
    middle = {"robust": 0.0, "standard": 0.0, None: np.nanmean(X[:, 1])}[scaling]
    np.testing.assert_allclose(got[~rest, 1], middle, atol=1e-14)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_missing_values_where_training_rows_had_none(scaling: str | None) -> None:
    X = np.random.default_rng(0).normal(5.0, 3.0, (41, 2)) ** 2
    new = X.copy()
    new[3, 0] = np.nan
    got, own = seen(X, scaling, new=new), seen(X, scaling)
    middle = {"robust": 0.0, "standard": 0.0, None: X[:, 0].mean()}[scaling]
    np.testing.assert_allclose(got[3, 0], middle, atol=1e-14)
    own[3, 0] = got[3, 0]
    np.testing.assert_array_equal(got, own)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_columns_without_any_value(scaling: str | None) -> None:
    X = np.column_stack([np.arange(9.0), np.full(9, np.nan)])
    got = seen(X, scaling)
    assert np.isfinite(got).all() and np.ptp(got[:, 1]) == 0.0 and np.ptp(got[:, 0]) > 0.0


@pytest.mark.parametrize("scaling", SCALINGS)
def test_whole_weights_are_repeated_rows(scaling: str | None) -> None:
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(60, 3)), rng.integers(1, 4, 60)
    X[::5, 2] = np.nan
    got = seen(X, scaling, weight.astype(float))
    repeated = seen(np.repeat(X, weight, axis=0), scaling)
    np.testing.assert_allclose(got, repeated[np.cumsum(weight) - 1], atol=1e-12)


@pytest.mark.parametrize("scaling", ["robust", "standard"])
@pytest.mark.parametrize(("offset", "span"), [(1.7e9, 1e3), (1.7e12, 1e6)])
def test_large_offsets_cost_no_digits(scaling: str, offset: float, span: float) -> None:
    """Of numbers in float32, and in float64 that a network computes with in float32."""
    small = np.random.default_rng(0).uniform(0.0, span, (500, 1))
    for dtype in (np.float32, np.float64):
        X = (offset + small).astype(dtype)
        exact = X.astype(np.longdouble) - offset
        got = seen(X, scaling)
        want = seen(exact.astype(float), scaling)
        np.testing.assert_allclose(got, want, atol=1e-9)
        assert np.ptp(got) > 1.0


@pytest.mark.parametrize("scaling", SCALINGS)
def test_far_values_are_finite_or_refused(scaling: str | None) -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    X[0, 1] = 1e300
    if scaling == "robust":
        assert np.abs(seen(X, scaling)).max() <= 3.0
    else:
        with pytest.raises(ValueError, match="Column 1 of X reaches 1e\\+300"):
            seen(X, scaling)


def test_messages_name_the_column_of_x() -> None:
    """Not its place among the columns that are numeric."""
    X = np.column_stack([np.tile([0.0, 1.0], 20), np.full(40, 1e300)])
    table = checks.check_features(MLPRegressor(categorical_features=[0], preset="sklearn"), X)
    with pytest.raises(ValueError, match="Column 1 of X reaches"):
        Columns.learn(table, None, None, Reading("standard"))
    with pytest.raises(ValueError, match="Column 'b' of X reaches"):
        Columns.learn(table, None, np.array(["a", "b"]), Reading("standard"))


def test_tiny_ranges() -> None:
    X = np.column_stack([np.linspace(0, 5e-324, 9), np.linspace(0, 1e-300, 9)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for scaling in ("robust", "standard"):
            assert np.isfinite(seen(X, scaling)).all()


def test_robust_scaling_of_sparse_tables_is_refused() -> None:
    X = sparse.random(40, 3, random_state=0, format="csr")
    with pytest.raises(ValueError, match=r"'robust' moves zeros.*Set scaling='standard'"):
        MLPRegressor(scaling="robust", max_iter=1, preset="sklearn").fit(X, np.arange(40.0))


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("of_view", [False, True])
def test_constant_columns_that_vary_later(container: type, of_view: bool) -> None:
    X = np.random.default_rng(0).normal(size=(30, 6))
    X[:, [1, 2, 4, 5]] = [0.0, 0.3, 7.0, 0.0]
    learned = Columns.learn(checked(container(X)), None, None, Reading("standard"))
    later = X.copy()
    later[3, 1], later[4, 4], later[:, 2], later[-1, 5] = -1e-3, 7.1, 0.3 * (1 + 1e-15), 2.0
    table = checked(container(later))
    if of_view:  # without the last row
        table = View(table, np.arange(29), table)
    assert learned.constant.tolist() == [False, True, True, False, True, True]
    constant = learned.after(table).constant
    assert constant.tolist() == [False, False, True, False, False, of_view]


def test_a_sparse_table_is_not_read_column_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each column of one takes as long as all of them."""
    X = checked(sparse.csr_array(np.eye(8, 5)))
    learned = Columns.learn(X[5:], None, None, Reading("standard"))
    monkeypatch.setattr(columns, "column", None)
    assert learned.constant.all()
    assert not learned.after(X).constant.any()


def test_far_values_of_tables_in_fortran_order_overflow_without_a_warning() -> None:
    X = np.asfortranarray(np.random.default_rng(0).normal(size=(60, 3)))
    X[5, 0] = 1e60
    settings: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 1, "dtype": "float32"}
    model = MLPRegressor(**settings, random_state=0).fit(X, X[:, 1])
    other = MLPRegressor(**settings, random_state=0).fit(np.ascontiguousarray(X), X[:, 1])
    np.testing.assert_allclose(model.predict(X), other.predict(X), rtol=1e-5)
