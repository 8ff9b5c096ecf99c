"""The layer of categories: their codes, and the embeddings among the inputs."""

from functools import cached_property

import numpy as np
from numpy.random import RandomState

from sknorm.backends.program import Operation
from sknorm.network.architecture import Categories
from sknorm.network.layers.base import Buffer, Layer, Work

DROPPING = 1 << 21  # a layer of random numbers that no other has


class CategoryLayer(Layer):
    """Looks up what each row's categories are to the network, and their vectors if they have any.

    The rows of weights that other categories have are the first block's.
    """

    @property
    def name(self) -> str:
        return "categories"

    @cached_property
    def own(self) -> Categories:
        """What it knows of the code columns."""
        assert self.architecture.categories is not None
        return self.architecture.categories

    @cached_property
    def plan(self) -> np.ndarray:
        """Where vectors stand, in the table and among the inputs."""
        return self.own.plan(self.architecture.numbers)

    @property
    def vectors(self) -> dict[str, float | None]:
        return {}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"table": (self.own.table_size,)} if self.own.embeddings else {}

    def draw(self, random_state: RandomState) -> dict[str, np.ndarray]:
        """Standard normal vectors, on the scale of standardized numbers."""
        return {kind: random_state.normal(size=shape) for kind, shape in self.shapes().items()}

    def buffers(self, rows: int, keeps_masks: bool) -> dict[str, Buffer]:
        """The places of a batch, and the gradient of the embeddings."""
        made = {"codes": Buffer((rows, self.own.count), "int32")}
        if self.own.embeddings:
            made["dx"] = Buffer((rows, self.own.width))
        return made

    def forward(self, work: Work) -> list[Operation]:
        """What writes embeddings into the inputs, once the places are known."""
        if not self.own.embeddings:
            return []
        return [work.backend.bind("embedding_forward", {**work.arrays, "plan": self.plan})]

    def backward(self, work: Work, after: Work) -> list[Operation]:
        """What computes the gradient of the vectors; the first block works ``after`` it."""
        if not self.own.embeddings:
            return []
        first, stop = self.architecture.numbers, self.architecture.dense
        weight = after["weight"][:, first:stop, :]
        arguments = {**work.arrays, "plan": self.plan, "first": first}
        return [
            work.backend.product(after["out"], weight.mT, work["dx"]),
            work.backend.bind("embedding_backward", arguments),
        ]
