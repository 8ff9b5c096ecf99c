"""What a network sees of a raw table: numbers in their scale, filled bins, places of categories."""

from typing import Any, NamedTuple

import numpy as np

from sknorm.data.bins import Bins
from sknorm.data.categories import Category
from sknorm.data.coded import MISSING
from sknorm.data.columns import Columns
from sknorm.export.onnx.graph import ML, TEXT, Graph
from sknorm.export.onnx.table import Table
from sknorm.kernels.codes import FAR

# What runtimes make of None, NaN, pandas.NA and NaT among text: their inputs have no missing text.
MISSING_TEXT = ("nan", "None", "<NA>", "NaT")


class Seen(NamedTuple):
    """Inputs of a network, in its dtype.

    Attributes
    ----------
    numbers : str
        (n, d)
    bins : str or None
        What the numbers fill of all bins, (n, B).
    flags : list of (str, array of int)
        Zeros and ones (n, r) of categories whose levels have rows of weights, and which rows.
    places : dict of int to str
        Of each other code column, its levels' places (n,), -1 for none.
    """

    numbers: str
    bins: str | None
    flags: list[tuple[str, np.ndarray]]
    places: dict[int, str]


def see(table: Table, columns: Columns, dtype: Any) -> Seen:
    """What the columns of a table are to a network that computes in a dtype."""
    graph, numeric = table.graph, columns.kinds.numeric
    raw = table.numbers(numeric)
    missing = graph.add("IsNaN", raw)
    z = _scaled(graph, columns, raw, missing, dtype)
    bins = None if columns.bins is None else _filled(graph, columns.bins, z, dtype)
    flags, places = [], {}
    gaps = [each for each in columns.known if each.kind == MISSING]
    if gaps:
        at = np.array([numeric.index(each.feature) for each in gaps])
        flag = graph.cast(graph.add("Gather", missing, at, axis=1), dtype)
        flags.append((flag, np.array([each.first for each in gaps])))
    for number, each in enumerate(columns.known):
        if each.kind == MISSING:
            continue
        place = _place(table, each)
        if each.width:
            places[number] = graph.add("Squeeze", place, np.array([1]))
        else:
            rows = np.arange(each.first, each.first + each.rows)
            flags.append((graph.cast(graph.add("Equal", place, rows[None]), dtype), rows))
    return Seen(z, bins, flags, places)


def _scaled(graph: Graph, columns: Columns, raw: str, missing: str, dtype: Any) -> str:
    """Numbers (n, d) as networks see them: scaled in float64, as training scales them."""
    z = raw
    if columns.offset.any():
        z = graph.add("Sub", z, columns.offset[None])
    if (columns.factor != 1.0).any():
        z = graph.add("Mul", z, columns.factor[None])
    z = graph.cast(z, dtype, "f8")
    if columns.clip.any():
        with np.errstate(divide="ignore"):
            most = (FAR / columns.clip[None]).astype(dtype)
        z = graph.add("Max", graph.add("Min", z, most), -most)
        pulled = graph.add("Mul", z, columns.clip[None].astype(dtype))
        square = graph.add("Add", graph.add("Mul", pulled, pulled), dtype(1.0))
        z = graph.add("Div", z, graph.add("Sqrt", square))
    return graph.add("Where", missing, columns.fill[None].astype(dtype), z)


def _filled(graph: Graph, bins: Bins, z: str, dtype: Any) -> str:
    """Shares of all bins (n, B), in float64, as narrow bins have large gains."""
    columns = np.repeat(np.arange(len(bins.counts)), bins.counts)
    low = np.where(np.isfinite(bins.low), bins.low, 0.0)  # of bins with a gain of 0
    wide = graph.cast(graph.add("Gather", z, columns, axis=1), "f8", dtype)
    above = graph.add("Sub", wide, low[None])
    share = graph.add("Mul", above, bins.gain[None])
    return graph.cast(graph.add("Clip", share, np.float64(0.0), np.float64(1.0)), dtype, "f8")


def _place(table: Table, category: Category) -> str:
    """Places (n, 1) int64 of a category's values, -1 for none."""
    graph, (name, dtype) = table.graph, table.column(category.feature)
    if (dtype == TEXT) != (category.kind == "text"):
        was, now = ("text", "numbers") if category.kind == "text" else (category.kind, "text")
        raise ValueError(
            f"Column {table.label(category.feature)} was a category of {was} in fit, but its "
            f"input of the graph is of {now}. Give it the type that it had."
        )
    if dtype == TEXT:
        return _place_of_text(graph, category, name)
    if dtype.kind in "biu" and category.levels.dtype.kind in "biu":
        _refuse_beyond_64_bits(category, table.label(category.feature))
        return _place_of_integers(graph, category, graph.cast(name, "i8", dtype))
    return _place_of_floats(graph, category, name, dtype)


def _place_of_text(graph: Graph, category: Category, name: str) -> str:
    levels = category.levels.tolist()
    words = [word for word in MISSING_TEXT if word not in levels]
    missing, other, *known = _places(category, category.levels)
    keys, values = [*levels, *words], [*known, *[missing] * len(words)]
    return graph.add(
        "LabelEncoder", name, domain=ML, keys_strings=keys, values_int64s=values,
        default_int64=other,
    )  # fmt: skip


def _place_of_integers(graph: Graph, category: Category, name: str) -> str:
    _, other, *known = _places(category, category.levels)
    keys = [int(level) for level in category.levels.tolist()]
    if not keys:  # all are others, or nothing
        keys, known = [0], [other]
    return graph.add(
        "LabelEncoder", name, domain=ML, keys_int64s=keys, values_int64s=known,
        default_int64=other,
    )  # fmt: skip


def _refuse_beyond_64_bits(category: Category, label: str) -> None:
    largest = int(category.levels.max(initial=0))
    if largest >= 1 << 63:
        raise ValueError(
            f"Column {label} has the category {largest}, beyond the integers of 64 bits that a "
            "graph compares. Make the column text and fit anew."
        )


def _place_of_floats(graph: Graph, category: Category, name: str, dtype: np.dtype) -> str:
    """By comparison with all levels, in float32 if they or the values are."""
    narrow = np.float32 in (category.levels.dtype, dtype)
    wide = np.dtype(np.float32 if narrow else np.float64)
    with np.errstate(over="ignore"):
        levels = np.unique(category.levels.astype(wide))  # rounding may have joined some
    missing, other, *known = _places(category, levels)
    value = graph.cast(name, wide, dtype)
    place: str | np.ndarray = np.array([[other]])
    if len(levels):
        steps = np.array(known) - other
        hits = graph.cast(graph.add("Equal", value, levels[None]), "i8")
        found = graph.add("Mul", hits, steps[None])
        total = graph.add("ReduceSum", found, np.array([1]), keepdims=1)
        place = graph.add("Add", total, np.array([[other]]))
    return graph.add("Where", graph.add("IsNaN", value), np.array([[missing]]), place)


def _places(category: Category, levels: np.ndarray) -> list[int]:
    """Places of a missing value, of a level that is not known, and of these levels."""
    missing, *known = category.places(levels).tolist()
    other = category.first + category.has_missing if category.has_other else -1
    return [missing, other, *known]
