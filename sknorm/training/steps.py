"""The steps of an epoch: gradient, clipping, optimizer, penalty, norms of columns."""

from dataclasses import fields, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from sknorm.network.batch import SparseRows
from sknorm.network.initializers import column_radius
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters, zeros_like
from sknorm.objective.augmentation import shares
from sknorm.objective.objective import BatchGradient
from sknorm.objective.penalties.base import Penalty
from sknorm.optim.schedules import Schedule
from sknorm.training.batches import Batches
from sknorm.training.data import TrainingData
from sknorm.training.plan import Plan
from sknorm.training.replays import Replays

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
        self.replays: Replays | None = None
        self._asked = 0  # steps
        self.state = self.optimizer.init(network) if state is None else state
        backend, count = network.backend, len(members)
        xp, device = backend.xp, backend.device
        self.gradient = zeros_like(network.parameters)
        self.value = xp.zeros(count, dtype=xp.float64, device=device)
        self.monitor = xp.zeros((count, 3), dtype=xp.float64, device=device)
        self.segments = network.parameters.layout.table(count, plan.penalty)
        running = plan.norm_statistics == "running"
        self.momentum = backend.asarray(members.norm_momentum) * (1.0 if running else 0.0)
        self.bound = members.on(backend)
        self.penalty: Penalty = plan.penalty.of(members.alpha, members.l1_ratio)
        self._bind_gradients()
        self._bind_penalty()

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
        )

    def feed(self, batches: Batches, data: TrainingData) -> None:
        """Go on with the rows of another table."""
        self.batches, self.data = batches, data
        self.replays, self._asked = None, 0
        self.mean_weight = self._mean_weight()
        for each in self.passes.values():
            each.feed(data, self.mean_weight)

    def forget(self) -> None:
        """Let go of the table and its rows; :meth:`feed` brings others."""
        self.replays = None
        for each in self.passes.values():
            each.forget()
        del self.data, self.batches

    def release(self) -> None:
        """Give back the memory of what only further steps would need."""
        self.passes.clear()
        self.replays = None

    def epoch(self, schedule: Schedule, step: int, batches_before: int = 0) -> Any:
        """Train one epoch from step number ``step`` on; :meth:`read` says how it went.

        ``batches_before`` counts the batches that cumulative statistics already hold. The
        order of the rows and the learning rates go to the device once, and nothing comes back:
        what is returned, an array of shape (K, 5), is still there.
        """
        xp = self.network.backend.xp
        self.value[...] = 0.0
        self.monitor[...] = 0.0
        order, count = self.batches.draw(), self.batches.per_epoch
        self.rates = schedule.rates(step, count)
        replays = self._replays(count)
        if replays is None:
            self._launch(order, step, batches_before)
        else:
            self._replay(replays, order, step)
        finite = xp.astype(self.network.finite_flags(), xp.float64)
        return xp.concat([self.value[:, None], self.monitor, finite[:, None]], axis=1)

    def read(self, numbers: np.ndarray) -> Epoch:
        """The epoch that ``numbers``, on the host, tell of."""
        count = self.batches.rows.shape[1]
        sums = numbers[:, 2:4] / count
        finite = numbers[:, 4] > 0
        return Epoch(
            numbers[:, 0] / (count * self.mean_weight),
            self.penalty.total(sums),
            numbers[:, 1] / count,
            self.rates[-1],
            finite if finite.all() else self.network.is_finite(),
        )

    def _launch(self, order: np.ndarray, step: int, batches_before: int) -> None:
        """Take the steps of an epoch one by one."""
        backend = self.network.backend
        rows, rates = backend.asarray(order), backend.asarray(self.rates)
        for index, (start, stop) in enumerate(self.batches.edges):
            if self.plan.norm_statistics == "cumulative":
                self.momentum[...] = 1.0 / (batches_before + index + 1)
            self.optimizer.advance(self.state)
            self._step(backend.asarray(rows[:, start:stop]), step + index, rates[index, ...])

    def _replays(self, count: int) -> Replays | None:
        """What replays the ``count`` steps of an epoch, if they are many and all alike.

        What one thread has recorded serves no other, whose launches share other memory.
        """
        self._asked += count
        if self._asked < _WORTH_RECORDING:
            return None
        backend, alike = self.network.backend, self.plan.norm_statistics != "cumulative"
        launched = self.proximal is None or self.proximal.is_recordable
        dense = not isinstance(self.data.X, SparseRows)
        recorder = backend.recorder() if alike and launched and dense else None
        if recorder is None:
            return None
        if self.replays is None or self.replays.recorder is not recorder:
            members = len(self.members)
            self.replays = Replays(backend, recorder, self.batches, 2 * members + 1)
            for each in self.passes.values():
                each.augment.place = self.replays.numbers[members + 1 :]
        return self.replays

    def _replay(self, replays: Replays, order: np.ndarray, step: int) -> None:
        """Take the steps of an epoch by replays, which find in a table what differs."""
        members, count = len(self.members), len(self.rates)
        rate, correction = replays.numbers[:members], replays.numbers[members : members + 1]
        corrections = self.optimizer.advance_recorded(self.state, count, correction)
        mixtures = shares(self.members, range(step, step + count))
        table = np.concatenate([self.rates, corrections[:, None], mixtures], axis=1)
        replays.epoch(partial(self._step, rate=rate), order, table, step)

    def _step(self, rows: Any, step: Any, rate: Any) -> None:
        kernels, count = self.network.backend.kernels, rows.shape[1]
        self.passes[count](rows, step)
        if self.plan.max_grad_norm is not None:
            kernels.clip_gradient(self.gradient.flat, self.segments, self.plan.max_grad_norm)
        if self.proximal is not None:
            self.proximal.before(count, self.monitor)
        self.optimizer.update(
            self.network, self.gradient, self.state, self.segments, self.bound, rate, count,
            self.monitor,
        )  # fmt: skip
        if self.proximal is not None:
            self.proximal.after(self.state, rate)
        for weight, radius in self.radii:
            kernels.restore_norms(weight, radius, self.held)

    def _bind_gradients(self) -> None:
        """Allocate the buffers of each batch size that occurs."""
        rows, self.mean_weight = self.batches.rows, self._mean_weight()
        # The momentum is bound as an array, so that its values may change with the step.
        binding = replace(self.members, norm_momentum=self.momentum)
        self.passes = {
            size: BatchGradient(
                self.network, binding, self.plan.loss, self.data, size, self.mean_weight,
                rows.shape[0], self.gradient, self.value,
            )
            for size in self.batches.sizes
        }  # fmt: skip

    def _mean_weight(self) -> np.ndarray:
        weight = self.network.backend.to_numpy(self.data.weight)[0]
        if weight.min() == weight.max():
            return np.full(len(self.batches.rows), weight[0], dtype=np.float64)
        return weight[self.batches.rows].mean(axis=1, dtype=np.float64)

    def _bind_penalty(self) -> None:
        """Prepare proximal steps, and the columns whose norm a sparse penalty must not take."""
        network, penalty = self.network, self.penalty
        sparse = np.asarray(penalty.is_smooth) == 0
        self.held = network.backend.asarray(sparse)
        acts = bool(sparse.any())
        self.proximal = penalty.proximal_step(network, self.optimizer) if acts else None
        self.radii = [
            (_norm_groups(network.parameters, s.layer), _radius(network, s.layer))
            for s in network.parameters.layout.weights
            if acts and s.is_normalized and penalty.applies_to(s, s.layer)
        ]


def _kind(data: TrainingData) -> tuple:
    """What the buffers of a step depend on, of a table."""
    return type(data.X), data.y.dtype


def _norm_groups(parameters: Parameters, layer: int) -> Any:
    """A layer's weights as columns whose norm the block's norm cancels."""
    weight = parameters.weights[layer]
    if parameters.architecture.normalization == "layer":
        xp = array_namespace(weight)
        return xp.reshape(weight, (parameters.members, -1, 1), copy=False)
    return weight


def _radius(network: Network, layer: int) -> float:
    """The norm at which those columns are held under a sparse penalty."""
    architecture = network.architecture
    radius = column_radius(architecture, layer)
    if architecture.normalization == "layer":
        return radius * float(np.sqrt(architecture.sizes[layer + 1]))
    return radius
