"""Which entry of a table is no number, where it stands, and what to do about it."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

_DATES = ("date", "time", "duration", "period")  # names of dtypes begin so
DATES_AS_NUMBERS = (
    "Turn dates and durations into numbers first, for example into days since a date, and into "
    "months and weekdays through sklearn.preprocessing.OneHotEncoder."
)
_LONGEST = 60  # characters of a value that a message shows


class InvalidEntryError(ValueError, TypeError):
    """An entry is no number: a wrong value to us, often a wrong type to NumPy."""


class Column(NamedTuple):
    """A column of a table: its position, its name if it has one, its dtype and its values."""

    position: int
    name: Any
    dtype: Any
    values: Sequence[Any]

    @property
    def label(self) -> str:
        """The name, as text has it, or the position."""
        return str(self.position) if self.name is None else repr(self.name)


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


def refuse_odd(estimator: Any, X: Any) -> None:
    """Raise a ValueError that names the first column with an entry that is no number.

    Does nothing if there is none: for tables that did not convert to numbers.
    """
    for each in _columns(X):
        odd = first_odd(each.values)
        if odd is None:
            continue
        if is_missing(odd.value):
            label = label_of(each.position, each.name)
            found = f"a missing value ({shown(odd.value)})"
            raise ValueError(refusal(estimator, found, label, odd.row))
        _refuse(each)


def label_of(position: int, name: Any) -> str:
    """A column's position, and its name if it has one."""
    return f"{position}" if name is None else f"{position} ({name!r})"


def refusal(estimator: Any, found: str, label: str, row: int) -> str:
    """What is said of a missing or infinite value of X."""
    return (
        f"Input X contains {found}: column {label}, first at row {row}. "
        f"{type(estimator).__name__} does not accept missing values encoded as NaN, or "
        "infinite ones. Impute or drop them first, for example with "
        "sklearn.impute.SimpleImputer in a Pipeline."
    )


def column(X: Any, position: int) -> Column:
    """A column of a table by its position, as names may occur twice."""
    if hasattr(X, "iloc"):  # pandas, Dask
        values = X.iloc[:, position]
        name = X.columns[position]
        name = name.item() if isinstance(name, np.generic) else name
        return Column(position, name, values.dtype, np.asarray(values, dtype=object).tolist())
    if hasattr(X, "to_series"):  # polars
        series = X.to_series(position)
        return Column(position, series.name, series.dtype, series.to_list())
    if hasattr(X, "column_names"):  # PyArrow
        name, dtype = X.column_names[position], X.schema.types[position]
        return Column(position, name, dtype, X.column(position).to_pylist())
    return Column(position, None, X.dtype, X[:, position].tolist())


def _columns(X: Any) -> Iterator[Column]:
    """The columns of a table that may hold something else than numbers."""
    dtypes = _dtypes(X)
    if not dtypes:
        if isinstance(X, list | tuple):
            X = _as_objects(X)
        if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "OUS":
            return
        dtypes = [X.dtype] * X.shape[1]
    for position, dtype in enumerate(dtypes):
        if getattr(dtype, "kind", "O") not in "biuf":
            yield column(X, position)


def _dtypes(X: Any) -> list[Any]:
    """The dtypes of a data frame's columns; none for what is no data frame."""
    if hasattr(X, "column_names") and hasattr(X, "schema"):
        return list(X.schema.types)
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        return list(X.dtypes)
    return []


def _as_objects(rows: Any) -> Any:
    """Nested lists as an array of objects; as they are where rows differ in length."""
    try:
        return np.array(rows, dtype=object)
    except ValueError:
        return rows


def _refuse(found: Column) -> None:
    odd = first_odd(found.values)
    value, row = (found.values[0], 0) if odd is None else (odd.value, odd.row)
    count = sum(not is_number(each) for each in found.values)
    if is_date(value) or _names_dates(found.dtype):
        advice = DATES_AS_NUMBERS
    elif 2 * count < len(found.values):
        advice = (
            f"{count} of its {len(found.values)} values {'is' if count == 1 else 'are'} not. Mend "
            "them, or make them NaN with pandas.to_numeric(column, errors='coerce') and impute "
            "(sklearn.impute.SimpleImputer). If the column holds categories, encode it, for "
            "example with sklearn.preprocessing.OneHotEncoder."
        )
    else:
        advice = (
            "Encode it first, for example with sklearn.preprocessing.OneHotEncoder or "
            "TargetEncoder in a ColumnTransformer."
        )
    dtype, reason = str(found.dtype)[:_LONGEST], ""
    if not isinstance(value, str | bytes) and not is_date(value):
        reason = f" (an argument must be a string or a number, not {type(value).__name__!r})"
    raise InvalidEntryError(
        f"Column {found.label} of X is not numeric: its first value that is no number is "
        f"{shown(value)}, at row {row}{reason}; the column has dtype {dtype}. {advice}"
    )


def _names_dates(dtype: Any) -> bool:
    return str(dtype).lower().startswith(_DATES)
