"""Whether a column is numeric or a category, and of what."""

from collections.abc import Collection, Mapping

import numpy as np

from sknorm.data.raw import refusals
from sknorm.data.raw.content import Content
from sknorm.data.raw.entries import is_number

NUMERIC = "numeric"
NOTHING = "nothing"  # a category of which there was no value
_KINDS = {"numbers": "number", "text": "text", "boolean": "boolean"}


def by_dtype(content: Content) -> str:
    """The kind of a column in fit, from its dtype, and from what it holds where that is object."""
    if content.holds == "nothing":
        return NOTHING if content.declared else NUMERIC
    if content.declared:
        return _KINDS[content.holds]
    if content.holds == "numbers":
        return NUMERIC
    if content.holds == "text" and _is_numeric_text(content):
        return NUMERIC
    return _KINDS[content.holds]


def by_choice(content: Content, chosen: frozenset[int]) -> str:
    """The kind of a column in fit, where categories are named."""
    if content.place.position in chosen:
        if content.holds == "nothing" or not (content.declared or content.has_values()):
            return NOTHING
        return _KINDS[content.holds]
    if content.holds == "text" and (odd := first_odd(content)) is not None:
        raise refusals.not_chosen(content, *odd)
    return NUMERIC


def by_fit(content: Content, kinds: Mapping[int, str], empty: Collection[int] = ()) -> str:
    """The kind that a column had in fit, which it must have again.

    ``empty`` are numeric columns in which fit has seen no value.
    """
    known = kinds.get(content.place.position, NUMERIC)
    if content.holds == "nothing" or (known != NUMERIC and not content.has_values()):
        return known
    if known == NOTHING:
        return _KINDS[content.holds]
    if known == NUMERIC:
        if content.holds == "text" and first_odd(content) is not None:
            if content.place.position in empty:
                raise refusals.new(content)
            raise refusals.changed(content, known)
    elif _KINDS[content.holds] != known:
        raise refusals.changed(content, known)
    return known


def first_odd(content: Content) -> tuple[int, str] | None:
    """Row and value of the first text that is no number."""
    return _first_odd(content, _are_numbers(content))


def _is_numeric_text(content: Content) -> bool:
    """Whether all text of a column of objects is numbers; refuses text of which most is.

    Of a dtype of text, all text is a category: that it is text was said on purpose.
    """
    good = _are_numbers(content)
    if not good.any():
        return False
    counts = np.bincount(content.values[content.values >= 0], minlength=len(good))
    bad, total = int(counts[~good].sum()), int(counts.sum())
    odd = _first_odd(content, good)
    if odd is None:
        return content.loose
    if 2 * bad < total:
        raise refusals.half_numeric(content.place, odd[1], odd[0], (bad, total))
    return False


def _are_numbers(content: Content) -> np.ndarray:
    """Which levels of text are numbers; Python alone reads 10_20 as one."""
    return np.array([is_number(level) and "_" not in str(level) for level in content.levels])


def _first_odd(content: Content, good: np.ndarray) -> tuple[int, str] | None:
    bad = np.append(~good, False)[content.values]
    if not bad.any():
        return None
    row = int(np.argmax(bad))
    return row, content.levels[int(content.values[row])]
