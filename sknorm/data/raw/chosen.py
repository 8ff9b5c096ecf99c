"""Which columns ``categorical_features`` makes categories."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

FROM_DTYPE = "from_dtype"
_FORMS = (
    "'from_dtype', a boolean mask with an entry for each column of X, positions of columns, their "
    "names, or None"
)


def choose(chosen: Any, n_features: int, names: Any) -> frozenset[int] | None:
    """Positions of the columns that are categories; None leaves it to their dtypes.

    Raises
    ------
    ValueError
        If ``chosen`` does not fit a table with these columns.
    """
    if isinstance(chosen, str):
        if chosen == FROM_DTYPE:
            return None
        raise _refusal(chosen, f"text; it must be {_FORMS}. For a single column, pass [{chosen!r}]")
    if chosen is None:
        return frozenset()
    listed = list(chosen) if isinstance(chosen, list | tuple | set) else chosen
    try:
        values = np.asarray(listed)
    except ValueError:
        raise _refusal(chosen, f"entries of different lengths; it must be {_FORMS}") from None
    if values.ndim != 1:
        raise _refusal(chosen, f"an array of {values.ndim} dimensions; it must be {_FORMS}")
    if not values.size:
        return frozenset()
    if values.dtype.kind == "b":
        return _of_mask(chosen, values, n_features)
    if values.dtype.kind in "iu":
        found = _of_positions(chosen, values.tolist(), n_features)
    elif all(isinstance(value, str) for value in values.tolist()) and _is_text(listed):
        found = _of_names(chosen, values.tolist(), names)
    else:
        raise _refusal(chosen, f"values of other or several types; it must be {_FORMS}")
    if twice := repeated(found):
        raise _refusal(
            chosen, f"column {values.tolist()[found.index(twice[0])]!r} twice; name each once"
        )
    return frozenset(found)


def repeated(values: Iterable[Any]) -> list[Any]:
    """Those that there are several of."""
    return [value for value, count in Counter(values).items() if count > 1]


def _is_text(values: Any) -> bool:
    """Whether all entries were text before NumPy made text of them."""
    return all(isinstance(value, str) for value in values)


def _of_mask(chosen: Any, mask: np.ndarray, n_features: int) -> frozenset[int]:
    if len(mask) != n_features:
        raise _refusal(
            chosen,
            f"a mask of {len(mask)} entries for {n_features} columns; a mask needs an entry for "
            "each column of X",
        )
    return frozenset(np.flatnonzero(mask).tolist())


def _of_positions(chosen: Any, positions: list[int], n_features: int) -> list[int]:
    for position in positions:
        if position < 0:
            raise _refusal(
                chosen,
                f"the negative position {position}; count columns from 0, here up to "
                f"{n_features - 1}",
            )
        if position >= n_features:
            raise _refusal(
                chosen,
                f"position {position}, but X has {n_features} columns; positions end at "
                f"{n_features - 1}",
            )
    return positions


def _of_names(chosen: Any, listed: list[str], names: Any) -> list[int]:
    if names is None:
        raise _refusal(
            chosen,
            "names, but the columns of X have none, or not all of them are strings. Pass a data "
            "frame whose column names are strings (frame.columns.astype(str)), or positions of "
            "columns",
        )
    place = {name: position for position, name in enumerate(names)}
    unknown = next((name for name in listed if name not in place), None)
    if unknown is not None:
        known = ", ".join(repr(name) for name in list(place)[:10])
        more = ", ..." if len(place) > 10 else ""
        raise _refusal(
            chosen, f"{unknown!r}, which is no column of X; its columns are {known}{more}"
        )
    return [place[name] for name in listed]


def _refusal(chosen: Any, found: str) -> ValueError:
    text = repr(chosen)
    text = text if len(text) <= 60 else f"{text[:60]}..."
    return ValueError(f"categorical_features={text} holds {found}.")
