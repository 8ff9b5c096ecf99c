"""Held-out rows for early stopping: how they are drawn or named."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.model_selection import GroupShuffleSplit, PredefinedSplit, train_test_split

from sknorm._warnings import warn
from sknorm.backends import fetched
from sknorm.data.coded import CodedTable
from sknorm.data.rows import Rows
from sknorm.data.table import materialize
from sknorm.data.targets import Target

Sides = tuple[np.ndarray, np.ndarray]


def split(
    rows: Rows, how: Any, target: Target, random_states: list[RandomState]
) -> tuple[np.ndarray, np.ndarray]:
    """Training rows (K, n) and held-out rows (K, m).

    Parameters
    ----------
    rows : Rows
        The rows that count.
    how : float, CV splitter or iterable
        A share, drawn for each member as scikit-learn does, whole groups where there are
        groups; or a splitter, one of whose splits all members take: the first, but the last of
        splits in time; or the held-out rows themselves, as indices, a mask, or (training,
        held-out) pairs, of which one counts in the same way.
    target : Target
        Knows whether a random split should keep the shares of the labels.
    random_states : list of K RandomState

    Raises
    ------
    ValueError
        If a side is left with fewer than two rows, or an index names no row.
    """
    count = len(rows)
    if isinstance(how, Real):
        stratify = target.stratify(rows.y, _held_count(count, float(how)))
        parts = [_draw(rows, float(how), stratify, state) for state in random_states]
        sizes = {len(held) for _, held in parts}
        if len(sizes) > 1:  # groups of different sizes: all members take the first split
            parts = [parts[0]] * len(parts)
    else:
        parts = [_given(rows, how, count)] * len(random_states)
    training, held = zip(*parts, strict=True)
    if min(len(training[0]), len(held[0])) < 2:
        raise ValueError(
            f"The validation set is too small: validation_fraction={_shown(how)} of {count} rows "
            f"leaves {len(training[0])} for training and {len(held[0])} for validation; each "
            "needs at least 2. Change validation_fraction or set early_stopping=False."
        )
    return np.stack(training), np.stack(held)


def _held_count(count: int, fraction: float) -> int:
    """Rows that a share of ``count`` holds out."""
    return int(np.ceil(fraction * count))


def _draw(rows: Rows, fraction: float, stratify: Any, state: RandomState) -> Sides:
    order = np.arange(len(rows), dtype=np.int64)
    held = _held_count(len(rows), fraction)
    if min(held, len(rows) - held) < 2:
        return order[held:], order[:held]  # refused by the caller
    if rows.groups is None:
        first, second = train_test_split(
            order, random_state=state, test_size=fraction, stratify=stratify
        )
        return first, second
    if len(np.unique(rows.groups)) < 2:
        raise ValueError(
            "groups holds a single group, which cannot be on both sides of the split for early "
            "stopping. Pass X_val and y_val, or set early_stopping=False."
        )
    splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=state)
    first, second = next(splitter.split(order, groups=rows.groups))
    return order[first], order[second]


def is_large(count: int) -> bool:
    """Whether ``early_stopping="auto"`` stops early: above 2,000 rows, to the nearest hundred.

    With fewer, a held-out part is too noisy to stop by. The training rows of the folds of one
    table differ by a few: 2,001 rows of 2,501 must not decide otherwise than 2,000 of them.
    """
    return count >= 2_050


def _given(rows: Rows, how: Any, count: int) -> Sides:
    """The sides that a splitter or an iterable of indices names."""
    total, how = rows.total, fetched(how)
    sides = list(how) if isinstance(how, Iterable) else []
    if hasattr(how, "split"):
        first, second = _of_splitter(rows, how, count)
    elif sides and isinstance(sides[0], tuple | list) and len(sides[0]) == 2:
        first, second = _chosen(sides, partial(_positions, total=total, kept=rows.positions))
    else:
        second = _positions(sides, total, rows.positions)
        first = np.setdiff1d(np.arange(count, dtype=np.int64), second)
    if len(shared := np.intersect1d(first, second)):
        raise ValueError(
            f"validation_fraction puts {len(shared)} rows on both sides (row {shared[0]} for "
            "one); held-out rows must not be trained on."
        )
    return first, second


def _of_splitter(rows: Rows, how: Any, count: int) -> Sides:
    """The sides of a splitter's split of the rows that count."""
    if isinstance(how, PredefinedSplit):  # which names the rows that were given to ``fit``
        if len(how.test_fold) != rows.total:
            raise ValueError(
                f"validation_fraction=PredefinedSplit(...) places {len(how.test_fold)} rows, but X "
                f"has {rows.total}."
            )
        if rows.positions is not None:
            how = PredefinedSplit(how.test_fold[rows.positions])
    X = materialize(rows.X)
    table = X.values() if isinstance(X, CodedTable) else X
    splits = how.split(table, rows.y, rows.groups)
    pair = _chosen(splits, partial(_positions, total=count, kept=None))
    if pair is None:
        raise ValueError(f"validation_fraction={_shown(how)} gives no split.")
    if 2 <= len(pair[0]) < count // 2:
        warn(
            f"validation_fraction={_shown(how)} leaves {len(pair[0])} of {count} rows for "
            "training. Use a splitter that trains on more of them, or pass the held-out rows.",
        )
    return pair


def _chosen(splits: Iterable[Any], positions: Callable[[Any], np.ndarray]) -> Any:
    """The sides of the first split; None if there is none.

    Of splits in time, whose held-out rows come after those that are trained on, the last: it
    trains on most rows and holds out the newest.
    """
    rest = iter(splits)
    pair = next(rest, None)
    if pair is None:
        return None
    first = tuple(positions(side) for side in pair)
    if not _is_in_time(*first):
        return first
    for pair in rest:  # noqa: B007
        pass
    last = tuple(positions(side) for side in pair)
    return last if _is_in_time(*last) and len(last[0]) >= len(first[0]) else first


def _is_in_time(training: np.ndarray, held: np.ndarray) -> bool:
    return min(len(training), len(held)) > 0 and bool(training.max() < held.min())


def _positions(side: Any, total: int, kept: np.ndarray | None) -> np.ndarray:
    """Indices or a mask over the rows given to ``fit`` as positions among the rows that count."""
    side = fetched(side)
    try:
        index = np.asarray(side)
    except ValueError:  # of a pair, say, that is in no list of pairs
        index = np.array(side, dtype=object)
    if index.dtype == bool and index.shape == (total,):
        index = np.flatnonzero(index)
    if index.size == 0:
        return np.zeros(0, dtype=np.int64)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise ValueError(
            "validation_fraction must be a share in (0, 1), a CV splitter, held-out rows (integer "
            f"indices or a mask of {total} rows), or (training, held-out) pairs of indices; got "
            f"an array of shape {index.shape} and dtype {index.dtype}."
        )
    if len(index) == total > 2 and index.min() == 0 and index.max() == 1:
        raise ValueError(
            f"validation_fraction holds {total} zeros and ones, which would be the rows 0 and 1 "
            "again and again. If they are a mask, make them booleans: mask.astype(bool)."
        )
    if index.min() < 0 or index.max() >= total:
        wrong = int(index.max() if index.max() >= total else index.min())
        raise ValueError(f"validation_fraction names row {wrong}, but X has rows 0 to {total - 1}.")
    index = np.unique(index).astype(np.int64)
    if kept is None:
        return index
    return np.flatnonzero(np.isin(kept, index)).astype(np.int64)


@contextmanager
def about(name: str) -> Iterator[None]:
    """Let an error say which argument about held-out rows it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _shown(how: Any) -> str:
    text = repr(how)
    return text if len(text) <= 60 else f"<{type(how).__name__}>"
