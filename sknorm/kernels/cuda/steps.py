"""Optimizer steps on the flat buffers of a stack, one launch for all parameters of all members."""

from functools import lru_cache

import numpy as np

from sknorm.kernels.codes import UNPENALIZED
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
# 8 blocks for each of the 132 multiprocessors of an H200. Each leaves sums that one block adds, so
# there are no more of them, and their number follows from a member's parameters alone: what is
# summed does not depend on the stack.
_BLOCKS = 132 * 8
# A member of so few chunks is rescaled by one block; beyond, its latency exceeds a second launch.
_ALONE = 4
_TILE = 32


def sgd_step(
    parameters: Array,
    gradient: Array,
    velocity: Array,
    segments: np.ndarray,
    rate: Array,
    alpha: Array,
    l1_ratio: Array,
    momentum: float,
    nesterov: bool,
    batch_size: float,
    monitor: Array,
) -> None:
    """Momentum step with a proximal operator; see :func:`sknorm.kernels.reference.sgd_step`."""
    buffers = {"parameters": parameters, "gradient": gradient, "velocity": velocity}
    settings = (float(momentum), int(nesterov))
    hyper = {"rate": rate, "alpha": alpha, "l1_ratio": l1_ratio}
    _step("sgd_step", buffers, segments, hyper, settings, batch_size, monitor)


def adam_step(
    parameters: Array,
    gradient: Array,
    first: Array,
    second: Array,
    segments: np.ndarray,
    rate: Array,
    alpha: Array,
    l1_ratio: Array,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    correction: Array,
    decoupled: bool,
    batch_size: float,
    monitor: Array,
) -> None:
    """Adam step with a proximal operator; see :func:`sknorm.kernels.reference.adam_step`."""
    buffers = {"parameters": parameters, "gradient": gradient, "first": first, "second": second}
    check_contiguous(correction=correction)
    settings = (*map(float, (beta_1, beta_2, epsilon)), correction, int(decoupled))
    hyper = {"rate": rate, "alpha": alpha, "l1_ratio": l1_ratio}
    _step("adam_step", buffers, segments, hyper, settings, batch_size, monitor)


def clip_gradient(gradient: Array, segments: np.ndarray, max_norm: float) -> None:
    """Clip each member's gradient; see :func:`sknorm.kernels.reference.clip_gradient`."""
    check_contiguous(gradient=gradient)
    members = gradient.shape[0] // int(segments[:, 1].sum())
    _rescale("clip_gradient", gradient, segments, members, (float(max_norm),))


def restore_norms(weight: Array, radius: float, active: Array) -> None:
    """Rescale columns of matrices; see :func:`sknorm.kernels.reference.restore_norms`."""
    check_contiguous(weight=weight, active=active)
    members, inputs, outputs = weight.shape
    if outputs == 1:
        run = np.array([[0, inputs, UNPENALIZED]])
        _rescale("restore_norms", weight, run, members, (float(radius), active))
        return
    grid = (-(-outputs // _TILE), members)
    arguments = (weight, inputs, outputs, float(radius), active)
    launch("steps", "restore_columns", (c_type(weight),), grid, (_TILE, _TILE), arguments)


def _step(
    kernel: str,
    buffers: dict[str, Array],
    segments: np.ndarray,
    hyper: dict[str, Array],
    settings: tuple,
    batch_size: float,
    monitor: Array,
) -> None:
    """Launch a step on all parameters of all members."""
    check_contiguous(**buffers, **hyper, monitor=monitor)
    members, parameters = monitor.shape[0], buffers["parameters"]
    width = vector_width(0, *buffers.values())
    table, chunks = _layout(segments.tobytes(), members, width)
    blocks = min(_BLOCKS, chunks)
    arguments = (
        *buffers.values(), constant(table), table.shape[0], chunks, *hyper.values(), *settings,
        float(batch_size), monitor, workspace(3 * members * blocks), counters(members),
    )  # fmt: skip
    types = (c_type(parameters), str(width))
    launch("steps", kernel, types, (blocks, members), (_THREADS,), arguments)


def _rescale(
    kernel: str, values: Array, segments: np.ndarray, members: int, settings: tuple
) -> None:
    """Launch a kernel that rescales members as a whole, after one that sums their squares."""
    width = vector_width(0, values)
    table, chunks = _layout(segments.tobytes(), members, width)
    blocks = min(_BLOCKS, chunks)
    types, where = (c_type(values), str(width)), (constant(table), table.shape[0], chunks)
    partials = workspace(members * blocks)
    parts = blocks if chunks > _ALONE else 0
    if parts:
        arguments = (values, *where, partials)
        launch("steps", "norms", types, (blocks, members), (_THREADS,), arguments)
    grid = (blocks if parts else 1, members)
    launch("steps", kernel, types, grid, (_THREADS,), (values, *where, *settings, partials, parts))


@lru_cache(maxsize=64)
def _layout(segments: bytes, members: int, width: int) -> tuple[np.ndarray, int]:
    """The table of the parameters, as steps.cu takes it, and the chunks of a member."""
    rows = np.frombuffer(segments, dtype=np.int64).reshape(-1, 3)
    offsets, sizes = rows[:, 0] // members, rows[:, 1]  # of a member alone
    chunks = -(-sizes // (_THREADS * width))
    first = np.cumsum(chunks) - chunks
    apart = (offsets % width > 0) | (sizes % width > 0)
    return np.column_stack([rows, first, apart]), int(chunks.sum())
