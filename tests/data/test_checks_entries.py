"""Single bad entries of a table: the error names their column, their row and what they are."""

import datetime
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sknorm import MLPClassifier
from sknorm.data.checks import check_features

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 40
NUMBERS = np.arange(N) + 0.5
LABELS = np.arange(N) % 2
TEXT = [" " if i == 30 else str(v) for i, v in enumerate(NUMBERS.tolist())]
DAY = datetime.date(2020, 1, 1)


def small() -> MLPClassifier:
    return MLPClassifier((4,), max_iter=2, random_state=0, preset="sklearn")


def with_entry(value: Any) -> np.ndarray:
    """A column of objects, numbers but for row 30."""
    column = np.empty(N, dtype=object)
    column[:] = NUMBERS.tolist()
    column[30] = value
    return column


def tables(value: Any) -> dict[str, tuple[Any, str]]:
    """The column as the second one of a frame and of an array, and what it is called there."""
    column = with_entry(value)
    frame = pd.DataFrame({"tenure": NUMBERS, "charges": pd.Series(column, dtype=object)})
    array = np.empty((N, 2), dtype=object)
    array[:, 0], array[:, 1] = NUMBERS, column
    return {"frame": (frame, "'charges'"), "array": (array, "1")}


each_table = pytest.mark.parametrize("kind", ["frame", "array"])


@each_table
@pytest.mark.parametrize(
    "value",
    [" ", "1,234.5", "", "n/a", b"x", [1, 2], {}, 1j, 10**400, pd.Timestamp("2020"), DAY],
    ids=lambda value: repr(value)[:12],
)
def test_the_first_entry_that_is_no_number_is_named(kind: str, value: Any) -> None:
    table, name = tables(value)[kind]
    shown = re.escape(repr(value)[:40])
    message = f"Column {name} of X is not numeric.*{shown}.*, at row 30.*object"
    with pytest.raises(ValueError, match=message):
        small().fit(table, LABELS)
    fitted = small().fit(tables(1.5)[kind][0], LABELS)
    with pytest.raises(ValueError, match=message):
        fitted.predict(table)


@each_table
@pytest.mark.parametrize("value", [None, np.nan, pd.NA, pd.NaT, "nan"], ids=str)
def test_missing_values_are_told_as_such(kind: str, value: Any) -> None:
    table, _ = tables(value)[kind]
    found = check_features(small(), table)
    assert [(each.feature, each.kind) for each in found.coded] == [(1, "missing")]
    assert (
        np.flatnonzero(found.codes).tolist()
        == [30]
        == np.flatnonzero(np.isnan(found.numbers[:, 1])).tolist()
    )


@each_table
@pytest.mark.parametrize("value", [True, Decimal("1.5"), "1.5", np.float32(2)], ids=repr)
def test_what_converts_to_a_number_is_one(kind: str, value: Any) -> None:
    numbers = np.column_stack([NUMBERS, with_entry(float(value)).astype(float)])
    expected = small().fit(numbers, LABELS).predict_proba(numbers)
    table, _ = tables(value)[kind]
    np.testing.assert_array_equal(small().fit(table, LABELS).predict_proba(table), expected)


COLUMNS: dict[str, tuple[Any, str, str]] = {
    "str": (pd.Series(TEXT, dtype="str"), "' ', at row 30", "to_numeric"),
    "string": (pd.Series(TEXT, dtype="string"), "' ', at row 30", "to_numeric"),
    "Arrow text": (pd.Series(TEXT, dtype=pd.ArrowDtype(pa.string())), "' ', at row 30", "numeric"),
    "dates": (pd.Series(pd.date_range("2020", periods=N)), "Timestamp.*row 0", "days since"),
    "Arrow dates": (
        pd.Series([DAY] * N, dtype=pd.ArrowDtype(pa.date32())), "date.*row 0", "days since",
    ),
    "periods": (pd.Series(pd.period_range("2020", periods=N)), "Period.*row 0", "days since"),
    "durations": (pd.to_timedelta(range(N), unit="D"), "Timedelta.*row 0", "days since"),
    "String": (pl.Series(TEXT), "' ', at row 30", "to_numeric"),
    "Object": (pl.Series(with_entry(" "), dtype=pl.Object), "' ', at row 30", "to_numeric"),
    "Date": (pl.Series([DAY] * N), "date.*row 0", "days since"),
    "Duration": (pl.Series([datetime.timedelta(1)] * N), "timedelta.*row 0", "days since"),
    "pyarrow text": (pa.array(TEXT), "' ', at row 30", "to_numeric"),
    "pyarrow dates": (pa.array([DAY] * N), "date.*row 0", "days since"),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_each_library(name: str) -> None:
    column, found, advice = COLUMNS[name]
    library: Any = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    library = pa.table if isinstance(column, pa.Array) else library
    for table in (library({"tenure": NUMBERS, "charges": column}), library({"charges": column})):
        with pytest.raises(ValueError, match=f"'charges' of X is not numeric.*{found}.*{advice}"):
            small().fit(table, LABELS)


@pytest.mark.parametrize("dtype", ["object", "Int64", "int8"])
def test_numbers_of_any_dtype_are_taken_as_scikit_learn_takes_them(dtype: str) -> None:
    digits = pd.Series(np.arange(N) % 3)
    frame = pd.DataFrame({"tenure": NUMBERS, "digit": digits})
    expected = small().fit(frame, LABELS).predict_proba(frame)
    frame["digit"] = (digits.astype(str) if dtype == "object" else digits).astype(dtype)
    np.testing.assert_array_equal(small().fit(frame, LABELS).predict_proba(frame), expected)


@pytest.mark.parametrize("dtype", ["U", "S", object])
def test_arrays_of_text(dtype: Any) -> None:
    numbers = np.column_stack([NUMBERS, NUMBERS[::-1]])
    text = numbers.astype("S" if dtype == "S" else str).astype(dtype)
    expected = small().fit(numbers, LABELS).predict(numbers)
    np.testing.assert_array_equal(small().fit(text, LABELS).predict(text), expected)
    text[7, 1] = "tall"
    with pytest.raises(ValueError, match=r"Column 1 of X is not numeric.*'tall', at row 7"):
        small().fit(text, LABELS)
    with pytest.raises(ValueError, match=r"Column 1 of X is not numeric.*'tall', at row 7"):
        small().fit([row.tolist() for row in text], LABELS)


@pytest.mark.parametrize("dtype", ["datetime64[D]", "timedelta64[s]"])
def test_arrays_of_dates(dtype: str) -> None:
    dates = np.arange(2 * N).reshape(N, 2).astype(dtype)
    for table in (dates, np.ma.masked_equal(dates, dates[3, 1])):
        with pytest.raises(ValueError, match=r"X has dtype .*64.*not numeric.*days since"):
            small().fit(table, LABELS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_masked_entries_are_missing(dtype: type) -> None:
    table = np.ma.masked_array(np.column_stack([NUMBERS, NUMBERS]), dtype=dtype)
    small().fit(table, LABELS)
    table[7, 1] = np.ma.masked
    found = check_features(small(), table)
    assert found.codes[:, 0].tolist() == [int(row == 7) for row in range(N)]
    assert found.dtype == (np.float32 if dtype == np.float32 else np.float64)


def test_masked_complex_numbers_are_refused() -> None:
    table = np.ma.masked_array(np.column_stack([NUMBERS, NUMBERS]) + 1j)
    table[7, 1] = np.ma.masked
    with pytest.raises(ValueError, match="Complex data not supported"):
        small().fit(table, LABELS)


@pytest.mark.parametrize("second", [NUMBERS, with_entry(" ")], ids=["numbers", "text"])
def test_columns_of_one_name_are_refused(second: np.ndarray) -> None:
    frame = pd.DataFrame({"a": NUMBERS, "b": second}).set_axis(["charges", "charges"], axis=1)
    with pytest.raises(ValueError, match=r"several columns named 'charges'.*Rename"):
        small().fit(frame, LABELS)
    fitted = small().fit(np.column_stack([NUMBERS, NUMBERS]), LABELS)
    with pytest.raises(ValueError, match="several columns named 'charges'"):
        fitted.predict(frame)


def test_numbers_as_names() -> None:
    frame = pd.DataFrame({5: NUMBERS, 6: with_entry(" ")})
    with pytest.raises(ValueError, match=r"Column 6 of X is not numeric.*row 30"):
        small().fit(frame, LABELS)
