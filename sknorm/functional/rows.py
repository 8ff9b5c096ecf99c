"""Norms whose moments are those of rows, by the fused kernels of layer norm."""

from dataclasses import dataclass
from typing import Any

from sknorm.backends import Backend
from sknorm.functional.layout import Layout
from sknorm.functional.tables import Arrangement, filled, norm_only

# The kernels sum a row of float32 in float32, which costs digits where it is long; measured.
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Rows:
    """What the backward pass needs: the standardized rows of K tables."""

    backend: Backend
    arrangement: Arrangement
    standardized: Any  # (K, n, d)
    inverse_std: Any  # (K, n)
    scale: Any  # (K, d)

    @property
    def layout(self) -> Layout:
        return self.arrangement.layout

    @property
    def array(self) -> Any:
        """An array of the library, the device and the dtype of the computation."""
        return self.standardized

    @staticmethod
    def serves(layout: Layout) -> bool:
        """Whether this norm takes its moments within samples, of rows that are not too long."""
        within = bool(layout.samples) or not layout.spatial
        return within and layout.size(layout.pooled) <= _LONGEST

    @staticmethod
    def forward(
        backend: Backend, x: Any, affine: tuple, layout: Layout, eps: float, weight: Any
    ) -> tuple[Any, "Rows"]:
        """Normalize x of the layout's shape; these norms have no row weights."""
        del weight
        xp, (scale, shift) = backend.xp, affine
        arrangement = Arrangement(layout, layout.channels, layout.samples, layout.pooled)
        members, rows, _ = arrangement.shape
        cache = Rows(
            backend,
            arrangement,
            arrangement.copied(backend, x),
            xp.empty((members, rows), dtype=x.dtype),
            _spread(backend, scale, 1.0, arrangement, x.dtype),
        )
        shift = _spread(backend, shift, 0.0, arrangement, x.dtype)
        out = xp.empty_like(cache.standardized)
        norm = cache.standardized, cache.scale, shift, eps
        results = cache.inverse_std, out
        backend.kernels.layer_block_forward(*norm, *norm_only(xp, members), *results)
        return arrangement.split(backend, out), cache

    def backward(self, dy: Any) -> tuple[Any, Any, Any]:
        """Gradients with respect to x, in the layout's shape, and to scale and shift."""
        backend, xp = self.backend, self.backend.xp
        members, _, width = self.arrangement.shape
        dx = self.arrangement.copied(backend, dy)
        dscale, dshift, shift = xp.zeros((3, members, width), dtype=dy.dtype)
        norm = self.standardized, self.inverse_std, self.scale, shift
        results = xp.zeros((members, 2, width)), dscale, dshift, dx
        backend.kernels.layer_block_backward(*norm, *norm_only(xp, members), *results)
        dscale, dshift = (_gathered(xp, sums, self.arrangement) for sums in (dscale, dshift))
        return self.arrangement.split(backend, dx), dscale, dshift


def _spread(backend: Backend, values: Any, default: float, like: Arrangement, dtype: Any) -> Any:
    """Scales or shifts, (K, d), each repeated for all the places of a row that it acts on."""
    xp, layout = backend.xp, like.layout
    given = xp.asarray(default)
    if values is not None:
        given = xp.permute_dims(xp.reshape(values, layout.kept(layout.shared)), like.order)
    shape = tuple(1 if axis in like.rows else layout.shape[axis] for axis in like.order)
    return xp.reshape(filled(backend, given, shape, dtype), (like.shape[0], like.shape[2]))


def _gathered(xp: Any, sums: Any, like: Arrangement) -> Any:
    """Sums of (K, d) over all the places that one scale acts on."""
    axes = like.members + like.columns
    parts = xp.reshape(sums, tuple(like.layout.shape[axis] for axis in axes))
    places = tuple(axes.index(axis) for axis in like.layout.spatial)
    return xp.sum(parts, axis=places, dtype=xp.float64) if places else parts
