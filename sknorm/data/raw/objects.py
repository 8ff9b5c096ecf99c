"""Columns of Python objects, which are what they hold."""

from collections.abc import Iterable
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np

from sknorm.data.raw import refusals
from sknorm.data.raw.content import Content, Place, booleans, integers, merges, nothing
from sknorm.data.raw.entries import is_date, is_missing, is_number

_SIMPLE = {"missing", "text", "boolean", "number"}


def read_objects(place: Place, values: list[Any], *, declared: bool = False) -> Content:
    """What a column of objects holds.

    Raises
    ------
    ValueError
        If it mixes types, or holds what is neither a number nor a level of a category.
    """
    kinds = kinds_of(values)
    found = set(kinds.values())
    settings = {"declared": declared, "loose": True}
    if found <= {"missing"} or (found == {"missing", "number"} and all(map(is_missing, values))):
        return nothing(place, len(values), **settings)
    if "text" in found and found <= {"text", "missing", "number"}:
        distinct = set(values)
        text = {value for value in distinct if isinstance(value, str)}
        if all(map(is_missing, distinct - text)):
            return _text(place, values, list(text), settings)
    if "boolean" in found and found <= {"boolean", "missing", "number"}:
        flags = [value for value in values if not is_missing(value)]
        if all(kinds[type(value)] == "boolean" for value in flags):
            codes = [-1 if is_missing(value) else int(value) for value in values]
            return booleans(place, np.array(codes, dtype=np.int8), **settings)
    if found <= {"missing", "number"} and (whole := _integers(place, values, settings)):
        return whole
    made = _numbers(place, values, found)
    merged = made.dtype.kind == "f" and _merges(values, kinds)
    return Content(place, "numbers", made, merged=merged, **settings)


def _merges(values: list[Any], kinds: dict[type, str]) -> bool:
    exact = {each for each, kind in kinds.items() if kind == "number"} - {float, np.float64}
    return bool(exact) and merges(v for v in values if type(v) in exact and not is_missing(v))


def kinds_of(values: Iterable[Any]) -> dict[type, str]:
    """What each type among values is."""
    return {each: _kind(each) for each in set(map(type, values))}


def _kind(each: type) -> str:
    if issubclass(each, str):
        return "text"
    if issubclass(each, bool | np.bool_):
        return "boolean"
    if each is type(None) or each.__name__ in ("NAType", "NaTType"):
        return "missing"
    if issubclass(each, complex | np.complexfloating):
        return "other"
    if issubclass(each, Number | Decimal):
        return "number"
    if issubclass(each, bytes):
        return "bytes"
    return "nested" if hasattr(each, "__len__") else "other"


def _text(place: Place, values: list[Any], levels: list[str], settings: dict) -> Content:
    codes: dict[Any, int] = {level: i for i, level in enumerate(levels)}
    found = np.fromiter((codes.get(value, -1) for value in values), np.int32, len(values))
    return Content(place, "text", found, levels, **settings)


def _integers(place: Place, values: list[Any], settings: dict) -> Content | None:
    """Integers of which some are missing; None of anything else."""
    absent = [is_missing(value) for value in values]
    whole = [0 if gone else value for value, gone in zip(values, absent, strict=True)]
    if not any(absent) or any(type(value) is not int for value in whole):
        return None
    found = np.array(whole)
    if found.dtype.kind not in "iu":  # as some are beyond them
        return None
    return integers(place, found, np.array(absent), **settings)


def _numbers(place: Place, values: list[Any], kinds: set[str]) -> np.ndarray:
    """Values of which some are numbers, or text that converts."""
    if kinds == {"number"} and all(type(value) is int for value in values):
        found = np.array(values)
        if found.dtype.kind in "iu":
            return found
    if kinds <= _SIMPLE | {"bytes"}:
        try:
            return np.array([np.nan if is_missing(v) else float(v) for v in values])
        except (TypeError, ValueError, OverflowError):
            pass
    raise _refusal(place, values)


def _refusal(place: Place, values: list[Any]) -> ValueError:
    """Why the column is neither numeric nor a category."""
    kinds = kinds_of(values)
    if any(is_date(value) for value in values if kinds[type(value)] == "other"):
        row = next(i for i, v in enumerate(values) if kinds[type(v)] == "other" and is_date(v))
        return refusals.dates(place, values[row], row)
    for kind, refuse in (
        ("nested", refusals.nested), ("other", refusals.other), ("bytes", refusals.bytes_),
    ):  # fmt: skip
        if kind in kinds.values():
            of_kind = [i for i, value in enumerate(values) if kinds[type(value)] == kind]
            row = next((i for i in of_kind if not is_number(values[i])), of_kind[0])
            return refuse(place, values[row], row)
    return refusals.mixed(place, values)
