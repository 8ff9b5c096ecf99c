"""Columns of Arrow's tables."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sknorm.data.raw import refusals
from sknorm.data.raw.content import Content, Place, booleans, integers, narrow, nothing, used
from sknorm.data.raw.levels import read_levels
from sknorm.data.raw.objects import read_objects


def columns(table: Any) -> Iterator[tuple[Place, Any]]:
    """The columns with their places."""
    for position, name in enumerate(table.column_names):
        yield Place(position, name, table.schema.types[position]), table.column(position)


def is_numeric(dtype: Any) -> bool:
    """Whether a type says that a column is numeric, as NumPy converts it."""
    return str(dtype).startswith(("int", "uint", "float", "double", "halffloat"))


def read_arrow(place: Place, column: Any, unused: int = 0) -> Content:
    """What an array, or one in chunks, holds; all of up to ``unused`` levels are kept."""
    import pyarrow as pa

    types, dtype = pa.types, column.type
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    if types.is_integer(dtype) and column.null_count:
        return integers(place, column.fill_null(0).to_numpy(), column.is_null().to_numpy())
    if types.is_integer(dtype) or types.is_floating(dtype) or types.is_decimal(dtype):
        values = column.cast(pa.float64(), safe=False) if _converts(types, column) else column
        merged = types.is_decimal(dtype) and _distinct(values) < _distinct(column)
        return Content(place, "numbers", values.to_numpy(), merged=merged)
    if types.is_boolean(dtype):
        return booleans(place, column.cast(pa.int8()).fill_null(-1).to_numpy())
    if types.is_null(dtype):
        return nothing(place, len(column))
    if types.is_dictionary(dtype):
        return _read_dictionary(place, column, declared=True, unused=unused)
    if types.is_string(dtype) or types.is_large_string(dtype):
        return _read_dictionary(place, column.dictionary_encode(), declared=False)
    if _is_view(types, dtype):
        return _read_dictionary(
            place, column.cast(pa.large_string()).dictionary_encode(), declared=False
        )
    if column.null_count == len(column):
        return nothing(place, len(column))
    if types.is_temporal(dtype):
        raise refusals.dates(place, *_first(column))
    return read_objects(place, column.to_pylist())


def _distinct(column: Any) -> int:
    return len(column.unique())


def _converts(types: Any, column: Any) -> bool:
    return column.null_count > 0 or types.is_decimal(column.type) or str(column.type) == "halffloat"


def _is_view(types: Any, dtype: Any) -> bool:
    return hasattr(types, "is_string_view") and types.is_string_view(dtype)


def _read_dictionary(place: Place, column: Any, *, declared: bool, unused: int = 0) -> Content:
    column = column.combine_chunks()  # of one dictionary
    chunks = getattr(column, "chunks", [column])  # an older combine_chunks leaves one
    every = bool(chunks) and 0 < len(chunks[0].dictionary) <= unused
    if not chunks or (chunks[0].null_count == len(chunks[0]) and not every):
        return nothing(place, len(column), declared=True)
    array = chunks[0]
    codes = array.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
    dictionary = array.dictionary
    if not every and (some := used(codes, len(dictionary))) is not None:
        codes, dictionary = some[0], dictionary.take(some[1])
    levels = dictionary.to_pylist()
    codes = narrow(codes, len(levels))
    if not declared:
        return Content(place, "text", codes, levels)
    return read_levels(place, codes, levels)


def _first(column: Any) -> tuple[Any, int]:
    """The first value that is there, and its row."""
    row = int(np.argmax(column.is_valid().to_numpy()))
    return column[row].as_py(), row
