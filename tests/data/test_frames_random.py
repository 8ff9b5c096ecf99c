"""Random frames of three libraries: what codes and numbers stand for is what was put in."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from frames_case import Checked, assert_sound, check, decode, kind_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sknorm.data.coded import CodedTable

words = st.text(st.characters(codec="utf-8"), max_size=5)  # of which few are numbers
letters = st.text("abcxyzé \U0001f600", max_size=3).map(lambda text: text + "_")
floats = st.floats(-1e6, 1e6, width=32)
VALUES = {
    "text": st.sampled_from(["red", "green", "", " ", "Green", "grün"]) | letters,
    "boolean": st.booleans(),
    "number": st.integers(-5, 5) | st.integers(-(2**62), 2**62),
    "numeric": floats,
    "integers": st.integers(-1000, 1000),
}
# How a library holds each kind of values; those of objects first, as they hold anything.
PANDAS: dict[str, list[Any]] = {
    "text": [object, "str", "string", "string[python]", "category", pd.ArrowDtype(pa.string()),
             pd.ArrowDtype(pa.large_string())],
    "boolean": [object, "boolean", "category", pd.ArrowDtype(pa.bool_())],
    "number": ["category"],
    "numeric": [object, "float64", "float32", "Float64", pd.ArrowDtype(pa.float32())],
    "integers": [object, "Int64", "Int16", pd.ArrowDtype(pa.int64())],
}  # fmt: skip
POLARS: dict[str, list[Any]] = {
    "text": [pl.String, pl.Categorical, pl.Enum, pl.Object],
    "boolean": [pl.Boolean],
    "numeric": [pl.Float64, pl.Float32],
    "integers": [pl.Int64, pl.Int16],
}
ARROW: dict[str, list[Any]] = {
    "text": [pa.string(), pa.large_string(), pa.string_view(), "dictionary"],
    "boolean": [pa.bool_()],
    "number": ["dictionary"],
    "numeric": [pa.float64(), pa.float32()],
    "integers": [pa.int64(), pa.int16()],
}
HELD = {"pandas": PANDAS, "polars": POLARS, "pyarrow": ARROW}


def in_pandas(values: list[Any], dtype: Any) -> Any:
    if dtype == "category":  # in an order of its own
        levels = sorted({v for v in values if v is not None}, key=lambda v: hash(str(v)) % 1000)
        return pd.Categorical(values, levels)
    return pd.Series(values, dtype=dtype)


def in_polars(values: list[Any], dtype: Any) -> Any:
    if dtype == pl.Enum:
        dtype = pl.Enum(sorted({v for v in values if v is not None}, reverse=True))
    return pl.Series(values, dtype=dtype)


def in_pyarrow(values: list[Any], dtype: Any) -> Any:
    if dtype == "dictionary":
        return pa.array(values).dictionary_encode()
    half = len(values) // 2
    return pa.chunked_array([pa.array(values[:half], dtype), pa.array(values[half:], dtype)])


BUILD = {"pandas": in_pandas, "polars": in_polars, "pyarrow": in_pyarrow}
FRAME: dict[str, Any] = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


@st.composite
def columns(draw: Any, library: str, rows: int) -> tuple[str, list[Any], Any]:
    """A kind, its values with some missing, and how they are held."""
    kind = draw(st.sampled_from(sorted(HELD[library])))
    missing = draw(st.sampled_from([0.0, 0.3]))
    holes = st.floats(0, 1).map(lambda share: share < missing)
    values = [None if draw(holes) else draw(VALUES[kind]) for _ in range(rows)]
    if all(value is None for value in values):
        values[draw(st.integers(0, rows - 1))] = draw(VALUES[kind])
    return kind, values, draw(st.sampled_from(HELD[library][kind]))


@st.composite
def frames(draw: Any) -> tuple[str, list[tuple[str, list[Any], Any]]]:
    """A library, and some columns."""
    library = draw(st.sampled_from(sorted(HELD)))
    rows = draw(st.integers(1, 8))
    return library, draw(st.lists(columns(library, rows), min_size=1, max_size=5))


def build(library: str, held: list[tuple[str, list[Any], Any]], rows: Any = None) -> Any:
    made = {}
    for i, (_, values, dtype) in enumerate(held):
        chosen = values if rows is None else [values[row] for row in rows]
        made[f"c{i}"] = BUILD[library](chosen, dtype)
    return FRAME[library](made)


def plain(value: Any) -> Any:
    return float(np.float32(value)) if isinstance(value, float) else value


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(frames(), st.data())
def test_frames_stand_for_what_was_put_in(
    case: tuple[str, list[tuple[str, list[Any], Any]]], data: Any
) -> None:
    library, held = case
    X = build(library, held)
    fitted = Checked(X)
    table = fitted.table
    rows = len(held[0][1])
    order = data.draw(st.permutations(range(rows)))
    part = order[: data.draw(st.integers(1, rows))]
    names = [f"c{i}" for i in range(len(held))]
    if library == "pyarrow":  # which has no rows of all types by their numbers
        later = fitted.again(build(library, held, part))
    else:
        later = fitted.again(X.iloc[part] if library == "pandas" else X[part])
    for found, index in ((table, range(rows)), (later, part)):
        if not isinstance(found, CodedTable):
            assert all(kind in ("numeric", "integers") for kind, _, _ in held)
            wanted = [[values[i] for _, values, _ in held] for i in index]
            np.testing.assert_array_equal(found, np.array(wanted, dtype=np.float64))
            continue
        assert_sound(found)
        for j, (kind, values, _) in enumerate(held):
            wanted_kind = "numeric" if kind == "integers" else kind
            assert kind_of(found, j) == wanted_kind, names[j]
            assert decode(found, j) == [plain(values[i]) for i in index]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(words | st.none(), min_size=1, max_size=8))
def test_text_that_is_named_is_kept_to_the_letter(values: list[Any]) -> None:
    """Digits, spaces and words for no number included."""
    tables = [pd.DataFrame({"c": pd.Series(values, dtype=object)}),
              pd.DataFrame({"c": pd.Categorical(values)}),
              pl.DataFrame({"c": pl.Series(values, dtype=pl.String)}),
              pa.table({"c": pa.array(values, pa.string())})]  # fmt: skip
    for X in tables:
        table = check(X, ["c"])
        assert_sound(table)
        assert decode(table, 0) == values


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(floats | st.just(np.nan), min_size=1, max_size=8), st.booleans())
def test_numbers_that_are_named_are_kept(values: list[float], single: bool) -> None:
    X = np.array(values, dtype=np.float32 if single else np.float64)[:, None]
    for given_table in (X, pd.DataFrame(X), pl.DataFrame(X)):
        table = check(given_table, [0])
        assert_sound(table)
        assert decode(table, 0) == [None if np.isnan(value) else plain(value) for value in values]
