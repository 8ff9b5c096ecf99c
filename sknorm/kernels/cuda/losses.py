"""Losses of the network's raw output, with its bias; in one launch, or two for much output."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from sknorm.kernels.cuda.launcher import (
    Array,
    c_type,
    check_contiguous,
    counters,
    launch,
    workspace,
)

__all__ = [
    "absolute_error",
    "binary_log_loss",
    "gamma",
    "huber",
    "multiclass_log_loss",
    "pinball",
    "poisson",
    "soft_multiclass_log_loss",
    "squared_error",
]

_THREADS = 256
_WARP = 32
_ROWS = 4  # of a thread at least: their loads are under way at once
_BLOCK_ROWS = 8  # at least: what blocks contribute takes a quarter of the logits' memory then
# Blocks of a member that fill an H200 (132 multiprocessors) with 8 blocks each. Their number must
# not depend on that of the members, as the rounding of a member's results does on it.
_BLOCKS = 132 * 8
_BLOCK_VALUES = 1 << 30  # a row's offset in a block has 32 bits
_FEW = 4096  # sums that a member's last block adds: by estimate, as long as a second launch takes
_HELD = (1, 2, 4, 8, 16)  # logits of a row in the registers of a thread, 32 threads a row
_SHARED_BYTES = 40 << 10  # leaves room for the kernel's own in what no device must be asked for


class _Plan(NamedTuple):
    """How a member's rows are shared out among threads and blocks."""

    lanes: int  # threads that take a row
    rows: int  # of a block
    chunks: int  # of so many rows
    tiles: int  # of so many columns as there are lanes
    follows: int  # 1 if another launch adds what the blocks contribute, else 0


@cache
def _plan(n: int, o: int, lanes: int, tiles: int) -> _Plan:
    least = max(_BLOCK_ROWS, _ROWS * _THREADS // lanes)
    chunks = max(1, min(-(-n // least), _BLOCKS // tiles))
    rows = max(1, min(-(-n // chunks), _BLOCK_VALUES // o))
    chunks = max(1, -(-n // rows))
    return _Plan(lanes, rows, chunks, tiles, int(chunks * o > _FEW))


def _lanes(o: int) -> int:
    """Threads for the o values of a row, a power of two up to a warp."""
    return min(_WARP, 1 << (o - 1).bit_length())


def _check(
    z: Array, bias: Array, y: Array, weight: Array, factor: Array, parameter: Array,
    value: Array, dbias: Array, out: Array,
) -> None:  # fmt: skip
    check_contiguous(
        z=z, bias=bias, y=y, weight=weight, factor=factor, parameter=parameter, value=value,
        dbias=dbias, out=out,
    )  # fmt: skip


def _steps(y: Array, weight: Array) -> tuple[int, int]:
    """Distances of a member's targets and weights from those of the one before."""
    own = y.shape[1] * y.shape[2] if y.shape[0] > 1 else 0
    return own, weight.shape[1] if weight.shape[0] > 1 else 0


def _partials(plan: _Plan, members: int, o: int) -> tuple[Array, Array]:
    """Memory for what blocks contribute, and a counter of a member's blocks that have."""
    return workspace(members * plan.chunks * (o + plan.tiles)), counters(members)


def _add_chunks(source: str, plan: _Plan, value: Array, dbias: Array, partials: Array) -> None:
    members, o = dbias.shape
    arguments = (value, dbias, o, plan.chunks, plan.tiles, partials)
    grid = (-(-o // _WARP), 1, members)
    launch(source, "add_chunks", (c_type(dbias),), grid, (_THREADS,), arguments)


def _sum_of_terms(name: str, source: str, term: str) -> Callable[..., None]:
    """A loss that is a sum over the logits; ``term`` is a struct of ``source``."""

    def loss(
        z: Array, bias: Array, y: Array, weight: Array, factor: Array, parameter: Array,
        value: Array, dbias: Array, out: Array,
    ) -> None:  # fmt: skip
        arrays = (z, bias, y, weight, factor, parameter, value, dbias, out)
        _check(*arrays)
        members, n, o = z.shape
        lanes = _lanes(o)
        plan = _plan(n, o, lanes, -(-o // lanes))
        partials = _partials(plan, members, o)
        sizes = (n, o, parameter.shape[1], *_steps(y, weight))
        numbers = (*sizes, plan.rows, lanes, plan.follows)
        grid = (plan.chunks, plan.tiles, members)
        launch(source, "terms", (c_type(z), term), grid, (_THREADS,), arrays + numbers + partials)
        if plan.follows:
            _add_chunks(source, plan, value, dbias, partials[0])

    return _named(loss, name)


def _cross_entropy(name: str) -> Callable[..., None]:
    """A loss of the softmax of a row's logits; ``y`` has classes or distributions."""

    def loss(
        z: Array, bias: Array, y: Array, weight: Array, factor: Array, parameter: Array,
        value: Array, dbias: Array, out: Array,
    ) -> None:  # fmt: skip
        arrays = (z, bias, y, weight, factor, parameter, value, dbias, out)
        _check(*arrays)
        members, n, o = z.shape
        held = next((count for count in _HELD if o <= count * _WARP), None)
        plan = _plan(n, o, _THREADS if held is None else _lanes(o), 1)
        partials = _partials(plan, members, o)
        types, sizes = (c_type(z), c_type(y)), (n, o, *_steps(y, weight), plan.rows)
        grid, block = (plan.chunks, 1, members), (_THREADS,)
        if held is None:
            shared = o * (8 + z.dtype.itemsize)  # a sum and an exponential of each column
            shared = shared if shared <= _SHARED_BYTES else 0
            arguments = (*arrays, *sizes, int(shared > 0), plan.follows, *partials)
            launch("losses", "wide_softmax", types, grid, block, arguments, shared)
        else:
            arguments = (*arrays, *sizes, plan.lanes, plan.follows, *partials)
            launch("losses", "softmax", (*types, str(held)), grid, block, arguments)
        if plan.follows:
            _add_chunks("losses", plan, value, dbias, partials[0])

    return _named(loss, name)


def _named(loss: Callable[..., None], name: str) -> Callable[..., None]:
    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = f"See :func:`sknorm.kernels.reference.{name}`."
    return loss


binary_log_loss = _sum_of_terms("binary_log_loss", "losses", "BinaryLogLoss")
multiclass_log_loss = _cross_entropy("multiclass_log_loss")
soft_multiclass_log_loss = _cross_entropy("soft_multiclass_log_loss")
squared_error = _sum_of_terms("squared_error", "losses", "SquaredError")
absolute_error = _sum_of_terms("absolute_error", "regression_losses", "AbsoluteError")
huber = _sum_of_terms("huber", "regression_losses", "Huber")
pinball = _sum_of_terms("pinball", "regression_losses", "Pinball")
poisson = _sum_of_terms("poisson", "regression_losses", "Poisson")
gamma = _sum_of_terms("gamma", "regression_losses", "Gamma")
