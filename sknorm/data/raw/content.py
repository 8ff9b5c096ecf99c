"""A column as it was found: numbers, or codes of levels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import lt
from typing import Any

import numpy as np

_EXACT = 1 << 53  # integers up to which float64 holds all


@dataclass(frozen=True)
class Place:
    """Where a column stands, for messages.

    Attributes
    ----------
    position : int
    name : object
        None in an array.
    dtype : object
        As its library calls it.
    """

    position: int
    name: Any
    dtype: Any

    @property
    def label(self) -> str:
        """The name, as text has it, or the position."""
        return str(self.position) if self.name is None else repr(self.name)

    @property
    def code(self) -> str:
        """The column, as code has it."""
        return f"X[:, {self.position}]" if self.name is None else f"frame[{self.name!r}]"

    @property
    def series(self) -> str:
        """The column as code has it that needs a frame."""
        return f"frame[{self.position if self.name is None else self.name!r}]"

    @property
    def made_frame(self) -> str:
        """What makes such a frame of an array."""
        return "frame = pandas.DataFrame(X); " if self.name is None else ""


@dataclass(frozen=True)
class Content:
    """What a column holds.

    Attributes
    ----------
    place : Place
    holds : {"numbers", "text", "boolean", "nothing"}
        Nothing: no value, or only missing ones.
    values : array of shape (n,)
        Numbers, NaN where one is missing, or codes: -1 is missing.
    levels : sequence or None
        What codes stand for, in any order; None where values are numbers.
    declared : bool
        Whether the dtype says that the column is a category.
    loose : bool
        Whether the dtype is object, which says nothing.
    merged : bool
        Whether float64 has taken distinct numbers for one, which then are no levels.
    """

    place: Place
    holds: str
    values: np.ndarray
    levels: Any = None
    declared: bool = False
    loose: bool = False
    merged: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def has_values(self) -> bool:
        """Whether an entry is not missing."""
        return bool(self._there().any())

    def first(self) -> tuple[int, Any]:
        """Row and value of the first entry that is not missing."""
        row = int(np.argmax(self._there()))
        value = self.values[row] if self.levels is None else self.levels[int(self.values[row])]
        return row, value.item() if isinstance(value, np.generic) else value

    def _there(self) -> np.ndarray:
        return self.values == self.values if self.levels is None else self.values >= 0


@dataclass(frozen=True)
class Codes:
    """A category: ``table[values]`` are the codes of sorted levels.

    Attributes
    ----------
    values : integer array of shape (n,)
        -1 is missing.
    table : int32 array of shape (n_values + 1,)
        Its last entry is 0.
    levels : ndarray of shape (n_levels,)
        Sorted and distinct.
    """

    values: np.ndarray
    table: np.ndarray
    levels: np.ndarray


def nothing(place: Place, rows: int, **settings: Any) -> Content:
    """A column without a value."""
    return Content(place, "nothing", np.full(rows, np.nan), **settings)


def booleans(place: Place, values: np.ndarray, **settings: Any) -> Content:
    """A column of codes -1, 0 and 1."""
    if not (values >= 0).any():
        return nothing(place, len(values), **settings)
    return Content(place, "boolean", values, np.array([False, True]), **settings)


def integers(place: Place, values: np.ndarray, absent: np.ndarray, **settings: Any) -> Content:
    """A column of integers, some of them missing, whatever stands in their place.

    They are levels if float64 does not hold one: an identifier must not become another.
    """
    there = values[~absent]
    if not there.size:
        return nothing(place, len(values), **settings)
    if not is_wide(there):
        return Content(place, "numbers", np.where(absent, np.nan, values), **settings)
    levels = np.unique(there)
    codes = np.where(absent, -1, np.searchsorted(levels, values))
    return Content(place, "numbers", codes, levels, **settings)


def is_wide(values: np.ndarray) -> bool:
    """Whether float64 may not hold all of some integers."""
    return max(-int(values.min()), int(values.max())) > _EXACT


def merges(values: Iterable[Any]) -> bool:
    """Whether float64 takes distinct numbers for one, as it may beyond 2^53."""
    distinct = set(values)
    return len({float(value) for value in distinct}) < len(distinct)


def narrow(values: np.ndarray, levels: int) -> np.ndarray:
    """Codes in the smallest dtype that holds them."""
    for dtype in (np.int8, np.int16, np.int32):
        if levels <= np.iinfo(dtype).max:
            return values.astype(dtype, copy=False)
    return values


def used(values: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Codes of the levels that have rows, and which these are; None where most may have some."""
    if levels <= len(values):
        return None
    found = np.unique(values[values >= 0])
    codes = np.searchsorted(found, values)
    codes[values < 0] = -1
    return codes, found


def as_codes(content: Content, kind: str) -> Codes:
    """A column as a category."""
    if content.holds == "nothing":
        levels = np.array([], dtype=float if kind == "number" else object)
        return Codes(np.full(len(content), -1, np.int8), np.zeros(1, np.int32), levels)
    if content.levels is None:
        return _of_numbers(content.values)
    if kind == "text":
        return _of_text(content.values, content.levels)
    levels, table = np.unique(np.asarray(content.levels), return_inverse=True)
    return Codes(content.values, _table(table + 1), levels)


def as_numbers(content: Content) -> np.ndarray:
    """A column as numbers, NaN where there is none."""
    if content.levels is None:
        return content.values
    if content.holds == "boolean" and content.values.min() >= 0:
        return np.asarray(content.levels)[content.values]
    levels = [np.nan if level is None else float(level) for level in content.levels]
    return np.array([*levels, np.nan])[content.values]


def _of_numbers(values: np.ndarray) -> Codes:
    there = values == values
    levels = np.unique(values[there])
    codes = np.searchsorted(levels, values).astype(np.int32)
    codes[~there] = -1
    return Codes(codes, _table(np.arange(1, len(levels) + 1)), levels)


def _of_text(values: np.ndarray, levels: Sequence[str]) -> Codes:
    levels = list(levels)
    if all(type(level) is str for level in levels) and all(map(lt, levels, levels[1:])):
        return Codes(values, _table(np.arange(1, len(levels) + 1)), _objects(levels))
    exact = [None if level is None else str.__str__(level) for level in levels]
    distinct = sorted({level for level in exact if level is not None})
    rank: dict[str | None, int] = {level: i for i, level in enumerate(distinct, 1)}
    rank[None] = 0
    return Codes(values, _table([rank[level] for level in exact]), _objects(distinct))


def _table(ranks: Any) -> np.ndarray:
    return np.append(np.asarray(ranks, dtype=np.int32), np.int32(0))


def _objects(levels: list[str]) -> np.ndarray:
    found = np.empty(len(levels), dtype=object)
    found[:] = levels
    return found
