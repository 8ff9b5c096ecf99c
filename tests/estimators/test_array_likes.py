"""Tables that NumPy reads but nothing trains with: Dask's, labelled ones, files, exports."""

import pickle
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import array_api_compat.numpy as xp
import dask.array
import dask.dataframe
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, cross_val_score

from sknorm import MLPClassifier, MLPRegressor, regularization_path
from sknorm.model_selection import EnsembleRegressor, StackedGridSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS, NAMES = 60, list("abcd")
X = np.random.default_rng(0).normal(size=(ROWS, 4))
LABELS = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
WORDS = np.where(LABELS, "yes", "no")
NUMBERS = X[:, 0] - 2.0 * X[:, 1]
WEIGHT = np.random.default_rng(1).uniform(0.5, 2.0, ROWS)
GROUPS = np.arange(ROWS) // 3

Like = Callable[[np.ndarray], Any]


class File:
    """A data set in a file, as those of h5py and zarr: read by slices or as a whole."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)
    ndim = property(lambda self: self.values.ndim)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, key: Any) -> Any:
        return self.values[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.values, dtype=dtype)


class Labelled(File):
    """An array of NumPy's in a wrapper that speaks the array API without being an array."""

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return xp


class Foreign(Labelled):
    """One of a library that implements next to nothing of the standard, on a device it says."""

    device = "cpu"

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return ModuleType("foreign")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("the values stand in a graph that is evaluated later")


class Exported:
    """Memory of the host that is passed on by DLPack, and by nothing else."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


def chunked(values: np.ndarray) -> Any:
    return dask.array.from_array(values, chunks=(25, *values.shape[1:]))


def table(values: np.ndarray) -> Any:
    return pd.DataFrame(values, columns=NAMES) if values.ndim == 2 else pd.Series(values)


def partitioned(values: np.ndarray) -> Any:
    return dask.dataframe.from_pandas(table(values), npartitions=3)


LIKES: dict[str, Like] = {
    "dask": chunked,
    "dask, of unknown length": lambda values: partitioned(values).values,
    "dask frame": partitioned,
    "file": File,
    "labelled": Labelled,
    "foreign": Foreign,
    "dlpack": Exported,
    "list": lambda values: values.tolist(),
    "list of rows": list,
    "memoryview": memoryview,
    "masked": np.ma.masked_array,
    "polars": lambda v: pl.DataFrame(v, schema=NAMES) if v.ndim == 2 else pl.Series(v),
    "pandas, nullable": lambda v: table(v).convert_dtypes() if v.ndim == 2 else pd.array(v),
    "pyarrow": lambda v: (
        pa.table(dict(zip(NAMES, v.T.copy(), strict=True))) if v.ndim == 2 else pa.array(v)
    ),
}
likes = pytest.mark.parametrize("like", LIKES.values(), ids=LIKES)
# Whose rows scikit-learn can take and whose length it can ask for.
INDEXABLE = ("dask", "file", "labelled", "polars")
indexable = pytest.mark.parametrize("like", [LIKES[name] for name in INDEXABLE], ids=INDEXABLE)


@pytest.fixture(params=[False, True], ids=["no dispatch", "dispatch"])
def lazily(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether scikit-learn looks for the library of each array."""
    with config_context(array_api_dispatch=request.param):
        yield request.param


def classifier(**changed: Any) -> MLPClassifier:
    return MLPClassifier(
        **{"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0} | changed, preset="sklearn"
    )


def regressor(**changed: Any) -> MLPRegressor:
    return MLPRegressor(
        **{"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0} | changed, preset="sklearn"
    )


def values_of(given: Any) -> Any:
    """What a user compares with: the answer as it came."""
    assert type(given) is np.ndarray
    return given


@likes
def test_fits_and_predictions_are_those_of_numpy(like: Like) -> None:
    expected = classifier().fit(X, LABELS, sample_weight=WEIGHT)
    model = classifier().fit(like(X), like(LABELS), sample_weight=like(WEIGHT))
    for method in ("predict", "predict_proba", "predict_log_proba"):
        found = values_of(getattr(model, method)(like(X)))
        np.testing.assert_array_equal(found, getattr(expected, method)(X))
    number = regressor(n_members=2).fit(like(X), like(NUMBERS))
    answers = number.predict(like(X), return_std=True)
    theirs = regressor(n_members=2).fit(X, NUMBERS).predict(X, return_std=True)
    for found, other in zip(answers, theirs, strict=True):
        np.testing.assert_array_equal(values_of(found), other)


def histories(put: Like) -> list[float]:
    """Losses and scores of fits to chunks, held-out rows, groups and by a scorer."""
    given = put(X), put(LABELS)
    chunks = classifier()
    for _ in range(2):
        chunks.partial_fit(*given, classes=[0, 1], sample_weight=put(WEIGHT))
    held = classifier(early_stopping=True)
    held.fit(*given, X_val=given[0], y_val=given[1], sample_weight_val=put(WEIGHT))
    grouped = classifier(early_stopping=True).fit(*given, groups=put(GROUPS))
    scored = classifier(early_stopping=True, scoring="accuracy").fit(*given)
    scores = [each.validation_scores_ for each in (held, grouped, scored)]
    return [*chunks.loss_curve_, *np.concatenate(scores).tolist()]


@likes
def test_chunks_held_out_rows_and_groups_may_be_of_any_kind(like: Like) -> None:
    assert histories(like) == histories(np.asarray)


@pytest.mark.parametrize("y", [LABELS, WORDS], ids=["numbers", "words"])
@indexable
def test_scores_and_searches_are_those_of_numpy(like: Like, y: np.ndarray) -> None:
    model = classifier().fit(like(X), like(y))
    assert model.score(like(X), like(y)) == classifier().fit(X, y).score(X, y)
    folds = [cross_val_score(classifier(), put(X), put(y), cv=2) for put in (np.asarray, like)]
    np.testing.assert_array_equal(*folds)
    for search in (GridSearchCV, StackedGridSearchCV):
        found, expected = (
            search(classifier(), {"alpha": [0.0, 1.0]}, cv=2).fit(put(X), put(y))
            for put in (like, np.asarray)
        )
        scores = [each.cv_results_["mean_test_score"] for each in (found, expected)]
        np.testing.assert_array_equal(*scores)
        np.testing.assert_array_equal(values_of(found.predict(like(X))), expected.predict(X))


def procedures(put: Like) -> list[Any]:
    """What is found by what splits a table, or fits to it again and again."""
    given = put(X), put(NUMBERS)
    search = StackedGridSearchCV(regressor(), {"alpha": [0.0, 1.0]}, cv=2, refit="ensemble")
    search.fit(*given, sample_weight=put(WEIGHT))
    path = regularization_path(regressor(penalty="group_lasso"), *given, alphas=[0.1, 0.01])
    ensemble = EnsembleRegressor([regressor(), regressor(alpha=1.0)]).fit(*given)
    predictions = [model.predict(given[0]) for model in (search, ensemble)]
    return [search.cv_results_["mean_test_score"], path.sparsity, *predictions]


@pytest.mark.parametrize("like", [chunked, partitioned, lambda v: partitioned(v).values])
def test_procedures_know_the_length_of_collections(like: Like) -> None:
    for found, expected in zip(procedures(like), procedures(np.asarray), strict=True):
        np.testing.assert_array_equal(values_of(found), expected)


def test_dask_frames_name_their_columns() -> None:
    model = classifier().fit(partitioned(X), partitioned(LABELS))
    assert model.feature_names_in_.tolist() == NAMES
    expected = classifier().fit(table(X), table(LABELS))
    for given in (partitioned(X), table(X)):
        np.testing.assert_array_equal(model.predict(given), expected.predict(table(X)))
    words = dask.dataframe.from_pandas(pd.DataFrame({"a": X[:, 0], "b": WORDS}), npartitions=2)
    model = classifier().fit(words, LABELS)
    expected = classifier().fit(words.compute(), LABELS)
    np.testing.assert_array_equal(model.predict(words), expected.predict(words.compute()))


def test_chunks_may_be_sparse() -> None:
    tables = chunked(X).map_blocks(sparse.csr_matrix)
    found = regressor().fit(tables, chunked(NUMBERS)).predict(tables)
    expected = regressor().fit(sparse.csr_matrix(X), NUMBERS).predict(sparse.csr_matrix(X))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("like", [chunked, partitioned, Labelled, Foreign])
def test_where_scikit_learn_dispatches(like: Like, lazily: bool) -> None:
    """There it would compute with the library of each array, or refuse a data frame of Dask's."""
    model = classifier().fit(like(X), like(LABELS), sample_weight=like(WEIGHT))
    expected = classifier().fit(X, LABELS, sample_weight=WEIGHT)
    for given in (like(X), X):
        found = model.predict_proba(table(given) if like is partitioned else given)
        np.testing.assert_array_equal(values_of(found), expected.predict_proba(X))
    if like is chunked:
        assert model.score(like(X), LABELS) == expected.score(X, LABELS)


def test_models_of_a_collection_pickle() -> None:
    model = pickle.loads(pickle.dumps(classifier().fit(chunked(X), chunked(LABELS))))
    np.testing.assert_array_equal(model.predict(X), classifier().fit(X, LABELS).predict(X))
