"""Kernels on the rows of a batch: taking them, dropout and noise."""

from sknorm.kernels.cuda.launcher import Array, c_type, check_contiguous, launch, vector_width, word

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
    across = min(_THREADS, 1 << (-(-d // width) - 1).bit_length())
    along = _THREADS // across
    tiles = -(-d // (across * width))
    grid = (min(-(-n // along), max(1, _BLOCKS // tiles)), orders, tiles)
    arguments = (
        X, y, weight, rows, offset, factor, count, total, n, d, o, orders, weight.shape[0],
        x_out, y_out, weight_out,
    )  # fmt: skip
    types = (c_type(X), c_type(x_out), c_type(y), str(width))
    launch("rows", "gather", types, grid, (across, along), arguments)


def _change(kernel: str, strength: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    """Launch a kernel that changes each value of a stack by its random numbers."""
    members, size = out.shape[0], out.shape[1] * out.shape[2]
    width = vector_width(size, out)
    grid = (min(_BLOCKS, -(-size // (_THREADS * width))), members)
    arguments = (strength, seed, word(step), word(layer), size, out)
    launch("rows", kernel, (c_type(out), str(width)), grid, (_THREADS,), arguments)
