"""Columns that are neither numbers nor categories, and what ``categorical_features`` may be."""

import datetime
import uuid
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from array_api_strict import asarray
from frames_case import Checked, Model, assert_sound, check, decode, kind_of
from scipy import sparse

from sknorm.data.checks import check_features

DAY = datetime.date(2020, 1, 1)


def objects(*values: Any) -> Any:
    return pd.Series(values, dtype=object)


REFUSED: dict[str, tuple[Any, str]] = {
    "mostly numbers": (
        objects("1", "2", "n/a"),
        r"'n/a', at row 2.*1 of its 3 values is no number\. Mend.*frame\['c'\] = pandas.to_numeric"
        r"\(frame\['c'\], errors='coerce'\).*categorical_features or frame\['c'\].astype\('cat",
    ),
    "mostly numbers, as text": (["1", "2", " "], r"' ', at row 2.*1 of its 3.*to_numeric"),
    "mostly numbers, as Arrow's": (
        pd.Series(["1", "2", ""], dtype=pd.ArrowDtype(pa.string())), r"'', at row 2.*1 of its 3",
    ),
    "text and numbers": (
        objects(1.5, "red", "green"),
        r"'red', at row 1.*mixes float \(1.5 at row 0\) and str.*2 of its 3 values are no numbers"
        r".*frame\['c'\] = frame\['c'\].astype\(str\)",
    ),
    "text and booleans": (objects(True, "red", None), r"mixes bool \(True at row 0\) and str"),
    "too large": (objects(10**400, 1, 2), r"1000.*\.\.\., at row 0.*1 of its 3 values is no num"),
    "dicts": (objects({"a": 1}, {}, None), r"'dict'.*pandas.DataFrame\(frame\['c'\].tolist"),
    "lists": (objects([1], [2], [3]), r"argument must be a string or a number, not 'list'.*join"),
    "frames": (objects(pd.Series([1]), None, None), r"'Series'.*tolist"),
    "arrays": (objects(*[np.zeros(2)] * 3), r"'ndarray'.*frame.drop\(columns='c'\).join"),
    "tuples": (objects((1, 2), (3,), None), r"\(1, 2\), at row 0.*'tuple'.*tolist"),
    "sets": (objects({1}, {2}, None), r"'set'.*tolist"),
    "bytes": (objects(b"x", b"y", None), r"b'x', at row 0.*Decode it.*str.decode\('utf-8'\)"),
    "complex": (objects(1j, 2, 3), r"1j, at row 0.*'complex'"),
    "others": (objects(uuid.UUID(int=1), None, None), r"UUID.*'UUID'.*frame\['c'\].astype\(str"),
    "dates": (
        pd.Series([pd.NaT, *pd.date_range("2020", periods=2)]),
        r"Timestamp.*at row 1.*days since.*frame\['month'\] = frame\['c'\].dt.month",
    ),
    "zoned dates": (pd.date_range("2020", periods=3, tz="UTC"), "Timestamp.*at row 0.*days since"),
    "Python's dates": (objects(None, DAY, DAY), r"date\(2020, 1, 1\), at row 1.*to_datetime"),
    "Python's dates and text": (objects("a", DAY, DAY), r"date\(2020, 1, 1\), at row 1.*dt.month"),
    "durations": (pd.to_timedelta([1, 2, 3]), r"frame\['c'\] = frame\['c'\].dt.total_seconds\(\)"),
    "periods": (pd.period_range("2020", periods=3), "Period.*at row 0.*dt.month"),
    "Arrow dates": (pd.Series([None, DAY, DAY], dtype=pd.ArrowDtype(pa.date32())), "at row 1.*dt."),
    "intervals": (pd.cut([1, 2, 3], 2), r"a category of Interval values.*frame\['c'\].astype\(str"),
    "mixed categories": (
        pd.Categorical([1, "a", 1]),
        r"a category of mixed types \(int and str\), such as 1 and 'a'.*all text.*astype\(str",
    ),
    "categories of dates": (pd.Categorical(pd.date_range("2020", periods=3)), "of Timestamp "),
    "complex dtype": (np.array([1j, 2, 3]), "Complex data not supported: column 'c'"),
    "polars dates": (pl.Series([None, DAY, DAY]), "at row 1.*days since"),
    "polars lists": (pl.Series([[1], [2], [3]]), "'list'.*tolist"),
    "polars structs": (pl.Series([{"a": 1}] * 3), "'dict'.*tolist"),
    "polars bytes": (pl.Series([b"x"] * 3), "Decode it"),
    "mostly numbers in polars": (pl.Series(["1", "2", "x"]), "'x', at row 2.*String.*to_numeric"),
    "PyArrow dates": (pa.array([None, DAY, DAY]), "at row 1.*date32.*days since"),
    "PyArrow lists": (pa.array([[1], [2], [3]]), "'list'.*tolist"),
    "PyArrow dictionary of dates": (pa.array([DAY] * 3).dictionary_encode(), "of date values"),
}  # fmt: skip


def frame(column: Any) -> Any:
    library: Any = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    return (pa.table if isinstance(column, pa.Array) else library)({"n": [0, 1, 2], "c": column})


SPANS: dict[str, Any] = {
    "dates": pd.Series(pd.date_range("2020", periods=3)),
    "zoned dates": pd.Series(pd.date_range("2020", periods=3, tz="UTC")),
    "Python's dates": objects(DAY, None, DAY),
    "periods": pd.Series(pd.period_range("2020", periods=3)),
    "periods as objects": objects(*pd.period_range("2020", periods=2), pd.NaT),
    "times": objects(datetime.time(1), datetime.time(2, 30), None),
    "Arrow times": pd.Series([datetime.time(1)] * 3, dtype=pd.ArrowDtype(pa.time64("us"))),
    "durations": pd.Series(pd.to_timedelta([1, 2, 3])),
    "Python's durations": objects(datetime.timedelta(1), None, datetime.timedelta(2)),
}


@pytest.mark.parametrize("name", SPANS)
def test_what_a_message_says_of_dates_works(name: str) -> None:
    """Its code makes a frame of numbers, in which a column that it fills is not to be dropped."""
    table = frame(SPANS[name])
    with pytest.raises(ValueError, match="into numbers first") as error:
        check(table)
    advice = str(error.value).partition("into months: ")[2]
    code, _, rest = advice.replace(" and frame[", "; frame[").partition(" (pandas.to_datetime")
    exec(code, {"frame": table, "pandas": pd})
    drops = "Then drop the column" in rest
    assert drops == ("days" in table)
    check(table.drop(columns="c") if drops else table)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("chosen", ["from_dtype", None], ids=str)
def test_columns_that_no_network_takes(name: str, chosen: Any) -> None:
    column, message = REFUSED[name]
    if chosen is None and "mostly" in name:
        message = "at row 2.*Add 'c' to it"
    with pytest.raises(ValueError, match=f"(?i)column 'c' .*{message}|{message}") as error:
        check(frame(column), chosen)
    assert "'c'" in str(error.value)
    if isinstance(column, pd.Series) and column.dtype == object:
        array = pd.DataFrame({"n": [0, 1, 2], "c": column}).to_numpy(dtype=object)
        with pytest.raises(
            ValueError,
            match=r"Column 1 of X.*(X\[:, 1\]|frame = pandas.DataFrame\(X\).*frame\[1\])|Add 1",
        ):
            check(array, chosen)


def test_text_of_which_half_is_numbers_is_text() -> None:
    for dtype in (object, "str", "category"):
        column = pd.Series(["1", "2", "a", "b", None], dtype=dtype)
        assert kind_of(check(pd.DataFrame({"c": column})), 0) == "text"
    many = pd.DataFrame({"c": pd.Series(["7"] * 500 + ["x"] + ["y"] * 498, dtype=object)})
    with pytest.raises(ValueError, match=r"'x', at row 500.*499 of its 999 values are no numbers"):
        check(many)
    said = many.astype("category")
    assert kind_of(check(said), 0) == "text" == kind_of(check(many, ["c"]), 0)


def test_missing_dates_of_later_rows_do_not_hide_them() -> None:
    with pytest.raises(ValueError, match="at row 1"):
        check(pd.DataFrame({"c": objects(pd.NaT, pd.Timestamp("2020"), pd.NaT)}))


def test_infinite_values_are_named() -> None:
    for dtype in ("float64", "float32", object, "Float64"):
        X = pd.DataFrame({"t": ["a", "b"], "c": pd.Series([1.0, np.inf], dtype=dtype)})
        with pytest.raises(ValueError, match=r"infinity: column 1 \('c'\), first at row 1.*NaN"):
            check(X)
    for table, place in (
        (np.array([[1.0, np.nan], [-np.inf, 2.0]]), "0, first at row 1"),
        (sparse.csr_array(np.array([[0.0, 1.0], [0.0, np.inf]])), "1, .* row 1"),
    ):
        with pytest.raises(ValueError, match=f"infinity: column {place}"):
            check(table)
    with pytest.raises(ValueError, match=r"infinity: column 0, first at row 2"):
        check(np.array([[1.0], [np.nan], [np.inf]]), [0])
    assert isinstance(check(np.full((4, 1), 1e308)), np.ndarray)


def test_missing_values_of_sparse_tables_are_refused() -> None:
    X = sparse.csr_array(np.array([[0.0, 1.0], [0.0, np.nan]]))
    with pytest.raises(ValueError, match=r"NaN: column 1, first at row 1.*Impute|impute.*toarray"):
        check(X)
    with pytest.raises(ValueError, match="X is sparse, but column 1 is a category"):
        check(sparse.csr_array(np.eye(2)), [1])


FRAME = pd.DataFrame({"age": [1.5, np.nan, 1.5], "town": ["x", "y", None], "rooms": [2, 3, 2]})


@pytest.mark.parametrize(
    "chosen", [["town", "rooms"], (1, 2), np.array([1, 2]), [False, True, True], {"town", "rooms"},
               pd.Index(["rooms", "town"]), np.array([False, True, True]), np.uint8([2, 1])],
    ids=lambda told: type(told).__name__,
)  # fmt: skip
def test_categories_are_named_in_any_form(chosen: Any) -> None:
    for X in (FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME)):
        table = check(X, chosen)
        assert_sound(table)
        assert [kind_of(table, j) for j in range(3)] == ["numeric", "text", "number"]
        assert decode(table, 2) == [2, 3, 2] and decode(table, 1) == ["x", "y", None]


def test_all_columns_that_are_not_named_are_numbers() -> None:
    X = FRAME.assign(
        grade=pd.Categorical([3, 1, 3]), owner=[True, False, True], code=["1", "2", "3"]
    )
    table = check(X, ["town"])
    assert table.numeric == (0, 2, 3, 4, 5)
    np.testing.assert_array_equal(table.numbers[:, 2:], [[3, 1, 1], [1, 0, 2], [3, 1, 3]])
    numbers = X.drop(columns=["town", "age"])
    for empty in (None, [], [False] * 4):
        assert isinstance(check(numbers, empty), np.ndarray)
    with pytest.raises(
        ValueError, match=r"Column 'town'.*'x', at row 0.*leaves it out.*Add 'town'"
    ):
        check(X, ["grade"])
    with pytest.raises(ValueError, match=r"Column 'town'.*OneHotEncoder"):
        check(X, None)


def test_named_columns_are_what_they_hold() -> None:
    X = FRAME.assign(code=objects("1", "2", "1"), owner=[True, False, True], none=np.nan)
    table = check(X, ["code", "owner", "none", "age", "town"])
    assert_sound(table)
    kinds = [kind_of(table, j) for j in range(6)]
    assert kinds == ["number", "text", "numeric", "text", "boolean", "nothing"]
    assert decode(table, 3) == ["1", "2", "1"] and decode(table, 0) == [1.5, None, 1.5]


CHOICES: list[tuple[Any, str]] = [
    ([True, False], r"\[True, False\] holds a mask of 2 entries for 3 columns"),
    ([3], r"position 3, but X has 3 columns; positions end at 2"),
    ([-1], r"the negative position -1; count columns from 0, here up to 2"),
    (["street"], r"'street', which is no column of X; its columns are 'age', 'town', 'rooms'"),
    (["town", "town"], "column 'town' twice"),
    ([1, 1], "column 1 twice"),
    ("town", r"'town' holds text; it must be 'from_dtype'.*pass \['town'\]"),
    ([1.0], "other or several types; it must be"),
    ([1, "town"], "other or several types; it must be"),
    ([None], "other or several types; it must be"),
    ([[1, 2]], "an array of 2 dimensions"),
    (1, "an array of 0 dimensions"),
    ([["a"], ["a", "b"]], "entries of different lengths"),
]


@pytest.mark.parametrize(("chosen", "message"), CHOICES, ids=str)
def test_names_that_fit_no_column(chosen: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"categorical_features=.*{message}"):
        check(FRAME, chosen)


def test_names_need_names() -> None:
    numbered = FRAME.set_axis([0, 1, 2], axis=1)
    for X in (FRAME.to_numpy(), numbered, np.zeros((2, 3)), asarray(np.zeros((2, 3)))):
        with pytest.raises(ValueError, match=r"\['town'\] holds names, but.*astype\(str\)"):
            check(X, ["town"])
    assert kind_of(check(numbered, [1]), 1) == "text"
    with pytest.raises(ValueError, match=r"Column 1 of X is not numeric.*Add 1 to it"):
        check(numbered, None)


HEADERS = [
    [("a", 1), ("a", 2), ("b", 1)],
    pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
    [10, 20, 30],
    [1.5, None, 2.5],
]


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_names_that_are_not_text(header: Any) -> None:
    fitted = Checked(FRAME.set_axis(header, axis=1))
    assert fitted.kinds.names is None and not hasattr(fitted.model, "feature_names_in_")
    assert decode(fitted.again(FRAME.set_axis(header, axis=1)), 1) == ["x", "y", None]
    with pytest.raises(ValueError, match=r"not numeric.*Add .* to it"):
        check(FRAME.set_axis(header, axis=1), None)


def test_columns_of_one_name_are_refused() -> None:
    twice = FRAME.set_axis(["a", "b", "a"], axis=1)
    arrow = pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    for X in (twice, arrow):
        with pytest.raises(ValueError, match=r"several columns named 'a'.*Rename"):
            check(X)


def test_tables_without_rows_or_columns() -> None:
    for X in (FRAME.iloc[:0], pl.from_pandas(FRAME.iloc[:0]), pa.Table.from_pandas(FRAME.iloc[:0]),
              np.empty((0, 3), dtype=object), FRAME.iloc[:0][["age"]]):  # fmt: skip
        with pytest.raises(ValueError, match=r"0 sample\(s\).*minimum of 1"):
            check(X)
    for X in (FRAME[[]], np.empty((3, 0), dtype=object), np.empty((3, 0))):
        with pytest.raises(ValueError, match=r"0 feature\(s\).*minimum of 1"):
            check(X)
    with pytest.raises(ValueError, match=r"1 sample\(s\).*minimum of 2"):
        check_features(Model(), FRAME.iloc[:1], at_least=2)
    with pytest.raises(ValueError, match=r"LazyFrame.*Pass X.collect\(\)"):
        check(pl.LazyFrame({"a": [1]}))
    for X in (["a", "b"], objects("a", "b"), FRAME["town"]):
        with pytest.raises(ValueError, match=r"[12]D|2-dim|not numeric|could not convert"):
            check(X)


def test_targets_are_checked_beside_categories() -> None:
    X, y = check_features(Model(), FRAME, y=[0, 1, 0])
    assert decode(X, 1) == ["x", "y", None] and y.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[3, 2\]"):
        check_features(Model(), FRAME, y=[0, 1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        check_features(Model(), FRAME, y=None)
    with pytest.raises(ValueError, match="y contains NaN"):
        check_features(Model(), FRAME, y=[0, np.nan, 1])


class Foreign:
    """A frame of a library that nobody knows, with the names that most have."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self.iloc, self.columns, self.dtypes, self.shape = (
            frame.iloc, frame.columns, frame.dtypes, frame.shape,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._frame)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._frame, dtype=dtype)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("north", "Column 'side' of X is not numeric.*'north', at row 0"),
        ([1], "Column 'side' of X is not numeric.*at row 0.*Give each of its entries a column"),
    ],
)
def test_frames_of_other_libraries_are_numbers(value: Any, message: str) -> None:
    numbers = pd.DataFrame({"rooms": [1.0, 2.0, 3.0]})
    np.testing.assert_array_equal(check(Foreign(numbers)), numbers)
    with pytest.raises(ValueError, match=message):
        check(Foreign(numbers.assign(side=[value] * 3)))
