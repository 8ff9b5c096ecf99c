"""Shapes of the blocks that take some columns through many rows; see sources/columns.cuh.

What decides in which order values are added, the threads along the rows and the chunks of rows,
follows from the shape of one member's table alone, because a member's result must not depend on
the stack that it is in. How many columns a block takes may.
"""

from functools import cache
from math import gcd
from typing import NamedTuple

from sknorm.kernels.cuda.launcher import Array, vector_width

_WARP = 32
_THREADS = 256  # of a block; four blocks hide each other's latency and leave 64 registers
_SECTOR_BYTES = 32  # of a row that a block reads at least: memory is read in such pieces
_LINE_BYTES = 128  # of a row that it reads at most: a line of the caches
_ROWS = 4  # of a thread, whose loads are under way at once
_MULTIPROCESSORS = 132  # of an H200
# A block that holds its rows in shared memory takes narrow tiles, so that its multiprocessor
# has others to run (228 KB), but wider ones where there are blocks enough.
_WIDE_BYTES = 48 << 10
HELD_BYTES = 96 << 10
"""Shared memory of a block that holds its rows: two of them fit into a multiprocessor."""

# Blocks that a member's chunks and tiles make: some ten rounds on an H200, so that the last,
# partial one costs little. Fewer rows than _CHUNK_ROWS are not worth a block.
_BLOCKS = 4096
CHUNK_ROWS = 128


class Tile(NamedTuple):
    """A block's shape: ``across`` threads along the columns, each for ``width`` of them."""

    width: int
    across: int
    down: int
    number: int  # of tiles, that cover the columns

    @property
    def block(self) -> tuple[int, int]:
        return self.across, self.down

    def sums_bytes(self, sums: int) -> int:
        """Shared memory to add up ``sums`` values of each column."""
        levels = self.across * self.down // max(_WARP, self.across)
        return 8 * self.across * self.width * sums * (levels + 1)


def width_of(d: int, start: int, stop: int, *arrays: Array) -> int:
    """Values that a thread may load at once from columns ``start`` to ``stop`` of d."""
    return vector_width(gcd(d, start, stop), *arrays)


@cache
def held_tile(
    width: int, itemsize: int, columns: int, rows: int, parts: int, copies: int, sums: int,
    limit: int,
) -> tuple[Tile, int] | None:  # fmt: skip
    """Tile of blocks that hold all their rows, and their shared memory; none where they do not fit.

    Parameters
    ----------
    width, itemsize : int
        Values that a thread loads at once, and bytes of one.
    columns, rows : int
    parts : int
        Groups of rows of all members.
    copies : int
        Values that are held of each of the table.
    sums : int
        Values of a column that are added up together.
    limit : int
        Bytes of shared memory of a block.
    """
    most = _power(-(-columns // width))
    least = min(most, max(1, _SECTOR_BYTES // (width * itemsize)))
    down = max(_WARP // least, min(_THREADS // least, _power(-(-rows // _ROWS))))
    held = -(-rows // (_ROWS * down)) * _ROWS * copies

    def candidate(across: int) -> tuple[Tile, int]:
        tile = Tile(width, across, down, -(-columns // (across * width)))
        values = (held * down + 3) * across * width
        return tile, tile.sums_bytes(sums) + values * itemsize

    best = candidate(least)
    if best[1] > limit:
        return None
    across = min(most, _LINE_BYTES // (width * itemsize), _THREADS // down)
    while across > least:
        wide = candidate(across)
        if wide[0].number * parts >= _MULTIPROCESSORS and wide[1] <= min(limit, _WIDE_BYTES):
            return wide
        across //= 2
    return best


@cache
def chunked_tile(width: int, itemsize: int, columns: int) -> Tile:
    """Tile of blocks that take chunks of rows: as wide as a line of the caches."""
    across = min(_power(-(-columns // width)), max(1, _LINE_BYTES // (width * itemsize)))
    return Tile(width, across, _THREADS // across, -(-columns // (across * width)))


def chunk_size(rows: int, tiles: int, least: int) -> int:
    """Rows of a chunk, a power of two and at least ``least``, given those of the largest group."""
    return max(least, _power(-(-rows * tiles // _BLOCKS)))


def _power(number: int) -> int:
    """The least power of two that is not less."""
    return 1 << max(0, number - 1).bit_length()
