"""Kernels on the rows of a batch: which they are, taking them, gaps, dropout and noise."""

from math import gcd

from sknorm.kernels.cuda.launcher import (
    Array,
    c_type,
    check_contiguous,
    counters,
    keyed,
    launch,
    vector_width,
)

_THREADS = 256
# 8 blocks for each of the 132 multiprocessors of an H200 fill it; what is left of a member's
# values follows in the blocks' loops.
_BLOCKS = 132 * 8


def dropout(rate: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    """Inverted dropout in place; see :func:`sknorm.kernels.reference.dropout`."""
    check_contiguous(rate=rate, seed=seed, out=out)
    _change("dropout", rate, seed, step, layer, out)


def noise(deviation: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    """Normal noise in place; see :func:`sknorm.kernels.reference.noise`."""
    check_contiguous(deviation=deviation, seed=seed, out=out)
    _change("noise", deviation, seed, step, layer, out)


def begin_step(
    order: Array, table: Array, clock: Array, rows: Array, numbers: Array, step: Array
) -> None:
    """What the next step of an epoch reads; see :func:`sknorm.kernels.reference.begin_step`."""
    check_contiguous(order=order, table=table, clock=clock, rows=rows, numbers=numbers, step=step)
    (batches, size), (orders, n) = table.shape, rows.shape
    grid = (min(_BLOCKS, -(-max(n, size) // _THREADS)), orders)
    arguments = (
        order, order.shape[1], table, batches, size, clock, n, rows, numbers, step, counters(1)
    )  # fmt: skip
    launch("rows", "begin_step", (c_type(table),), grid, (_THREADS,), arguments)


def gather(
    X: Array,
    y: Array,
    weight: Array,
    rows: Array,
    offset: Array,
    factor: Array,
    x_out: Array,
    y_out: Array,
    weight_out: Array,
) -> None:
    """Rows of a table, standardized; see :func:`sknorm.kernels.reference.gather`."""
    check_contiguous(
        X=X, y=y, weight=weight, rows=rows, offset=offset, factor=factor, x_out=x_out,
        y_out=y_out, weight_out=weight_out,
    )  # fmt: skip
    (count, d), (total, o), (orders, n, m) = X.shape, y.shape, x_out.shape
    width = vector_width(gcd(d, m), X, x_out)
    arguments = (
        X, y, weight, rows, offset, factor, count, total, n, d, m, o, orders, weight.shape[0],
        x_out, y_out, weight_out,
    )  # fmt: skip
    types = (c_type(X), c_type(x_out), c_type(y), str(width))
    launch("rows", "gather", types, *turns_of_rows(orders, n, d, width), arguments)


def squash(rows: Array, count: int, clip: Array, fill: Array, x: Array) -> None:
    """Gaps filled, far values pulled in; see :func:`sknorm.kernels.reference.squash`."""
    check_contiguous(rows=rows, clip=clip, fill=fill, x=x)
    (orders, n, m), (views, d) = x.shape, clip.shape
    if d == 0:
        return
    width = vector_width(gcd(d, m), x)
    arguments = (rows, clip, fill, count, views, n, d, m, x)
    types = (c_type(x), str(width))
    launch("rows", "squash", types, *turns_of_rows(orders, n, d, width), arguments)


def turns_of_rows(
    batches: int, n: int, d: int, width: int
) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """Grid and block of kernels whose blocks take rows in turns; see sources/row_turns.cuh."""
    block, tiles = block_of_rows(d, width)
    return (min(-(-n // block[1]), max(1, _BLOCKS // tiles)), batches, tiles), block


def block_of_rows(d: int, width: int) -> tuple[tuple[int, int], int]:
    """Threads along the columns and the rows of a block, and how many blocks take the columns."""
    columns = max(1, -(-d // width))  # one tile even where there are none
    across = min(_THREADS, 1 << (columns - 1).bit_length())
    return (across, _THREADS // across), -(-columns // across)


def _change(kernel: str, strength: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    """Launch a kernel that changes each value of a stack by its random numbers."""
    members, size = out.shape[0], out.shape[1] * out.shape[2]
    width = vector_width(size, out)
    grid = (min(_BLOCKS, -(-size // (_THREADS * width))), members)
    arguments = (*keyed(strength, seed, step, layer), size, out)
    launch("rows", kernel, (c_type(out), str(width)), grid, (_THREADS,), arguments)
