"""Mixtures of a batch's rows; its other changes stand in :mod:`sknorm.kernels.cuda.rows`."""

from sknorm.kernels.cuda.launcher import Array, c_type, check_contiguous, launch, vector_width
from sknorm.kernels.cuda.rows import block_of_rows

_BLOCKS = 132 * 8  # of a member, that fill an H200; the rest of its rows follows in their loops


def mixup(share: Array, x: Array, y: Array, weight: Array) -> None:
    """Mixtures of rows in place; see :func:`sknorm.kernels.reference.mixup`."""
    check_contiguous(share=share, x=x, y=y, weight=weight)
    (members, n, d), o = x.shape, y.shape[2]
    if n < 2:
        return
    width = vector_width(d, x)
    block, tiles = block_of_rows(d, width)
    tiles += 1  # for the targets and the weight
    grid = (min(-(-(n // 2) // block[1]), max(1, _BLOCKS // tiles)), members, tiles)
    arguments = (share, n, d, o, x, y, weight)
    launch("augmentation", "mixup", (c_type(x), str(width)), grid, block, arguments)
