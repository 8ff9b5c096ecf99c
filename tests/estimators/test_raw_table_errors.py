"""What users do wrong with data frames, and what is odd in them: clear errors, right results."""

import datetime
import unicodedata
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from sknorm import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = 40
SMALL: dict[str, Any] = {"hidden_layer_sizes": (3,), "max_iter": 1, "random_state": 0}
WIDE = 2**53  # from here on float64 does not hold all integers


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, gaps = rng.normal(size=(2, ROWS))
    gaps[::7] = np.nan
    town, flag = rng.choice(["a", "b", "c"], ROWS), rng.random(ROWS) < 0.5
    return pd.DataFrame({"x": x, "town": town, "flag": flag, "gaps": gaps})


FRAME = make_frame()
Y = np.random.default_rng(1).normal(size=ROWS)


def regressor(**settings: Any) -> MLPRegressor:
    return MLPRegressor(**{**SMALL, **settings})


def fitted(X: Any = FRAME, **settings: Any) -> MLPRegressor:
    return regressor(**settings).fit(X, Y)


@pytest.fixture(scope="module")
def model() -> MLPRegressor:
    return fitted()


def column(values: Any, dtype: Any = object) -> pd.DataFrame:
    return pd.DataFrame({"c": pd.Series(values, dtype=dtype)})


def levels(X: Any, **settings: Any) -> list[Any]:
    """Those of the only category that a model knows."""
    (known,) = fitted(X, **settings)._fitted.columns.categories
    return known.levels.tolist()


def distinct(model: Any, *rows: Any) -> int:
    """How many of some values of the only column are told apart."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names, but")
        return len({float(model.predict(column([row]))[0]) for row in rows})


DAYS = pd.date_range("2020", periods=ROWS)
NESTED = pd.Series([[1]] * ROWS)
# At predict time; of each column its name, what was found and what to do about it.
LATER: dict[str, tuple[Callable[[], Any], str]] = {
    "missing": (lambda: FRAME.drop(columns="town"), "seen at fit time, yet now missing:\n- town"),
    "added": (lambda: FRAME.assign(new=1), "unseen at fit time:\n- new"),
    "renamed": (
        lambda: FRAME.rename(columns={"x": "X"}), "unseen at fit time:\n- X\n.*missing:\n- x"),
    "reordered": (
        lambda: FRAME[["town", "x", "flag", "gaps"]],
        r"Column 0 is 'town' now, and was 'x' in fit. Pass frame\[model.feature_names_in_\]"),
    "numbers for text": (
        lambda: FRAME.assign(town=1.5),
        r"'town' of X held text in fit, and holds numbers now: 1.5 at row 0.*astype\(str\)"),
    "booleans for text": (
        lambda: FRAME.assign(town=True), "'town' of X held text in fit, and holds booleans now"),
    "text for booleans": (
        lambda: FRAME.assign(flag=FRAME["flag"].astype(str)),
        r"'flag' of X held booleans in fit, and holds text now.*map\(\{'True': True"),
    "integers for booleans": (
        lambda: FRAME.assign(flag=1), r"'flag'.*booleans.*numbers now: 1.*astype\('boolean'\)"),
    "text for numbers": (
        lambda: FRAME.assign(x="a"),
        r"'x' of X held numbers in fit, and holds text now: 'a' at row 0.*pandas.to_numeric"),
    "some text for numbers": (
        lambda: FRAME.assign(x=["?", *["1"] * (ROWS - 1)]), r"'x' of X held numbers.*now: '\?'"),
    "mixed types": (
        lambda: FRAME.assign(town=pd.Series(["a", 1] * 20, dtype=object)),
        r"'town'.*mixes int \(1 at row 1\) and str.*frame\['town'\].astype\(str\)"),
    "infinite values": (
        lambda: FRAME.assign(x=-np.inf),
        r"infinity: column 0 \('x'\), first at row 0.*Replace them, or make them NaN"),
    "infinite values among gaps": (
        lambda: FRAME.assign(gaps=FRAME["gaps"].replace(FRAME["gaps"][3], np.inf)),
        r"infinity: column 3 \('gaps'\), first at row 3"),
    "duplicate names": (
        lambda: FRAME.set_axis(["x", "town", "flag", "x"], axis=1),
        "several columns named 'x'.*Rename them"),
    "dates for text": (
        lambda: FRAME.assign(town=DAYS), r"'town'.*Timestamp.*at row 0.*days.*\.dt.month"),
    "dates for numbers": (lambda: FRAME.assign(x=DAYS), r"'x'.*days.*frame\['x'\].dt.month"),
    "durations": (lambda: FRAME.assign(x=DAYS - DAYS[0]), r"'x'.*\.dt.total_seconds\(\)"),
    "Python's dates": (
        lambda: FRAME.assign(town=[datetime.date(2020, 1, 1)] * ROWS), "'town'.*to_datetime"),
    "lists": (lambda: FRAME.assign(town=NESTED), r"'town'.*'list'.*frame\['town'\].tolist\(\)"),
    "structs": (
        lambda: pl.from_pandas(FRAME).with_columns(town=pl.struct("x")), "'town'.*'dict'.*tolist"),
    "no rows": (lambda: FRAME.iloc[:0], r"0 sample\(s\) and 4 feature\(s\).*minimum of 1"),
    "no columns": (lambda: FRAME[[]], r"0 feature\(s\).*minimum of 1"),
    "a row by itself": (lambda: FRAME.iloc[0], r"got 1D array.*frame.iloc\[\[0\]\] for a single"),
    "a column by itself": (lambda: FRAME["town"], r"got 1D array.*frame\[\['name'\]\] for a col"),
    "a dict": (lambda: FRAME.iloc[0].to_dict(), r"got a dict.*pandas.DataFrame\(\[X\]\) of a"),
    "nothing": (lambda: None, "Expected 2D array, got scalar array"),
    "a lazy frame": (lambda: pl.from_pandas(FRAME).lazy(), r"LazyFrame.*Pass X.collect\(\)"),
    "sparse": (lambda: sparse.eye_array(5, 4, format="csr"), "X is sparse, but column 1 is a cat"),
}  # fmt: skip


@pytest.mark.parametrize("name", LATER)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_tables_that_are_not_like_that_of_fit(model: MLPRegressor, name: str) -> None:
    build, message = LATER[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        model.predict(build())


def test_booleans_of_an_array_as_numbers() -> None:
    """The advice is code that mends it."""
    X = np.array([[True, 1.5], [False, 2.5]] * 20, dtype=object)
    model = fitted(X)
    later = X.astype(float)
    with pytest.raises(ValueError, match=r"Column 0.*after (frame = .*'boolean'\)), or"):
        model.predict(later)
    frame = pd.DataFrame(later)
    frame[0] = frame[0].astype("boolean")
    np.testing.assert_array_equal(model.predict(frame), model.predict(X))


FIRST: dict[str, tuple[Callable[[], Any], str]] = {
    "mixed levels": (
        lambda: column(["red", 1] * 20), r"'c'.*'red', at row 0.*mixes int.*astype\(str\)"),
    "booleans and text": (lambda: column([True, "True"] * 20), r"'c'.*mixes bool \(True.*and str"),
    "mixed categories": (
        lambda: pd.DataFrame({"c": pd.Categorical(["a", 1] * 20)}),
        r"'c' of X is a category of mixed types \(int and str\).*astype\(str\)"),
    "intervals": (
        lambda: pd.DataFrame({"c": pd.cut(FRAME["x"], 3)}), r"'c'.*Interval values.*astype\(str\)"),
    "infinite values": (lambda: FRAME.assign(x=np.inf), r"infinity: column 0 \('x'\)"),
    "infinite text": (lambda: column(["inf", "1"] * 20), r"infinity: column 0 \('c'\)"),
    "mostly numbers": (
        lambda: np.array([["1"], ["2"], ["x"], ["3"]] * 10, dtype=object),
        r"Column 0.*'x', at row 2.*10 of its 40.*to_numeric.*say so with categorical_features\.$"),
    "no columns": (lambda: FRAME[[]], r"0 feature\(s\)"),
    "nothing at all": (pd.DataFrame, r"0 sample\(s\) and 0 feature\(s\)"),
    "sparse with NaN": (
        lambda: sparse.csr_array(np.diag([np.nan] * ROWS)), r"NaN: column 0.*impute.*toarray"),
    "sparse frame with NaN": (
        lambda: pd.DataFrame({"c": pd.arrays.SparseArray([np.nan, 1.0] * 20, fill_value=0.0)}),
        r"NaN: column 0.*frame.sparse.to_dense\(\)"),
    "dates": (lambda: FRAME.assign(day=DAYS), r"'day'.*frame\['month'\] = frame\['day'\].dt.month"),
    "lists": (lambda: FRAME.assign(town=NESTED), r"'town'.*frame.drop\(columns='town'\).join"),
    "too large": (lambda: FRAME.assign(x=1e300 * FRAME["x"]), "'x' of X reaches .*Rescale it"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST)
def test_tables_that_fit_refuses(name: str) -> None:
    build, message = FIRST[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fitted(build())


def test_values_too_large_to_be_left_as_they_are() -> None:
    for settings in ({"normalization": None}, {"scaling": None}):
        with pytest.raises(ValueError, match=r"'x' of X reaches .*Set scaling='standard'"):
            fitted(FRAME.assign(x=1e30), **settings)


CHOSEN: dict[str, tuple[Any, str]] = {
    "a name by itself": ("town", r"'town' holds text.*pass \['town'\]"),
    "an unknown name": (["street"], "'street', which is no column of X; its columns are 'x', 'tow"),
    "twice": ([1, 1], "column 1 twice"),
    "too far": ([4], "position 4, but X has 4 columns"),
    "negative": ([-1], "negative position -1"),
    "a short mask": ([True], "a mask of 1 entries for 4 columns"),
    "names and positions": (["town", 2], "several types"),
    "a number": (1.5, "'categorical_features' parameter.*must be"),
    "a slice": (slice(0, 2), "'categorical_features' parameter.*must be"),
    "text left out": (["flag"], "'town'.*categorical_features leaves it out. Add 'town' to it"),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_columns_that_are_named_wrongly(name: str) -> None:
    chosen, message = CHOSEN[name]
    with pytest.raises(ValueError, match=f"categorical_features.*{message}|{message}"):
        fitted(categorical_features=chosen)


def test_targets_in_the_place_of_the_table() -> None:
    whole = FRAME.drop(columns="gaps")
    with pytest.raises(ValueError, match=r"y must be numeric, but holds '.'.*MLPClassifier"):
        regressor().fit(whole, whole["town"])
    with pytest.raises(ValueError, match=r"y contains NaN.* row 0 of column 3"):
        regressor().fit(Y, FRAME)
    with pytest.raises(ValueError, match="y mixes labels of the types bool and str"):
        MLPClassifier(**SMALL).fit(whole[["x"]], whole[["town", "flag"]])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        MLPClassifier(**SMALL).fit(whole, whole["x"])


def test_predictions_before_a_fit() -> None:
    with pytest.raises(NotFittedError, match=r"not fitted yet\. Call 'fit'"):
        regressor().predict(FRAME)


def test_held_out_rows_of_another_kind() -> None:
    for held, message in (
        (FRAME.assign(x="a"), "X_val or y_val: Column 'x' of X held numbers.*text now"),
        (FRAME[["x"]], "(?s)X_val or y_val: .*now missing:\n- flag"),
        (FRAME.assign(gaps=np.inf), r"X_val or y_val: .*infinity: column 3 \('gaps'\)"),
    ):
        with pytest.raises(ValueError, match=message):
            regressor().fit(FRAME, Y, X_val=held, y_val=Y)
    same = [regressor().fit(FRAME, Y, X_val=held, y_val=Y).validation_scores_
            for held in (FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME))]  # fmt: skip
    assert same[0] == same[1] == same[2]


def test_weights_that_are_all_zero() -> None:
    with pytest.raises(ValueError, match="sample_weight is zero in all rows"):
        regressor().fit(FRAME, Y, sample_weight=np.zeros(ROWS))


def test_a_level_of_weight_zero_is_unknown() -> None:
    weight = (FRAME["town"] != "c").to_numpy(dtype=float)
    model = regressor().fit(FRAME, Y, sample_weight=weight)
    towns = [model.predict(FRAME.assign(town=town)) for town in ("c", "new", "a")]
    np.testing.assert_array_equal(towns[0], towns[1])
    assert np.any(towns[0] != towns[2])


def test_a_first_call_of_partial_fit_with_one_row() -> None:
    with pytest.raises(ValueError, match=r"1 sample\(s\).*minimum of 2"):
        regressor().partial_fit(FRAME[:1], Y[:1])
    model = regressor(normalization=None, scaling="standard").partial_fit(FRAME[:1], Y[:1])
    model.partial_fit(FRAME, Y)
    assert np.isfinite(model.predict(FRAME)).all()


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


# Names, copies and calls.


@pytest.mark.parametrize("names", [pd.MultiIndex.from_product([["a", "b"], [1, 2]]), range(4)])
def test_names_that_are_no_text(model: MLPRegressor, names: Any) -> None:
    X = FRAME.set_axis(names, axis=1)
    other = fitted(X)
    np.testing.assert_array_equal(other.predict(X), model.predict(FRAME))
    assert not hasattr(other, "feature_names_in_")
    with pytest.raises(ValueError, match=r"Column .* of X held booleans in fit, and holds numbers"):
        other.predict(X.iloc[:, [3, 1, 0, 2]])


@pytest.mark.filterwarnings("ignore:Column .* of X has missing values")
def test_tables_stay_as_they_are() -> None:
    """Unknown levels and new gaps included; tables that cannot be written to are read."""
    X = FRAME.assign(town=pd.Categorical(FRAME["town"]), kind=FRAME["town"])
    later = X.assign(town=pd.Categorical(["new", None] * 20), x=[np.nan, 1.0] * 20)
    first, second = X.copy(deep=True), later.copy(deep=True)
    fitted(X).predict(later)
    fitted(X, scaling="robust").partial_fit(later, Y)
    pd.testing.assert_frame_equal(X, first)
    pd.testing.assert_frame_equal(later, second)
    for array in (FRAME.to_numpy(dtype=object), FRAME[["x", "gaps"]].to_numpy()):
        kept = array.copy()
        array.setflags(write=False)
        model = regressor(scaling="robust").partial_fit(array, Y).fit(array, Y)
        assert np.isfinite(model.predict(array)).all()
        assert pd.DataFrame(array).equals(pd.DataFrame(kept))
    frozen = pd.DataFrame(FRAME[["x"]].to_numpy().copy())
    frozen.to_numpy().setflags(write=False)
    assert np.isfinite(fitted(frozen).predict(frozen)).all()


def test_one_row_is_as_among_others(model: MLPRegressor) -> None:
    expected = model.predict(FRAME)
    for i in range(8):
        for X in (FRAME.iloc[[i]], pl.from_pandas(FRAME)[[i]], FRAME.iloc[[i]].astype(object)):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                np.testing.assert_allclose(model.predict(X), expected[[i]], rtol=1e-10)


def test_parameters_that_change_after_a_fit_change_no_prediction() -> None:
    model = fitted()
    expected = model.predict(FRAME)
    model.set_params(categorical_features=["x"], scaling="robust", min_frequency=30)
    np.testing.assert_array_equal(model.predict(FRAME), expected)
    with pytest.raises(ValueError, match=r"'town'.*categorical_features leaves it out"):
        model.fit(FRAME, Y)
    np.testing.assert_array_equal(model.predict(FRAME), expected)


@pytest.mark.filterwarnings("ignore:Column .* of X has missing values")
def test_threads_that_predict_at_once() -> None:
    model = fitted(n_members=2)
    tables = [FRAME, pl.from_pandas(FRAME), FRAME.assign(town="new"), FRAME.assign(x=np.nan)] * 8
    expected = [fitted(n_members=2).predict(X) for X in tables[:4]] * 8
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(model.predict, tables))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
