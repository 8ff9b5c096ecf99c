"""Which inputs the graph of a model has: those of a given table, or those that its columns need."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sknorm.backends import collect
from sknorm.data.categories import Category
from sknorm.data.checks import feature_names
from sknorm.data.coded import MISSING
from sknorm.data.columns import Columns
from sknorm.data.kinds import Kinds
from sknorm.data.raw import as_table, open_table
from sknorm.estimators.fitted import Fitted
from sknorm.export.onnx.graph import ELEMENTS, TEXT
from sknorm.export.onnx.table import Input, places_of

_FAR = 1e4  # deviations from zero beyond which float32 spoils a column
_NARROW, _WIDE = np.dtype(np.float32), np.dtype(np.float64)


def inputs_of(models: Sequence[Fitted], X: Any) -> list[Input]:
    """The inputs of a graph of models of one table, as X has them if it is not None.

    One of all columns if none is a category, or if it is an array of numbers; else one for each.

    Raises
    ------
    ValueError
        If X has other columns, or if a name cannot be that of an input.
    """
    kinds = models[0].columns.kinds
    dtypes: list[Any] = [None] * kinds.n_features if X is None else _dtypes(X, kinds)
    single = _WIDE if any(_needs_float64(each) for each in models) else _NARROW
    kinds_of_levels = {kind for m in models for kind in m.columns.kinds.categories.values()}
    if not kinds_of_levels or (kinds.names is None and kinds_of_levels <= {"number", "nothing"}):
        if not all(_are_narrow(c) for m in models for c in m.columns.categories):
            single = _WIDE
        given = [single if dtype is None else dtype for dtype in dtypes]
        return [Input("X", _common(given), kinds.n_features)]
    made = []
    for feature, dtype in enumerate(dtypes):
        name = f"x{feature}" if kinds.names is None else str(kinds.names[feature])
        if not name:
            raise ValueError(
                f"Column {feature} of X has the name '', which no input of a graph can have. "
                "Rename it and fit anew."
            )
        known = [dtype] if dtype is not None else _by_fit(models, feature, single)
        made.append(Input(name, _common(known), 1))
    return made


def output_dtype(inputs: Sequence[Input], columns: Columns) -> Any:
    """The dtype of predictions: float64 where a numeric column has it."""
    places = places_of(inputs, columns.kinds)
    wide = any(inputs[places[j][0]].dtype == _WIDE for j in columns.kinds.numeric)
    return np.float64 if wide else np.float32


def _by_fit(models: Sequence[Fitted], feature: int, single: np.dtype) -> list[np.dtype]:
    """What a column needs in each model."""
    found = []
    for each in models:
        kinds = each.columns.kinds
        known = (c for c in each.columns.categories if c.feature == feature and c.kind != MISSING)
        category = next(known, None)
        numeric = feature not in kinds.categories
        found.append(single if numeric or category is None else _of_category(category))
    return found


def _of_category(category: Category) -> np.dtype:
    """Numbers and booleans that may be missing are floats, as nothing else has a NaN."""
    if category.kind in ("text", "nothing"):
        return TEXT
    if category.has_missing:
        return _NARROW if category.kind == "boolean" else _WIDE
    if category.kind == "boolean":
        return np.dtype(bool)
    return np.dtype(np.int64) if category.levels.dtype.kind in "iu" else _WIDE


def _are_narrow(category: Category) -> bool:
    """Whether float32 holds the levels of a column of numbers."""
    with np.errstate(over="ignore"):
        return bool(np.all(category.levels.astype(np.float32) == category.levels))


def _needs_float64(fitted: Fitted) -> bool:
    """Whether a network computes in float64, or float32 does not hold what its columns differ in.

    That is where they lie far from zero beside their deviation, such as times in seconds.
    """
    columns = fitted.columns
    far = np.abs(columns.offset) * columns.factor > _FAR
    with np.errstate(over="ignore"):
        exact = columns.offset.astype(np.float32) == columns.offset  # of a constant column
    return fitted.dtype == np.float64 or bool(np.any(far & ~(columns.constant & exact)))


def _common(dtypes: Sequence[np.dtype]) -> np.dtype:
    """A dtype that holds several; text only if they all are."""
    first = dtypes[0]
    for dtype in dtypes[1:]:
        if TEXT in (first, dtype) and first != dtype:
            return TEXT
        first = first if first == dtype else np.result_type(first, dtype)
    return first


def _dtypes(X: Any, kinds: Kinds) -> list[Any]:
    """The dtype of each column of a table as its library hands it out; None of one without values.

    Raises
    ------
    ValueError
        If it has another number of columns, other names, or the names in another order.
    """
    X = as_table(collect(X))
    names = feature_names(X)
    table = open_table(X)
    if table is None:
        dtype = _of_graphs(np.dtype(str(X.dtype).rpartition(".")[2]))
        found: list[Any] = [dtype] * int(np.shape(X)[-1])
    else:
        found = [_dtype(table.read(place, column, 0)) for place, column in table.columns]
    if len(found) != kinds.n_features:
        raise ValueError(
            f"X has {len(found)} columns, but the model was fitted to {kinds.n_features}."
        )
    pairs = () if names is None or kinds.names is None else zip(names, kinds.names, strict=True)
    if other := next((pair for pair in enumerate(pairs) if pair[1][0] != pair[1][1]), None):
        place, (now, before) = other
        raise ValueError(
            f"Column {place} of X is {str(now)!r}, and was {str(before)!r} in fit. Pass "
            "frame[model.feature_names_in_]."
        )
    return found


def _dtype(content: Any) -> Any:
    if content.holds == "nothing":
        return None
    if content.holds == "text":
        return TEXT
    if content.holds == "boolean":
        return np.dtype(bool) if content.values.min() >= 0 else _NARROW
    if content.levels is None:
        return _of_graphs(content.values.dtype)
    return _of_graphs(np.asarray(content.levels).dtype) if content.values.min() >= 0 else _WIDE


def _of_graphs(dtype: np.dtype) -> np.dtype | None:
    """A dtype as graphs have it, in whatever byte order; None if they have none like it."""
    native = dtype.newbyteorder("=")
    return native if native in ELEMENTS else None
