"""Hidden blocks: Linear, norm, activation and dropout, bound to the buffers of one batch size.

All arrays and views are made once: on small networks, a view costs as much as a product.
``forward`` fills the block's output; ``backward``, once the block is bound to the Linear that
follows it, the gradients of its parameters and of its own Linear's output.
"""

import itertools
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


class Block:
    """One hidden block of a stack in training; subclasses call the kernels of their norm."""

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
        self.kernels = network.backend.kernels
        self.matmul = self.kernels.matmul
        self.transposed = linear.x.mT
        self.layer = layer + 1  # layer 0 of the random numbers is the input
        self.activation = ACTIVATIONS[architecture.activation]
        self.epsilon = architecture.norm_epsilon
        self.rate = network.backend.asarray(members.dropout)
        self.seed = network.backend.asarray(members.seed)
        self.weight = weight
        self.linear = linear
        self.width = linear.out.shape[2]
        # The gradient of the output, which also reaches the block's input past the block.
        skips = architecture.skips(layer)
        self.skip = network.backend.xp.zeros_like(linear.out) if skips else None
        self.pieces = self._cut()
        self._bind(network, gradient, members)

    def forward(self, step: int) -> None:
        """Compute the block's output for the batch in its input buffer."""
        linear = self.linear
        if len(self.pieces) == 1:
            self.matmul(linear.x, linear.weight, linear.z)
            self._activate(step, 0, self.width)
            if self.skip is not None:
                linear.out += linear.x
        else:
            self.backend.run(self._forward_piece, [(step, *piece) for piece in self.pieces])

    def follow(self, weight: Any, gradient: Any, skip: Any = None) -> None:
        """Bind the block to the next Linear's weights and its output's gradient.

        ``skip`` is what reaches the block's output past the next block, if that adds its input.
        """
        self.next_weight = weight.mT
        self.next_gradient = gradient
        self.next_skip = skip

    def backward(self, step: int) -> None:
        """Compute the gradients of the block's parameters and of its Linear's output."""
        linear = self.linear
        if len(self.pieces) == 1:
            self.matmul(self.next_gradient, self.next_weight, linear.dout)
            if self.next_skip is not None:
                linear.dout += self.next_skip
            if self.skip is not None:
                self.skip[...] = linear.dout
            self._differentiate(step, 0, self.width)
            self.matmul(self.transposed, linear.dout, linear.dweight)
        else:
            self.backend.run(self._backward_piece, [(step, *piece) for piece in self.pieces])

    def _forward_piece(self, step: int, start: int, stop: int) -> None:
        linear = self.linear
        self.matmul(linear.x, linear.weight[..., start:stop], linear.z[..., start:stop])
        self._activate(step, start, stop)
        if self.skip is not None:
            linear.out[..., start:stop] += linear.x[..., start:stop]

    def _backward_piece(self, step: int, start: int, stop: int) -> None:
        dout, dweight = self.linear.dout[..., start:stop], self.linear.dweight[..., start:stop]
        self.matmul(self.next_gradient, self.next_weight[..., start:stop], dout)
        if self.next_skip is not None:
            dout += self.next_skip[..., start:stop]
        if self.skip is not None:
            self.skip[..., start:stop] = dout
        self._differentiate(step, start, stop)
        self.matmul(self.transposed, dout, dweight)

    def _cut(self) -> list[tuple[int, int]]:
        if not self.backend.cuts_layers:
            return [(0, self.width)]
        return pieces(self.linear.out.shape[1], self.linear.weight.shape[1], self.width)

    def _bind(self, network: Network, gradient: Parameters, members: Members) -> None:
        """Allocate what the kernels of this norm need."""
        raise NotImplementedError

    def _activate(self, step: int, start: int, stop: int) -> None:
        raise NotImplementedError

    def _differentiate(self, step: int, start: int, stop: int) -> None:
        raise NotImplementedError


class BatchBlock(Block):
    """A block under batch norm, or ghost norm, whose groups are parts of the batch."""

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

    def _activate(self, step: int, start: int, stop: int) -> None:
        linear = self.linear
        self.kernels.batch_block_forward(
            linear.z, self.weight, linear.scale, linear.shift, self.groups, self.epsilon,
            self.activation, self.rate, self.seed, step, self.layer, start, stop,
            self.running, self.momentum, self.statistics, self.accumulators, linear.out,
        )  # fmt: skip

    def _differentiate(self, step: int, start: int, stop: int) -> None:
        linear = self.linear
        self.kernels.batch_block_backward(
            linear.z, self.weight, linear.scale, linear.shift, self.groups,
            self.activation, self.rate, self.seed, step, self.layer, start, stop,
            self.statistics, self.accumulators, linear.dscale, linear.dshift, linear.dout,
        )  # fmt: skip


class LayerBlock(Block):
    """A block under layer norm, which couples the columns of a row, so it is never cut."""

    def _cut(self) -> list[tuple[int, int]]:
        return [(0, self.width)]

    def _bind(self, network: Network, gradient: Parameters, members: Members) -> None:
        xp, device = self.backend.xp, self.backend.device
        count, rows, width = self.linear.out.shape
        dtype = self.linear.out.dtype
        self.inverse_std = xp.zeros((count, rows), dtype=dtype, device=device)
        self.accumulators = xp.zeros((count, 2, width), dtype=xp.float64, device=device)

    def _activate(self, step: int, start: int, stop: int) -> None:
        linear = self.linear
        self.kernels.layer_block_forward(
            linear.z, linear.scale, linear.shift, self.epsilon, self.activation,
            self.rate, self.seed, step, self.layer, self.inverse_std, linear.out,
        )  # fmt: skip

    def _differentiate(self, step: int, start: int, stop: int) -> None:
        linear = self.linear
        self.kernels.layer_block_backward(
            linear.z, self.inverse_std, linear.scale, linear.shift, self.activation,
            self.rate, self.seed, step, self.layer, self.accumulators,
            linear.dscale, linear.dshift, linear.dout,
        )  # fmt: skip


class AffineBlock(Block):
    """A block without a norm: bias, activation and dropout."""

    def _bind(self, network: Network, gradient: Parameters, members: Members) -> None:
        xp, device = self.backend.xp, self.backend.device
        shape = (len(members), 2, self.width)
        self.accumulators = xp.zeros(shape, dtype=xp.float64, device=device)

    def _activate(self, step: int, start: int, stop: int) -> None:
        linear = self.linear
        self.kernels.affine_block_forward(
            linear.z, linear.shift, self.activation, self.rate, self.seed, step, self.layer,
            start, stop, linear.out,
        )  # fmt: skip

    def _differentiate(self, step: int, start: int, stop: int) -> None:
        linear = self.linear
        self.kernels.affine_block_backward(
            linear.z, linear.shift, self.activation, self.rate, self.seed, step, self.layer,
            start, stop, self.accumulators, linear.dshift, linear.dout,
        )  # fmt: skip


BLOCKS: dict[str | None, type[Block]] = {
    "batch": BatchBlock,
    "ghost": BatchBlock,
    "layer": LayerBlock,
    None: AffineBlock,
}
