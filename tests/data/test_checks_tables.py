"""Bad tables, targets and weights: the error names what is wrong and says what to do."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]
NAMES = ["age", "height", "weight", "income", "rooms", "floor"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_library = pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])


def small(estimator: type, **settings: Any) -> Any:
    return estimator(**{"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **settings})


def frame(library: Any, X: np.ndarray, **columns: Any) -> Any:
    """A data frame with some of its columns replaced."""
    return library.DataFrame({**dict(zip(NAMES, X.T, strict=True)), **columns})


def assert_names(error: pytest.ExceptionInfo, *parts: str) -> None:
    message = str(error.value)
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in {message!r}"


@each_estimator
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "inf")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_missing_or_infinite_value_in_an_array(
    binary: Table, estimator: type, value: float, word: str, dtype: type
) -> None:
    X, y = binary
    bad = X.astype(dtype)
    bad[17, 3] = value
    with pytest.raises(ValueError) as error:
        small(estimator).fit(bad, y)
    assert_names(error, "X", word, "column 3", "row 17", "SimpleImputer")
    fitted = small(estimator).fit(X, y)
    with pytest.raises(ValueError) as error:
        fitted.predict(bad)
    assert_names(error, "X", word, "column 3", "row 17")


@each_estimator
@each_library
def test_missing_value_in_a_frame(binary: Table, estimator: type, library: Any) -> None:
    X, y = binary
    holed = np.where(np.arange(len(y)) == 5, np.nan, X[:, 2])
    with pytest.raises(ValueError) as error:
        small(estimator).fit(frame(library, X, weight=holed), y)
    assert_names(error, "NaN", "'weight'", "row 5")


@each_estimator
def test_missing_value_of_a_nullable_column(binary: Table, estimator: type) -> None:
    X, y = binary
    whole = [None if i == 5 else i for i in range(len(y))]
    tables = [frame(pd, X, rooms=pd.array(whole, dtype="Int64")), frame(pl, X, rooms=whole)]
    for table in tables:
        with pytest.raises(ValueError) as error:
            small(estimator).fit(table, y)
        assert_names(error, "NaN", "'rooms'", "row 5")


TEXT = ["red", "green"] * 120
COLUMNS: list[tuple[Any, Any, str]] = [
    (pd, pd.Series(TEXT, dtype=object), "object"),
    (pd, pd.Series(TEXT, dtype="str"), "str"),
    (pd, pd.Series(TEXT, dtype="category"), "category"),
    (pd, pd.Series(pd.date_range("2020-01-01", periods=240)), "datetime64"),
    (pl, pl.Series(TEXT), "String"),
    (pl, pl.Series(TEXT, dtype=pl.Categorical), "Categorical"),
    (pl, pl.Series(TEXT, dtype=pl.Enum(["red", "green"])), "Enum"),
]


@each_estimator
@pytest.mark.parametrize(
    ("library", "column", "dtype"), COLUMNS, ids=[f"{lib.__name__}-{d}" for lib, _, d in COLUMNS]
)
def test_column_that_is_not_numeric(
    binary: Table, estimator: type, library: Any, column: Any, dtype: str
) -> None:
    X, y = binary
    with pytest.raises(ValueError) as error:
        small(estimator).fit(frame(library, X, income=column), y)
    assert_names(error, "Column 'income'", dtype, "not numeric", "OneHotEncoder")
    fitted = small(estimator).fit(frame(library, X), y)
    with pytest.raises(ValueError, match="Column 'income'"):
        fitted.predict(frame(library, X, income=column))


@each_estimator
def test_text_in_an_object_array(binary: Table, estimator: type) -> None:
    X, y = binary
    bad = X.astype(object)
    bad[7, 1] = "tall"
    with pytest.raises(ValueError) as error:
        small(estimator).fit(bad, y)
    assert_names(error, "olumn 1", "tall")


@each_estimator
@each_library
def test_object_column_of_numbers_is_numeric(binary: Table, estimator: type, library: Any) -> None:
    X, y = binary
    objects = library.Series("rooms", X[:, 4].tolist(), dtype=pl.Object) if library is pl else None
    if objects is None:
        objects = pd.Series(X[:, 4].tolist(), dtype=object)
    table = frame(library, X, rooms=objects)
    expected = small(estimator).fit(X, y).predict(X)
    np.testing.assert_allclose(small(estimator).fit(table, y).predict(table), expected, rtol=1e-9)


@each_estimator
def test_flags_are_numeric_columns(binary: Table, estimator: type) -> None:
    X, y = binary
    flags = X[:, 0] > 0
    expected = small(estimator).fit(np.column_stack([flags, X[:, 1:]]), y).predict(X)
    for library in (pd, pl):
        fitted = small(estimator).fit(frame(library, X, age=flags), y)
        np.testing.assert_allclose(fitted.predict(frame(library, X)), expected, rtol=1e-9)


@each_estimator
def test_wrong_number_of_columns_at_predict(binary: Table, estimator: type) -> None:
    X, y = binary
    fitted = small(estimator).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 4 features, but MLP.* is expecting 6 features"):
        fitted.predict(X[:, :4])


@each_estimator
@each_library
def test_missing_column_of_a_frame_at_predict(binary: Table, estimator: type, library: Any) -> None:
    X, y = binary
    fitted = small(estimator).fit(frame(library, X), y)
    with pytest.raises(ValueError, match=r"missing(.|\n)*height"):
        fitted.predict(frame(library, X)[[name for name in NAMES if name != "height"]])


@each_estimator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_column_without_a_norm(binary: Table, estimator: type, dtype: type) -> None:
    X, y = binary
    X = X.astype(dtype)
    X[:, 2] *= np.asarray(1e30, dtype)
    for table, name in ((X, "2"), (frame(pd, X), "'weight'")):
        with pytest.raises(ValueError) as error:
            small(estimator, normalization=None).fit(table, y)
        assert_names(error, f"Column {name}", "e+30", "StandardScaler", "normalization")


@each_estimator
def test_column_whose_square_overflows(binary: Table, estimator: type) -> None:
    X, y = binary
    bad = X * np.array([1, 1, 1, 1e300, 1, 1])
    with pytest.raises(ValueError) as error:
        small(estimator).fit(frame(pl, bad), y)
    assert_names(error, "Column 'income'", "e+300", "Rescale")


@each_estimator
def test_table_of_wrong_shape(binary: Table, estimator: type) -> None:
    X, y = binary
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        small(estimator).fit(X[:, 0], y)
    with pytest.raises(ValueError, match=r"dim 3|3D"):
        small(estimator).fit(X[:, :, None], y)
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        small(estimator).fit(X[:, :0], y)
    with pytest.raises(ValueError, match=r"1 sample\(s\).*minimum of 2"):
        small(estimator).fit(X[:1], y[:1])


@each_estimator
def test_complex_tables(binary: Table, estimator: type) -> None:
    X, y = binary
    with pytest.raises(ValueError, match="Complex data not supported"):
        small(estimator).fit(X + 1j, y)
