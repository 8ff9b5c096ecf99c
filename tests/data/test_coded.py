"""Tables with categories and missing values become numbers and codes."""

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import array_api_strict as strict
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from frames_case import Checked, assert_sound, check, decode, kind_of
from scipy import sparse

from sknorm.data.checks import check_groups, check_weights
from sknorm.data.coded import CodeColumn, CodedTable

HERE = Path(__file__).parent
NAN = float("nan")


def arrow_type(column: list[Any], dtype: Any) -> Any:
    return pd.Series(column, dtype=pd.ArrowDtype(dtype))


# Each is one column: the frame's library, the values, what they are, and what they stand for.
COLUMNS: dict[str, tuple[Any, Any, str, list[Any]]] = {
    "float": (pd, [1.5, NAN], "numeric", [1.5, None]),
    "int": (pd, [2, 3], "numeric", [2, 3]),
    "Int64": (pd, pd.array([1, None], dtype="Int64"), "numeric", [1, None]),
    "Float32": (pd, pd.array([1.5, None], dtype="Float32"), "numeric", [1.5, None]),
    "bool": (pd, [True, False], "boolean", [True, False]),
    "boolean": (pd, pd.array([True, None], dtype="boolean"), "boolean", [True, None]),
    "str": (pd, pd.array(["b", None], dtype="str"), "text", ["b", None]),
    "string": (pd, pd.array(["b", None], dtype="string"), "text", ["b", None]),
    "python": (pd, pd.array(["b", None], dtype="string[python]"), "text", ["b", None]),
    "category": (pd, pd.Categorical(["b", None], ["z", "b"]), "text", ["b", None]),
    "ordered": (pd, pd.Categorical(["b", "a"], ["b", "a"], ordered=True), "text", ["b", "a"]),
    "of numbers": (pd, pd.Categorical([3, 1], [3, 1]), "number", [3, 1]),
    "of floats": (pd, pd.Categorical([3.5, None]), "number", [3.5, None]),
    "of booleans": (pd, pd.Categorical([True, None]), "boolean", [True, None]),
    "of objects": (pd, pd.Categorical([2, 1], pd.Index([2, 1], dtype=object)), "number", [2, 1]),
    "empty category": (pd, pd.Categorical([None, None]), "nothing", [None, None]),
    "Arrow int": (pd, arrow_type([1, None], pa.int32()), "numeric", [1, None]),
    "Arrow bool": (pd, arrow_type([True, None], pa.bool_()), "boolean", [True, None]),
    "Arrow text": (pd, arrow_type(["b", None], pa.string()), "text", ["b", None]),
    "Arrow decimal": (pd, arrow_type([Decimal("1.5")] * 2, pa.decimal128(4, 2)), "numeric",
                      [1.5, 1.5]),
    "Arrow dictionary": (pd, arrow_type(["b", None], pa.dictionary(pa.int8(), pa.string())),
                         "text", ["b", None]),
    "sparse zeros": (pd, pd.arrays.SparseArray([0.0, 2.0], fill_value=0), "numeric", [0, 2]),
    "sparse": (pd, pd.arrays.SparseArray([0.0, 2.0]), "numeric", [0, 2]),
    "objects: text": (pd, pd.Series(["b", None], dtype=object), "text", ["b", None]),
    "objects: NaN": (pd, pd.Series(["b", NAN], dtype=object), "text", ["b", None]),
    "objects: NA": (pd, pd.Series([pd.NA, "b"], dtype=object), "text", [None, "b"]),
    "objects: NaT": (pd, pd.Series([pd.NaT, "b"], dtype=object), "text", [None, "b"]),
    "objects: numpy.str_": (pd, pd.Series([np.str_("b"), "b"], dtype=object), "text", ["b", "b"]),
    "objects: booleans": (pd, pd.Series([True, None], dtype=object), "boolean", [True, None]),
    "objects: bool_": (pd, pd.Series([np.True_, NAN], dtype=object), "boolean", [True, None]),
    "objects: numbers": (pd, pd.Series([1, None], dtype=object), "numeric", [1, None]),
    "objects: digits": (pd, pd.Series(["1", " 2.5 "], dtype=object), "numeric", [1, 2.5]),
    "objects: digits and numbers": (pd, pd.Series(["1", 2], dtype=object), "numeric", [1, 2]),
    "objects: Decimal": (pd, pd.Series([Decimal("1.5"), Fraction(1, 2)], dtype=object), "numeric",
                         [1.5, 0.5]),
    "objects: Decimal NaN": (pd, pd.Series([Decimal("NaN"), "b"], dtype=object), "text",
                             [None, "b"]),
    "objects: nothing": (pd, pd.Series([None, NAN], dtype=object), "numeric", [None, None]),
    "objects: brackets": (pd, pd.Series(["10_20", "20_30"], dtype=object), "text",
                          ["10_20", "20_30"]),
    "str of digits": (pd, pd.array(["1", "02"], dtype="str"), "text", ["1", "02"]),
    "empty text": (pd, ["", " "], "text", ["", " "]),
    "unicode": (pd, ["\U0001f600", "é"], "text", ["\U0001f600", "é"]),
    "long text": (pd, ["a" * 100_000, "a" * 99_999], "text", ["a" * 100_000, "a" * 99_999]),
    "no dates": (pd, pd.Series([pd.NaT] * 2, dtype="datetime64[ns]"), "numeric", [None, None]),
    "polars float": (pl, [1.5, None], "numeric", [1.5, None]),
    "polars int": (pl, [1, None], "numeric", [1, None]),
    "polars Int128": (pl, pl.Series([1, None], dtype=pl.Int128), "numeric", [1, None]),
    "polars bool": (pl, [True, None], "boolean", [True, None]),
    "polars String": (pl, ["b", None], "text", ["b", None]),
    "polars Categorical": (pl, pl.Series(["b", None], dtype=pl.Categorical), "text", ["b", None]),
    "polars Enum": (pl, pl.Series(["b", "a"], dtype=pl.Enum(["z", "b", "a"])), "text", ["b", "a"]),
    "polars Decimal": (pl, [Decimal("1.5"), None], "numeric", [1.5, None]),
    "polars Null": (pl, [None, None], "numeric", [None, None]),
    "polars Object": (pl, pl.Series(["b", None], dtype=pl.Object), "text", ["b", None]),
    "arrow float": (pa, pa.array([1.5, None]), "numeric", [1.5, None]),
    "arrow int": (pa, pa.array([2, 3]), "numeric", [2, 3]),
    "arrow decimal": (pa, pa.array([Decimal("1.5"), None]), "numeric", [1.5, None]),
    "arrow bool": (pa, pa.array([True, None]), "boolean", [True, None]),
    "arrow string": (pa, pa.array(["b", None]), "text", ["b", None]),
    "arrow large string": (pa, pa.array(["b", None], pa.large_string()), "text", ["b", None]),
    "arrow string view": (pa, pa.array(["b", None], pa.string_view()), "text", ["b", None]),
    "arrow dictionary": (pa, pa.array(["b", None]).dictionary_encode(), "text", ["b", None]),
    "arrow dictionary of numbers": (pa, pa.array([3, None]).dictionary_encode(), "number",
                                    [3, None]),
    **{f"arrow dictionary of {index}": (
        pa, pa.array(["b", None]).dictionary_encode().cast(pa.dictionary(index, pa.string())),
        "text", ["b", None]) for index in (pa.uint8(), pa.uint64())},
    "arrow null in a dictionary": (
        pa, pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array([None, "b"])), "text",
        [None, "b"]),
    "arrow chunks": (
        pa, pa.chunked_array([pa.array(["b"]).dictionary_encode(),
                              pa.array(["a"]).dictionary_encode()]), "text", ["b", "a"]),
    "arrow null": (pa, pa.nulls(2), "numeric", [None, None]),
}  # fmt: skip


def frame(library: Any, **columns: Any) -> Any:
    if library is pa:
        return pa.table(columns)
    return library.DataFrame(columns)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_each_dtype(name: str) -> None:
    library, values, kind, wanted = COLUMNS[name]
    X = frame(library, first=["x", "y"], a=values, last=[0.5, 1.5])
    table = check(X)
    assert_sound(table)
    assert kind_of(table, 1) == kind and decode(table, 1) == wanted
    assert decode(table, 0) == ["x", "y"] and decode(table, 2) == [0.5, 1.5]
    alone = check(frame(library, a=values))
    assert kind_of(alone, 0) == kind
    if sparse.issparse(alone):
        alone = alone.toarray()
    if isinstance(alone, CodedTable):
        assert_sound(alone)
        assert decode(alone, 0) == wanted
    else:
        np.testing.assert_array_equal(alone[:, 0], wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_array_with_missing_values_is_not_copied(dtype: type) -> None:
    X = np.array([[1.0, NAN, 3.0], [4.0, 5.0, NAN]], dtype=dtype)
    X.setflags(write=False)
    fitted = Checked(X)
    for table in (fitted.table, fitted.again(X)):
        assert_sound(table)
        assert table.numbers is X or np.shares_memory(table.numbers, X)
        assert table.dtype == dtype and table.numeric == (0, 1, 2)
        assert table.codes.tolist() == [[1, 0], [0, 1]]
        assert [(e.feature, e.kind, e.levels.tolist()) for e in table.coded] == [
            (1, "missing", [True]), (2, "missing", [True]),
        ]  # fmt: skip


def test_table_of_numbers_stays_an_array() -> None:
    X = np.arange(6.0).reshape(3, 2)
    assert check(X) is X and Checked(X).again(X) is X
    frames = [frame(library, a=X[:, 0], b=X[:, 1]) for library in (pd, pl, pa)]
    for each in [*frames, X.tolist(), X.astype(object), X.astype(str), X.astype(int)]:
        found = check(each)
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, X)


@pytest.mark.parametrize("view", [np.asfortranarray, lambda a: np.tile(a, (1, 2))[:, :2]])
def test_other_layouts_are_brought_into_c_order(view: Callable[[Any], Any]) -> None:
    X = np.array([[1.0, NAN], [NAN, 2.0], [3.0, 4.0]])
    table = check(view(X))
    assert_sound(table)
    np.testing.assert_array_equal(table.numbers, X)


def test_missing_values_of_a_long_table_are_found_wherever_they_are() -> None:
    X = np.zeros((700_000, 3), dtype=np.float32)
    X[5, 1], X[699_999, 2] = NAN, NAN
    table = check(X)
    assert [each.feature for each in table.coded] == [1, 2]
    assert np.argwhere(table.codes).tolist() == [[5, 0], [699_999, 1]]


def test_floats_of_any_width() -> None:
    single = np.array([1.5, NAN], dtype=np.float32)
    text = ["a", "b"]
    wanted = [
        (pd.DataFrame({"a": single, "t": text}), np.float32),
        (pd.DataFrame({"a": single, "b": np.int8([1, 2]), "t": text}), np.float32),
        (pd.DataFrame({"a": single, "b": [1, 2], "t": text}), np.float64),
        (pd.DataFrame({"a": np.float16([1, 2]), "t": text}), np.float64),
        (pd.DataFrame({"a": single, "b": [1.0, 2.0], "t": text}), np.float64),
        (pd.DataFrame({"t": text}), np.float64),
    ]
    for X, dtype in wanted:
        assert check(X).dtype == dtype


def test_table_of_categories_alone() -> None:
    for X in (pd.DataFrame({"a": ["x", "y"], "b": [True, False]}), [["x", True], ["y", False]]):
        table = check(X)
        assert_sound(table)
        assert table.numbers.shape == (2, 1) and table.shape == (2, 2)
        assert [e.kind for e in table.coded] == ["text", "boolean"]


def test_arrays_and_lists_are_read_by_column() -> None:
    rows = [["x", 1, "3", None], [None, 2.5, "4", True], ["y", None, "5", False]]
    for X in (rows, [tuple(row) for row in rows], np.array(rows, dtype=object)):
        table = check(X)
        assert_sound(table)
        assert [kind_of(table, j) for j in range(4)] == ["text", "numeric", "numeric", "boolean"]
        assert decode(table, 0) == ["x", None, "y"] and decode(table, 2) == [3, 4, 5]
    assert check(np.array([["x", "1"], ["y", "2"]])).numeric == (1,)
    assert isinstance(check(np.array([[True, False], [False, True]])), np.ndarray)
    masked = np.ma.masked_array(np.array(rows, dtype=object), mask=False)
    masked[0, 0] = np.ma.masked
    assert decode(check(masked), 0) == [None, None, "y"]


def test_order_of_rows_and_of_categories_does_not_matter() -> None:
    values = ["b", "c", "a", "c"]
    tables = [check(pd.DataFrame({"a": values})), check(pd.DataFrame({"a": values[::-1]})),
              check(pd.DataFrame({"a": pd.Categorical(values, ["c", "b", "a"])})),
              check(pl.DataFrame({"a": pl.Series(values, dtype=pl.Enum(["c", "a", "b"]))})),
              check(pa.table({"a": pa.array(values).dictionary_encode()}))]  # fmt: skip
    for table in tables:
        assert table.coded[0].levels.tolist() == ["a", "b", "c"]
    assert all(decode(table, 0) == values for table in tables[:1] + tables[2:])


def test_categories_without_rows() -> None:
    many = [f"level {i:06d}" for i in range(100_000)]
    column = pd.Categorical.from_codes(np.arange(0, 100_000, 100), many)
    table = check(pd.DataFrame({"a": column}))
    assert_sound(table)
    assert decode(table, 0) == many[::100]
    for rows in (1, 5, 50):  # a few are read one by one
        some = column[:rows].copy()
        some[rows // 2] = None
        part = check(pd.DataFrame({"a": some, "b": 1.0}))
        assert_sound(part)
        assert decode(part, 0) == [None if v is np.nan else v for v in some.tolist()]
        assert len(part.coded[0].levels) < rows


def test_numbers_that_are_equal_are_one_level() -> None:
    column = pd.Series([1, 1.0, np.int64(1), 2, None], dtype=object)
    table = check(pd.DataFrame({"a": column}), ["a"])
    assert table.coded[0].levels.tolist() == [1, 2]
    assert table.codes[:, 0].tolist() == [1, 1, 1, 2, 0]
    signed = check(np.array([[0.0], [-0.0], [NAN]]), [0])
    assert signed.codes[:, 0].tolist() == [1, 1, 0]
    big = check(pd.DataFrame({"a": pd.Categorical([2**60, 2**60 + 1])}))
    assert decode(big, 0) == [2**60, 2**60 + 1]


def test_long_tables_are_those_of_short_ones() -> None:
    """What is read in chunks, and by other means than a few rows are."""
    rng = np.random.default_rng(0)
    levels = np.array([*(f"l{i}" for i in range(300)), None], dtype=object)
    values, numbers = levels[rng.integers(0, 301, 70_000)], rng.normal(size=70_000)
    numbers[::1000] = NAN
    flags = rng.uniform(size=70_000) < 0.5
    columns = {"a": values, "b": numbers, "c": flags}
    tables = [pd.DataFrame(columns), pd.DataFrame(columns).astype({"a": "category"}),
              pd.DataFrame(columns).astype({"a": "str"}),
              pl.DataFrame({**columns, "a": values.tolist()}),
              pa.table({**columns, "a": values.tolist()})]  # fmt: skip
    for X in tables:
        table = check(X)
        assert_sound(table)
        assert decode(table, 0) == values.tolist() and decode(table, 2) == flags.tolist()
        np.testing.assert_array_equal(table.numbers[:, 0], numbers)
        assert table.codes[:, 2].sum() == 70


def test_rows_of_a_table() -> None:
    table = check(pd.DataFrame({"a": [1.0, NAN, 3.0], "b": ["x", None, "y"]}))
    part = table.take(np.array([2, 1, 1]))
    assert_sound(table)
    assert decode(part, 0) == [3, None, None] and decode(part, 1) == ["y", None, None]
    assert len(part) == 3 and part.shape == (3, 2) and part.coded == table.coded
    assert table.nbytes == table.numbers.nbytes + table.codes.nbytes
    np.testing.assert_array_equal(check_weights([1, 2, 3], table), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(check_groups(["a", "b", "a"], table), ["a", "b", "a"])


def test_the_table_of_a_user_is_left_alone() -> None:
    X = pd.DataFrame({"a": [1.0, NAN], "b": pd.Categorical(["x", "y"]), "c": [True, False]})
    before = X.copy(deep=True)
    table = check(X)
    table.numbers[:] = 7
    table.codes[:] = 0
    pd.testing.assert_frame_equal(X, before)


def test_arrays_of_a_device_stay_there() -> None:
    values = np.array([[1.0, NAN, 2.0], [3.0, 1.0, 2.0], [1.0, 1.0, NAN]])
    device = strict.Device("device1")
    X = strict.asarray(values, device=device)
    table = check(X)
    assert table.numbers.device == device and table.numeric == (0, 1, 2)
    assert table.codes.tolist() == [[1, 0], [0, 0], [0, 1]] and table.shape == (3, 3)
    fitted = Checked(X, [2])
    for table in (fitted.table, fitted.again(X)):
        assert table.numbers.device == device and table.numeric == (0, 1)
        assert [(e.feature, e.kind) for e in table.coded] == [(2, "number"), (1, "missing")]
        assert table.codes.tolist() == [[1, 1], [1, 0], [0, 0]]
        assert table.take(np.array([1])).numbers.shape == (1, 2) and table.nbytes > 0
    with pytest.raises(ValueError, match="infinity: column 1, first at row 0"):
        check(strict.asarray(np.where(np.isnan(values), np.inf, values), device=device))


def test_arrays_are_read_where_no_library_of_frames_is_installed() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('pandas', 'polars', 'pyarrow')));"
        "import numpy as np, frames_case as c; c.check(np.array([[np.nan]]));"
        "X = np.array([['a', 1], ['b', None]], object);"
        "print(c.decode(c.check(X), 0), c.decode(c.check([['a', 1.5]]), 1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "['a', 'b'] [1.5]", done.stderr


def test_columns_of_codes_are_values() -> None:
    column = CodeColumn(1, "text", np.array(["a"], dtype=object))
    with pytest.raises(AttributeError):
        column.kind = "number"  # type: ignore[misc]
