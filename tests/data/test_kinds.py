"""A table at predict time has the columns that fit saw; errors name those that differ."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from frames_case import Checked, assert_sound, decode, kind_of
from scipy import sparse

from sknorm.data.checks import check_validation
from sknorm.data.kinds import Kinds

FRAME = pd.DataFrame(
    {
        "age": [1.0, 2.0, 3.0],
        "town": ["x", "y", None],
        "grade": pd.Categorical([2, 1, 2]),
        "owner": [True, False, True],
    }
)


def objects(*values: Any) -> Any:
    return pd.Series(values, dtype=object)


@pytest.fixture(scope="module")
def fitted() -> Checked:
    return Checked(FRAME)


def test_kinds_are_remembered(fitted: Checked) -> None:
    assert fitted.kinds.categories == {1: "text", 2: "number", 3: "boolean"}
    assert fitted.kinds.n_features == 4 and fitted.kinds.names.tolist() == list(FRAME)
    plain = Kinds.of(np.zeros((3, 2)))
    assert (plain.n_features, plain.names, plain.categories) == (2, None, {})


ALIKE: dict[str, Any] = {
    "itself": FRAME,
    "text as a category": FRAME.assign(town=pd.Categorical(["x", "y", None], ["q", "y", "x"])),
    "text as objects": FRAME.assign(town=objects("x", "y", np.nan)),
    "text as Arrow's": FRAME.astype({"town": pd.ArrowDtype(pa.string())}),
    "numbers that were a category": FRAME.assign(grade=[2.0, 1.0, 2.0]),
    "numbers as objects": FRAME.assign(grade=objects(2, 1, 2)),
    "nullable numbers": FRAME.assign(grade=pd.array([2, 1, 2], dtype="Int64")),
    "booleans as objects": FRAME.assign(owner=objects(True, False, True)),
    "nullable booleans": FRAME.astype({"owner": "boolean"}),
    "booleans as a category": FRAME.astype({"owner": "category"}),
    "numbers as text": FRAME.assign(age=objects("1", "2", "3.0")),
    "polars": pl.from_pandas(FRAME.assign(grade=[2, 1, 2])),
    "polars Categorical": pl.DataFrame(
        {"age": [1, 2, 3], "town": pl.Series(["x", "y", None], dtype=pl.Categorical),
         "grade": [2, 1, 2], "owner": [True, False, True]}),
    "PyArrow": pa.Table.from_pandas(FRAME),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_values_mean_the_same_whatever_holds_them(fitted: Checked, name: str) -> None:
    table = fitted.again(ALIKE[name])
    assert_sound(table)
    assert Kinds.of(table).categories == fitted.kinds.categories
    assert [decode(table, j) for j in range(4)] == [
        [1, 2, 3], ["x", "y", None], [2, 1, 2], [True, False, True],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "nothing",
    [None, np.nan, pd.NaT, pd.NA, pd.Categorical([None] * 3), pd.array([None] * 3, dtype="str"),
     pd.array([None] * 3, dtype="Int64"), pd.array([None] * 3, dtype="boolean"),
     pd.Series([None] * 3, dtype=pd.ArrowDtype(pa.null())),
     pd.Series([None] * 3, dtype=pd.ArrowDtype(pa.date32()))],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'dtype', '')}",
)  # fmt: skip
@pytest.mark.parametrize("column", list(FRAME))
def test_column_may_be_wholly_missing(fitted: Checked, column: str, nothing: Any) -> None:
    table, position = fitted.again(FRAME.assign(**{column: nothing})), list(FRAME).index(column)
    assert_sound(table)
    assert decode(table, position) == [None] * 3
    assert Kinds.of(table).categories == fitted.kinds.categories


CHANGED: dict[str, tuple[str, Any, str]] = {
    "text, now numbers": ("town", [3, 4, 5], r"text in fit.*numbers now: 3 at row 0.*int64.*str"),
    "text, now booleans": ("town", [True, False, True], r"text in fit.*booleans now: True"),
    "text, now a category of numbers": (
        "town", pd.Categorical([None, 3, 4]), r"text in fit.*numbers now: 3 at row 1"),
    "numbers, now text": ("age", ["a", None, "b"], r"numbers in fit.*text now: 'a'.*to_numeric"),
    "numbers, now a category": (
        "age", pd.Categorical(["a", None, "b"]), r"numbers in fit.*text now: 'a'"),
    "number, now text": ("grade", ["1", "2", "1"], r"numbers as categories in fit.*text now: '1'"),
    "number, now booleans": ("grade", [True, False, True], r"as categories.*booleans now: True"),
    "booleans, now numbers": (
        "owner", [1, 0, 1], r"booleans in fit.*numbers now.*astype\('boolean'\)"),
    "booleans, now text": (
        "owner", ["True", "False", "True"], r"booleans in fit.*text now: 'True'.*map\("),
    "text, now mixed": ("town", objects("a", 1, 2), "'town' of X is not numeric.*mixes"),
    "text, now dates": ("town", [datetime.date(2020, 1, 1)] * 3, "'town'.*days since"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_column_that_holds_something_else(fitted: Checked, name: str) -> None:
    column, values, message = CHANGED[name]
    with pytest.raises(ValueError, match=f"Column '{column}' of X held {message}|{message}"):
        fitted.again(FRAME.assign(**{column: values}))


def test_column_that_was_numbers_in_a_frame_of_numbers() -> None:
    numbers = Checked(pd.DataFrame({"a": [1.0, 2.0], "b": [0, 1]}))
    with pytest.raises(ValueError, match=r"Column 'a' of X held numbers in fit.*text now: 'z'"):
        numbers.again(pd.DataFrame({"a": ["z", "1"], "b": [0, 1]}))
    flags = numbers.again(pd.DataFrame({"a": [1.0, np.nan], "b": [False, True]}))
    np.testing.assert_array_equal(flags.numbers, [[1, 0], [np.nan, 1]])
    holed = numbers.again(pl.DataFrame({"a": [1, None], "b": [0, 1]}))
    assert kind_of(holed, 0) == "numeric" and holed.codes.tolist() == [[0], [1]]


def test_columns_that_are_not_those_of_fit(fitted: Checked) -> None:
    with pytest.raises(ValueError, match=r"now missing:\n- grade"):
        fitted.again(FRAME.drop(columns="grade"))
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- more"):
        fitted.again(FRAME.assign(more=1))
    moved = FRAME[["age", "grade", "town", "owner"]]
    for table in (moved, pl.from_pandas(moved.assign(grade=1))):
        with pytest.raises(ValueError, match=r"Column 1 is 'grade' now, and was 'town' in fit.*mo"):
            fitted.again(table)
    numbers = Checked(pd.DataFrame({"a": [1.0], "b": [2.0]}))
    with pytest.raises(ValueError, match="Column 0 is 'b' now"):
        numbers.again(pd.DataFrame({"b": [1.0], "a": [2.0]}))


def test_array_without_names(fitted: Checked) -> None:
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        table = fitted.again(FRAME.to_numpy())
    assert decode(table, 1) == ["x", "y", None]
    with (
        pytest.warns(UserWarning, match="valid feature names"),
        pytest.raises(ValueError, match=r"Column 1 of X held text in fit.*numbers now: 0.0 at row"),
    ):
        fitted.again(np.zeros((2, 4)))
    plain = Checked(FRAME.to_numpy())
    with pytest.raises(ValueError, match="X has 3 features, but Model is expecting 4"):
        plain.again(FRAME.to_numpy()[:, :3])
    with pytest.raises(ValueError, match=r"X is sparse, but column 1 is a category.*dense"):
        plain.again(sparse.csr_array(np.zeros((2, 4))))


def test_categories_named_in_fit_are_categories_later() -> None:
    X = np.array([[0.5, 3.0], [1.5, 1.0], [2.5, np.nan]])
    coded = Checked(X, [1])
    later = np.array([[np.nan, 7.0], [1.0, 3.0]])
    for table in (later, later.tolist(), later.astype(np.float32), later.astype(object)):
        found = coded.again(table)
        assert_sound(found)
        assert kind_of(found, 1) == "number" and decode(found, 1) == [7, 3]
        assert decode(found, 0) == [None, 1]


def test_held_out_rows_are_checked_as_those_of_fit(fitted: Checked) -> None:
    labels = np.array([0, 1, 0])
    X, y = check_validation(fitted.model, FRAME, labels, fitted.kinds)
    assert decode(X, 1) == ["x", "y", None] and y is not None
    with pytest.raises(ValueError, match=r"X_val or y_val: Column 'town' of X held text in fit"):
        check_validation(fitted.model, FRAME.assign(town=1), labels, fitted.kinds)
