"""Columns of polars' frames."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sknorm.data.raw import refusals
from sknorm.data.raw.content import Content, Place, booleans, integers, narrow, nothing
from sknorm.data.raw.objects import read_objects


def columns(frame: Any) -> Iterator[tuple[Place, Any]]:
    """The columns with their places."""
    for position, series in enumerate(frame.iter_columns()):
        yield Place(position, series.name, series.dtype), series


def is_numeric(dtype: Any) -> bool:
    """Whether a dtype says that a column is numeric, as NumPy converts it."""
    known = dtype.is_integer() or (dtype.is_float() and not dtype.is_decimal())
    return bool(known and not _is_wide(dtype))


def read(place: Place, series: Any, unused: int = 0) -> Content:
    """What a column holds; all of up to ``unused`` levels of its dtype are kept."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric():
        fits = not (dtype.is_decimal() or _is_wide(dtype))
        if fits and dtype.is_integer() and series.null_count():
            return integers(place, series.fill_null(0).to_numpy(), series.is_null().to_numpy())
        whole = series.null_count() == 0 and fits
        values = series if whole else series.cast(pl.Float64)
        merged = not fits and values.n_unique() < series.n_unique()
        return Content(place, "numbers", values.to_numpy(), merged=merged)
    if dtype == pl.Boolean:
        return booleans(place, series.cast(pl.Int8).fill_null(-1).to_numpy())
    declared = len(dtype.categories) if isinstance(dtype, pl.Enum) else 0
    every = 0 < declared <= unused
    if dtype == pl.Null or (series.null_count() == len(series) and not every):
        coded = dtype in (pl.String, pl.Categorical, pl.Enum)
        return nothing(place, len(series), declared=coded)
    if dtype == pl.String:
        levels = series.unique().drop_nulls().sort()
        codes = series.cast(pl.Enum(levels)).to_physical()
        return Content(place, "text", _codes(codes, len(levels)), levels.to_list())
    if every or 0 < declared <= len(series):
        levels = dtype.categories
        codes = _codes(series.to_physical(), len(levels))
        return Content(place, "text", codes, levels.to_list(), declared=True)
    if dtype in (pl.Categorical, pl.Enum):
        return _read_category(place, series)
    if dtype.is_temporal():
        values = series.to_list()
        row = next(i for i, value in enumerate(values) if value is not None)
        raise refusals.dates(place, values[row], row)
    return read_objects(place, series.to_list())


def _is_wide(dtype: Any) -> bool:
    """Whether NumPy has no such integers."""
    return "128" in str(dtype)


def _read_category(place: Place, series: Any) -> Content:
    """Through the levels that have rows: others may be those of other columns."""
    import polars as pl

    found = series.unique().drop_nulls()
    numbers = found.to_physical().to_numpy()
    ranks = np.full(int(numbers.max()) + 2, -1, dtype=np.int32)
    ranks[numbers] = np.arange(len(numbers), dtype=np.int32)
    physical = series.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    return Content(place, "text", ranks[physical], found.cast(pl.String).to_list(), declared=True)


def _codes(physical: Any, levels: int) -> np.ndarray:
    import polars as pl

    return narrow(physical.cast(pl.Int64).fill_null(-1).to_numpy(), levels)
