"""How results of a search are drawn: cells, points or a curve."""

from typing import Any

import numpy as np

from sknorm.inspection.candidates import Axis
from sknorm.inspection.style import (
    BLUE,
    COLOR_MAP,
    GREEN,
    GREY,
    SMALL,
    SMALLEST,
    VERMILLION,
    legend,
    page,
    plain,
    points,
    step_between,
    text_size,
)

_BEST = "best"
_CHOICE = "simplest within 1 SE"
_FAILED = "failed"
_INSET = 0.04  # of a frame in its cell
_LINE = 14.0  # points of a line of a legend


def draw_cells(ax: Any, shown: Any) -> tuple[Any, list[Any]]:
    """A heat map; returns its colour bar and the scores that are written in it."""
    from matplotlib.patches import Patch

    scores = shown.cells.scores
    low, high = _limits(scores)
    mesh = ax.pcolormesh(
        np.ma.masked_invalid(scores), cmap=COLOR_MAP, vmin=low, vmax=high, linewidth=0
    )
    bar = _bar(ax, mesh, shown, low)
    handles = _outlines(ax, shown)
    for row, column in np.argwhere(shown.cells.failed):
        _box(ax, row, column, hatch="////", edgecolor=GREY, linewidth=0)
    if shown.cells.failed.any():
        handles.append(Patch(facecolor="none", edgecolor=GREY, hatch="////", label=_FAILED))
    ax.set(xlim=(0, scores.shape[1]), ylim=(0, scores.shape[0]))
    _name_axes(ax, shown)
    _head(ax, shown, handles)
    size = points(ax)
    for axis, way in ((shown.x, "x"), (shown.y, "y")):
        _name_values(ax, axis, way, np.arange(len(axis.values)) + 0.5, size)
    return bar, _write(ax, scores, mesh, size)


def draw_points(ax: Any, shown: Any) -> Any:
    """Candidates as points; returns the colour bar."""
    cells = shown.cells
    rows, columns = np.nonzero(np.isfinite(cells.scores))
    x, y = shown.x.places[columns], shown.y.places[rows]
    low, high = _limits(cells.scores)
    values = cells.scores[rows, columns]
    drawn = ax.scatter(
        x, y, c=values, cmap=COLOR_MAP, vmin=low, vmax=high, s=45, edgecolors=GREY, linewidths=0.5
    )
    bar, handles = _bar(ax, drawn, shown, low), []
    if cells.failed.any():
        rows, columns = np.nonzero(cells.failed)
        at = shown.x.places[columns], shown.y.places[rows]
        handles += ax.plot(*at, "x", color=GREY, label=_FAILED)
    marks = ((shown.best, "*", VERMILLION, _BEST, 17), (shown.choice, "o", GREEN, _CHOICE, 12))
    for at, marker, color, name, size in marks:
        if at is not None:
            place = shown.x.places[at[1]], shown.y.places[at[0]]
            handles += ax.plot(
                *place, marker, markersize=size, markerfacecolor="none", markeredgecolor=color,
                markeredgewidth=1.8, linestyle="none", label=name,
            )  # fmt: skip
    _name_axes(ax, shown)
    _head(ax, shown, handles)
    for axis, way in ((shown.x, "x"), (shown.y, "y")):
        _scale(ax, axis, way)
    return bar


def draw_curve(ax: Any, shown: Any) -> None:
    """Means with one standard error on either side, and marks."""
    cells, x = shown.cells, shown.x
    mean, error = cells.scores[0], cells.standard_errors[0]
    known = np.isfinite(mean)
    places = x.places
    bars = np.where(np.isfinite(error), error, 0.0)
    line = ax.errorbar(
        places[known], mean[known], bars[known], color=BLUE, marker="o", markersize=4, capsize=3,
        linestyle="-" if x.is_numeric else "none", label="mean and its standard error",
    )  # fmt: skip
    handles = [line]
    if np.isfinite(shown.threshold) and shown.choice is not None:
        ax.axhline(shown.threshold, color=GREY, linestyle=":", linewidth=1.0)
    for at, marker, color, name in (
        (shown.best, "*", VERMILLION, _BEST),
        (shown.choice, "o", GREEN, _CHOICE),
    ):
        if at is not None:
            handles += ax.plot(
                places[at[1]], mean[at[1]], marker, color=color, markersize=13, label=name,
                linestyle="none", markerfacecolor="none" if marker == "o" else color,
                markeredgewidth=1.5, zorder=5,
            )  # fmt: skip
    _scale(ax, x, "x")
    for place in places[cells.failed[0]]:
        line = ax.axvline(place, color=GREY, linestyle="-.", linewidth=1.0, label=_FAILED)
        handles = [*[h for h in handles if h.get_label() != _FAILED], line]
    ax.set(xlabel=plain(x.name, 40), ylabel=plain(shown.score_name, 40))
    _title(ax, shown, 6.0)
    shown.legend_ = legend(ax, handles)


def _limits(scores: np.ndarray) -> tuple[float, float]:
    """Ends of the colours: scores that are far below all others do not hide their differences."""
    known = scores[np.isfinite(scores)]
    if not known.size:
        return 0.0, 1.0
    low, good, high = np.quantile(known, [0.0, 0.75, 1.0]).tolist()
    if good < high:
        low = max(low, high - 30.0 * (high - good))
    return (low, high) if low < high else (high - 0.5, high + 0.5)


def _bar(ax: Any, drawn: Any, shown: Any, low: float) -> Any:
    known = shown.cells.scores[np.isfinite(shown.cells.scores)]
    below = bool(known.size and known.min() < low)
    bar = ax.figure.colorbar(drawn, ax=ax, extend="min" if below else "neither")
    bar.set_label(plain(shown.score_name, 40))
    return bar


def _box(ax: Any, row: int, column: int, inset: float = 0.0, **style: Any) -> None:
    from matplotlib.patches import Rectangle

    corner, side = (column + inset, row + inset), 1.0 - 2.0 * inset
    ax.add_patch(Rectangle(corner, side, side, fill=False, **style))


def _outlines(ax: Any, shown: Any) -> list[Any]:
    """Frames of the best cell and of the choice, for the legend; one frame where they agree."""
    from matplotlib.patches import Patch

    agree = shown.choice is not None and shown.choice == shown.best
    best: dict[str, Any] = {"edgecolor": VERMILLION, "linewidth": 2.2}
    choice: dict[str, Any] = {"edgecolor": GREEN, "linewidth": 2.2, "linestyle": "--"}
    name = f"{_BEST}, and {_CHOICE}" if agree else _BEST
    marks = [(shown.best, best, name), (None if agree else shown.choice, choice, _CHOICE)]
    handles = []
    for at, style, label in marks:
        if at is not None:  # on white, to be seen on a cell of any colour
            _box(ax, at[0], at[1], _INSET, edgecolor="#FFFFFF", linewidth=4.5, zorder=4)
            _box(ax, at[0], at[1], _INSET, **style, zorder=5)
            handles.append(Patch(facecolor="none", **style, label=label))
    return handles


def _write(ax: Any, scores: np.ndarray, mesh: Any, size: tuple[float, float]) -> list[Any]:
    """The scores in their cells, if they have room there."""
    known = scores[np.isfinite(scores)]
    if not known.size:
        return []
    digits = _digits(known)
    texts = {
        (int(r), int(c)): f"{scores[r, c]:.{digits}f}" for r, c in np.argwhere(np.isfinite(scores))
    }
    if max(map(len, texts.values())) > 8:
        texts = {at: f"{scores[at]:.2g}" for at in texts}
    rows, columns = scores.shape
    font = text_size(0.9 * size[0] / columns, list(texts.values()), size[1] / rows)
    if not font:
        return []
    return [
        ax.text(
            column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=font,
            color=_readable(mesh.cmap(mesh.norm(scores[row, column]))),
        )
        for (row, column), text in texts.items()
    ]  # fmt: skip


def _digits(known: np.ndarray) -> int:
    """Decimals that tell the better half of the scores apart."""
    better = known[known >= np.median(known)]
    spread = float(better.max() - better.min())
    return int(np.clip(np.ceil(-np.log10(spread)) + 1, 0, 4)) if spread > 0 else 3


def _readable(color: tuple[float, ...]) -> str:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
                        for c in color[:3])  # fmt: skip
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if luminance > 0.18 else "#FFFFFF"


def _name_axes(ax: Any, shown: Any) -> None:
    ax.set(xlabel=plain(shown.x.name, 40), ylabel=plain(shown.y.name, 40))


def _head(ax: Any, shown: Any, handles: list[Any]) -> None:
    """The legend above the picture, if it has room there, and the title above it."""
    room = 0.6 * 72.0 * page(ax).get_size_inches()[0]
    lengths = [0.6 * len(each.get_label()) + 3.5 for each in handles]
    fits = SMALL * sum(lengths) < room
    lines = (1 if fits else len(handles)) if handles else 0
    if _LINE * lines > 0.2 * ax.get_window_extent().height * 72.0 / page(ax).dpi:
        lines = 0
    if lines:
        shown.legend_ = ax.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False,
            ncols=-(-len(handles) // lines), borderaxespad=0.2, columnspacing=1.2,
            handlelength=1.4, fontsize=min(SMALL, max(SMALLEST, room / max(lengths))),
        )  # fmt: skip
    _title(ax, shown, 6.0 + _LINE * lines)


def _title(ax: Any, shown: Any, pad: float) -> None:
    if shown.others:
        names = ", ".join(plain(name) for name in shown.others[:3])
        more = f" and {len(shown.others) - 3} more" if len(shown.others) > 3 else ""
        ax.set_title(f"best over {names}{more}", fontsize="medium", pad=pad)


def _name_values(
    ax: Any, axis: Axis, way: str, places: np.ndarray, size: tuple[float, float]
) -> None:
    """The values of a parameter at ticks, turned or left out where they have no room."""
    room = (size[0] if way == "x" else size[1]) / len(places)
    longest = max(map(len, axis.labels))
    turned = way == "x" and 0.62 * SMALL * longest > room
    each = 1.3 * SMALL if turned or way == "y" else 0.62 * SMALL * longest
    every = step_between(len(places), room * len(places), each)
    options: dict[str, Any] = {"fontsize": SMALL}
    if turned:
        options |= {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    set_ticks = ax.set_xticks if way == "x" else ax.set_yticks
    set_ticks(places[::every], axis.labels[::every], **options)


def _scale(ax: Any, axis: Axis, way: str) -> None:
    """A scale for numbers, logarithmic if they are spaced like that; names for other values."""
    if not axis.is_numeric:
        _name_values(ax, axis, way, axis.places, points(ax))
    elif axis.is_log:
        (ax.set_xscale if way == "x" else ax.set_yscale)("log")
