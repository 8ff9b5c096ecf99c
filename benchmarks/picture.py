"""Draw errors against fit times from a file of results.

    python benchmarks/picture.py benchmarks/results/accuracy.json docs/images/speed_accuracy.svg

The picture for dark pages is written beside it, under the same name with ``_dark``. Both axes are
geometric means over the tables that a library has in common with the reference, over its figures.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt

SHIFT = 0.01  # keeps tables with nearly no errors from deciding
OWN = "sknorm"
COLORS = {"light": ("#1a1a1a", "#5a6270", "#c2410c"), "dark": ("#e8e8e8", "#a4adba", "#fb923c")}
# Where the name of a point stands: horizontal and vertical offset, and how it is aligned.
PLACES = {
    "sknorm, fast": (-4, -20, "left"),
    "LightGBM": (0, -15, "center"),
    "XGBoost": (0, 9, "center"),
}
NAMES = {"sknorm, accurate": "sknorm, default", "sknorm, fast": 'sknorm, preset="fast"'}
STYLE = {"svg.hashsalt": OWN, "svg.fonttype": "path", "font.size": 11}  # the same file each time


class Point(NamedTuple):
    """A library under one setting, beside the reference."""

    name: str
    time: float
    error: float
    tables: int


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    points = summarize(results)
    for point in points:
        print(f"{point.name}: time {point.time:.4f}, error {point.error:.4f} ({point.tables})")
    dark = arguments.picture.with_stem(f"{arguments.picture.stem}_dark")
    for theme, path in (("light", arguments.picture), ("dark", dark)):
        with plt.rc_context(STYLE):
            figure = draw(results, points, *COLORS[theme])
            figure.savefig(path, transparent=theme == "dark", metadata={"Date": None})


def summarize(results: dict[str, Any]) -> list[Point]:
    """Mean ratios to the reference, the library itself last."""
    fits: dict[str, dict[str, dict[str, Any]]] = {}
    for fit in results["fits"]:
        name = ", ".join(fit[key] for key in ("library", "setting") if key in fit)
        fits.setdefault(name, {})[fit["table"]] = fit
    reference = fits[results["reference"]]
    points = []
    for name, own in fits.items():
        pairs = [(own[table], reference[table]) for table in own.keys() & reference.keys()]
        error = mean_ratio([(a["error"] + SHIFT, b["error"] + SHIFT) for a, b in pairs])
        time = results["time_ratios"].get(name)
        if time is None:
            time = mean_ratio([(a["fit_s"], b["fit_s"]) for a, b in pairs])
        points.append(Point(name, time, error, len(pairs)))
    return sorted(points, key=lambda point: point.name.startswith(OWN))


def mean_ratio(pairs: list[tuple[float, float]]) -> float:
    """Geometric mean of first over second."""
    return math.exp(math.fsum(math.log(a / b) for a, b in pairs) / len(pairs))


def draw(results: dict[str, Any], points: list[Point], ink: str, muted: str, own: str) -> Any:
    """Points with their names; down and left is better."""
    tables = max(point.tables for point in points)
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    shown = [point for point in points if point.name != "linear model"]
    for point in shown:
        ours = point.name.startswith(OWN)
        name = NAMES.get(point.name, point.name)
        name += f" ({point.tables} tables)" if point.tables < tables else ""
        right, up, align = PLACES.get(point.name, (9, -4, "left"))
        if point.time > 5:
            right, up, align = (0, 10, "right")
        axes.plot(point.time, point.error, "o", color=own if ours else muted, ms=11 if ours else 7)
        axes.annotate(
            name,
            (point.time, point.error),
            (right, up),
            textcoords="offset points",
            color=own if ours else ink,
            weight="bold" if ours else "normal",
            ha=align,
        )
    reference = results["reference"]
    axes.set(xscale="log", xlim=(2e-3, 30), ylim=(0.82, 1.4))
    axes.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    axes.set_xlabel(f"time of a fit ({reference} = 1, logarithmic)", color=ink)
    axes.set_ylabel(f"error ({reference} = 1)", color=ink)
    axes.set_title(f"Default settings on {tables} raw tables: down and left is better", color=ink)
    axes.grid(color=muted, alpha=0.25)
    axes.tick_params(colors=ink)
    axes.spines[:].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
