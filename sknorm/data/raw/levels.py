"""Levels of a column whose dtype says that it is a category."""

from typing import Any

import numpy as np

from sknorm.data.raw import refusals
from sknorm.data.raw.content import Content, Place, merges, nothing
from sknorm.data.raw.entries import is_missing
from sknorm.data.raw.objects import kinds_of


def read_levels(place: Place, codes: np.ndarray, levels: list[Any]) -> Content:
    """A category whose levels are objects of any type."""
    codes, levels = _without_missing(codes, levels)
    if not levels:
        return nothing(place, len(codes), declared=True)
    kinds = set(kinds_of(levels).values())
    if kinds == {"text"}:
        return Content(place, "text", codes, levels, declared=True)
    if kinds == {"boolean"}:
        return Content(place, "boolean", codes, np.array(levels), declared=True)
    if kinds == {"number"}:
        numbers = _as_numbers(levels)
        merged = numbers.dtype.kind == "f" and merges(levels)
        return Content(place, "numbers", codes, numbers, declared=True, merged=merged)
    if len(kinds) > 1:
        one = {type(level): level for level in levels}
        names = " and ".join(sorted(each.__name__ for each in one))
        raise refusals.categories(place, list(one.values())[:2], f"mixed types ({names})")
    raise refusals.categories(place, levels[:2], f"{type(levels[0]).__name__} values")


def _as_numbers(levels: list[Any]) -> np.ndarray:
    """Numbers as an array, of integers where all are."""
    found = np.array(levels)
    return found if found.dtype.kind in "iuf" else np.array([float(level) for level in levels])


def _without_missing(codes: np.ndarray, levels: list[Any]) -> tuple[np.ndarray, list[Any]]:
    """The same where no level says that there is none."""
    kept = [not is_missing(level) for level in levels]
    if all(kept):
        return codes, levels
    ranks = np.append(np.cumsum(kept) - 1, -1)
    ranks[:-1][~np.array(kept)] = -1
    return ranks[codes], [level for level, there in zip(levels, kept, strict=True) if there]
