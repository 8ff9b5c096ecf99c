"""The hidden block without normalization: bias, activation and dropout in one launch."""

from typing import NamedTuple

from sknorm.kernels.cuda import tiles
from sknorm.kernels.cuda.launcher import (
    Array,
    c_type,
    check_contiguous,
    counters,
    keyed,
    launch,
    workspace,
)


def affine_block_forward(
    z: Array, shift: Array, activation: int, rate: Array, seed: Array, step: int, layer: int,
    mask: Array, start: int, stop: int, out: Array,
) -> None:  # fmt: skip
    """Bias, activation and dropout; see the reference of the same name.

    The mask is not kept: its bits take less time than memory.
    """
    check_contiguous(z=z, shift=shift, rate=rate, seed=seed, out=out)
    if start >= stop:
        return
    plan = _plan(z, start, stop, shift, out)
    drop = keyed(rate, seed, step, layer)
    launch(
        "affine_block", "affine_forward", (c_type(z), str(plan.tile.width), str(activation)),
        plan.grid, plan.tile.block,
        (z, shift, *drop, start, stop, plan.chunks, plan.rows, *z.shape[1:], out),
    )  # fmt: skip


def affine_block_backward(
    z: Array, shift: Array, activation: int, rate: Array, seed: Array, step: int, layer: int,
    mask: Array, start: int, stop: int, accumulators: Array, dshift: Array, dout: Array,
) -> None:  # fmt: skip
    """Gradients of :func:`affine_block_forward`, in place of the output's gradient.

    The mask is computed again.
    """
    check_contiguous(z=z, shift=shift, rate=rate, seed=seed, dshift=dshift, dout=dout)
    if start >= stop:
        return
    plan = _plan(z, start, stop, shift, dout)
    drop = keyed(rate, seed, step, layer)
    members, n, d = z.shape
    parts = workspace(members * plan.chunks * d), counters(members * plan.tile.number)
    launch(
        "affine_block", "affine_backward", (c_type(z), str(plan.tile.width), str(activation)),
        plan.grid, plan.tile.block,
        (z, shift, *drop, start, stop, plan.chunks, plan.rows, *parts, dshift, n, d, dout),
        plan.tile.sums_bytes(1),
    )  # fmt: skip


class _Plan(NamedTuple):
    """How a table is shared out among blocks."""

    tile: tiles.Tile
    chunks: int
    rows: int  # of a chunk
    grid: tuple[int, int]


def _plan(z: Array, start: int, stop: int, *arrays: Array) -> _Plan:
    members, n, d = z.shape
    width = tiles.width_of(d, start, stop, z, *arrays)
    tile = tiles.chunked_tile(width, z.dtype.itemsize, stop - start)
    rows = tiles.chunk_size(n, tile.number, tiles.CHUNK_ROWS)
    chunks = max(1, -(-n // rows))
    return _Plan(tile, chunks, rows, (tile.number * chunks, members))
