"""The hidden block under layer normalization: one launch, and one for the sums of the columns."""

from sknorm.kernels.cuda import tiles
from sknorm.kernels.cuda.launcher import (
    Array,
    c_type,
    check_contiguous,
    keyed,
    launch,
    vector_width,
    workspace,
)

# Packs of a row in a thread's registers, as in the source. A thread keeps two values and two sums
# for each in a backward pass, where it has fewer.
_FORWARD_PACKS, _BACKWARD_PACKS = 4, {1: 4, 2: 2, 4: 2}
_THREADS = 256
_BLOCKS = 132 * 8  # of a member, that fill an H200; the rest of its rows follows in their loops

# Chunks of a member's rows whose sums are added by another launch. Each leaves two sums for a
# column in float64, so that 32 rows of float32 make ten times as much traffic.
_CHUNKS = 1024
CHUNK_ROWS = 32
_ACROSS = 8  # columns of a block that adds the chunks' sums: 64 bytes of each


def layer_block_forward(
    z: Array, scale: Array, shift: Array, epsilon: float, activation: int, rate: Array,
    seed: Array, step: int, layer: int, mask: Array, inverse_std: Array, out: Array,
) -> None:  # fmt: skip
    """Layer norm, activation and dropout; see the reference of the same name.

    The mask is not kept: its bits take less time than memory.
    """
    check_contiguous(
        z=z, scale=scale, shift=shift, rate=rate, seed=seed, inverse_std=inverse_std, out=out
    )
    members, n, d = z.shape
    width = vector_width(d, z, scale, shift, out)
    values = width * _FORWARD_PACKS
    lanes = _lanes(d, values)
    drop = keyed(rate, seed, step, layer)
    name = "layer_forward" if d <= lanes * values else "layer_forward_wide"
    launch(
        "layer_block", name, (c_type(z), str(width), str(activation)),
        (min(_BLOCKS, -(-n * lanes // _THREADS)), members), (lanes, _THREADS // lanes),
        (scale, shift, float(epsilon), *drop, inverse_std, n, d, z, out),
    )  # fmt: skip


def layer_block_backward(
    z: Array, inverse_std: Array, scale: Array, shift: Array, activation: int, rate: Array,
    seed: Array, step: int, layer: int, mask: Array, accumulators: Array, dscale: Array,
    dshift: Array, dout: Array,
) -> None:  # fmt: skip
    """Gradients of :func:`layer_block_forward`, in place of the output's gradient.

    The mask is computed again.
    """
    check_contiguous(
        z=z, inverse_std=inverse_std, scale=scale, shift=shift, rate=rate, seed=seed,
        dscale=dscale, dshift=dshift, dout=dout,
    )  # fmt: skip
    members, n, d = z.shape
    width = vector_width(d, z, scale, shift, dout)
    values = width * _BACKWARD_PACKS[width]
    lanes = _lanes(d, values)
    down = _THREADS // lanes
    rows = -(-max(CHUNK_ROWS, -(-n // _CHUNKS)) // down) * down
    chunks = -(-n // rows)
    parts = workspace(members * chunks * 2 * d)
    tile = tiles.Tile(width, lanes, down, 1)
    drop = keyed(rate, seed, step, layer)
    name = "layer_backward" if d <= lanes * values else "layer_backward_wide"
    launch(
        "layer_block", name, (c_type(z), str(width), str(activation)),
        (chunks, members), tile.block,
        (z, inverse_std, scale, shift, *drop, rows, parts, n, d, dout),
        tile.sums_bytes(_BACKWARD_PACKS[width]),
    )  # fmt: skip
    across = tiles.Tile(1, _ACROSS, _THREADS // _ACROSS, -(-d // _ACROSS))
    launch(
        "layer_block", "layer_sums", (c_type(z),), (across.number, members), across.block,
        (parts, chunks, dscale, dshift, d), across.sums_bytes(2),
    )  # fmt: skip


def _lanes(d: int, values: int) -> int:
    """Threads that take a row of d values together, a power of two."""
    return min(_THREADS, 1 << (max(1, -(-d // values)) - 1).bit_length())
