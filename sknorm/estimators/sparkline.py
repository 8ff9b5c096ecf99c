"""A small picture of a training, as SVG in a line of HTML."""

from collections.abc import Callable, Iterator

import numpy as np

from sknorm.estimators.curves import Curves, mean_of

_WIDTH, _HEIGHT, _TOP = 206.0, 46.0, 16.0
_POINTS = 80  # of a line
_MEMBERS = 8  # that have a line each
# Blue and vermillion of Okabe and Ito (2008), Color universal design, which differ to all readers.
_BLUE, _RED = "#0072B2", "#D55E00"


def picture(curves: Curves) -> str:
    """The loss, and the held-out scores if there are any; empty if there is nothing to see.

    Each in a picture of its own, so that they stand below each other where there is little room.
    """
    panels = [("loss", curves.loss, _BLUE), ("held-out score", curves.validation, _RED)]
    panels = [panel for panel in panels if np.isfinite(panel[1]).sum(axis=0).max(initial=0) > 1]
    return "".join(_svg(*panel, curves) for panel in panels)


def _svg(name: str, values: np.ndarray, color: str, curves: Curves) -> str:
    mean = mean_of(values)
    mean = mean[np.isfinite(mean)]
    label = f"{name} from {mean[0]:.3g} to {mean[-1]:.3g} over {len(values)} epochs"
    return (
        f'<svg viewBox="-3 0 {_WIDTH + 6:g} 80" role="img" aria-label="{label}" '
        'xmlns="http://www.w3.org/2000/svg" font-family="monospace" font-size="10" fill="#000">'
        f"{''.join(_panel(name, values, color, curves))}</svg>"
    )


def _panel(name: str, values: np.ndarray, color: str, curves: Curves) -> Iterator[str]:
    """A title with the range, a frame, lines, and marks at the epochs whose weights are kept."""
    low, high = np.nanmin(_finite(values)), np.nanmax(_finite(values))
    x, y = _scales(len(values), low, high)
    yield f'<text y="9">{name} {low:.3g} to {high:.3g}</text>'
    yield (
        f'<path d="M0 {_TOP:g}v{_HEIGHT:g}h{_WIDTH:g}" fill="none" stroke="#888"/>'
        f'<text x="{_WIDTH:g}" y="76" text-anchor="end">epoch {len(values)}</text>'
    )
    if 1 < values.shape[1] <= _MEMBERS:
        for member in values.T:
            yield _line(x, y(member), color, 'stroke-opacity=".35" stroke-width=".8"')
    mean = mean_of(values)
    yield _line(x, y(mean), color, 'stroke-width="1.6"')
    chosen = curves.chosen[np.isfinite(curves.chosen)]
    if len(chosen):
        epoch = int(np.median(chosen)) - 1
        if np.isfinite(mean[epoch]):
            yield f'<circle cx="{x[epoch]:.1f}" cy="{y(mean)[epoch]:.1f}" r="2.6" fill="{color}"/>'


def _scales(
    epochs: int, low: float, high: float
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Places of epochs, and of values."""
    span = high - low if high > low else 1.0

    def y(values: np.ndarray) -> np.ndarray:
        return _TOP + _HEIGHT * (1.0 - (values / span - low / span))

    return np.linspace(0.0, _WIDTH, epochs), y


def _line(x: np.ndarray, y: np.ndarray, color: str, style: str) -> str:
    seen = np.flatnonzero(np.isfinite(y))
    seen = seen[np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _POINTS)).astype(int))]
    points = " ".join(f"{x[k]:.1f},{y[k]:.1f}" for k in seen)
    return f'<polyline points="{points}" fill="none" stroke="{color}" {style}/>'


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)
