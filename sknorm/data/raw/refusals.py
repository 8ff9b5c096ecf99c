"""Why a column is refused: what it holds, where, and the code that mends it."""

from typing import Any

from sknorm.data.raw.content import Content, Place
from sknorm.data.raw.entries import InvalidEntryError, is_missing, is_number, shown


def dates(place: Place, value: Any, row: int) -> ValueError:
    """Of dates, times, periods and durations."""
    code, loose = place.series, str(place.dtype) == "object"
    if hasattr(value, "total_seconds"):
        durations = f"pandas.to_timedelta({code})" if loose else code
        lines = f"{code} = {durations}.dt.total_seconds()"
    elif hasattr(value, "hour") and not hasattr(value, "year"):  # a time of day
        hours = "lambda t: t.hour + t.minute / 60, na_action='ignore'"
        lines = f"{code} = {code}.map({hours})"
    else:
        made = ""
        if hasattr(value, "to_timestamp"):  # a period
            made = f"{code} = {code}.map(lambda p: p.to_timestamp(), na_action='ignore')"
        elif loose:
            made = f"{code} = pandas.to_datetime({code})"
        days = f"frame['days'] = ({code} - {code}.min()).dt.days"
        lines = f"{made}{'; ' * bool(made)}{days} and frame['month'] = {code}.dt.month"
    return _refusal(
        place, value, row,
        "Turn dates and durations into numbers first, for example into days since a date and "
        f"into months: {place.made_frame}{lines} (pandas.to_datetime makes dates of text and of "
        f"Python's dates).{' Then drop the column.' * ('days' in lines)}",
    )  # fmt: skip


def nested(place: Place, value: Any, row: int) -> ValueError:
    """Of lists, dicts and other collections."""
    name = place.position if place.name is None else place.name
    return _refusal(
        place, value, row,
        f"Give each of its entries a column: {place.made_frame}parts = pandas.DataFrame("
        f"{place.series}.tolist(), index=frame.index) and frame = "
        f"frame.drop(columns={name!r}).join(parts).",
    )  # fmt: skip


def bytes_(place: Place, value: Any, row: int) -> ValueError:
    """Of bytes."""
    code, made = place.series, place.made_frame
    return _refusal(place, value, row, f"Decode it: {made}{code} = {code}.str.decode('utf-8').")


def other(place: Place, value: Any, row: int) -> ValueError:
    """Of any other objects."""
    code = place.code
    return _refusal(
        place, value, row,
        f"Turn it into numbers, or into text for a category: {code} = {code}.astype(str).",
    )  # fmt: skip


def mixed(place: Place, values: list[Any]) -> ValueError:
    """Of text among numbers, or of other values that are not of one type."""
    odd = next(
        i for i, value in enumerate(values) if not is_missing(value) and not is_number(value)
    )
    apart = (i for i, value in enumerate(values) if not is_missing(value) and is_number(value))
    even = next((i for i in apart if not isinstance(values[i], str | bytes)), None)
    there = [value for value in values if not is_missing(value)]
    count, code = sum(not is_number(value) for value in there), place.code
    mixes = ""
    if even is not None and type(values[even]) is not type(values[odd]):
        types = type(values[even]).__name__, type(values[odd]).__name__
        mixes = f"It mixes {types[0]} ({shown(values[even])} at row {even}) and {types[1]}. "
    return _refusal(
        place, values[odd], odd,
        f"{mixes}{_share(count, len(there))}. Mend "
        f"them, or make them NaN with pandas.to_numeric({code}, errors='coerce'). If the column "
        f"holds categories, give them one type: {code} = {code}.astype(str).",
    )  # fmt: skip


def half_numeric(place: Place, value: Any, row: int, count: tuple[int, int]) -> ValueError:
    """Of text that is numbers but for some entries."""
    code = place.code
    dtype = "" if place.name is None else f" or {code}.astype('category')"
    return _refusal(
        place, value, row,
        f"{_share(*count)}. Mend them, or make them NaN with {code} = pandas.to_numeric({code}, "
        "errors='coerce'). If the column holds categories, say so with categorical_features"
        f"{dtype}.",
    )  # fmt: skip


def not_chosen(content: Content, row: int, value: Any) -> ValueError:
    """Of text in a column that categorical_features leaves out."""
    place = content.place
    return _refusal(
        place, value, row,
        f"categorical_features leaves it out. Add {place.label} to it, or encode the column first, "
        "for example with sklearn.preprocessing.OneHotEncoder or TargetEncoder in a "
        "ColumnTransformer.",
    )  # fmt: skip


def categories(place: Place, levels: list[Any], what: str) -> ValueError:
    """Of a category dtype whose categories are of no kind, or of several."""
    code = place.code
    return InvalidEntryError(
        f"Column {place.label} of X is a category of {what}, such as "
        f"{' and '.join(shown(level) for level in levels)}; categories must be all text, all "
        f"numbers or all booleans. Make them text, for example {code} = {code}.astype(str); the "
        f"column has dtype {_dtype(place)}."
    )


def merged(content: Content) -> ValueError:
    """Of a category of numbers of which float64 takes some for others."""
    place, (row, value) = content.place, content.first()
    return ValueError(
        f"Column {place.label} of X is a category of numbers that float64 does not tell apart, "
        f"such as {shown(value)} at row {row}. Make them text: {place.code} = "
        f"{place.code}.astype(str); the column has dtype {_dtype(place)}."
    )


def changed(content: Content, before: str) -> ValueError:
    """Of a column that holds something else than in fit."""
    place, (row, value) = content.place, content.first()
    code = place.series
    words = {"text": "text", "boolean": "booleans", "number": "numbers as categories"}
    now = {"text": "text", "boolean": "booleans", "numbers": "numbers"}[content.holds]
    mend = f"{code} = pandas.to_numeric({code})"
    if now == "booleans":
        mend = f"{code} = {code}.astype(float)"
    if before == "text":
        mend = f"{code} = {code}.astype(str)"
    elif before == "boolean":  # text converts to True, whatever it is
        how = "map({'True': True, 'False': False})" if now == "text" else "astype('boolean')"
        mend = f"{code} = {code}.{how}"
    return ValueError(
        f"Column {place.label} of X held {words.get(before, 'numbers')} in fit, and holds {now} "
        f"now: {shown(value)} at row {row}; the column has dtype {_dtype(place)}. Pass the values "
        f"that fit was given, for example after {place.made_frame}{mend}, or fit the model anew."
    )


def new(content: Content) -> ValueError:
    """Of text in a column that had no value in fit."""
    place, (row, value) = content.place, content.first()
    return ValueError(
        f"Column {place.label} of X held no value in fit, where all were missing, and holds text "
        f"now: {shown(value)} at row {row}; the column has dtype {_dtype(place)}. Drop it, in fit "
        f"and here, or fit the model anew on rows that have values, or with {place.label} in "
        "categorical_features."
    )


def _share(count: int, total: int) -> str:
    verb = "is" if count == 1 else "are"
    return f"{count} of its {total} values {verb} no number{'' if count == 1 else 's'}"


def _refusal(place: Place, value: Any, row: int, advice: str) -> ValueError:
    reason = ""
    if not isinstance(value, str | bytes) and not hasattr(value, "isoformat"):
        reason = f" (an argument must be a string or a number, not {type(value).__name__!r})"
    return InvalidEntryError(
        f"Column {place.label} of X is not numeric: its first value that is no number is "
        f"{shown(value)}, at row {row}{reason}; the column has dtype {_dtype(place)}. {advice}"
    )


def _dtype(place: Place) -> str:
    return str(place.dtype)[:60]
