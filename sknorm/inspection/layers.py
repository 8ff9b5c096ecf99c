"""Distributions layer by layer, one above the other on one scale."""

from typing import Any, NamedTuple

import numpy as np

from sknorm.inspection.style import SMALL, fit_ticks, ink, points

_BINS = 60
_MOST = 200_000  # values of a layer that are put into bins
_WITHIN = 0.998  # share of the values between the ends of the scale


class Distribution(NamedTuple):
    """Values of a layer that are not zero, and the share of those that are.

    Attributes
    ----------
    counts : float64 array of shape (n_bins,)
        Values in each bin, of 200,000 drawn ones if there are more; what lies beyond the ends is in
        the outermost bins.
    edges : float64 array of shape (n_bins + 1,)
    zeros : float
        Share of exact zeros among all values.
    """

    counts: np.ndarray
    edges: np.ndarray
    zeros: float


def distributions(layers: list[np.ndarray]) -> list[Distribution]:
    """The distributions of arrays of any shape, over bins that they share."""
    shown = [_sampled(each) for each in layers]
    tail = (1.0 - _WITHIN) / 2.0
    ends = [np.quantile(each, [tail, 1.0 - tail]) for each in shown if each.size]
    low = min([0.0, *(each[0] for each in ends)])
    high = max([0.0, *(each[1] for each in ends)])
    if low == high:
        low, high = -1.0, 1.0
    edges = np.linspace(low, high, _BINS + 1)
    return [
        Distribution(
            np.histogram(np.clip(own, low, high), edges)[0].astype(np.float64),
            edges,
            float(np.mean(layer == 0)),
        )
        for own, layer in zip(shown, layers, strict=True)
    ]


def _sampled(values: np.ndarray) -> np.ndarray:
    """Finite values that are not zero, some of very many."""
    flat = values.reshape(-1)
    if flat.size > _MOST:
        flat = flat[np.random.RandomState(0).randint(flat.size, size=_MOST)]
    return flat[np.isfinite(flat) & (flat != 0)].astype(np.float64)


def size_of_rows(count: int) -> tuple[float, float]:
    """Inches of a figure of so many distributions."""
    return 6.4, min(9.0, 1.2 + 0.8 * count)


def draw_rows(
    ax: Any,
    found: list[Distribution],
    names: list[str],
    notes: list[str],
    colors: list[str],
) -> list[Any]:
    """A histogram a row, the first layer on top, with its name and a note; returns the patches."""
    count, drawn = len(found), []
    for row, each in enumerate(found):
        base = count - 1 - row
        peak = each.counts.max()
        heights = base + 0.82 * each.counts / peak if peak else np.full(len(each.counts), base)
        patch = ax.stairs(
            heights, each.edges, baseline=base, fill=True, color=colors[row], alpha=0.6
        )
        drawn.append(patch)
        ax.axhline(base, color=ink(), linewidth=0.5)
    ax.axvline(0.0, color=ink(), linewidth=0.5, linestyle=":")
    ax.set_ylim(-0.05, count + 0.05)
    ax.set_xlim(found[0].edges[0], found[0].edges[-1])
    ax.tick_params(axis="y", length=0)
    ax.set_yticks([0.0], [max(names, key=len)], fontsize=SMALL)  # for the room that names take
    size = points(ax)
    _label(ax, names, notes, size[1])
    fit_ticks(ax, size[0])
    return drawn


def _label(ax: Any, names: list[str], notes: list[str], height: float) -> None:
    """Names on the left, notes on the right, in text that fits between the rows."""
    count = len(names)
    places = [count - 1 - row + 0.4 for row in range(count)]
    room = height / count
    lines = 1 + max(name.count("\n") for name in names)
    size = min(SMALL, room / (1.25 * lines))
    every = 1 if size >= 4.5 else int(np.ceil(4.5 / size))
    size = max(size, 4.5)
    ax.set_yticks(places[::every], names[::every], fontsize=size)
    for place, note in list(zip(places, notes, strict=True))[::every]:
        ax.annotate(
            note,
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=size,
            annotation_clip=False,
        )
