"""What users do wrong with data frames: clear errors, and the right result where there is one."""

import datetime
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
from raw_table_case import FRAME, ROWS, SMALL, Y, column, fitted, regressor
from scipy import sparse
from sklearn.exceptions import NotFittedError

from sknorm import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def model() -> MLPRegressor:
    return fitted()


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
        MLPClassifier(**SMALL, preset="sklearn").fit(whole[["x"]], whole[["town", "flag"]])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        MLPClassifier(**SMALL, preset="sklearn").fit(whole, whole["x"])


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


HUGE = [2**70 + j % 4 for j in range(len(Y))]  # of which float64 holds one
UNHELD: dict[str, Any] = {
    "objects": pd.DataFrame({"a": pd.Series(HUGE, dtype=object)}),
    "objects and gaps": pd.DataFrame({"a": pd.Series([None, *HUGE[1:]], dtype=object)}),
    "array": np.array(HUGE, dtype=object)[:, None],
    "categories": pd.DataFrame({"a": pd.Categorical(HUGE)}),
    "decimals": pd.DataFrame({"a": [Decimal(each) for each in HUGE]}),
    "decimals of polars": pl.DataFrame(
        {"a": pl.Series([Decimal(each) for each in HUGE], dtype=pl.Decimal(38, 0))}
    ),
    "Int128": pl.DataFrame({"a": pl.Series(HUGE, dtype=pl.Int128)}),
    "decimals of Arrow": pa.table(
        {"a": pa.array([Decimal(each) for each in HUGE], pa.decimal128(38, 0))}
    ),
}


@pytest.mark.parametrize("kind", UNHELD)
def test_identifiers_that_float64_takes_for_one(kind: str) -> None:
    with pytest.raises(ValueError, match=r"Column ('a'|0) of X is a category .* not tell apart"):
        regressor(categorical_features=[0]).fit(UNHELD[kind], Y)


def test_decimals_that_float64_tells_apart_are_levels() -> None:
    """Rounded or not."""
    for text in ("0.{}", "1234567890.{}"):
        table = pd.DataFrame({"a": [Decimal(text.format(j % 7)) for j in range(len(Y))]})
        model = regressor(categorical_features=[0]).fit(table, Y)
        assert len(np.unique(model.predict(table))) == 7
