"""Norms far from zero, in float32 and float64, forward and backward."""

from typing import Any

import numpy as np
import pytest

from sknorm import functional

BARS = {np.float32: 1e-6, np.float64: 1e-12}
# Name of the norm, shape, options, axes of the moments after the reshape, shape it takes, axes
# along which scale and shift do not vary.
LAYOUTS: dict[str, tuple[str, tuple[int, ...], dict[str, Any], tuple, tuple, tuple]] = {
    "table": ("batch", (3000, 20), {}, (0,), (3000, 20), (0,)),
    "one channel": ("batch", (60_000,), {}, (0,), (60_000, 1), (0,)),
    "maps, channels first": (
        "batch", (6, 8, 30, 20), {"channel_axis": 1}, (0, 2, 3), (6, 8, 30, 20), (0, 2, 3),
    ),
    "two channels first": (
        "batch", (6, 2, 30, 20), {"channel_axis": 1}, (0, 2, 3), (6, 2, 30, 20), (0, 2, 3),
    ),
    "instance": (
        "instance", (6, 8, 30, 20), {"channel_axis": 1}, (2, 3), (6, 8, 30, 20), (0, 2, 3),
    ),
    "rows": ("layer", (50, 8192), {}, (1,), (50, 8192), (0,)),
    "long rows": ("layer", (4, 200_000), {}, (1,), (4, 200_000), (0,)),
    "long columns": ("layer", (100_000, 3), {"axis": 0}, (0,), (100_000, 3), (1,)),
    "groups of a table": ("group", (50, 120), {"groups": 4}, (2,), (50, 4, 30), (0,)),
    "groups of maps": (
        "group", (6, 8, 30, 60), {"groups": 2, "channel_axis": 1}, (2, 3, 4), (6, 2, 4, 30, 60),
        (0, 3, 4),
    ),
    "groups of maps, channels last": (
        "group", (6, 30, 20, 8), {"groups": 2}, (1, 2, 4), (6, 30, 20, 2, 4), (0, 1, 2),
    ),
    "instance, channels last": ("instance", (6, 30, 20, 8), {}, (1, 2), (6, 30, 20, 8), (0, 1, 2)),
    "groups of large maps": (
        "group", (3, 8, 60, 40), {"groups": 2, "channel_axis": 1}, (2, 3, 4), (3, 2, 4, 60, 40),
        (0, 3, 4),
    ),
}  # fmt: skip


def exact(
    r: np.ndarray, dy: np.ndarray, scale: np.ndarray, shift: np.ndarray, eps: float, layout: tuple
) -> list[np.ndarray]:
    """y, dx, dscale and dshift of values near zero, in float64."""
    _, shape, _, pooled, split, shared = layout
    r, dy = r.reshape(split), dy.reshape(split)
    kept = [1 if axis in shared else n for axis, n in enumerate(split)]
    s, b = scale.reshape(kept), shift.reshape(kept)

    def mean(values: np.ndarray) -> np.ndarray:
        return values.mean(axis=pooled, keepdims=True)

    centred = r - mean(r)
    centred = centred - mean(centred)
    inverse = 1.0 / np.sqrt(mean(centred**2) + eps)
    xhat, g = centred * inverse, dy * s
    dx = inverse * (g - mean(g) - xhat * mean(g * xhat))
    sums = [(dy * xhat).sum(axis=shared), dy.sum(axis=shared)]
    return [(xhat * s + b).reshape(shape), dx.reshape(shape), *(v.ravel() for v in sums)]


@pytest.mark.parametrize("ratio", [0, 1, 10**4], ids=lambda r: f"mean {r} deviations")
@pytest.mark.parametrize("dtype", BARS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_relative_error(name: str, dtype: type, ratio: int) -> None:
    kind, shape, options, *_, split, shared = LAYOUTS[name]
    rng = np.random.default_rng(0)
    width = [n for axis, n in enumerate(split) if axis not in shared]
    # x - ratio is exact, so the reference has all digits of what the norm is given.
    x = (ratio + rng.normal(size=shape)).astype(dtype)
    r = x.astype(np.float64) - ratio
    dy = rng.normal(size=shape).astype(dtype)
    scale, shift = (rng.normal(1.0, 0.3, int(np.prod(width))).astype(dtype) for _ in range(2))
    wide = (a.astype(np.float64) for a in (dy, scale, shift))
    want = exact(r, *wide, 1e-5, LAYOUTS[name])
    groups = (options["groups"],) if kind == "group" else ()
    rest = {key: value for key, value in options.items() if key != "groups"}
    y, cache = getattr(functional, f"{kind}_norm")(x, *groups, scale, shift, **rest)
    got = [y, *getattr(functional, f"{kind}_norm_backward")(dy, cache)]
    for what, actual, expected in zip(("y", "dx", "dscale", "dshift"), got, want, strict=True):
        assert actual.dtype == dtype
        error = np.max(np.abs(actual - expected)) / np.max(np.abs(expected))
        assert error < BARS[dtype], what


@pytest.mark.parametrize("width", [1, 5])
def test_mean_between_two_floats(width: int) -> None:
    """Neighbouring floats near 1e8 are 8 apart, and the mean lies halfway between two of them."""
    steps = np.arange(-20, 22)
    x = np.tile((1e8 + 8.0 * steps).astype(np.float32)[:, None], (1, width))
    want = (steps - 0.5) / np.std(steps)
    for y, _ in (functional.batch_norm(x), functional.layer_norm(x, axis=0)):
        np.testing.assert_allclose(y, np.tile(want[:, None], (1, width)), rtol=1e-6)
