"""What all norms share: the choice of the code that computes them, and the cache."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from sknorm.backends import compiled_backend
from sknorm.functional import arguments
from sknorm.functional.columns import Columns
from sknorm.functional.layout import Layout, Shape
from sknorm.functional.portable import Portable
from sknorm.functional.precision import working_dtype
from sknorm.functional.rows import Rows


@dataclass(frozen=True, slots=True)
class NormCache:
    """What the backward pass of a norm needs of its forward pass.

    Made by a norm and passed on to its backward function; its parts are not public. It may share
    memory with the ``x`` that was normalized, so ``x`` must not change in between.
    """

    norm: str
    shape: Shape
    dtype: Any
    saved: Columns | Rows | Portable


def forward(
    norm: str,
    x: Any,
    affine: tuple[Any, Any],
    layout: Layout,
    eps: Any,
    weight: Any = None,
) -> tuple[Any, NormCache]:
    """Normalize a checked ``x``; the other arguments, scale and shift among them, are checked."""
    xp = array_namespace(x)
    scale, shift = (
        arguments.parameter(given, name, layout.parameters, x)
        for given, name in zip(affine, ("scale", "shift"), strict=True)
    )
    z = xp.reshape(xp.astype(x, working_dtype(x), copy=False), layout.shape)
    rest = (layout, arguments.epsilon(eps), weight)
    saved: Columns | Rows | Portable
    backend, fused = compiled_backend(z), _fused(layout)
    if backend is None or fused is None:
        with np.errstate(all="ignore"):  # as kernels compute: NaN and infinity say enough
            y, saved = Portable.forward(z, scale, shift, *rest)
    else:
        y, saved = fused.forward(backend, z, (scale, shift), *rest)
    y = xp.astype(xp.reshape(y, x.shape), x.dtype, copy=False)
    return y, NormCache(norm, tuple(x.shape), x.dtype, saved)


def backward(norm: str, dy: Any, cache: NormCache) -> tuple[Any, Any, Any]:
    """Gradients with respect to x, scale and shift."""
    if not isinstance(cache, NormCache) or cache.norm != norm:
        found = f"of {cache.norm}" if isinstance(cache, NormCache) else type(cache).__name__
        raise TypeError(f"cache is {found}; pass the cache that {norm} returned beside y.")
    dy = arguments.beside(dy, "dy", cache.saved.array)
    if tuple(dy.shape) != cache.shape:
        raise ValueError(
            f"dy has shape {tuple(dy.shape)}, but x and y had shape {cache.shape}; pass the "
            "gradient with respect to y."
        )
    xp, layout = array_namespace(dy), cache.saved.layout
    with np.errstate(all="ignore"):
        dx, dscale, dshift = cache.saved.backward(xp.reshape(dy, layout.shape))
    dx = xp.astype(xp.reshape(dx, cache.shape), cache.dtype, copy=False)
    # A copy: sums over no axes at all are the caller's own dy.
    dscale, dshift = (
        xp.astype(xp.reshape(sums, layout.parameters), cache.dtype) for sums in (dscale, dshift)
    )
    return dx, dscale, dshift


def _fused(layout: Layout) -> type[Columns] | type[Rows] | None:
    """The kernels for a layout, in the order of their speed where several would serve."""
    if layout.channels_last and Columns.serves(layout):
        return Columns
    if Rows.serves(layout):
        return Rows
    return Columns if Columns.serves(layout) else None
