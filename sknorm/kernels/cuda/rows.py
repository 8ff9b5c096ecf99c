"""Kernels on the rows of a batch: which they are, taking them, dropout and noise."""

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
    (count, d), (total, o), (orders, n) = X.shape, y.shape, rows.shape
    width = vector_width(d, X, x_out)
    block, tiles = block_of_rows(d, width)
    grid = (min(-(-n // block[1]), max(1, _BLOCKS // tiles)), orders, tiles)
    arguments = (
        X, y, weight, rows, offset, factor, count, total, n, d, o, orders, weight.shape[0],
        x_out, y_out, weight_out,
    )  # fmt: skip
    types = (c_type(X), c_type(x_out), c_type(y), str(width))
    launch("rows", "gather", types, grid, block, arguments)


def block_of_rows(d: int, width: int) -> tuple[tuple[int, int], int]:
    """Threads along the columns and the rows of a block, and how many blocks take the columns."""
    across = min(_THREADS, 1 << (-(-d // width) - 1).bit_length())
    return (across, _THREADS // across), -(-d // (across * width))


def _change(kernel: str, strength: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    """Launch a kernel that changes each value of a stack by its random numbers."""
    members, size = out.shape[0], out.shape[1] * out.shape[2]
    width = vector_width(size, out)
    grid = (min(_BLOCKS, -(-size // (_THREADS * width))), members)
    arguments = (*keyed(strength, seed, step, layer), size, out)
    launch("rows", kernel, (c_type(out), str(width)), grid, (_THREADS,), arguments)
