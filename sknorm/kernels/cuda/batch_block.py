"""The hidden block under batch or ghost normalization.

One launch where the rows of a group fit into shared memory, some columns at a time: a pass then
reads each value once. Else two launches over chunks of rows, which read each value twice.
"""

from typing import NamedTuple

import numpy as np

from sknorm.kernels.cuda import tiles
from sknorm.kernels.cuda.launcher import (
    Array,
    c_type,
    check_contiguous,
    constant,
    counters,
    keyed,
    launch,
    shared_limit,
    workspace,
)

_NONE = np.empty(0, dtype=np.int64)  # boundaries between groups
_MOMENTS, _GRADIENTS = 3, 2  # values of a column that a forward and a backward pass add up


def batch_block_forward(
    z: Array, weight: Array, scale: Array, shift: Array, groups: Array, epsilon: float,
    activation: int, rate: Array, seed: Array, step: int, layer: int, mask: Array, start: int,
    stop: int, running: Array, momentum: Array, statistics: Array, accumulators: Array, out: Array,
) -> None:  # fmt: skip
    """Batch or ghost norm, activation and dropout; see the reference of the same name.

    The mask is not kept: its bits take less time than memory.
    """
    check_contiguous(
        z=z, weight=weight, scale=scale, shift=shift, rate=rate, seed=seed, running=running,
        momentum=momentum, statistics=statistics, out=out,
    )  # fmt: skip
    if start >= stop:
        return
    plan = _plan(z, groups, start, stop, _MOMENTS, 1, scale, shift, statistics, out)
    types = (c_type(z), str(plan.tile.width))
    weights = (weight, weight.shape[1] if weight.shape[0] > 1 else 0)
    drop = keyed(rate, seed, step, layer)
    results = (running, momentum, statistics, plan.parts, plan.counters)
    sizes, columns, epsilon = z.shape[1:], (start, stop), float(epsilon)
    if plan.held:
        plan.launch(
            "batch_block", "forward_held", (*types, str(activation)),
            z, *weights, scale, shift, *plan.rows, epsilon, *drop, *columns, *results, *sizes, out,
        )  # fmt: skip
    else:
        plan.launch(
            "batch_chunks", "moments", types,
            z, *weights, scale, *plan.rows, epsilon, *columns, *results, *sizes,
        )  # fmt: skip
        plan.launch(
            "batch_chunks", "normalize", (*types, str(activation)),
            z, shift, *plan.rows, *drop, *columns, statistics, *sizes, out,
        )  # fmt: skip


def batch_block_backward(
    z: Array, weight: Array, scale: Array, shift: Array, groups: Array, activation: int,
    rate: Array, seed: Array, step: int, layer: int, mask: Array, start: int, stop: int,
    statistics: Array, accumulators: Array, dscale: Array, dshift: Array, dout: Array,
) -> None:  # fmt: skip
    """Gradients of :func:`batch_block_forward`, in place of the output's gradient.

    The mask is computed again.
    """
    check_contiguous(
        z=z, weight=weight, shift=shift, rate=rate, seed=seed, statistics=statistics,
        dscale=dscale, dshift=dshift, dout=dout,
    )  # fmt: skip
    if start >= stop:
        return
    plan = _plan(z, groups, start, stop, _GRADIENTS, 2, shift, statistics, dout)
    types = (c_type(z), str(plan.tile.width), str(activation))
    weights = (weight, weight.shape[1] if weight.shape[0] > 1 else 0)
    drop = keyed(rate, seed, step, layer)
    block = (shift, *plan.rows, *drop, start, stop, statistics)
    results, sizes = (plan.parts, plan.counters, dscale, dshift), z.shape[1:]
    if plan.held:
        plan.launch(
            "batch_block", "backward_held", types, z, *weights, *block, *results, *sizes, dout
        )
    else:
        plan.launch("batch_chunks", "gradient_sums", types, z, *block, *results, *sizes, dout)
        plan.launch("batch_chunks", "gradient", types, z, *weights, *block, *sizes, dout)


class _Plan(NamedTuple):
    """How a table is shared out among blocks."""

    tile: tiles.Tile
    grid: tuple[int, int]
    held: bool  # whether a block holds all rows of a group
    shared_bytes: int
    rows: tuple[Array | int, ...]  # boundaries and number of groups; of chunks number and size
    parts: Array  # what blocks leave to the last one
    counters: Array

    def launch(self, source: str, kernel: str, types: tuple[str, ...], *arguments: object) -> None:
        launch(source, kernel, types, self.grid, self.tile.block, arguments, self.shared_bytes)


def _plan(
    z: Array, groups: Array, start: int, stop: int, sums: int, copies: int, *arrays: Array
) -> _Plan:
    """The plan of a pass that adds up ``sums`` values of a column and holds ``copies`` of z."""
    members, n, d = z.shape
    count, inner, largest = groups.shape[0] - 1, _NONE, n
    if count > 1:  # the boundaries of a single group are known, and may be on the device
        inner, largest = groups[1:-1], int(np.max(np.diff(groups)))
    width, itemsize = tiles.width_of(d, start, stop, z, *arrays), z.dtype.itemsize
    rows: tuple[Array | int, ...] = (constant(inner), count)
    held = tiles.held_tile(
        width, itemsize, stop - start, largest, members * count, copies, sums,
        min(tiles.HELD_BYTES, shared_limit()),
    )  # fmt: skip
    if held:
        (tile, shared), parts = held, count
    else:
        tile = tiles.chunked_tile(width, itemsize, stop - start)
        size = tiles.chunk_size(largest, tile.number, tiles.CHUNK_ROWS)
        chunks = -(-largest // size)
        rows, parts, shared = (*rows, chunks, size), count * chunks, tile.sums_bytes(sums)
    return _Plan(
        tile, (tile.number * parts, members), held is not None, shared, rows,
        workspace(members * parts * sums * d), counters(members * tile.number),
    )  # fmt: skip
