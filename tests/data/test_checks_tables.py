"""Bad tables, targets and weights: the error names what is wrong and says what to do."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]
NAMES = ["age", "height", "weight", "income", "rooms", "floor"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_library = pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])


def small(estimator: type, **settings: Any) -> Any:
    return estimator(
        preset="sklearn",
        **{"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **settings},
    )


def frame(library: Any, X: np.ndarray, **columns: Any) -> Any:
    """A data frame with some of its columns replaced."""
    return library.DataFrame({**dict(zip(NAMES, X.T, strict=True)), **columns})


def assert_names(error: pytest.ExceptionInfo, *parts: str) -> None:
    message = str(error.value)
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in {message!r}"


@each_estimator
@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinite_value_in_an_array(
    binary: Table, estimator: type, value: float, dtype: type
) -> None:
    X, y = binary
    bad = X.astype(dtype)
    bad[17, 3] = value
    with pytest.raises(ValueError) as error:
        small(estimator).fit(bad, y)
    assert_names(error, "X", "inf", "column 3", "row 17", "make them NaN")
    fitted = small(estimator).fit(X, y)
    with pytest.raises(ValueError) as error:
        fitted.predict(bad)
    assert_names(error, "X", "inf", "column 3", "row 17")


@each_estimator
@each_library
def test_infinite_value_in_a_frame(binary: Table, estimator: type, library: Any) -> None:
    X, y = binary
    holed = np.where(np.arange(len(y)) == 5, np.inf, X[:, 2])
    with pytest.raises(ValueError) as error:
        small(estimator).fit(frame(library, X, weight=holed), y)
    assert_names(error, "infinity", "'weight'", "row 5")


@each_estimator
def test_missing_value_in_a_sparse_table(binary: Table, estimator: type) -> None:
    X, y = binary
    bad = X.copy()
    bad[17, 3] = np.nan
    with pytest.raises(ValueError) as error:
        small(estimator).fit(sparse.csr_array(bad), y)
    assert_names(error, "NaN", "column 3", "row 17", "SimpleImputer", "toarray")


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


@each_estimator
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_frames_in_another_byte_order(binary: Table, estimator: type, dtype: Any) -> None:
    """Such as frames that were read from FITS files."""
    X, y = binary
    table = frame(pd, (4.0 * X).astype(dtype))
    other = table.astype(np.dtype(dtype).newbyteorder("S"))
    model, swapped = small(estimator).fit(table, y), small(estimator).fit(other, y)
    for rows in slice(3), slice(None):
        expected = model.predict(table[rows])
        assert np.array_equal(swapped.predict(other[rows]), expected)
        assert np.array_equal(model.predict(other[rows]), expected)
