"""From checked columns to a table of numbers and codes, or to numbers alone."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from sknorm.backends import is_on_host, resolve, to_host
from sknorm.data.checks.missing import find_missing, infinite_value
from sknorm.data.kinds import Kinds
from sknorm.data.raw import by_choice, by_dtype, by_fit, choose
from sknorm.data.raw.assemble import assemble, assemble_numbers
from sknorm.data.raw.content import Content, Place
from sknorm.data.raw.entries import label_of
from sknorm.data.raw.read import Columns, Raw, as_category, open_array, read


class Coding(NamedTuple):
    """What decides which columns are categories.

    Attributes
    ----------
    decide : callable
        The kind of a column.
    categories : frozenset of int
        Columns that are categories whatever their dtype.
    names : ndarray of str or None
        Of the columns.
    unused : int
        Levels of a dtype up to which those without rows are kept: others may come with them.
    """

    decide: Callable[[Content], str] = by_dtype
    categories: frozenset[int] = frozenset()
    names: Any = None
    unused: int = 0

    @classmethod
    def of(cls, estimator: Any, known: Kinds | None, n_features: int, names: Any) -> "Coding":
        """From what the columns were in fit, or from what the estimator is told."""
        if known is not None:
            kinds, empty = known.categories, known.empty
            return cls(partial(by_fit, kinds=kinds, empty=empty), frozenset(kinds), names)
        told = getattr(estimator, "categorical_features", "from_dtype")
        chosen = choose(told, n_features, names)
        if chosen is None:
            return cls(names=names)
        return cls(partial(by_choice, chosen=chosen), chosen, names)

    def label(self, position: int) -> str:
        """What messages call a column."""
        return label_of(position, None if self.names is None else self.names[position])


def code_array(estimator: Any, X: Any, coding: Coding) -> Any:
    """A float array, on the host or a device, or a CodedTable of it.

    An array in C order without categories is not copied.
    """
    if coding.categories:
        if is_on_host(X):
            return code_columns(estimator, open_array(X), coding)
        return _code_device_columns(estimator, X, coding)
    missing = find_missing(estimator, X, coding.label)
    if not missing:
        return X
    numbers = np.ascontiguousarray(X) if is_on_host(X) else resolve(X).asarray(X)
    return assemble(numbers, tuple(range(X.shape[1])), (), missing)


def code_columns(estimator: Any, table: Raw, coding: Coding) -> Any:
    """A table by its columns as an array, or as a CodedTable."""
    columns = read(table, coding.decide, unused=coding.unused)
    return _assemble(estimator, columns, assemble_numbers(columns.numbers, table.rows), coding)


def _code_device_columns(estimator: Any, X: Any, coding: Coding) -> Any:
    """Categories come to the host, the numbers stay where they are."""
    xp, backend, categories = array_namespace(X), resolve(X), []
    for j in sorted(coding.categories):
        content = Content(Place(j, None, X.dtype), "numbers", to_host(X[:, j]))
        categories.append(as_category(content, coding.decide(content)))
    numeric = tuple(j for j in range(X.shape[1]) if j not in coding.categories)
    numbers = xp.take(X, backend.asarray(np.array(numeric, dtype=np.int64)), axis=1)
    return _assemble(estimator, Columns(numeric, [], categories), numbers, coding)


def _assemble(estimator: Any, columns: Columns, numbers: Any, coding: Coding) -> Any:
    numeric = columns.numeric
    for column, codes in columns.categories:
        levels = column.levels
        if column.kind == "number" and not np.isfinite(levels).all():
            rows = codes.table.take(codes.values, mode="wrap")
            row = int(np.argmax(np.append(True, np.isfinite(levels))[rows] == 0))
            raise infinite_value(estimator, coding.label(column.feature), row)
    found = find_missing(estimator, numbers, lambda j: coding.label(numeric[j]))
    if not columns.categories and not found:
        return numbers
    missing = [(numeric[j], rows) for j, rows in found]
    return assemble(numbers, numeric, columns.categories, missing)
