"""The group lasso after an optimizer's step: rows of a weight matrix shrink as a whole."""

import numpy as np

from sknorm.kernels.cuda.launcher import (
    Array,
    c_type,
    check_contiguous,
    counters,
    launch,
    vector_width,
    workspace,
)

_THREADS = 256
_WARP = 32
# 8 blocks for each of the 132 multiprocessors of an H200; a member's other rows follow in their
# loops. Their number follows from a member's matrix alone, as what is summed depends on it.
_BLOCKS = 132 * 8


def group_norms(weight: Array, scale: float, batch_size: float, monitor: Array) -> None:
    """The penalty of the rows; see :func:`sknorm.kernels.reference.group_norms`."""
    check_contiguous(weight=weight, monitor=monitor)
    members, blocks = weight.shape[0], _blocks(weight, vector_width(weight.shape[2], weight))
    settings = (float(scale), float(batch_size))
    results = (monitor, workspace(members * blocks), counters(members))
    _launch("group_norms", (weight,), settings, results)


def sgd_group_step(
    weight: Array, velocity: Array, rate: Array, strength: Array, momentum: float, nesterov: bool
) -> None:
    """Proximal step after SGD's; see :func:`sknorm.kernels.reference.sgd_group_step`."""
    check_contiguous(weight=weight, velocity=velocity, rate=rate, strength=strength)
    settings = (rate, strength, float(momentum), int(nesterov))
    _launch("sgd_group_step", (weight, velocity), settings)


def adam_group_step(
    weight: Array,
    second: Array,
    rate: Array,
    strength: Array,
    correction: Array,
    epsilon: float,
    decoupled: bool,
    scratch: Array,
) -> None:
    """Proximal step after Adam's; see :func:`sknorm.kernels.reference.adam_group_step`."""
    hyper = {"rate": rate, "strength": strength, "correction": correction}
    check_contiguous(weight=weight, second=second, **hyper)
    tolerance = 8.0 * float(np.finfo(weight.dtype).eps)  # of the rows' norms
    settings = (*hyper.values(), float(epsilon), tolerance, int(decoupled))
    _launch("adam_group_step", (weight, second), settings)


def _launch(kernel: str, values: tuple, settings: tuple, results: tuple = ()) -> None:
    """Launch a kernel on the rows of matrices, with a team of threads for each row."""
    weight = values[0]
    members, inputs, outputs = weight.shape
    width = vector_width(outputs, *values)
    sizes = (inputs, outputs, _lanes(outputs, width))
    grid = (_blocks(weight, width), members)
    types = (c_type(weight), str(width))
    arguments = (*values, *settings, *sizes, *results)
    launch("group_steps", kernel, types, grid, (_THREADS,), arguments)


def _blocks(weight: Array, width: int) -> int:
    """Blocks of a member."""
    _, inputs, outputs = weight.shape
    return min(_BLOCKS, -(-inputs * _lanes(outputs, width) // _THREADS))


def _lanes(outputs: int, width: int) -> int:
    """Threads that take a row together, a power of two up to a warp."""
    return min(_WARP, 1 << (-(-outputs // width) - 1).bit_length())
