"""Moments and extremes of a table's columns, in one launch that reads each value once."""

from typing import NamedTuple

from sknorm.kernels.cuda import tiles
from sknorm.kernels.cuda.launcher import (
    Array,
    c_type,
    check_contiguous,
    counters,
    launch,
    vector_width,
    workspace,
)

# Blocks of a member that fill an H200 (132 multiprocessors) with 3 blocks each: one round, as each
# leaves something that the last block of its tile reads.
_BLOCKS = 132 * 3
_ROWS = {1: 8, 2: 4, 4: 4}  # that a thread loads at once, by the width of a load; as in the source
_MOMENTS, _EXTREMES = 4, 2  # values of a column that a block leaves


def column_moments(z: Array, weight: Array, moments: Array) -> None:
    """Weighted mean and variance; see :func:`sknorm.kernels.reference.column_moments`."""
    check_contiguous(z=z, weight=weight, moments=moments)
    plan = _plan(z, _MOMENTS)
    weights = (weight, weight.shape[1] if weight.shape[0] > 1 else 0)
    plan.launch("column_moments", z, (z, *weights, *plan.rows, moments, plan.parts, plan.counters))


def column_extremes(z: Array, extremes: Array) -> None:
    """Least and largest values; see :func:`sknorm.kernels.reference.column_extremes`."""
    check_contiguous(z=z, extremes=extremes)
    plan = _plan(z, _EXTREMES)
    plan.launch("column_extremes", z, (z, *plan.rows, extremes, plan.parts, plan.counters))


class _Plan(NamedTuple):
    """How a table is shared out among blocks."""

    tile: tiles.Tile
    grid: tuple[int, int]
    rows: tuple[int, int, int, int]  # chunks and their size; rows and columns
    parts: Array  # what blocks leave to the last one
    counters: Array

    def launch(self, kernel: str, z: Array, arguments: tuple) -> None:
        types = (c_type(z), str(self.tile.width))
        shared = self.tile.sums_bytes(2)  # the two sums, or the two extremes, of each column
        launch("column_statistics", kernel, types, self.grid, self.tile.block, arguments, shared)


def _plan(z: Array, values: int) -> _Plan:
    """The plan where a block leaves so many ``values`` of a column."""
    members, n, d = z.shape
    tile = tiles.chunked_tile(vector_width(d, z), z.dtype.itemsize, d)
    turn = tile.down * _ROWS[tile.width]
    size = max(1, -(-n * tile.number // (_BLOCKS * turn))) * turn
    chunks = max(1, -(-n // size))
    return _Plan(
        tile, (tile.number * chunks, members), (chunks, size, n, d),
        workspace(members * chunks * values * d), counters(members * tile.number),
    )  # fmt: skip
