"""Tables with categories or missing values: numbers, and integer codes beside them."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from sknorm.backends import take_rows, to_host

MISSING = "missing"  # the kind of a column that says where numbers are missing


@dataclass(frozen=True)
class CodeColumn:
    """What a column of codes stands for.

    Attributes
    ----------
    feature : int
        The column of X.
    kind : {"text", "boolean", "number", "nothing", "missing"}
        A category of such values, or which values of a numeric column are missing.
    levels : ndarray of shape (n_levels,)
        Distinct values, sorted; some may have no row. Those of "missing" are ``[True]``.
    """

    feature: int
    kind: str
    levels: np.ndarray


@dataclass(frozen=True)
class CodedTable:
    """A checked table of n rows.

    Attributes
    ----------
    numbers : float array of shape (n, n_numeric), in C order
        On the host or a device; NaN is missing, and nothing is infinite. A column of zeros where
        no column of X is numeric.
    numeric : tuple of int
        Which columns of X these are.
    codes : int32 array of shape (n, n_coded), in C order
        On the host: 0 is missing, and i + 1 the i-th level. Of "missing", 1 is missing.
    coded : tuple of CodeColumn
        Categories in the order of X, then "missing" columns in the order of X.
    n_features : int
        Number of columns of X.
    """

    numbers: Any
    numeric: tuple[int, ...]
    codes: np.ndarray
    coded: tuple[CodeColumn, ...]
    n_features: int

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns of X."""
        return len(self), self.n_features

    @property
    def dtype(self) -> Any:
        """That of the numbers."""
        return self.numbers.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of numbers and codes."""
        size = 8 if "64" in str(self.dtype) else 4
        return size * prod(self.numbers.shape) + self.codes.nbytes

    def take(self, index: np.ndarray) -> "CodedTable":
        """The table of some rows."""
        return replace(self, numbers=take_rows(self.numbers, index), codes=self.codes[index])

    def values(self) -> Any:
        """X as an array: of numbers, or of objects if a column is a category; NaN is missing."""
        if len(self.numeric) == self.n_features:
            return self.numbers
        table = np.full(self.shape, np.nan, dtype=object)
        if self.numeric:
            table[:, list(self.numeric)] = to_host(self.numbers)
        for column, codes in zip(self.coded, self.codes.T, strict=True):
            if column.kind != MISSING:
                levels = np.array([np.nan, *column.levels.tolist()], dtype=object)
                table[:, column.feature] = levels[codes]
        return table


def key_of(column: Any) -> tuple[bool, int]:
    """What a code column, or what is learned of one, is known by, in the order of a table."""
    return column.kind == MISSING, column.feature


def stacked(first: Any, second: Any) -> CodedTable:
    """The rows of two tables of the same columns of X, one after the other, on the host.

    Either may be an array, in which nothing is missing and nothing a category.
    """
    parts = [
        each if isinstance(each, CodedTable) else _of_numbers(each) for each in (first, second)
    ]
    keys = sorted({key_of(column) for part in parts for column in part.coded})
    columns, codes = [], []
    for key in keys:
        found = [_find(part, key) for part in parts]
        levels = np.array(sorted({level for c, _ in found if c for level in c.levels.tolist()}))
        column = next(c for c, _ in found if c)
        if column.levels.dtype == object:
            levels = levels.astype(object)
        columns.append(replace(column, levels=levels))
        codes.append(np.concatenate([_translated(*each, levels) for each in found]))
    numbers = np.concatenate([to_host(part.numbers) for part in parts])
    table = np.stack(codes, axis=1) if codes else np.zeros((len(numbers), 0), dtype=np.int32)
    return replace(
        parts[0], numbers=numbers, codes=np.ascontiguousarray(table), coded=tuple(columns)
    )


def _of_numbers(X: Any) -> CodedTable:
    n, width = X.shape
    return CodedTable(X, tuple(range(width)), np.zeros((n, 0), dtype=np.int32), (), width)


def _find(table: CodedTable, key: tuple[bool, int]) -> tuple[CodeColumn | None, np.ndarray]:
    """A code column of a table and its codes; all 0 where the table has none."""
    for place, column in enumerate(table.coded):
        if key_of(column) == key:
            return column, table.codes[:, place]
    return None, np.zeros(len(table), dtype=np.int32)


def _translated(column: CodeColumn | None, codes: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Codes of a column in those of more levels."""
    if column is None:
        return codes
    places = {level: place + 1 for place, level in enumerate(levels.tolist())}
    table = np.array([0, *(places[level] for level in column.levels.tolist())], dtype=np.int32)
    return table[codes]
