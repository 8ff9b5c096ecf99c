"""The steps of an epoch: gradient, clipping, optimizer, penalty, norms of columns."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from sknorm.backends.executors import Graph, Loop
from sknorm.backends.program import Operation, Program
from sknorm.data.dataset import TrainingData
from sknorm.data.table import SparseRows
from sknorm.network.layers import layers
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import zeros_like
from sknorm.network.quantities import Quantities
from sknorm.objective.penalties.base import Penalty
from sknorm.optim.schedules import Schedule
from sknorm.training.augmentation import mixes, shares
from sknorm.training.batches import Batches
from sknorm.training.budget import Budget
from sknorm.training.gradient import Batch, BatchGradient, Results
from sknorm.training.plan import Plan

_WORTH_RECORDING = 16  # steps; to record one takes the host as long as some launches of it


class Epoch(NamedTuple):
    """Means over the batches of an epoch, and the last learning rates; arrays of shape (K,).

    ``finite`` says whose parameters are finite after it.
    """

    loss: np.ndarray
    penalty: np.ndarray
    gradient_norm: np.ndarray
    rate: np.ndarray
    finite: np.ndarray


class Steps:
    """Training steps of one stack on the rows of one table.

    Parameters
    ----------
    network : Network
        Trained in place.
    members : Members
    batches : Batches
    data : TrainingData
    plan : Plan
    state : object, optional
        State of the optimizer, where training goes on.
    """

    def __init__(
        self,
        network: Network,
        members: Members,
        batches: Batches,
        data: TrainingData,
        plan: Plan,
        state: Any = None,
    ) -> None:
        self.network, self.members, self.batches = network, members, batches
        self.data, self.plan, self._kind = data, plan, _kind(data)
        self.optimizer: Any = plan.optimizer
        self.state = self.optimizer.init(network) if state is None else state
        self.penalty: Penalty = plan.penalty.of(members.alpha, members.l1_ratio)
        backend, count = network.backend, len(members)
        xp, device = backend.xp, backend.device
        value = xp.zeros(count, dtype=xp.float64, device=device)
        self.results = Results(zeros_like(network.parameters), value)
        self.monitor = xp.zeros((count, 3), dtype=xp.float64, device=device)
        self.quantities = self._quantities()
        self._sparse = np.asarray(self.penalty.is_smooth) == 0
        acts = self._sparse.any()
        self.proximal = self.penalty.proximal_step(network, self.optimizer) if acts else None
        self._mixes = mixes(members)
        self._kernels_alone = self.proximal is None or self.proximal.is_recordable
        self.compiled = self._kernels_alone and backend.compiles
        self.graph: Graph | None = None
        self.code: Any = None
        self._asked = 0  # steps
        self._bind_gradients()
        self._bind_steps()

    def serves(self, members: Members, batches: Batches, data: TrainingData, plan: Plan) -> bool:
        """Whether these steps, on other rows, would be the same; then :meth:`feed` is enough."""
        return (
            self.plan == plan
            and all(
                getattr(self.members, f.name).tobytes() == getattr(members, f.name).tobytes()
                for f in fields(members)
            )
            and batches.sizes <= set(self.passes)
            and self._kind == _kind(data)
            and data.scaling.is_plain
        )

    def feed(self, batches: Batches, data: TrainingData) -> None:
        """Go on with the rows of another table."""
        self.batches, self.data = batches, data
        self.graph, self._asked = None, 0
        self.mean_weight = self._mean_weight()
        for size, each in self.passes.items():
            each.feed(data, self.mean_weight)
            self.program.operations[size][0] = each.operations[0]

    def forget(self) -> None:
        """Let go of the table and its rows; :meth:`feed` brings others.

        Nothing is kept of steps with more than numbers, which are put together anew.
        """
        if not self.data.scaling.is_plain:
            self.release()
        self.graph = None
        if self.code is not None:
            self.code.forget()
        for size, each in self.passes.items():
            each.forget()
            self.program.operations[size][0] = each.operations[0]
        del self.data, self.batches

    def release(self) -> None:
        """Give back the memory of what only further steps would need."""
        self.passes.clear()
        self.program.operations.clear()
        self.program.workspace.clear()
        self.graph = self.code = None

    def epoch(
        self,
        schedule: Schedule,
        step: int,
        batches_before: int = 0,
        budget: Budget | None = None,
    ) -> Any:
        """Train one epoch from step number ``step`` on; :meth:`read` says how it went.

        ``batches_before`` counts the batches that cumulative statistics already hold. The
        order of the rows and what varies go to the device once, and nothing comes back:
        what is returned, an array of shape (K, 5), is still there. With a ``budget``, it goes
        there and comes back once a piece of the epoch, which ends when time is over.
        """
        xp, value = self.network.backend.xp, self.results.value
        value[...] = 0.0
        self.monitor[...] = 0.0
        order, count, self.done = self.batches.draw(), self.batches.per_epoch, 0
        table = self.quantities.table(count)
        for piece in [count] if budget is None else budget.pieces(count):
            if budget is not None:
                schedule.fit_into(budget.steps_in_all(step + self.done, count))
            part = self.done, self.done + piece
            self.rates = schedule.rates(step + self.done, piece)
            self.quantities.write(table[slice(*part)], **self._varying(step, part, batches_before))
            self._executor(count).epoch(self.program, order, table, step, part)
            self.done += piece
            if budget is not None:
                self.network.backend.to_numpy(value)  # waits for what is launched
        finite = xp.astype(self.network.finite_flags(), xp.float64)
        return xp.concat([value[:, None], self.monitor, finite[:, None]], axis=1)

    @property
    def rows_done(self) -> int:
        """Rows that the steps of the last epoch took."""
        return self.batches.edges[self.done - 1][1]

    def read(self, numbers: np.ndarray) -> Epoch:
        """The epoch that ``numbers``, on the host, tell of."""
        count = self.rows_done
        sums = numbers[:, 2:4] / count
        finite = numbers[:, 4] > 0
        return Epoch(
            numbers[:, 0] / (count * self.mean_weight),
            self.penalty.total(sums),
            numbers[:, 1] / count,
            self.rates[-1],
            finite if finite.all() else self.network.is_finite(),
        )

    def _executor(self, count: int) -> Any:
        """What takes the ``count`` steps of an epoch."""
        self._asked += count
        backend, edges = self.network.backend, self.batches.edges
        if self.compiled:
            return self._compiled(edges)
        recorder = self._recorder()
        if recorder is None:
            return Loop(backend, edges)
        if self.graph is None or self.graph.recorder is not recorder:
            self.graph = Graph(backend, recorder, edges)
        return self.graph

    def _compiled(self, edges: Sequence[tuple[int, int]]) -> Any:
        """Steps as machine code, which are written down the first time."""
        if self.code is None:
            from sknorm.backends.executors.compiled import Compiled  # loads Numba

            self.code = Compiled(self.network.backend, self.program, edges)
        elif self.code.edges != edges:
            self.code.feed(edges)
        return self.code

    def _recorder(self) -> Any:
        """What records launches, if there are enough steps of kernels alone.

        What one thread has recorded serves no other, whose launches share other memory.
        """
        dense = not isinstance(self.data.X, SparseRows)
        if not (dense and self._kernels_alone) or self._asked < _WORTH_RECORDING:
            return None
        return self.network.backend.recorder()

    def _quantities(self) -> Quantities:
        """What may vary from step to step; only running statistics have a momentum of their own."""
        momentum = self.members.norm_momentum * float(self.plan.norm_statistics == "running")
        return Quantities(self.network.backend, replace(self.members, norm_momentum=momentum))

    def _varying(
        self, step: int, part: tuple[int, int], batches_before: int
    ) -> dict[str, np.ndarray]:
        """What varies in a part of the steps of an epoch, which are to come."""
        first, last = part
        correction = self.optimizer.advance(self.state, last - first)[:, None]
        varying = {"learning_rate": self.rates, "correction": correction}
        if self._mixes:
            varying["share"] = shares(self.members, range(step + first, step + last))
        if self.plan.norm_statistics == "cumulative":
            seen = batches_before + np.arange(first, last) + 1
            varying["norm_momentum"] = (1.0 / seen)[:, None]
        return varying

    def _bind_gradients(self) -> None:
        """Allocate the buffers of each batch size that occurs."""
        self.mean_weight = self._mean_weight()
        held = 1 if self.compiled else len(self.members)
        self.passes = {
            size: BatchGradient(
                self.network,
                self.members,
                self.plan.loss,
                self.data,
                Batch(size, held, self.mean_weight),
                self.results,
                self.quantities,
            )
            for size in self.batches.sizes
        }

    def _bind_steps(self) -> None:
        """Put together what a step on a batch of each size does."""
        network, backend = self.network, self.network.backend
        segments = network.parameters.layout.table(len(self.members), self.plan.penalty)
        clip = self._clip(segments)
        hold = self._hold(backend.asarray(self._sparse)) if self._sparse.any() else []
        members = self.members.on(backend)
        arguments = {
            "parameters": network.parameters.flat,
            "gradient": self.results.gradient.flat,
            "segments": segments,
            "alpha": members.alpha,
            "l1_ratio": members.l1_ratio,
            "monitor": self.monitor,
            **self.quantities.arguments(),
        }
        self.program = Program({}, {}, self.quantities.numbers, [])
        for size, each in self.passes.items():
            given = {**arguments, "batch_size": size}
            made = [self.optimizer.step(self.state, backend, given)]
            if self.proximal is not None:
                before = self.proximal.before(size, self.monitor)
                made = [before, *made, self.proximal.after(self.state, self.quantities)]
            self.program.operations[size] = [*each.operations, *clip, *made, *hold]
            self.program.rows[size] = each.rows
            self.program.workspace.extend(each.workspace)

    def _clip(self, segments: np.ndarray) -> list[Operation]:
        if (most := self.plan.max_grad_norm) is None:
            return []
        arguments = {"gradient": self.results.gradient.flat, "segments": segments}
        return [self.network.backend.bind("clip_gradient", {**arguments, "max_norm": most})]

    def _hold(self, active: Any) -> list[Operation]:
        """What keeps the columns whose norm a sparse penalty must not take."""
        network, penalty = self.network, self.penalty
        made = []
        for block in layers(network.architecture)[0]:
            segment = network.parameters.layout.segments[f"{block.name}.weight"]
            if block.is_normalized and penalty.applies_to(segment, segment.layer):
                weight, radius = block.held(network[segment.name])
                arguments = {"weight": weight, "radius": radius, "active": active}
                made.append(network.backend.bind("restore_norms", arguments))
        return made

    def _mean_weight(self) -> np.ndarray:
        weight = self.network.backend.to_numpy(self.data.weight)[0]
        if weight.min() == weight.max():
            return np.full(len(self.batches.rows), weight[0], dtype=np.float64)
        return weight[self.batches.rows].mean(axis=1, dtype=np.float64)


def _kind(data: TrainingData) -> tuple:
    """What the buffers of a step depend on, of a table."""
    return type(data.X), data.y.dtype
