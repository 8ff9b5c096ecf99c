"""Bins of numeric columns, between whose edges what networks see of a number is linear."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknorm.data.quantiles import each_column, present
from sknorm.data.resolution import Sample, Scale
from sknorm.data.table import numbers
from sknorm.objective.units import quantiles

_GLANCE = 1024  # values that tell of most columns that they have many
_NARROWEST = 2.0**-20  # width of a bin, in ranges of its column; narrower ones say nothing
_STEEPEST = float(np.finfo(np.float32).max)  # gain of a bin
_SAMPLE = 1 << 14  # rows of which covariances are taken
_SHARE_OF_OTHERS = 4  # edges in so many that the neighbours of frequent values do not take
_BELOW = 1.0 - 1e-9  # so that a share that is exact but for rounding counts as reached


@dataclass(frozen=True)
class Bins:
    """Bins of the numeric columns of a table, on their scale as networks see them.

    Attributes
    ----------
    counts : tuple of int
        Bins of each column; 0 of those of two values, or one.
    low, gain : float64 arrays of shape (n_bins,)
        Lower ends, and reciprocals of the widths, of the bins of all columns. The last ones of a
        column may be infinite, with a gain of 0: bins that no value reaches.
    covariances : tuple of float64 arrays of shape (1 + count, 1 + count)
        Of each column, and of what its values fill of its bins, over the training rows.
    """

    counts: tuple[int, ...]
    low: np.ndarray
    gain: np.ndarray
    covariances: tuple[np.ndarray, ...]


def learn(
    X: Any,
    weight: np.ndarray | None,
    count: int | Sample,
    scale: Callable[[np.ndarray, int], np.ndarray],
) -> Bins | None:
    """The bins of a table's columns under row weights (n,); None if no column has any.

    A column of up to ``count`` + 1 different values has a bin between each two neighbours; one of
    two has none, as it is linear. Others have bins of equal weight; values with the weight of a
    whole bin, or of several, are edges, and other values share the bins that these do not take.

    Parameters
    ----------
    X : array, sparse matrix or View
    weight : array of shape (n,), or None
    count : int or Sample
        Most bins of a column, or what is known of the target, by which each column has as many
        as tell more of it.
    scale : callable
        What networks see of values of the column of a number.
    """
    width = int(numbers(X).shape[1])
    found: list[Any] = [None] * width

    def look(j: int) -> None:
        def seen(z: np.ndarray) -> np.ndarray:
            return scale(z, j)

        most = count.finest(X, j, seen, _cut) if isinstance(count, Sample) else count
        values, own = present(X, j, weight)
        bins = _cut(values, own, seen, most)
        found[j] = *bins, _spread(values, own, seen, bins)

    each_column(look, width)
    counts = tuple(len(gain) for _, gain, _ in found)
    if not any(counts):
        return None
    low, gain = (np.concatenate([each[part] for each in found]) for part in (0, 1))
    return Bins(counts, low, gain, tuple(covariance for _, _, covariance in found))


def _cut(
    values: np.ndarray,
    weight: np.ndarray | None,
    scale: Scale,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower ends and gains of up to ``count`` bins of a column."""
    return _between(scale(_edges(values, weight, count)))


def _spread(
    values: np.ndarray,
    weight: np.ndarray | None,
    scale: Scale,
    bins: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Covariance of a column and of what its values fill of its bins."""
    low, gain = bins
    step = -(-max(1, len(values)) // _SAMPLE)
    sample, own = scale(values[::step]), None if weight is None else weight[::step]
    with np.errstate(invalid="ignore"):  # of bins that no value reaches
        filled = np.where(sample[:, None] < low, 0.0, np.minimum((sample[:, None] - low) * gain, 1))
    return _covariance(np.concatenate([sample[:, None], filled], axis=1), own)


def _edges(values: np.ndarray, weight: np.ndarray | None, count: int) -> np.ndarray:
    """Where bins begin and end, increasing; empty if there are to be none."""
    distinct = np.unique(values[:_GLANCE])
    if len(distinct) <= count + 1:
        distinct = np.unique(values)
    if len(distinct) <= count + 1:
        return distinct if len(distinct) > 2 else distinct[:0]
    if weight is None:
        places = [-(-k * len(values) // count) - 1 for k in range(1, count)]
        inner = np.partition(values, places)[places]
    else:
        inner = quantiles(values[:, None], weight, [k / count for k in range(1, count)])[:, 0]
    edges = np.array([values.min(), *inner, values.max()])
    return _around_ties(values, weight, count) if (edges[1:] == edges[:-1]).any() else edges


def _around_ties(values: np.ndarray, weight: np.ndarray | None, count: int) -> np.ndarray:
    """Edges at values that many rows share, at their neighbours, and at quantiles of the others.

    Quantiles of all rows would leave few bins to a column that is zero in most rows. Frequent
    values count as bins of their own, as in LightGBM (Ke et al., 2017). With neighbours that are
    edges too, what networks see of such a value says nothing about those beside it.
    """
    if weight is None:
        distinct, rows = np.unique(values, return_counts=True)
        mass = rows.astype(np.float64)
    else:
        distinct, place = np.unique(values, return_inverse=True)
        mass = np.bincount(place, weight).astype(np.float64)
    frequent, others = _split(mass, count)
    chosen = {0, len(distinct) - 1, *frequent.tolist()}
    most = count + 1 - count // _SHARE_OF_OTHERS
    for neighbour in (frequent[:, None] + np.array([-1, 1])).ravel().tolist():
        if len(chosen) < most:
            chosen.add(min(max(neighbour, 0), len(distinct) - 1))
    room, others = count + 1 - len(chosen), np.setdiff1d(others, list(chosen))
    if room > 0 and len(others):
        levels = [k / (room + 1) for k in range(1, room + 1)]
        chosen.update(quantiles(others[:, None], mass[others], levels)[:, 0].tolist())
    return np.asarray(distinct[sorted(chosen)])


def _split(mass: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Values that have the mass of a bin among those that are less frequent, and all others.

    The first are in the order of their mass.
    """
    order = np.argsort(-mass, kind="stable")
    after = np.cumsum(mass[order][::-1])[::-1]  # mass of each value and of all less frequent ones
    left = np.maximum(count - np.arange(len(order)), 0)  # bins for them
    has_one = mass[order] * left >= _BELOW * after
    number = int(np.argmin(np.append(has_one, False)))
    return order[:number], order[number:]


def _between(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower ends and gains of the bins between edges; narrow ones become a part of the next."""
    if not len(edges):
        return edges, edges
    least = _NARROWEST * (edges[-1] - edges[0])
    kept = [float(edges[0])]
    for edge in edges[1:].tolist():
        if edge - kept[-1] > least and 1.0 / (edge - kept[-1]) < _STEEPEST:
            kept.append(edge)
    low, gain = np.full(len(edges) - 1, np.inf), np.zeros(len(edges) - 1)
    low[: len(kept) - 1], gain[: len(kept) - 1] = kept[:-1], 1.0 / np.diff(kept)
    return low, gain


def _covariance(inputs: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Of inputs (n, d) under row weights."""
    if not len(inputs):
        return np.zeros((inputs.shape[1], inputs.shape[1]))
    weight = np.ones(len(inputs)) if weight is None else weight
    share = weight / weight.sum()
    centred = inputs - share @ inputs
    return np.asarray((centred * share[:, None]).T @ centred)
