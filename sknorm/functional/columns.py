"""Norms whose moments are those of columns, by the fused kernels of batch norm."""

from dataclasses import dataclass
from typing import Any

from sknorm.backends import Backend
from sknorm.functional.layout import Layout
from sknorm.functional.tables import Arrangement, filled, norm_only

# Fewer columns are not worth bringing into this form: the kernels' innermost loops run over
# them. Two or three that are in it already are; a single one never is. Measured.
_FEWEST_MOVED, _FEWEST = 4, 2
_TAME = 2.0**60  # values below it are finite after anything that is done to them


@dataclass(frozen=True, slots=True)
class Columns:
    """What the backward pass needs: K tables whose rows were pooled, and their moments.

    ``tables`` shares the memory of x where the channels of x are last.
    """

    backend: Backend
    arrangement: Arrangement
    tables: Any  # (K, n, d)
    weight: Any  # (1, n)
    absent: Any  # indices of rows of weight zero, or None
    scale: Any  # (K, d)
    statistics: Any  # (K, 1, 8, d)

    @property
    def layout(self) -> Layout:
        return self.arrangement.layout

    @property
    def array(self) -> Any:
        """An array of the library, the device and the dtype of the computation."""
        return self.tables

    @staticmethod
    def serves(layout: Layout) -> bool:
        """Whether this norm takes its moments of columns, and of enough of them."""
        fewest = _FEWEST if layout.channels_last else _FEWEST_MOVED
        return not layout.features and layout.size(layout.channels) >= fewest

    @staticmethod
    def forward(
        backend: Backend, x: Any, affine: tuple, layout: Layout, eps: float, weight: Any
    ) -> tuple[Any, "Columns"]:
        """Normalize x of the layout's shape."""
        xp, (scale, shift) = backend.xp, affine
        arrangement = Arrangement(layout, layout.samples, layout.spatial, layout.channels)
        members, rows, width = arrangement.shape
        weights = _row_weights(backend, weight, layout, x.dtype)
        absent = None if weight is None or xp.all(weights) else xp.flatnonzero(weights[0] == 0)
        tables = arrangement.joined(backend, x)
        if absent is not None and not xp.all(xp.abs(tables[:, absent]) < _TAME):
            tables = arrangement.copied(backend, x)
            tables[:, absent] = 0.0  # zero times NaN, as which they would count, is NaN
        cache = Columns(
            backend,
            arrangement,
            tables,
            weights,
            absent,
            filled(backend, 1.0 if scale is None else scale, (members, width), x.dtype),
            xp.zeros((members, 1, 8, width), dtype=x.dtype),
        )
        shift = filled(backend, 0.0 if shift is None else shift, (members, width), x.dtype)
        running, scratch = xp.zeros((2, members, 2, width))
        out = xp.empty_like(cache.tables)
        norm = cache.tables, cache.weight, cache.scale, shift, _one_group(xp, rows), eps
        results = running, xp.zeros(members), cache.statistics, scratch, out
        columns = *norm_only(xp, members), 0, width
        backend.kernels.batch_block_forward(*norm, *columns, *results)
        if absent is not None:
            out[:, absent] = 0.0
        return arrangement.split(backend, out), cache

    def backward(self, dy: Any) -> tuple[Any, Any, Any]:
        """Gradients with respect to x, in the layout's shape, and to scale and shift."""
        backend, xp = self.backend, self.backend.xp
        members, rows, width = self.arrangement.shape
        dx = self.arrangement.copied(backend, dy)
        if self.absent is not None:
            dx[:, self.absent] = 0.0
        dscale, dshift, shift = xp.zeros((3, members, width), dtype=dy.dtype)
        statistics = xp.asarray(self.statistics, copy=True)  # its last rows are scratch
        norm = self.tables, self.weight, self.scale, shift, _one_group(xp, rows)
        results = statistics, xp.zeros((members, 2, width)), dscale, dshift, dx
        columns = *norm_only(xp, members), 0, width
        backend.kernels.batch_block_backward(*norm, *columns, *results)
        dscale, dshift = (xp.sum(sums, axis=0, dtype=xp.float64) for sums in (dscale, dshift))
        return self.arrangement.split(backend, dx), dscale, dshift


def _row_weights(backend: Backend, weight: Any, layout: Layout, dtype: Any) -> Any:
    """Weights of the rows of a table, (1, n): that of its sample for each place."""
    samples, places = layout.size(layout.spatial[:1]), layout.size(layout.spatial[1:])
    values = 1.0 if weight is None else backend.xp.reshape(weight, (samples, 1))
    weights = filled(backend, values, (samples, places), dtype)
    return backend.xp.reshape(weights, (1, samples * places))


def _one_group(xp: Any, rows: int) -> Any:
    return xp.asarray([0, rows], dtype=xp.int64)
