"""What the fused kernels take: stacks of tables (K, n, d), contiguous and writable."""

from dataclasses import dataclass
from typing import Any

from sknorm.backends import Backend
from sknorm.functional.layout import Layout, Shape
from sknorm.kernels.codes import IDENTITY


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The axes of a layout, reordered and joined to the three of a stack of tables."""

    layout: Layout
    members: Shape
    rows: Shape
    columns: Shape

    @property
    def order(self) -> Shape:
        return self.members + self.rows + self.columns

    @property
    def shape(self) -> Shape:
        return tuple(self.layout.size(axes) for axes in (self.members, self.rows, self.columns))

    def copied(self, backend: Backend, x: Any) -> Any:
        """A copy of ``x``, as a stack of tables."""
        moved = backend.xp.permute_dims(x, self.order)
        return backend.xp.reshape(filled(backend, moved, moved.shape, x.dtype), self.shape)

    def joined(self, backend: Backend, x: Any) -> Any:
        """``x`` itself as a stack of tables where that is possible, else a copy."""
        moved = backend.asarray(backend.xp.permute_dims(x, self.order))
        if not moved.flags.writeable:  # a type of its own to Numba: it would compile once more
            return self.copied(backend, x)
        return backend.xp.reshape(moved, self.shape)

    def split(self, backend: Backend, tables: Any) -> Any:
        """A stack of tables in the layout's shape again, contiguous."""
        moved = backend.xp.reshape(tables, tuple(self.layout.shape[a] for a in self.order))
        inverse = tuple(self.order.index(axis) for axis in range(len(self.order)))
        return backend.asarray(backend.xp.permute_dims(moved, inverse))


def filled(backend: Backend, values: Any, shape: Shape, dtype: Any) -> Any:
    """A new array that holds ``values``, broadcast."""
    out = backend.xp.empty(shape, dtype=dtype)
    out[...] = values
    return out


def norm_only(xp: Any, members: int) -> tuple[int, Any, Any, int, int, Any]:
    """A block's activation, and all that concerns its dropout, so that its norm is left alone."""
    seeds, no_mask = xp.zeros(members, dtype=xp.uint32), xp.zeros((members, 0, 0), dtype=xp.uint8)
    return IDENTITY, xp.zeros(members), seeds, 0, 0, no_mask
