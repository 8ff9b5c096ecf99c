r"""The training objective and its gradient on a batch.

For rows i with weights w_i and weight matrices W (never biases, scales and shifts),

.. math::

    J = \frac{\sum_i w_i \ell_i}{\sum_i w_i} + \alpha \, \Omega(W),
    \qquad \Omega(W) = \rho \|W\|_1 + \frac{1 - \rho}{2} \|W\|_2^2
    \text{ for the elastic net},

with alpha and the L1 ratio rho of each member. A batch B of n rows out of N contributes
:math:`\sum_{i \in B} w_i \ell_i / (n \bar w)` with the mean weight :math:`\bar w` of all
training rows: its expectation is the first term of J, also where weights differ much
between batches. This module computes that term and its gradient; the optimizers add the
penalty, in one pass with their step.
"""

from typing import Any

import numpy as np

from sknorm.network.batch import gathering
from sknorm.network.block import BLOCKS, Block, Linear
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters
from sknorm.objective.augmentation import Augmentation
from sknorm.objective.losses import Loss


class BatchGradient:
    """Loss and gradient of a stack on batches of one size, with all buffers allocated once.

    Parameters
    ----------
    network : Network
    members : Members
    loss : Loss
    data : TrainingData
        Rows, targets and weights, as :class:`sknorm.training.data.TrainingData`.
    rows : int
        Rows of a batch.
    mean_weight : float64 array of shape (K,)
        Mean weight of each member's training rows.
    orders : int
        1 if all members see the same rows, else K.
    gradient : Parameters
        Where the gradient is written.
    value : float64 array of shape (K,)
        Where sums of weighted losses are added.
    """

    def __init__(
        self,
        network: Network,
        members: Members,
        loss: Loss,
        data: Any,
        rows: int,
        mean_weight: np.ndarray,
        orders: int,
        gradient: Parameters,
        value: Any,
    ) -> None:
        backend, sizes = network.backend, network.architecture.sizes
        self.kernels = backend.kernels
        self.value = value
        self.network = network
        self.gradient = gradient
        self._allocate(network, data, rows, orders)
        self._bind_table(data)
        self.loss = getattr(backend.kernels, loss.kernel)
        self.factor = backend.asarray(1.0 / (rows * mean_weight))
        self.parameter = backend.asarray(
            loss.parameter(len(members), members.label_smoothing), dtype=backend.xp.float64
        )
        self.augment = Augmentation(backend, members)
        self.logits = self._buffer(len(members), rows, sizes[-1])
        self.bias, self.dbias = network["head.bias"], gradient["head.bias"]
        self.blocks = self._blocks(network, members, rows)
        features = self.blocks[-1].linear.out if self.blocks else self.x
        product, weight = backend.product, network["head.weight"]
        self._multiply = product(features, weight, self.logits)
        self._multiply_back = product(features.mT, self.logits, gradient["head.weight"])

    def feed(self, data: Any, mean_weight: np.ndarray) -> None:
        """Go on with the rows of another table of the same kind."""
        self._bind_table(data)
        self.factor[...] = self.network.backend.asarray(1.0 / (self.x.shape[1] * mean_weight))

    def forget(self) -> None:
        """Let go of the table."""
        del self.gather, self.batch

    def __call__(self, rows: Any, step: Any) -> None:
        """Write the gradient for the batch of these ``rows``; add its loss to ``value``.

        ``step`` is the number of the step, an int, or of a recorded step, where it stands.
        """
        self.load(rows, step)
        self.differentiate(step)

    def load(self, rows: Any, step: Any) -> None:
        """Gather the batch of these ``rows``."""
        self.gather(rows, *self.batch)
        if self.augment.acts:
            self.augment(step, self.x, self.y, self.weight)

    def differentiate(self, step: Any) -> None:
        """Write the gradient for the batch that is loaded; add its loss to ``value``."""
        for block in self.blocks:
            block.forward(step)
        self._multiply()
        self.loss(
            self.logits, self.bias, self.y, self.weight, self.factor, self.parameter,
            self.value, self.dbias, self.logits,
        )  # fmt: skip
        self._multiply_back()
        for block in reversed(self.blocks):
            block.backward(step)

    def _bind_table(self, data: Any) -> None:
        """Where rows come from, and the arrays of the batch that they go to."""
        self.gather = gathering(self.kernels, data.X, data.y, data.weight)
        self.batch = (data.offset, data.factor, self.x, self.y, self.weight)

    def _allocate(self, network: Network, data: Any, rows: int, orders: int) -> None:
        xp, device = network.backend.xp, network.backend.device
        self.x = self._buffer(orders, rows, network.architecture.sizes[0])
        shape = (orders, rows, data.y.shape[1])
        self.y = xp.zeros(shape, dtype=data.y.dtype, device=device)
        self.weight = xp.zeros((orders, rows), dtype=data.weight.dtype, device=device)

    def _buffer(self, *shape: int) -> Any:
        backend = self.network.backend
        dtype = self.network.parameters.flat.dtype
        return backend.xp.zeros(shape, dtype=dtype, device=backend.device)

    def _blocks(self, network: Network, members: Members, rows: int) -> list[Block]:
        parameters, gradient = network.parameters, self.gradient
        blocks: list[Block] = []
        kind = BLOCKS[network.architecture.normalization]
        for layer in range(network.architecture.hidden):
            shape = (len(members), rows, network.architecture.sizes[layer + 1])
            scale, dscale = self._vectors(f"blocks.{layer}.scale", layer, 1.0)
            shift, dshift = self._vectors(f"blocks.{layer}.shift", layer, 0.0)
            x = blocks[-1].linear.out if blocks else self.x
            # Once the next layer has its weights' gradient, nobody needs the block's output:
            # its buffer takes the gradient. A third less memory to go through.
            out = self._buffer(*shape)
            linear = Linear(
                x, parameters.weights[layer], gradient.weights[layer],
                self._buffer(*shape), out, out, scale, shift, dscale, dshift,
            )  # fmt: skip
            blocks.append(kind(layer, network, gradient, members, self.weight, linear))
        signals = [*(block.linear.dout for block in blocks[1:]), self.logits]
        skips = [*(block.skip for block in blocks[1:]), None]
        for block, *following in zip(blocks, parameters.weights[1:], signals, skips, strict=False):
            block.follow(*following)
        return blocks

    def _vectors(self, name: str, layer: int, constant: float) -> tuple[Any, Any]:
        """A learned vector and its gradient, or a constant and a buffer nobody reads."""
        if (learned := self.network.parameters.get(name)) is not None:
            return learned, self.gradient[name]
        width = self.network.architecture.sizes[layer + 1]
        vector = self._buffer(self.network.members, width)
        vector[...] = constant
        return vector, self._buffer(self.network.members, width)
