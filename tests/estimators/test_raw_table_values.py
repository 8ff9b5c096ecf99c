"""What is odd in data frames: columns without a value or of one, and which levels are the same."""

import unicodedata
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from raw_table_case import FRAME, ROWS, WIDE, Y, column, distinct, fitted, levels, regressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# Columns without a value, and those of one value.

EMPTY: dict[str, Any] = {
    "numbers": np.full(ROWS, np.nan),
    "objects": pd.Series([None] * ROWS, dtype=object),
    "text": pd.Series([None] * ROWS, dtype="string"),
    "booleans": pd.Series([None] * ROWS, dtype="boolean"),
    "categories": pd.Categorical([None] * ROWS),
    "Arrow text": pd.Series([None] * ROWS, dtype=pd.ArrowDtype(pa.string())),
    "dates": pd.Series([pd.NaT] * ROWS),
}


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("name", EMPTY)
def test_columns_without_a_value_are_without_a_meaning(name: str, scaling: str) -> None:
    settings: dict[str, Any] = {"scaling": scaling}
    frame = FRAME[["x", "town"]].assign(none=EMPTY[name])
    model = fitted(frame, **settings)
    assert np.isfinite(model.predict(frame)).all()
    assert model.feature_importances_[2] == 0.0 < model.feature_importances_[:2].min()
    assert model.feature_importances_.sum() == pytest.approx(1.0)
    alone = fitted(frame[["none"]], **settings)
    assert alone.feature_importances_.tolist() == [0.0]
    assert len(np.unique(alone.predict(frame[["none"]]))) == 1


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize("value", [3.7, 0, "a", True, 1e-9, -1e9])
def test_columns_of_one_value_have_no_importance(value: Any, scaling: str) -> None:
    frame = FRAME.assign(one=value)
    model = fitted(frame, scaling=scaling)
    assert np.isfinite(model.predict(frame)).all()
    assert model.feature_importances_[4] == 0.0 < model.feature_importances_[:4].min()
    gaps = fitted(frame.assign(one=frame["one"].where(frame["flag"])), scaling=scaling)
    assert gaps.feature_importances_[4] > 0.0  # where it is missing tells
    if not isinstance(value, str | bool):
        array = fitted(frame[["x", "one"]].to_numpy(dtype=float), scaling=scaling)
        assert array.feature_importances_.tolist() == [1.0, 0.0]


def test_columns_that_vary_later_have_importance() -> None:
    for settings in ({}, {"scaling": "robust"}):
        first = FRAME.assign(x=1.7, gaps=np.nan)
        part = regressor(**settings).partial_fit(first, Y)
        assert part.feature_importances_[[0, 3]].tolist() == [0.0, 0.0]
        assert part.partial_fit(FRAME, Y).feature_importances_[[0, 3]].min() > 0.0
        warm = regressor(**settings, warm_start=True).fit(first, Y)
        assert not warm.fit(first, Y).feature_importances_[[0, 3]].any()
        assert warm.fit(FRAME, Y).feature_importances_[[0, 3]].min() > 0.0


def test_text_where_fit_saw_no_value() -> None:
    """Named as a category, it holds anything; otherwise it is numeric, and the error says why."""
    for values in (np.nan, EMPTY["objects"]):
        frame = FRAME.assign(late=values)
        model = fitted(frame)
        with pytest.raises(ValueError, match=r"'late' of X held no value in fit.*text now: 'a' at"):
            model.predict(frame.assign(late="a"))
        named = fitted(frame, categorical_features=["town", "flag", "late"])
        expected = named.predict(frame)
        for later in ("a", 1.5, True, None, pd.Categorical(["u"] * ROWS)):
            np.testing.assert_array_equal(named.predict(frame.assign(late=later)), expected)
    declared = fitted(FRAME.assign(late=EMPTY["categories"]))
    assert np.isfinite(declared.predict(FRAME.assign(late=pd.Categorical([1, 2] * 20)))).all()


def test_messages_name_columns_beside_categories() -> None:
    tiny = FRAME.assign(tiny=1e-310 * FRAME["gaps"])
    with pytest.warns(UserWarning, match="Column 'tiny' of X varies by .*constant"):
        fitted(tiny)
    with pytest.warns(UserWarning, match="Column 4 of X varies by"):
        fitted(tiny.to_numpy(dtype=object))


def test_all_levels_are_rare() -> None:
    model = fitted(min_frequency=1000)
    expected = model.predict(FRAME)
    np.testing.assert_array_equal(model.predict(FRAME.assign(town="new", flag=None)), expected)
    assert model.feature_importances_[1] == model.feature_importances_[2] == 0.0
    alone = fitted(FRAME[["town"]], min_frequency=1000)
    assert alone.feature_importances_.tolist() == [0.0]


MANY = [f"v{i}" for i in range(100_000)]


def declared(library: str, codes: np.ndarray) -> Any:
    """A column of few rows whose dtype has many levels."""
    if library == "pandas":
        return pd.DataFrame({"c": pd.Categorical.from_codes(codes, MANY)})
    if library == "polars":
        return pl.DataFrame({"c": pl.Series([MANY[i] for i in codes], dtype=pl.Enum(MANY))})
    return pa.table({"c": pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(MANY))})


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_many_levels_are_declared(library: str, method: str) -> None:
    """Those of the rows are learned, and no place is made for others."""
    codes = np.random.default_rng(0).integers(0, len(MANY), 1000)
    X, y = declared(library, codes), codes / len(MANY)
    model = getattr(regressor(), method)(X, y)
    (known,) = model._fitted.columns.categories
    assert known.levels.tolist() == sorted({MANY[i] for i in codes})
    assert np.isfinite(model.predict(X)).all()


def test_each_row_has_a_level_of_its_own() -> None:
    X = pd.DataFrame({"c": [f"name {i}" for i in range(1000)]})
    model = regressor().fit(X, np.arange(1000.0))
    assert len(np.unique(model.predict(X))) > 500
    assert len(np.unique(model.predict(X + "?"))) == 1


def test_levels_of_a_dtype_wait_for_later_calls_in_any_library() -> None:
    values, names = ["a", "b"] * 20, ["z", "b", "a", "q"]
    arrow = pa.DictionaryArray.from_arrays(pa.array([2, 1] * 20), pa.array(names))
    tables = [
        pd.DataFrame({"c": pd.Categorical(values, names)}),
        pl.DataFrame({"c": pl.Series(values, dtype=pl.Enum(names))}),
        pa.table({"c": arrow}),
    ]
    for X in tables:
        model = regressor().partial_fit(X, Y)
        assert model._fitted.columns.categories[0].levels.tolist() == sorted(names)
        assert fitted(X)._fitted.columns.categories[0].levels.tolist() == ["a", "b"]


# What is the same level, and what is not.


def test_kinds_of_missing_values_are_one() -> None:
    X = column(["nan", "a", "None", "", None, np.nan, pd.NA, float("nan")] * 5)
    assert levels(X) == ["", "None", "a", "nan"]  # which are text
    model = fitted(X)
    gone = [None, np.nan, pd.NA, pd.NaT, float("-nan")]
    assert distinct(model, *gone) == 1 < distinct(model, "nan", None)
    # Several at once, and in a column without text.
    array = np.array([[None], [np.nan], ["a"]], dtype=object)
    found = model.predict(pd.DataFrame(array, columns=["c"]))
    assert found[0] == found[1] == model.predict(column([np.nan, np.nan], float))[0] != found[2]


def test_unknown_levels_are_not_missing() -> None:
    model = fitted(column(["a", "b", None, "c"] * 10))
    assert distinct(model, "new", None) == 2
    assert distinct(model, "new", "newer") == 1


def test_text_is_a_level_to_the_letter() -> None:
    composed = "\u00e9"
    words = [composed, unicodedata.normalize("NFD", composed), "e", "e ", " e", "E"]
    assert sorted(levels(column(words * 7, "str").head(ROWS))) == sorted(words)
    assert levels(column(["1", "01", "1.0", "1e0"] * 10, "str")) == ["01", "1", "1.0", "1e0"]


def test_integers_that_floats_do_not_hold() -> None:
    """Identifiers stay apart, whatever holds them, and where some are missing."""
    values, odd = [WIDE, WIDE + 1, None, 3] * 10, [3, WIDE, WIDE + 1]
    named = {"categorical_features": [0]}
    for X in (
        column(values), column(values, "Int64"), column(values, "UInt64"),
        column(values, "int64[pyarrow]"), pl.DataFrame({"c": values}), pa.table({"c": values}),
        pd.DataFrame({"c": pd.Categorical(pd.array(values, dtype="Int64"))}),
        np.array([[3], [WIDE], [WIDE + 1], [3]] * 10), [[3], [WIDE], [WIDE + 1], [3]] * 10,
        column([3, WIDE, WIDE + 1, WIDE] * 10, "int64"),
        np.ma.masked_equal(np.array([[3], [WIDE], [WIDE + 1], [99]] * 10), 99),
    ):  # fmt: skip
        assert levels(X, **named) == odd
        model = fitted(X, **named)
        assert distinct(model, *odd, WIDE + 3) == 4
        # As floats the odd one is another number, which nobody knows.
        assert distinct(model, float(WIDE + 3), 77.0) == 1 < distinct(model, 77.0, 3.0)
    top = 2**64 - 1
    assert levels(column([top, top - 1] * 20, "uint64"), **named) == [top - 1, top]
    numbers = fitted(column([10, 2**60, None, 3] * 10, "Int64"))  # as numbers, they are floats
    np.testing.assert_array_equal(
        numbers.predict(column([2**60, None], "Int64")), numbers.predict(column([2.0**60, None]))
    )


def test_numbers_are_levels_by_value() -> None:
    named = {"categorical_features": [0]}
    X = np.array([[0.1 + 0.2], [0.3], [-0.0], [0.0], [-7.0]] * 8)
    assert levels(X, **named) == [-7.0, 0.0, 0.3, 0.1 + 0.2]
    model = fitted(X, **named)
    assert distinct(model, -0.0, 0, 0.0, Decimal(0)) == 1
    with pytest.raises(ValueError, match=r"Column 'c'.*booleans now: False.*\.astype\(float\)"):
        distinct(model, False)
    assert distinct(model, -7, -7.0, 0, -8) == 3
    tenths = [Decimal("0.1"), Decimal("0.10"), Decimal("NaN"), Decimal(2)]
    assert levels(column(tenths * 10), **named) == [0.1, 2.0]


@pytest.mark.parametrize(("first", "later"), [(np.float64, np.float32), (np.float32, np.float64)])
def test_levels_of_single_precision_are_the_same(first: Any, later: Any) -> None:
    X = np.array([[0.1, 1.0], [0.7, 2.0], [16_777_217.0, 3.0], [np.nan, 4.0]] * 10)
    model = fitted(X.astype(first), categorical_features=[0])
    expected = model.predict(X.astype(first))
    np.testing.assert_allclose(model.predict(X.astype(later)), expected, rtol=1e-5)
    near = X + np.array([0.3, 0.0])
    assert np.abs(model.predict(near) - expected)[0] > 1e-3  # which is another level


def test_levels_beyond_single_precision() -> None:
    X = np.array([[0.5, 1.0], [1e100, 2.0], [-1e100, 3.0], [np.nan, 4.0]] * 10)
    model = fitted(X, categorical_features=[0])
    found = model.predict(X[::4].astype(np.float32))
    np.testing.assert_allclose(found, model.predict(X[::4]), rtol=1e-5)


def test_close_levels_of_double_precision_stay_apart() -> None:
    X = np.array([[0.3, 1.0], [0.1 + 0.2, 1.0]] * 20)
    found = fitted(X, categorical_features=[0]).predict(X)
    assert found[0] != found[1]


def test_order_and_unused_levels_of_a_dtype_say_nothing() -> None:
    expected = fitted(FRAME).predict(FRAME)
    for categories in (["c", "z", "b", "a"], ["a", "b", "c"]):
        for ordered in (False, True):
            X = FRAME.assign(town=pd.Categorical(FRAME["town"], categories, ordered=ordered))
            np.testing.assert_array_equal(fitted(X).predict(FRAME), expected)
            one = X[FRAME["town"] == "b"]
            one = one.assign(town=one["town"].cat.remove_unused_categories())  # its code is 0
            found = fitted(FRAME).predict(one)
            np.testing.assert_array_equal(found, expected[FRAME["town"] == "b"])
