"""Columns of pandas' frames."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from sknorm.data.raw import refusals
from sknorm.data.raw.arrow import read_arrow
from sknorm.data.raw.content import Content, Place, booleans, integers, narrow, nothing, used
from sknorm.data.raw.levels import read_levels
from sknorm.data.raw.objects import read_objects

_SCALAR = 10  # rows whose levels are looked up one by one
_FEW = 200  # rows for which a look at each takes less time than a call of pandas'


def columns(frame: Any) -> Iterator[tuple[Place, Any]]:
    """The columns with their places."""
    for position, (name, series) in enumerate(frame.items()):
        name = name.item() if isinstance(name, np.generic) else name
        yield Place(position, name, series.dtype), series


def is_numeric(dtype: Any) -> bool:
    """Whether a dtype says that a column is numeric, as NumPy converts it."""
    return getattr(dtype, "kind", "O") in "iuf" and not _is_sparse(dtype)


def is_sparse(dtype: Any) -> bool:
    """Whether a column is stored without its zeros."""
    return _is_sparse(dtype) and np.array_equal(dtype.fill_value, 0)


def read(place: Place, series: Any, unused: int = 0) -> Content:
    """What a column holds; all of up to ``unused`` levels of its dtype are kept."""
    dtype = place.dtype
    if hasattr(dtype, "categories") and hasattr(dtype, "ordered"):
        return _read_category(place, series.array, unused)
    if _is_sparse(dtype):
        series = series.sparse.to_dense()
        dtype = series.dtype
    if hasattr(dtype, "pyarrow_dtype"):
        return read_arrow(place, series.array.__arrow_array__(), unused)
    if getattr(dtype, "kind", "O") in "mM" or type(dtype).__name__ == "PeriodDtype":
        return _read_dates(place, series)
    if isinstance(dtype, np.dtype):
        return _read_numpy(place, dtype, series.to_numpy())
    if dtype.kind in "iu" and series.hasnans:
        values = series.to_numpy(dtype.numpy_dtype, na_value=0)
        return integers(place, values, series.isna().to_numpy())
    if dtype.kind in "iu":
        return Content(place, "numbers", series.to_numpy(dtype.numpy_dtype))
    if dtype.kind == "f":
        return Content(place, "numbers", series.to_numpy(np.float64, na_value=np.nan))
    if dtype.kind == "b":
        return booleans(place, series.to_numpy(np.int8, na_value=-1))
    if type(dtype).__name__ == "StringDtype":
        return _read_text(place, series)
    return read_objects(place, series.to_numpy(dtype=object).tolist())


def _is_sparse(dtype: Any) -> bool:
    return type(dtype).__name__ == "SparseDtype"


def _read_numpy(place: Place, dtype: np.dtype, values: np.ndarray) -> Content:
    if dtype.kind in "iuf":
        return Content(place, "numbers", values)
    if dtype.kind == "b":
        return booleans(place, values.view(np.int8))
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: column {place.label} has dtype {dtype}.")
    if len(values) > _FEW and any(isinstance(value, str) for value in values[:_FEW]):
        import pandas as pd

        with suppress(TypeError):  # of values that have no hash
            codes, levels = pd.factorize(values)
            if all(isinstance(level, str) for level in levels):
                return Content(place, "text", narrow(codes, len(levels)), levels, loose=True)
    return read_objects(place, values.tolist())


def _read_text(place: Place, series: Any) -> Content:
    if len(series) <= _FEW:
        content = read_objects(place, series.to_numpy(dtype=object).tolist())
        codes, levels = content.values, content.levels
    else:
        import pandas as pd

        codes, index = pd.factorize(series.array)
        codes, levels = narrow(codes, len(index)), np.asarray(index, dtype=object)
    if levels is None or not len(levels):
        return nothing(place, len(series), declared=True)
    return Content(place, "text", codes, levels)


def _read_category(place: Place, array: Any, unused: int) -> Content:
    codes, categories = array.codes, array.categories
    every = 0 < len(categories) <= unused
    if not every and len(codes) < min(_SCALAR, len(categories)):
        found = sorted(set(codes.tolist()) - {-1})
        ranks = np.array([found.index(code) if code >= 0 else -1 for code in codes.tolist()])
        return read_levels(place, ranks, [categories[code] for code in found])
    if not every and (some := used(codes, len(categories))) is not None:
        codes, categories = some[0], categories.take(some[1])
    if not len(categories) or not (every or (codes >= 0).any()):
        return nothing(place, len(codes), declared=True)
    dtype = categories.dtype
    if type(dtype).__name__ == "StringDtype":
        return Content(place, "text", codes, categories.tolist(), declared=True)
    if dtype.kind in "iuf":
        return Content(place, "numbers", codes, categories.to_numpy(), declared=True)
    return read_levels(place, codes, categories.tolist())


def _read_dates(place: Place, values: Any) -> Content:
    """Dates are refused, but for a column that has none."""
    there = np.flatnonzero(~np.asarray(values.isna()))
    if not there.size:
        return nothing(place, len(values))
    raise refusals.dates(place, values.iloc[there[0]], int(there[0]))
