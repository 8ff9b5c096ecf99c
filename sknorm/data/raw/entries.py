"""Which entry of a table is no number, where it stands, and what to do about it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

DATES_AS_NUMBERS = (
    "Turn dates and durations into numbers first, for example into days since a date, and into "
    "months and weekdays through sklearn.preprocessing.OneHotEncoder."
)
_LONGEST = 60  # characters of a value that a message shows


class InvalidEntryError(ValueError, TypeError):
    """An entry is no number: a wrong value to us, often a wrong type to NumPy."""


class Entry(NamedTuple):
    """A value that is no number, and its row."""

    row: int
    value: Any


def shown(value: Any) -> str:
    """A value as a message shows it."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def is_number(value: Any) -> bool:
    """Whether a value converts to a float as NumPy converts it; None converts to NaN."""
    if value is None:
        return True
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def is_missing(value: Any) -> bool:
    """Whether a value says that there is none: None, NaN, pandas.NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def is_date(value: Any) -> bool:
    """Whether a value is a date, a time, a period or a duration."""
    return any(hasattr(value, name) for name in ("isoformat", "total_seconds", "to_timestamp"))


def first_odd(values: Sequence[Any]) -> Entry | None:
    """The first value that is no number, None if all are."""
    odd = ((row, value) for row, value in enumerate(values) if not is_number(value))
    found = next(odd, None)
    return None if found is None else Entry(*found)


def refuse_dates(X: Any) -> None:
    """Refuse an array of dates, which NumPy takes for counts of some unit."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise ValueError(f"X has dtype {X.dtype}, which is not numeric. {DATES_AS_NUMBERS}")


def label_of(position: int, name: Any) -> str:
    """A column's position, and its name if it has one."""
    return f"{position}" if name is None else f"{position} ({name!r})"
