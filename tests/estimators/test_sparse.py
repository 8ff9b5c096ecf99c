"""Sparse tables: the model of the dense one, without ever making it."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_norm = pytest.mark.parametrize("normalization", ["batch", "ghost", "layer", None])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(scope="module")
def table(binary: Table) -> Table:
    """A third of the entries, indicators, a constant column, and an empty row and columns."""
    rng = np.random.default_rng(0)
    X = np.where(rng.uniform(size=(240, 6)) < 0.3, binary[0], 0.0)
    X = np.column_stack([X, X[:, 0] > 0, np.zeros((240, 2)), np.full(240, 3.0)])
    X[17] = 0.0
    return X, (X @ rng.normal(size=10) > 0.5).astype(int)


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8, 6), "max_iter": 8, "random_state": 0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def wide_indices(X: np.ndarray) -> Any:
    """With indices of 64 bits, as tables of more than 2^31 entries have."""
    X = sparse.csr_array(X)
    return sparse.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)))


def duplicated(X: np.ndarray) -> Any:
    """With entries in two parts that count together."""
    X = sparse.coo_array(X)
    rows, columns = np.tile(X.row, 2), np.tile(X.col, 2)
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=X.shape[0]))])
    values = np.tile(X.data * X.dtype.type(0.5), 2)
    made = sparse.csr_array((values[order], columns[order], starts), shape=X.shape)
    assert not made.has_canonical_format
    return made


def unsorted(X: np.ndarray) -> Any:
    """With the columns of each row in falling order."""
    X = sparse.csr_array(X[:, ::-1])
    made = sparse.csr_array((X.data, X.shape[1] - 1 - X.indices, X.indptr), shape=X.shape)
    assert not made.has_sorted_indices
    return made


def explicit_zeros(X: np.ndarray) -> Any:
    """With zeros that are stored."""
    made = sparse.csr_array(np.where(X == 0, 1.0, X).astype(X.dtype))
    made.data[made.toarray().ravel() != X.ravel()] = 0.0
    assert (made.data == 0).sum() > 100
    return made


CONTAINERS = [
    sparse.csr_matrix,
    sparse.csr_array,
    sparse.csc_matrix,
    sparse.csc_array,
    sparse.coo_array,
    sparse.lil_matrix,
    wide_indices,
    duplicated,
    unsorted,
    explicit_zeros,
]


def arrays_of(X: Any) -> list[np.ndarray]:
    return (
        [np.array(a) for a in (X.data, X.indices, X.indptr)] if X.format in ("csr", "csc") else []
    )


@each_estimator
@each_dtype
@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: c.__name__)
def test_every_container_gives_the_model_of_the_dense_table(
    table: Table, estimator: type, container: Any, dtype: type
) -> None:
    X, y = table[0].astype(dtype), table[1]
    S = container(X)
    before = arrays_of(S)
    fitted, expected = small(estimator).fit(S, y), small(estimator).fit(X, y)
    rounding = {"rtol": 1e-3, "atol": 1e-4} if dtype is np.float32 else {"rtol": 1e-9}
    np.testing.assert_allclose(fitted.input_mean_, expected.input_mean_, atol=1e-14)
    np.testing.assert_allclose(fitted.input_scale_, expected.input_scale_, rtol=1e-12)
    np.testing.assert_allclose(outputs(fitted, S), outputs(expected, X), **rounding)
    np.testing.assert_array_equal(outputs(fitted, S), outputs(fitted, X))
    assert outputs(fitted, S).dtype == dtype
    for mine, theirs in zip(arrays_of(S), before, strict=True):  # the table is the caller's
        np.testing.assert_array_equal(mine, theirs)


@each_estimator
@each_norm
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_engine_gives_the_model_of_the_dense_table(
    table: Table, estimator: type, normalization: str | None, solver: str, weighted: bool
) -> None:
    X, y = table
    weight = np.random.default_rng(1).integers(0, 3, 240) * 0.7 if weighted else None
    settings = {"normalization": normalization, "solver": solver, "max_iter": 4}
    settings |= {"n_members": 2} if solver == "adam" else {}
    fitted = small(estimator, **settings).fit(sparse.csr_array(X), y, weight)
    expected = small(estimator, **settings).fit(X, y, weight)
    np.testing.assert_allclose(outputs(fitted, X), outputs(expected, X), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.loss_curve_, expected.loss_curve_, rtol=1e-7)
    if normalization is None and not weighted:
        np.testing.assert_array_equal(outputs(fitted, X), outputs(expected, X))


@each_estimator
@pytest.mark.parametrize("norm_statistics", ["running", "population"])
@pytest.mark.parametrize("settings", [{"dropout": 0.2, "input_dropout": 0.2}, {"input_noise": 0.2}])
def test_masks_and_noise_are_those_of_the_dense_table(
    table: Table, estimator: type, norm_statistics: str, settings: dict
) -> None:
    X, y = table
    settings = {**settings, "norm_statistics": norm_statistics}
    fitted = small(estimator, **settings).fit(sparse.csr_array(X), y)
    expected = small(estimator, **settings).fit(X, y)
    np.testing.assert_allclose(outputs(fitted, X), outputs(expected, X), rtol=1e-7, atol=1e-9)


@each_estimator
@pytest.mark.parametrize("scoring", ["loss", None, "neg_mean_squared_error"])
@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array])
def test_early_stopping_scores_sparse_rows(
    table: Table, estimator: type, scoring: str | None, container: Any
) -> None:
    X, y = table
    settings = {"early_stopping": True, "scoring": scoring, "validation_fraction": 0.3}
    fitted = small(estimator, **settings).fit(container(X), y)
    expected = small(estimator, **settings).fit(X, y)
    np.testing.assert_allclose(fitted.validation_scores_, expected.validation_scores_, rtol=1e-7)
    held = small(estimator, **settings).fit(container(X), y, None, container(X[:80]), y[:80])
    dense = small(estimator, **settings).fit(X, y, None, X[:80], y[:80])
    np.testing.assert_allclose(held.validation_scores_, dense.validation_scores_, rtol=1e-7)


@each_estimator
@each_norm
def test_partial_fit_takes_sparse_and_dense_rows_in_turn(
    table: Table, estimator: type, normalization: str | None
) -> None:
    X, y = table
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    models = [small(estimator, normalization=normalization) for _ in range(2)]
    for start, container in ((0, sparse.csr_array), (100, np.asarray), (150, sparse.csc_matrix)):
        rows = slice(start, start + 90)
        models[0].partial_fit(container(X[rows]), y[rows], **extra)
        models[1].partial_fit(X[rows], y[rows], **extra)
    np.testing.assert_allclose(models[0].input_mean_, models[1].input_mean_, atol=1e-14)
    np.testing.assert_allclose(models[0].input_scale_, models[1].input_scale_, rtol=1e-12)
    np.testing.assert_allclose(outputs(models[0], X), outputs(models[1], X), rtol=1e-7, atol=1e-9)


@each_estimator
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_missing_value_is_named_by_column_and_row(
    table: Table, estimator: type, value: float
) -> None:
    X, y = table
    bad = X.copy()
    bad[[20, 30], [4, 2]] = value
    message = rf"Input X contains {'NaN' if np.isnan(value) else 'infinity'}: column 4, .* row 20"
    fitted = small(estimator, max_iter=1).fit(X, y)
    for container in (sparse.csr_array, sparse.csc_matrix):
        with pytest.raises(ValueError, match=message):
            small(estimator).fit(container(bad), y)
        with pytest.raises(ValueError, match=message):
            fitted.predict(container(bad))


@each_estimator
@each_norm
def test_huge_column_is_named(table: Table, estimator: type, normalization: str | None) -> None:
    X, y = table
    bad = X.copy()
    bad[:, 3] *= 1e300
    with pytest.raises(ValueError, match="Column 3 of X reaches"):
        small(estimator, normalization=normalization).fit(sparse.csr_array(bad), y)


@each_estimator
def test_table_without_any_entries(estimator: type) -> None:
    X, y = sparse.csr_array((40, 5)), np.arange(40) % 2
    predicted = outputs(small(estimator).fit(X, y), X)
    np.testing.assert_allclose(predicted, np.full_like(predicted, 0.5), atol=0.2)


WATCHED: list[dict[str, Any]] = [
    {"early_stopping": False},
    {"early_stopping": True, "scoring": None, "validation_fraction": 0.5},
    {"early_stopping": True, "validation_fraction": 0.5},
    {"early_stopping": False, "norm_statistics": "population"},
]


@each_estimator
@pytest.mark.parametrize("settings", WATCHED, ids=str)
@pytest.mark.parametrize("normalization", ["batch", None])
def test_a_wide_table_is_never_made_dense(
    estimator: type, settings: dict, normalization: str | None
) -> None:
    """5,000 rows of 5,000 columns are 100 MB in single precision, of which 0.1% is stored."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((5000, 5000), density=1e-3, rng=rng, dtype=np.float32, format="csr")
    y = np.arange(5000) % 2
    settings = {**settings, "hidden_layer_sizes": (2,), "max_iter": 1}
    model = small(estimator, **settings, normalization=normalization)
    tracemalloc.start()
    outputs(model.fit(X, y), X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e7


@pytest.fixture(scope="module")
def wide() -> tuple[Any, np.ndarray]:
    """200 rows of 400 columns, of which few entries are stored, as in tables of words."""
    rng = np.random.default_rng(1)
    S = sparse.random_array((200, 400), density=0.03, format="csr", rng=rng)
    return S, S.toarray() @ rng.normal(size=400) > 0


@each_estimator
@each_norm
@each_dtype
@pytest.mark.parametrize("sizes", [(8, 8), ()], ids=str)
def test_few_entries_predict_as_the_dense_table(
    wide: tuple, estimator: type, normalization: str | None, dtype: type, sizes: tuple
) -> None:
    S, y = wide[0].astype(dtype), wide[1]
    X = S.toarray()
    settings = {"hidden_layer_sizes": sizes, "normalization": normalization, "residual": True}
    fitted = small(estimator, n_members=2, dropout=0.3 * bool(sizes), **settings).fit(S, y)
    close = {"rtol": 1e-3, "atol": 1e-5} if dtype is np.float32 else {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(outputs(fitted, S), outputs(fitted, X), **close)
    assert outputs(fitted, S).dtype == dtype
    np.testing.assert_allclose(outputs(fitted, S[:7]), outputs(fitted, S)[:7], **close)
    np.testing.assert_allclose(outputs(fitted, wide_indices(X)), outputs(fitted, X), **close)
    if sizes:
        predict = fitted.predict if estimator is MLPRegressor else fitted.predict_proba
        for sparse_part, dense_part in zip(
            predict(S, return_std=True, n_samples=3),
            predict(X, return_std=True, n_samples=3),
            strict=True,
        ):
            np.testing.assert_allclose(sparse_part, dense_part, **close)


def test_dropped_inputs_are_those_of_the_dense_table(wide: tuple) -> None:
    S, y = wide
    fitted = small(MLPRegressor, input_dropout=0.4).fit(S, y)
    np.testing.assert_array_equal(
        fitted.predict(S, n_samples=3), fitted.predict(S.toarray(), n_samples=3)
    )


@each_dtype
def test_columns_far_from_zero_keep_their_digits(wide: tuple, dtype: type) -> None:
    S, y = wide
    years = 1e6 + np.random.default_rng(0).normal(size=(200, 1))
    S = sparse.hstack([S, sparse.csr_array(years)], format="csr").astype(dtype)
    fitted = small(MLPRegressor).fit(S, y)
    np.testing.assert_array_equal(fitted.predict(S), fitted.predict(S.toarray()))


def test_what_all_rows_share_is_computed_once() -> None:
    """The product of a row without entries takes longer than that of one row's entries."""
    X = sparse.random(60, 40, density=0.05, format="csr", random_state=0)
    model = small(MLPRegressor, normalization="batch").fit(X, np.arange(60.0))
    model.predict(X[:1])
    first = model.network_._folded._origin[2]
    model.predict(X[1:2])
    assert model.network_._folded._origin[2] is first


@each_estimator
@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_sparse_rows_for_a_model_that_knows_gaps_are_refused(
    table: Table, estimator: type, scaling: str
) -> None:
    """They have no place for the input that says what is missing."""
    X, y = table
    gaps = np.where(X == 0.0, np.nan, X)
    rows = sparse.csr_array(X)
    model = small(estimator, scaling=scaling, n_bins=None, max_iter=2).fit(gaps, y)
    match = r"X is sparse, but column 0 missed values in fit.*X\.toarray\(\)"
    with pytest.raises(ValueError, match=match):
        model.predict(rows)
    with pytest.raises(ValueError, match=match):
        model.partial_fit(gaps[:1], y[:1]).partial_fit(rows, y)
    with pytest.raises(ValueError, match=match):
        small(estimator, scaling=scaling, n_bins=None).fit(gaps, y, X_val=rows, y_val=y)
    with pytest.raises(ValueError, match=match):
        model.set_params(warm_start=True).fit(rows, y)


def test_sparse_targets_of_a_regressor_are_refused(table: Table) -> None:
    X, y = table
    with pytest.raises(ValueError, match=r"y is sparse\. Pass y\.toarray\(\)"):
        small(MLPRegressor).fit(X, sparse.csr_array(y[:, None] * 1.0))
