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

from typing import Any, NamedTuple

import numpy as np

from sknorm.backends.program import Operation, run
from sknorm.data.table import gathering
from sknorm.network.layers import (
    CategoryLayer,
    Layer,
    NumberLayer,
    categories,
    layers,
    numbers,
)
from sknorm.network.layers.base import Work, allocate, keeps_masks
from sknorm.network.layers.categories import DROPPING
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters
from sknorm.network.quantities import Quantities
from sknorm.objective.losses import Loss
from sknorm.training.augmentation import augment


class Batch(NamedTuple):
    """What batches of one size have in common.

    Attributes
    ----------
    rows : int
        Rows of a batch.
    held : int
        Networks whose batches and activations are held at once: K, or 1 if they take turns.
    mean_weight : float64 array of shape (K,)
        Mean weight of each member's training rows.
    """

    rows: int
    held: int
    mean_weight: np.ndarray


class Results(NamedTuple):
    """Where a gradient is written, and sums of weighted losses (K,) in float64 are added."""

    gradient: Parameters
    value: Any


class Entrance(NamedTuple):
    """A layer before the first block, and what it computes with."""

    layer: CategoryLayer | NumberLayer
    work: Work


class BatchGradient:
    """Loss and gradient of a stack on batches of one size, with all buffers allocated once.

    Parameters
    ----------
    network : Network
    members : Members
    loss : Loss
    data : TrainingData
        Rows, targets and weights, as :class:`sknorm.data.dataset.TrainingData`.
    batch : Batch
    results : Results
    quantities : Quantities, optional
        Where the operations read what may vary from step to step.

    Attributes
    ----------
    rows : int64 array of shape (R, n)
        The rows of the batch.
    operations : list of Operation
        What a step does with them; the first gathers them.
    workspace : list of arrays
        All that is written and read in a step alone.
    """

    def __init__(
        self,
        network: Network,
        members: Members,
        loss: Loss,
        data: Any,
        batch: Batch,
        results: Results,
        quantities: Quantities | None = None,
    ) -> None:
        backend, xp = network.backend, network.backend.xp
        self.network, self.results = network, results
        self.seed = backend.asarray(members.seed)
        self.quantities = quantities or Quantities(backend, members)
        self.rows = backend.zeros((batch.held, batch.rows), xp.int64)
        self._allocate(data)
        self.workspace = [self.x, self.y, self.weight]
        if self.numbers is not self.x:
            self.workspace.append(self.numbers)
        self.factor = backend.asarray(1.0 / (batch.rows * batch.mean_weight))
        self._lookup = self._look_up(members)
        self._embedding = self._embed(members, data)
        taken = self._take(data)
        changed = self.numbers, self.y, self.weight
        augmented = augment(members, self.quantities, backend, changed)
        self._loaded = len(taken) + len(augmented)
        self.operations = [*taken, *augmented, *self._compute(members, loss)]

    def feed(self, data: Any, mean_weight: np.ndarray) -> None:
        """Go on with the rows of another table of the same kind, of numbers alone."""
        self.operations[0] = self._gather(data)
        self.factor[...] = self.network.backend.asarray(1.0 / (self.x.shape[1] * mean_weight))

    def forget(self) -> None:
        """Let go of the table; :meth:`feed` brings another."""
        self.operations[0] = Operation(lambda: None)

    def __call__(self, rows: Any, step: int) -> None:
        """Write the gradient for the batch of these ``rows``; add its loss to the results."""
        self.load(rows, step)
        self.differentiate(step)

    def load(self, rows: Any, step: int) -> None:
        """Gather the batch of these ``rows``."""
        self.rows[...] = self.network.backend.asarray(rows)
        run(self.operations[: self._loaded], step)

    def differentiate(self, step: int) -> None:
        """Write the gradient for the batch that is loaded; add its loss to the results."""
        run(self.differentiation, step)

    @property
    def differentiation(self) -> list[Operation]:
        """What :meth:`differentiate` does."""
        return self.operations[self._loaded :]

    def _allocate(self, data: Any) -> None:
        zeros, shape = self.network.backend.zeros, self.rows.shape
        dtype = self.network.parameters.flat.dtype
        architecture = self.network.architecture
        self.x = self.numbers = zeros((*shape, architecture.dense), dtype)
        if architecture.embedding is not None:
            self.numbers = zeros((*shape, len(architecture.embedding.bins)), dtype)
        self.y = zeros((*shape, data.y.shape[1]), data.y.dtype)
        self.weight = zeros(shape, data.weight.dtype)

    def _gather(self, data: Any) -> Operation:
        """What takes the rows from a table."""
        gather = gathering(self.network.backend.kernels, data.X, data.y, data.weight)
        offset, factor = data.scaling.offset, data.scaling.factor
        taken = self.rows, offset, factor, self.numbers, self.y, self.weight
        return Operation(gather.func, (*gather.args, *taken))

    def _take(self, data: Any) -> list[Operation]:
        """What takes the rows from a table as networks see them."""
        bind, scaling, made = self.network.backend.bind, data.scaling, [self._gather(data)]
        own = {**scaling._asdict(), "rows": self.rows, "x": self.numbers, "count": data.X.shape[0]}
        if scaling.clip is not None:
            made.append(bind("squash", own))
        if self._lookup is not None:
            codes = self._lookup.work["codes"]
            made.append(bind("take_codes", {**own, "codes": data.X.codes, "out": codes}))
        return made

    def _embed(self, members: Members, data: Any) -> Entrance | None:
        """What embeds numbers, if they are embedded."""
        if (layer := numbers(self.network.architecture)) is None:
            return None
        work = self._work(layer, members, self.x, {})
        own = {"rows": self.rows, "count": data.X.shape[0], "numbers": self.numbers}
        own |= {"low": data.scaling.low, "gain": data.scaling.gain}
        return Entrance(layer, Work(work.backend, {**work.arrays, **own}))

    def _look_up(self, members: Members) -> Entrance | None:
        """What looks categories up, if there are any."""
        if (layer := categories(self.network.architecture)) is None:
            return None
        work = self._work(layer, members, self.x, {})
        rate = {"rate": self.quantities["input_dropout"]}
        return Entrance(layer, Work(work.backend, {**work.arrays, **rate}))

    def _drop_codes(self, members: Members) -> list[Operation]:
        """What drops categories at random, if a member drops inputs."""
        if self._lookup is None or not np.any(members.input_dropout > 0):
            return []
        work = self._lookup.work
        own = {**work.arrays, "out": work["codes"], "layer": DROPPING}
        return [self.network.backend.bind("drop_codes", own)]

    def _compute(self, members: Members, loss: Loss) -> list[Operation]:
        """The layers forward, the loss, the layers backward."""
        blocks, head = layers(self.network.architecture)
        works = list[Work]()
        entrances = [each for each in (self._embedding, self._lookup) if each is not None]
        codes = {} if self._lookup is None else {"codes": self._lookup.work["codes"]}
        for layer in (*blocks, head):
            x = works[-1]["out"] if works else self.x
            works.append(self._work(layer, members, x, codes))
        made = self._drop_codes(members)
        for layer, work in entrances:
            made += layer.forward(work)
        for block, work in zip(blocks, works, strict=False):
            made += block.forward(work)
        made += [*head.forward(works[-1]), self._loss(works[-1], members, loss)]
        made += head.backward(works[-1])
        for index in reversed(range(len(blocks))):
            made += blocks[index].backward(works[index], works[index + 1])
        for layer, work in entrances:
            made += layer.backward(work, works[0])
        return made

    def _work(self, layer: Layer, members: Members, x: Any, codes: dict[str, Any]) -> Work:
        """What a layer computes with; ``codes`` are the places of categories, if there are any."""
        backend, flat = self.network.backend, self.network.parameters.flat
        declared = layer.buffers(x.shape[1], keeps_masks(backend, members))
        buffers = allocate(backend, x.shape[0], flat.dtype, declared)
        self.workspace += buffers.values()
        learned = self.network.parameters.of(layer)
        gradients = self.results.gradient.of(layer)
        statistics = self.network.statistics
        own = {
            "x": x,
            "row_weight": self.weight,
            "running": statistics[layer.index] if layer.index < len(statistics) else None,
            "rate": self.quantities["dropout"],
            "momentum": self.quantities["norm_momentum"],
            "seed": self.seed,
            "share": self.quantities["share"],
            "input_rate": self.quantities["input_dropout"],
            **codes,
        }
        return Work(
            backend, {**buffers, **learned, **{f"d{k}": g for k, g in gradients.items()}, **own}
        )

    def _loss(self, head: Work, members: Members, loss: Loss) -> Operation:
        """The loss of the raw outputs, whose gradient takes their place."""
        backend = self.network.backend
        parameter = loss.parameter(len(members), members.label_smoothing)
        return backend.bind(
            loss.kernel,
            {
                **head.arrays,
                "z": head["out"],
                "y": self.y,
                "weight": self.weight,
                "factor": self.factor,
                "parameter": backend.asarray(parameter, dtype=backend.xp.float64),
                "value": self.results.value,
            },
        )
