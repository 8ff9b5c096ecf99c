"""Hidden blocks: Linear, norm, activation and dropout, bound to the buffers of one batch size.

All arrays and views are made once: on small networks, a view costs as much as a product.
``forward`` fills the block's output; ``backward``, once the block is bound to the Linear that
follows it, the gradients of its parameters and of its own Linear's output.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknorm.kernels.codes import ACTIVATIONS
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters

# A layer is cut into pieces of columns where its products take at least this many operations:
# below, waking a thread costs more than it saves.
_CUT_FROM = 2.0e7
_NARROWEST_PIECE = 64
_PIECES = 2


@dataclass
class Linear:
    """A layer's input, weights and gradients, and the buffers around its product."""

    x: Any
    weight: Any
    dweight: Any
    z: Any
    out: Any
    dout: Any
    scale: Any
    shift: Any
    dscale: Any
    dshift: Any


def pieces(rows: int, fan_in: int, fan_out: int) -> list[tuple[int, int]]:
    """Columns at which a layer is cut; a function of the shapes alone."""
    if 2.0 * rows * fan_in * fan_out < _CUT_FROM or fan_out < _PIECES * _NARROWEST_PIECE:
        return [(0, fan_out)]
    count = _PIECES if fan_out < 8 * 128 else fan_out // 256
    bounds = [round(i * fan_out / count / 16) * 16 for i in range(count)] + [fan_out]
    return list(itertools.pairwise(bounds))


def ghost_groups(rows: int, size: int) -> np.ndarray:
    """Boundaries of sub-batches of about ``size`` rows, of sizes that differ by at most one.

    ``ceil(rows / size)`` of them, but never one of a single row.
    """
    count = max(1, min(-(-rows // size), rows // 2))
    return np.array([i * rows // count for i in range(count + 1)], dtype=np.int64)


@dataclass
class Piece:
    """What a block does in a step with some of its columns, and views of them."""

    multiply: Callable[[], None]
    activate: Callable[[Any], None]
    differentiate: Callable[[Any], None]
    multiply_back: Callable[[], None]
    columns: slice | None  # all if None
    receive: Callable[[], None] | None = None

    def of(self, array: Any) -> Any:
        """The piece's columns of an array."""
        return array if self.columns is None else array[..., self.columns]


class Block:
    """One hidden block of a stack in training; subclasses call the kernels of their norm."""

    name: str  # of the kernels

    def __init__(
        self,
        layer: int,
        network: Network,
        gradient: Parameters,
        members: Members,
        weight: Any,
        linear: Linear,
    ) -> None:
        architecture = network.architecture
        self.backend = network.backend
        self.layer = layer + 1  # layer 0 of the random numbers is the input
        self.activation = ACTIVATIONS[architecture.activation]
        self.epsilon = architecture.norm_epsilon
        self.rate = network.backend.asarray(members.dropout)
        self.seed = network.backend.asarray(members.seed)
        self.weight = weight
        self.linear = linear
        # The gradient of the output, which also reaches the block's input past the block.
        skips = architecture.skips(layer)
        self.skip = network.backend.xp.zeros_like(linear.out) if skips else None
        self.next_skip: Any = None
        self._bind(network, gradient, members)
        self.pieces = [self._piece(*piece) for piece in self._cut(linear.out.shape[2])]

    def forward(self, step: Any) -> None:
        """Compute the block's output for the batch in its input buffer."""
        if len(self.pieces) == 1:
            self._forward(step, self.pieces[0])
        else:
            self.backend.run(self._forward, [(step, piece) for piece in self.pieces])

    def follow(self, weight: Any, gradient: Any, skip: Any = None) -> None:
        """Bind the block to the next Linear's weights and its output's gradient.

        ``skip`` is what reaches the block's output past the next block, if that adds its input.
        """
        transposed, self.next_skip = weight.mT, skip
        for piece in self.pieces:
            dout = piece.of(self.linear.dout)
            piece.receive = self.backend.product(gradient, piece.of(transposed), dout)

    def backward(self, step: Any) -> None:
        """Compute the gradients of the block's parameters and of its Linear's output."""
        if len(self.pieces) == 1:
            self._backward(step, self.pieces[0])
        else:
            self.backend.run(self._backward, [(step, piece) for piece in self.pieces])

    def _forward(self, step: Any, piece: Piece) -> None:
        piece.multiply()
        piece.activate(step)
        if self.skip is not None:
            out = piece.of(self.linear.out)
            out += piece.of(self.linear.x)

    def _backward(self, step: Any, piece: Piece) -> None:
        assert piece.receive is not None, "the block follows nothing"
        piece.receive()
        if self.next_skip is not None:
            dout = piece.of(self.linear.dout)
            dout += piece.of(self.next_skip)
        if self.skip is not None:
            piece.of(self.skip)[...] = piece.of(self.linear.dout)
        piece.differentiate(step)
        piece.multiply_back()

    def _piece(self, start: int, stop: int) -> Piece:
        bind, product, linear = self.backend.bind, self.backend.product, self.linear
        whole = (start, stop) == (0, linear.out.shape[2])

        def part(array: Any) -> Any:
            return array if whole else array[..., start:stop]

        return Piece(
            product(linear.x, part(linear.weight), part(linear.z)),
            bind(f"{self.name}_forward", *self._activation(start, stop)),
            bind(f"{self.name}_backward", *self._derivative(start, stop)),
            product(linear.x.mT, part(linear.dout), part(linear.dweight)),
            None if whole else slice(start, stop),
        )

    def _cut(self, width: int) -> list[tuple[int, int]]:
        if not self.backend.cuts_layers:
            return [(0, width)]
        return pieces(self.linear.out.shape[1], self.linear.weight.shape[1], width)

    def _bind(self, network: Network, gradient: Parameters, members: Members) -> None:
        """Allocate what the kernels of this norm need."""
        raise NotImplementedError

    def _activation(self, start: int, stop: int) -> tuple[tuple, tuple]:
        """Arguments of the forward kernel before and after the number of the step."""
        raise NotImplementedError

    def _derivative(self, start: int, stop: int) -> tuple[tuple, tuple]:
        """Those of the backward kernel."""
        raise NotImplementedError


class BatchBlock(Block):
    """A block under batch norm, or ghost norm, whose groups are parts of the batch."""

    name = "batch_block"

    def _bind(self, network: Network, gradient: Parameters, members: Members) -> None:
        xp, device = self.backend.xp, self.backend.device
        count, rows, width = self.linear.out.shape
        size = network.architecture.ghost_batch_size
        ghost = network.architecture.normalization == "ghost"
        self.groups = ghost_groups(rows, size if ghost else rows)
        self.running = network.statistics[self.layer - 1]
        self.momentum = self.backend.asarray(members.norm_momentum)
        shape = (count, self.groups.shape[0] - 1, 8, width)
        self.statistics = xp.zeros(shape, dtype=self.linear.out.dtype, device=device)
        self.accumulators = xp.zeros((count, 2, width), dtype=xp.float64, device=device)

    def _activation(self, start: int, stop: int) -> tuple[tuple, tuple]:
        linear = self.linear
        return (
            (linear.z, self.weight, linear.scale, linear.shift, self.groups, self.epsilon,
             self.activation, self.rate, self.seed),
            (self.layer, start, stop, self.running, self.momentum, self.statistics,
             self.accumulators, linear.out),
        )  # fmt: skip

    def _derivative(self, start: int, stop: int) -> tuple[tuple, tuple]:
        linear = self.linear
        return (
            (linear.z, self.weight, linear.scale, linear.shift, self.groups, self.activation,
             self.rate, self.seed),
            (self.layer, start, stop, self.statistics, self.accumulators, linear.dscale,
             linear.dshift, linear.dout),
        )  # fmt: skip


class LayerBlock(Block):
    """A block under layer norm, which couples the columns of a row, so it is never cut."""

    name = "layer_block"

    def _cut(self, width: int) -> list[tuple[int, int]]:
        return [(0, width)]

    def _bind(self, network: Network, gradient: Parameters, members: Members) -> None:
        xp, device = self.backend.xp, self.backend.device
        count, rows, width = self.linear.out.shape
        dtype = self.linear.out.dtype
        self.inverse_std = xp.zeros((count, rows), dtype=dtype, device=device)
        self.accumulators = xp.zeros((count, 2, width), dtype=xp.float64, device=device)

    def _activation(self, start: int, stop: int) -> tuple[tuple, tuple]:
        linear = self.linear
        return (
            (linear.z, linear.scale, linear.shift, self.epsilon, self.activation, self.rate,
             self.seed),
            (self.layer, self.inverse_std, linear.out),
        )  # fmt: skip

    def _derivative(self, start: int, stop: int) -> tuple[tuple, tuple]:
        linear = self.linear
        return (
            (linear.z, self.inverse_std, linear.scale, linear.shift, self.activation, self.rate,
             self.seed),
            (self.layer, self.accumulators, linear.dscale, linear.dshift, linear.dout),
        )  # fmt: skip


class AffineBlock(Block):
    """A block without a norm: bias, activation and dropout."""

    name = "affine_block"

    def _bind(self, network: Network, gradient: Parameters, members: Members) -> None:
        xp, device = self.backend.xp, self.backend.device
        shape = (len(members), 2, self.linear.out.shape[2])
        self.accumulators = xp.zeros(shape, dtype=xp.float64, device=device)

    def _activation(self, start: int, stop: int) -> tuple[tuple, tuple]:
        linear = self.linear
        return (
            (linear.z, linear.shift, self.activation, self.rate, self.seed),
            (self.layer, start, stop, linear.out),
        )

    def _derivative(self, start: int, stop: int) -> tuple[tuple, tuple]:
        linear = self.linear
        return (
            (linear.z, linear.shift, self.activation, self.rate, self.seed),
            (self.layer, start, stop, self.accumulators, linear.dshift, linear.dout),
        )


BLOCKS: dict[str | None, type[Block]] = {
    "batch": BatchBlock,
    "ghost": BatchBlock,
    "layer": LayerBlock,
    None: AffineBlock,
}
