"""The group lasso after an optimizer's step: groups of weights shrink as a whole."""

import numpy as np

from sknorm.kernels.cuda.launcher import (
    Array,
    c_type,
    check_contiguous,
    constant,
    counters,
    launch,
    vector_width,
    workspace,
)

_THREADS = 256
_WARP = 32
# 8 blocks for each of the 132 multiprocessors of an H200; a member's other groups follow in their
# loops. Their number follows from a member's matrix alone, as what is summed depends on it.
_BLOCKS = 132 * 8


def group_norms(
    weight: Array, groups: np.ndarray, scale: float, batch_size: float, monitor: Array
) -> None:
    """The penalty of the groups; see :func:`sknorm.kernels.reference.group_norms`."""
    check_contiguous(weight=weight, groups=groups, monitor=monitor)
    width, members = vector_width(weight.shape[2], weight), weight.shape[0]
    blocks = _blocks(weight, groups, width)
    settings = (float(scale), float(batch_size))
    results = (monitor, workspace(members * blocks), counters(members))
    _launch("group_norms", (weight,), groups, settings, results)


def sgd_group_step(
    weight: Array,
    velocity: Array,
    groups: np.ndarray,
    rate: Array,
    strength: Array,
    momentum: float,
    nesterov: bool,
) -> None:
    """Proximal step after SGD's; see :func:`sknorm.kernels.reference.sgd_group_step`."""
    hyper = {"rate": rate, "strength": strength}
    check_contiguous(weight=weight, velocity=velocity, groups=groups, **hyper)
    settings = (*hyper.values(), float(momentum), int(nesterov))
    _launch("sgd_group_step", (weight, velocity), groups, settings)


def adam_group_step(
    weight: Array,
    second: Array,
    groups: np.ndarray,
    rate: Array,
    strength: Array,
    correction: Array,
    epsilon: float,
    decoupled: bool,
    scratch: Array,
) -> None:
    """Proximal step after Adam's; see :func:`sknorm.kernels.reference.adam_group_step`."""
    hyper = {"rate": rate, "strength": strength, "correction": correction}
    check_contiguous(weight=weight, second=second, groups=groups, **hyper)
    tolerance = 8.0 * float(np.finfo(weight.dtype).eps)  # of the groups' norms
    settings = (*hyper.values(), float(epsilon), tolerance, int(decoupled))
    _launch("adam_group_step", (weight, second), groups, settings)


def _launch(
    kernel: str, values: tuple, groups: np.ndarray, settings: tuple, results: tuple = ()
) -> None:
    """Launch a kernel on the groups of matrices, with a team of threads for each group."""
    weight = values[0]
    members, inputs, outputs = weight.shape
    width = vector_width(outputs, *values)
    sizes = (groups.size - 1, inputs, outputs, _lanes(outputs, width))
    grid = (_blocks(weight, groups, width), members)
    types = (c_type(weight), str(width))
    arguments = (*values, constant(groups), *settings, *sizes, *results)
    launch("group_steps", kernel, types, grid, (_THREADS,), arguments)


def _blocks(weight: Array, groups: np.ndarray, width: int) -> int:
    """Blocks of a member."""
    count, outputs = groups.size - 1, weight.shape[2]
    return min(_BLOCKS, -(-count * _lanes(outputs, width) // _THREADS))


def _lanes(outputs: int, width: int) -> int:
    """Threads that take a group together, a power of two up to a warp."""
    return min(_WARP, 1 << (-(-outputs // width) - 1).bit_length())
