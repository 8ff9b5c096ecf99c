"""Bins of numeric columns: where they begin and end, and networks that see numbers by them."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_info, threadpool_limits

from sknorm import MLPClassifier, MLPRegressor
from sknorm.data import bins
from sknorm.data.table import View

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=300)


def learned(values: Any, count: int = 4, weight: Any = None, scale: Any = None) -> Any:
    """The bins of one column, or of the columns of a table."""
    X = np.asarray(values, dtype=np.float64)
    X = X[:, None] if X.ndim == 1 else X
    return bins.learn(X, weight, count, (lambda z, j: z) if scale is None else scale)


def edges(found: Any, j: int = 0) -> np.ndarray:
    """Where the bins of a column begin and end, without those that no value reaches."""
    begin = sum(found.counts[:j])
    low, gain = (each[begin : begin + found.counts[j]] for each in (found.low, found.gain))
    used = gain > 0
    assert np.isinf(low[~used]).all() and (used[:-1] >= used[1:]).all()
    ends = low[used] + 1.0 / gain[used]
    np.testing.assert_allclose(ends[:-1], low[used][1:], atol=1e-12 * np.ptp(ends))
    return np.append(low[used], ends[-1:])


@pytest.mark.parametrize("values", [[3.0], [0.0, 1.0], [-1e9, 1e-9]], ids=str)
def test_columns_of_one_value_or_two_have_none(values: list[float]) -> None:
    assert learned(np.repeat(values, 40)) is None
    table = np.column_stack([np.resize(values, 300), NORMAL])
    found = learned(table)
    assert found.counts == (0, 4)
    assert [each.shape for each in found.covariances] == [(1, 1), (5, 5)]
    np.testing.assert_allclose(found.covariances[0], table[:, 0].var(), atol=1e-25)


@pytest.mark.parametrize("values", [[0, 1, 2], [-3.5, 0.0, 0.1, 7.0], [1, 2, 4, 8, 16]], ids=str)
def test_few_values_are_edges(values: list[float]) -> None:
    for rows in (len(values), 300):
        np.testing.assert_allclose(edges(learned(np.resize(values, rows))), values)


def test_few_values_that_come_late_are_edges() -> None:
    values = np.repeat([0.0, 1.0, 2.0, 3.0], [2000, 1, 1, 1])
    np.testing.assert_allclose(edges(learned(values)), [0, 1, 2, 3])


@pytest.mark.parametrize("count", [2, 5, 16, 25])
def test_many_values_have_bins_between_quantiles(count: int) -> None:
    values = RNG.permutation(400) / 7.0
    reached = [-(-k * 400 // count) - 1 for k in range(1, count)]
    want = np.array([0, *reached, 399]) / 7.0
    np.testing.assert_allclose(edges(learned(values, count)), want)


def test_more_bins_than_values() -> None:
    values = np.array([5.0, 1.0, 3.0, 1.0, 2.0])
    for count in (3, 4, 5, 1000):
        np.testing.assert_allclose(edges(learned(values, count)), [1.0, 2.0, 3.0, 5.0])


def test_a_value_with_most_of_the_mass_is_one_edge() -> None:
    """And its neighbours are; the other edges lie at quantiles of the others."""
    values = np.append(np.zeros(9000), np.linspace(1.0, 100.0, 100))
    found = edges(learned(values, 8))
    np.testing.assert_allclose(found, [0, 1, 15, 29, 43, 57, 71, 85, 100], atol=0.6)
    assert learned(RNG.permutation(values), 8).low.tolist() == learned(values, 8).low.tolist()
    mirrored = edges(learned(-values, 8))
    np.testing.assert_allclose(-mirrored[::-1], found, atol=1.1)


def test_a_frequent_value_among_others_stands_alone() -> None:
    """What lies beside it says nothing about it: its neighbours are edges."""
    values = np.concatenate([np.arange(-300.0, 300.0), np.full(400, 0.5)])
    found = edges(learned(values, 8)).tolist()
    assert {0.0, 0.5, 1.0} <= set(found)
    np.testing.assert_allclose(found, [-300, -181, -61, 0, 0.5, 1, 59, 179, 299], atol=3.0)


def test_many_frequent_values_leave_bins_to_others() -> None:
    """A quarter of the edges are not taken by neighbours."""
    frequent = np.repeat(np.arange(6.0), 1000)
    found = edges(learned(np.append(frequent, np.linspace(10.0, 50.0, 41)), 8))
    np.testing.assert_allclose(found, [0, 1, 2, 3, 4, 5, 23, 37, 50], atol=1.0)


@pytest.mark.parametrize("count", [2, 3, 7, 16])
def test_values_of_any_frequency_have_no_more_bins_than_asked_for(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(40):
        share = rng.dirichlet(np.full(rng.integers(3, 60), rng.choice([0.05, 0.3, 3.0])))
        values = rng.choice(rng.normal(size=len(share)), 500, p=share)
        found = learned(values, count)
        if found is not None:
            least = min(count, len(np.unique(values)) - 1)
            assert least - 2 <= len(edges(found)) - 1 <= found.counts[0] <= count
            assert np.isin(np.round(edges(found), 9), np.round(values, 9)).all()


def test_narrow_bins_become_a_part_of_others() -> None:
    """Values 1e-9 apart say nothing, in a column that is 1 wide."""
    values = np.concatenate([0.5 + 1e-9 * np.arange(500), [0.0, 1.0]])
    np.testing.assert_allclose(edges(learned(values, 8)), [0.0, 0.5, 1.0], atol=1e-6)
    np.testing.assert_allclose(edges(learned([0.0, 1e-9, 1.0])), [0.0, 1.0])
    # Alone, they are a column as others.
    assert len(edges(learned(1e-9 * np.arange(500)))) == 5


@pytest.mark.filterwarnings("ignore:Column 0 of X varies by 1.*e-310, less:UserWarning")
@pytest.mark.parametrize("unit", [1e-39, 1e-300, 1e-310])
@pytest.mark.parametrize("scaling", ["auto", None])
@pytest.mark.parametrize("n_bins", ["auto", 16])
def test_columns_without_a_bin_that_is_wide_enough(unit: float, scaling: Any, n_bins: Any) -> None:
    X = RNG.normal(size=(60, 2)) * [unit, 1.0]
    model = MLPRegressor(hidden_layer_sizes=(4,), scaling=scaling, n_bins=n_bins, max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model.fit(X, X[:, 1])
    assert np.isfinite(model.predict(X)).all()


def test_missing_values_do_not_count() -> None:
    values = np.where(RNG.random(300) < 0.3, np.nan, NORMAL)
    weight = RNG.uniform(0.5, 2.0, 300)
    here = ~np.isnan(values)
    for own in (None, weight):
        found = learned(values, weight=own)
        alone = learned(values[here], weight=None if own is None else own[here])
        np.testing.assert_array_equal(found.low, alone.low)
        np.testing.assert_array_equal(found.gain, alone.gain)
        np.testing.assert_allclose(found.covariances[0], alone.covariances[0])
    assert learned(np.full(20, np.nan)) is None
    found = learned(np.column_stack([np.full(300, np.nan), NORMAL]))
    assert found.counts == (0, 4) and found.covariances[0].tolist() == [[0.0]]


@pytest.mark.parametrize("offset", [1e6, -1e12, 1e15])
def test_huge_offsets(offset: float) -> None:
    values = offset + np.arange(300.0)
    found = learned(values, scale=lambda z, j: (z - values.mean()) / values.std())
    want = (np.array([0, 74, 149, 224, 299]) - 149.5) / np.arange(300).std()
    np.testing.assert_allclose(edges(found), want, rtol=1e-9)
    assert np.isfinite(found.covariances[0]).all()


@pytest.mark.parametrize("count", [3, 14, 16, 25])
def test_equal_weights_change_nothing(count: int) -> None:
    """Also where the share of a bin is a whole number of rows but for rounding."""
    sizes = range(2 * count, 20 * count, count)
    ties = [np.maximum(np.arange(rows), rows // 2) for rows in sizes]
    for values in [*(np.arange(rows) for rows in sizes), *ties]:
        plain = learned(values, count)
        weighted = learned(values, count, np.full(len(values), 0.3))
        np.testing.assert_array_equal(weighted.low, plain.low)
        np.testing.assert_array_equal(weighted.gain, plain.gain)


@pytest.mark.parametrize("count", [3, 10, 16, 25])
@pytest.mark.parametrize("distinct", [7, 60, 10**6])
def test_whole_weights_are_repeated_rows(count: int, distinct: int) -> None:
    rng = np.random.default_rng(count)
    values, weight = rng.integers(0, distinct, 100).astype(float), rng.integers(1, 4, 100)
    weighted = learned(values, count, weight.astype(float))
    repeated = learned(np.repeat(values, weight), count)
    np.testing.assert_array_equal(weighted.low, repeated.low)
    np.testing.assert_array_equal(weighted.gain, repeated.gain)
    np.testing.assert_allclose(weighted.covariances[0], repeated.covariances[0])


def test_integers_views_and_parts_of_one_table() -> None:
    X = RNG.integers(-50, 50, (200, 3))
    index = RNG.permutation(200)[:120]
    scale = lambda z, j: z  # noqa: E731
    want = bins.learn(X[index].astype(float), None, 6, scale)
    for table in (X[index], View(X, index, X), X[index].astype(np.float32)):
        found = bins.learn(table, None, 6, scale)
        assert want is not None and found is not None and found.counts == want.counts
        np.testing.assert_array_equal(found.low, want.low)
        np.testing.assert_array_equal(found.gain, want.gain)


COLUMNS = st.lists(
    st.floats(-1e300, 1e300, allow_subnormal=True)
    | st.sampled_from([0.0, 1.0, 1e-9, -1e-300, 5e-324, np.nan]),
    min_size=1, max_size=40,
)  # fmt: skip


@given(COLUMNS, st.integers(2, 50), st.booleans())
def test_any_column(values: list[float], count: int, weighted: bool) -> None:
    column = np.array(values)
    most = np.nanmax(np.abs(column)) if not np.isnan(column).all() else 0.0
    weight = np.linspace(0.5, 2.0, len(column)) if weighted else None
    # As standardization gives them, values are a few units.
    found = learned(column, count, weight, lambda z, j: z / max(most, 1e-300))
    if found is None:
        return
    (number,) = found.counts
    assert len(found.low) == len(found.gain) == number <= count
    assert np.isfinite(found.gain).all() and np.isfinite(found.covariances[0]).all()
    ends = edges(found)
    assert (np.diff(ends) > 0).all()


# In estimators

TABLES: dict[str, Any] = {
    "one value": np.full(240, 3.0),
    "two values": np.resize([0.0, 1.0], 240),
    "few values": np.resize([0.0, 1.0, 5.0], 240),
    "mostly one value": np.where(np.arange(240) % 40 == 0, np.arange(240) / 10.0, 0.0),
    "narrow": np.where(np.arange(240) % 8 == 0, NORMAL[:240], 1e-9 * np.arange(240)),
    "all narrow": 1e-9 * NORMAL[:240],
    "missing": np.where(np.arange(240) % 3 == 0, np.nan, NORMAL[:240]),
    "missing altogether": np.full(240, np.nan),
    "huge offset": 1e9 + NORMAL[:240],
    "huge": 1e30 * NORMAL[:240],
    "heavy tails": np.exp(8.0 * NORMAL[:240]),
    "integers": np.arange(240) % 50,
}


# Without a scale, huge numbers are too large to learn by.
SCALED = [(n, s) for n in TABLES for s in ("standard", "robust", None) if s or "huge" not in n]


@pytest.mark.filterwarnings("ignore:n_bins=10000 is more than any column")
@pytest.mark.parametrize(("name", "scaling"), SCALED)
@pytest.mark.parametrize("n_bins", [2, 5, 10_000])
def test_estimators_on_columns_of_any_kind(name: str, scaling: Any, n_bins: int) -> None:
    X = np.column_stack([TABLES[name], NORMAL[:240]])
    y = X[:, 1] + (np.nan_to_num(X[:, 0]) > np.nanmean(NORMAL))
    settings = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
    settings |= {"preset": "sklearn", "n_bins": n_bins, "scaling": scaling}
    model = MLPRegressor(**settings, dtype="float32").fit(X, y)
    gap = np.nan if name.startswith("missing") else 0.0
    for rows in (X, np.array([[1e6, -1e6], [-1e6, 1e6], [gap, 0.0]])):
        assert np.isfinite(model.predict(rows)).all()
    assert np.isfinite(model.feature_importances_).all()
    assert model.feature_importances_.sum() == pytest.approx(1.0)
    assert np.isfinite(model.loss_curve_).all()


def step(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps of one column beside two that say nothing."""
    X = np.random.default_rng(seed).uniform(-1.0, 1.0, (rows, 3))
    return X, np.where(np.floor(6.0 * X[:, 1]) % 2 == 0, 1.0, -1.0)


SMALL: dict[str, Any] = {
    "preset": "sklearn", "hidden_layer_sizes": (16,), "max_iter": 30, "learning_rate_init": 0.01,
    "random_state": 0,
}  # fmt: skip


def test_bins_help_with_steps() -> None:
    (X, y), (X_test, y_test) = step(600, 0), step(600, 1)
    plain = MLPRegressor(**SMALL).fit(X, y)
    binned = MLPRegressor(**SMALL, n_bins=24).fit(X, y)
    assert r2_score(y_test, binned.predict(X_test)) > 0.6
    assert r2_score(y_test, plain.predict(X_test)) < 0.3
    classifier = MLPClassifier(**SMALL, n_bins=24).fit(X, y > 0)
    assert classifier.score(X_test, y_test > 0) > 0.9
    assert MLPClassifier(**SMALL).fit(X, y > 0).score(X_test, y_test > 0) < 0.75


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_importances_single_out_the_column_that_decides(kind: type) -> None:
    X, y = step(600, 0)
    model = kind(**SMALL, n_bins=24).fit(X, y > 0 if kind is MLPClassifier else y)
    importances = model.feature_importances_
    assert importances.shape == (3,) and importances.sum() == pytest.approx(1.0)
    assert (importances >= 0).all() and np.argmax(importances) == 1
    assert importances[1] > 1.5 * max(importances[0], importances[2])


def test_group_lasso_takes_the_vectors_of_a_number_as_one_group() -> None:
    X, y = step(600, 0)
    settings = {**SMALL, "penalty": "group_lasso", "alpha": 0.02}
    model = MLPRegressor(**settings, n_bins=24).fit(X, y)
    zero = model.feature_importances_ == 0
    first = model.network_["blocks.0.weight"][0].reshape(3, 8, 16)
    np.testing.assert_array_equal((first == 0).all(axis=(1, 2)), zero)
    assert not zero[1]


@pytest.mark.parametrize("n_bins", [4, 16])
def test_weights_of_rows_are_repeated_rows_in_bins(n_bins: int) -> None:
    X, weight = RNG.normal(size=(100, 2)), RNG.integers(1, 4, 100)
    y = X.sum(axis=1)
    settings = {"preset": "sklearn", "n_bins": n_bins, "max_iter": 1, "hidden_layer_sizes": (3,)}
    weighted = MLPRegressor(**settings).fit(X, y, sample_weight=weight)
    repeated = MLPRegressor(**settings).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    ours, theirs = (model._fitted.columns.bins for model in (weighted, repeated))
    np.testing.assert_allclose(ours.low, theirs.low, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.gain, theirs.gain, rtol=1e-9)


def test_numbers_are_what_networks_see_whatever_the_layout_and_dtype() -> None:
    X = RNG.normal(size=(120, 3))
    y = np.sin(3.0 * X[:, 0])
    settings = {**SMALL, "max_iter": 3, "n_bins": 6}
    model = MLPRegressor(**settings).fit(X, y)
    for table in (np.asfortranarray(X), X.tolist()):
        other = MLPRegressor(**settings).fit(table, y)
        np.testing.assert_allclose(other.predict(X), model.predict(X), rtol=1e-6)
        np.testing.assert_allclose(model.predict(table), model.predict(X), rtol=1e-12)
    single = MLPRegressor(**settings).fit(X.astype(np.float32), y)
    np.testing.assert_allclose(single.predict(X), model.predict(X), atol=1e-2)


def test_products_are_made_on_one_thread() -> None:
    limits = set()

    def scale(z: np.ndarray, j: int) -> np.ndarray:
        blas = [each for each in threadpool_info() if each["user_api"] == "blas"]
        limits.update(each["num_threads"] for each in blas)
        return z

    with threadpool_limits(2, user_api="blas"):
        learned(NORMAL, scale=scale)
    assert limits == {1}


def test_sparse_tables_are_refused_with_bins() -> None:
    X = sparse.csr_array(np.where(RNG.random((60, 3)) < 0.5, 0.0, 1.0))
    with pytest.raises(ValueError, match=r"n_bins=4 .*sparse.*Set n_bins=None"):
        MLPRegressor(**SMALL, n_bins=4).fit(X, np.arange(60.0))
