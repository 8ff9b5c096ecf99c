"""The layer of numbers: their embeddings, which are linear between the edges of bins."""

from functools import cached_property

import numpy as np
from numpy.random import RandomState

from sknorm.backends.program import Operation
from sknorm.network.architecture import Embedding
from sknorm.network.layers.base import Buffer, Layer, Work


class NumberLayer(Layer):
    """Writes vectors in the place of numbers into the inputs.

    A number z that fills its bins to e_t has the vector :math:`u z + \\sum_t e_t w_t` (Gorishniy et
    al., 2022, On embeddings for numerical features in tabular deep learning), which starts as a
    linear one: w is zero at first, as in TabM (Gorishniy et al., 2024). There is no offset: the
    first layer's norm would cancel it, and Adam make steps of the rounding of its gradient.
    """

    @property
    def name(self) -> str:
        return "numbers"

    @cached_property
    def own(self) -> Embedding:
        """What it knows of the columns."""
        assert self.architecture.embedding is not None
        return self.architecture.embedding

    @property
    def vectors(self) -> dict[str, float | None]:
        return {}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"table": (self.own.table_size,)}

    def draw(self, random_state: RandomState) -> dict[str, np.ndarray]:
        """Slopes uniform in [-1, 1], no bends."""
        table = np.zeros(self.own.table_size)
        for _, width, begin, _, _ in self.own.plan.tolist():
            table[begin : begin + width] = random_state.uniform(-1.0, 1.0, width)
        return {"table": table}

    def buffers(self, rows: int, keeps_masks: bool) -> dict[str, Buffer]:
        """Sums of vectors, and the gradient of the embeddings."""
        width = self.architecture.numbers
        return {"sums": Buffer((self.own.table_size,)), "dx": Buffer((rows, width))}

    def forward(self, work: Work) -> list[Operation]:
        """What writes the embeddings into the inputs."""
        arguments = {**work.arrays, "plan": self.own.plan}
        return [work.backend.bind("number_embedding_forward", arguments)]

    def backward(self, work: Work, after: Work) -> list[Operation]:
        """What computes the gradient of the vectors; the first block works ``after`` it."""
        weight = after["weight"][:, : self.architecture.numbers, :]
        arguments = {**work.arrays, "plan": self.own.plan}
        return [
            work.backend.product(after["out"], weight.mT, work["dx"]),
            work.backend.bind("number_embedding_backward", arguments),
        ]
