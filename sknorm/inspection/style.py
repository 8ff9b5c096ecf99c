"""What all pictures share: axes, colours, and text that fits."""

import warnings
from collections.abc import Sequence
from typing import Any

# Okabe and Ito (2008), Color universal design: colours that differ to colour-blind readers.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY = "#E69F00", "#56B4E9"
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
GREY = "#8A8A8A"
# Of axes: whether on the right, and at the top.
_CORNERS = {
    "upper right": (True, True),
    "upper left": (False, True),
    "lower left": (False, False),
    "lower right": (True, False),
}
COLOR_MAP = "cividis"  # which readers of any kind of colour vision see in the same order
SMALL = 8.0  # points of text beside the labels of axes
SMALLEST = 5.0  # points below which text is left out


def axes_for(caller: object, ax: Any, size: tuple[float, float] | None = None) -> Any:
    """The axes to draw into: those that were passed, or of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If ``ax`` is something else.
    """
    name = f"{type(caller).__name__}.plot"
    try:
        from matplotlib.axes import Axes
        from matplotlib.pyplot import subplots
    except ImportError as error:
        raise ImportError(
            f"{name} requires matplotlib. You can install matplotlib with `pip install matplotlib`"
        ) from error
    if ax is None:
        return subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be an Axes of matplotlib or None, got {type(ax).__name__}. For a figure, "
            "pass one of figure.axes or figure.subplots()."
        )
    return ax


def ink() -> str:
    """What text and lines of axes are drawn with: black, or white under a dark style."""
    from matplotlib import rcParams

    return str(rcParams["axes.edgecolor"])


def twin_of(ax: Any, label: str, color: str) -> Any:
    """Axes with the same x and a scale of their own on the right."""
    twin = ax.twinx()
    twin.set_ylabel(label, color=color)
    twin.tick_params(axis="y", colors=color)
    return twin


def page(ax: Any) -> Any:
    """The whole figure that axes are in, be it in a part of it."""
    return getattr(ax.figure, "figure", None) or ax.figure


def points(ax: Any) -> tuple[float, float]:
    """Width and height of axes in points."""
    with warnings.catch_warnings():  # of a layout that has no room; what is drawn says it again
        warnings.simplefilter("ignore")
        page(ax).draw_without_rendering()
    box = ax.get_window_extent()
    scale = 72.0 / page(ax).dpi
    return max(1.0, box.width * scale), max(1.0, box.height * scale)


def text_size(room: float, texts: Sequence[str], lines: float) -> float:
    """Points of text, of which each has so much room across and ``lines`` down; 0 if too small."""
    longest = max(map(len, texts), default=1)
    size = min(9.0, room / (0.65 * max(1, longest)), lines / 1.4)
    return size if size >= SMALLEST else 0.0


def step_between(labels: int, room: float, each: float) -> int:
    """Every how many labels there is one, where each takes so many points of the room."""
    fits = max(1, int(room / each))
    return -(-labels // fits)


def plain(text: Any, most: int = 24) -> str:
    """A user's name as a picture shows it: in one line, cut, and without TeX's formulas.

    matplotlib leaves out of legends what begins with an underscore, so a space comes before it.
    """
    line = " ".join(str(text).split())
    line = f" {line}" if line.startswith("_") else line
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return line.replace("$", r"\$")


def legend(ax: Any, handles: list[Any], over: Sequence[Any] = ()) -> Any:
    """A legend in the corner where least is drawn, in axes and in those ``over`` them.

    In smaller text, or not at all, where there is little room. Returns it, or None.
    """
    width, height = points(ax)
    columns = 1 if len(handles) < 6 else 2
    across = columns * (0.58 * max(len(each.get_label()) for each in handles) + 4.5)
    down = 1.45 * -(-len(handles) // columns) + 1.0
    size = min(SMALL, 0.95 * width / across, 0.7 * height / down)
    if size < SMALLEST:
        return None
    share = across * size / width, down * size / height
    every = [ax, *over]
    corner = min(_CORNERS, key=lambda name: _crowd(every, *_CORNERS[name], *share))
    drawn = every[-1].legend(
        handles=handles, loc=corner, fontsize=size, framealpha=0.85, ncols=columns
    )
    drawn.set_in_layout(False)
    return drawn


def _crowd(every: Sequence[Any], right: bool, top: bool, across: float, down: float) -> int:
    """Points of lines in a corner of axes, which takes these shares of them."""
    count = 0
    for ax in every:
        for line in ax.lines:
            path = line.get_path()
            path = path.interpolated(8) if 1 < len(path) < 60 else path
            seen = line.get_transform().transform(path.vertices)
            x, y = ax.transAxes.inverted().transform(seen).T
            inside_x = x > 1.0 - across if right else x < across
            inside_y = y > 1.0 - down if top else y < down
            count += int((inside_x & inside_y).sum())
    return count


def fit_ticks(ax: Any, width: float) -> None:
    """As many ticks of numbers on the x axis as have room in so many points."""
    ax.xaxis.get_major_locator().set_params(nbins=int(min(9, max(1, width / 60.0))))
