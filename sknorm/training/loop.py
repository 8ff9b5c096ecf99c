"""The only epoch loop."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sknorm.network.initializers import column_radius
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters, zeros_like
from sknorm.network.population import set_population_statistics
from sknorm.objective.losses import Loss
from sknorm.objective.objective import BatchGradient
from sknorm.optim import SGD, Adam
from sknorm.optim.schedules import Schedule
from sknorm.training.batches import Batches
from sknorm.training.data import TrainingData
from sknorm.training.history import History
from sknorm.training.stopping import Stopping

Score = Callable[[Network, list[int]], np.ndarray]


@dataclass(frozen=True)
class Plan:
    """How long and by which rules a stack is trained.

    Attributes
    ----------
    loss : Loss
    optimizer : SGD or Adam
    max_iter : int
        Largest number of epochs.
    tol, patience : float
        See :class:`sknorm.training.stopping.Stopping`.
    max_grad_norm : float or None
        Euclidean norm to which gradients are clipped.
    norm_statistics : {"running", "cumulative", "population"}
    verbose : bool
    """

    loss: Loss
    optimizer: SGD | Adam
    max_iter: int
    tol: float
    patience: float
    max_grad_norm: float | None
    norm_statistics: str
    verbose: bool


@dataclass
class Outcome:
    """What training leaves behind.

    Attributes
    ----------
    network : Network
        The fitted stack.
    history : History
    epochs : int64 array of shape (K,)
        Epochs each member was trained.
    best : float64 array of shape (K,)
        Lowest training loss or highest validation score of each member.
    exhausted : bool
        Whether a member used up ``max_iter`` before it had converged.
    """

    network: Network
    history: History
    epochs: np.ndarray
    best: np.ndarray
    exhausted: bool


def train(
    network: Network,
    members: Members,
    batches: Batches,
    data: TrainingData,
    schedule: Schedule,
    plan: Plan,
    score: Score | None,
) -> Outcome:
    """Train a stack until each member has converged, diverged or used up its epochs.

    Parameters
    ----------
    network : Network
        Initial weights; overwritten.
    members : Members
    batches : Batches
    data : TrainingData
    schedule : Schedule
    plan : Plan
    score : callable or None
        Validation scores of a stack, given it and the positions of its members in the
        whole stack. With it, each member ends with the weights of its best epoch.

    Returns
    -------
    Outcome
    """
    run = _Run(network, members, batches, data, schedule, plan, score)
    with network.backend.session():
        try:
            for epoch in range(plan.max_iter):
                run.epoch(epoch)
                if not run.active:
                    break
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        return run.outcome()


class _Run:
    """State of a training run: the active stack, and what is known of the whole one."""

    def __init__(
        self,
        network: Network,
        members: Members,
        batches: Batches,
        data: TrainingData,
        schedule: Schedule,
        plan: Plan,
        score: Score | None,
    ) -> None:
        self.plan, self.data, self.score = plan, data, score
        self.network, self.members, self.batches = network, members, batches
        self.schedule = schedule
        self.active = list(range(network.members))
        self.final = network.take(self.active)
        self.history = History(network.members)
        self.stopping = Stopping(
            plan.tol, plan.patience, score is not None, self.final.take(self.active)
        )
        self.epochs = np.zeros(network.members, dtype=np.int64)
        self.rows = batches.rows.copy()
        self.optimizer_state: Any = plan.optimizer.init(network)
        self.step = 0
        self._bind()

    def epoch(self, epoch: int) -> None:
        """Train one epoch, look at the result, and let finished members go."""
        started = time.perf_counter()
        rates = self._steps()
        rows = self.batches.rows.shape[1]
        backend = self.network.backend
        value = backend.to_numpy(self.value) / (rows * self.mean_weight)
        monitor = backend.to_numpy(self.monitor) / rows
        penalty = self._penalty(monitor)
        self.schedule.epoch_ended((int(self.epochs.max()) + 1) * rows)
        if self.plan.norm_statistics == "population" and self.score is not None:
            set_population_statistics(self.network, self.data, self.rows[self.active])
        scores = self._scores(np.isfinite(value + penalty))
        self.epochs[self.active] += 1
        seconds = time.perf_counter() - started
        self.history.append(
            self.active, loss=value + penalty, penalty=penalty, learning_rate=rates,
            gradient_norm=monitor[:, 0], seconds=seconds,
            **({} if scores is None else {"validation": scores}),
        )  # fmt: skip
        self._say(epoch, value + penalty, scores)
        self._judge(value + penalty, scores)

    def outcome(self) -> Outcome:
        """Settle the members still in training and gather the results."""
        exhausted = bool(self.active) and int(self.epochs.max(initial=0)) >= self.plan.max_iter
        for k, member in enumerate(self.active):
            self._settle(k, member)
        if self.plan.norm_statistics == "population" and self.score is None:
            set_population_statistics(self.final, self.data, self.rows)
        return Outcome(self.final, self.history, self.epochs, self.stopping.best, exhausted)

    def _bind(self) -> None:
        """Allocate gradients and buffers for the active stack."""
        network, backend, count = self.network, self.network.backend, len(self.active)
        xp, device = backend.xp, backend.device
        architecture = network.architecture
        self.gradient = zeros_like(network.parameters)
        self.value = xp.zeros(count, dtype=xp.float64, device=device)
        self.monitor = xp.zeros((count, 3), dtype=xp.float64, device=device)
        self.segments = backend.asarray(architecture.segments(count))
        momentum = self.members.norm_momentum
        if self.plan.norm_statistics != "running":
            momentum = np.zeros_like(momentum)
        self.momentum = momentum.copy()
        weight = backend.to_numpy(self.data.weight)[0]
        self.mean_weight = weight[self.batches.rows].mean(axis=1, dtype=np.float64)
        binding = replace(self.members, norm_momentum=self.momentum)
        orders = self.batches.rows.shape[0]
        self.passes = {
            rows: BatchGradient(
                network,
                binding,
                self.plan.loss,
                self.data,
                rows,
                self.mean_weight,
                orders,
                self.gradient,
                self.value,
            )
            for rows in self.batches.sizes
        }
        self.sparse = backend.asarray((self.members.alpha > 0) & (self.members.l1_ratio > 0))
        restores = architecture.normalization is not None and bool(np.any(self.sparse))
        self.radii = [
            (_norm_groups(network.parameters, layer), _radius(network, layer))
            for layer in range(architecture.hidden if restores else 0)
        ]

    def _steps(self) -> np.ndarray:
        """All steps of an epoch; returns the learning rates of the last."""
        plan, network, members = self.plan, self.network, self.members
        kernels = network.backend.kernels
        self.value[...] = 0.0
        self.monitor[...] = 0.0
        rates = self.schedule.rate(self.step)
        for index, rows in enumerate(self.batches.epoch()):
            count = rows.shape[1]
            if plan.norm_statistics == "cumulative":
                self.momentum[...] = 1.0 / (index + 1)
            self.passes[count](rows, self.step)
            if plan.max_grad_norm is not None:
                kernels.clip_gradient(self.gradient.flat, self.segments, plan.max_grad_norm)
            rates = self.schedule.rate(self.step)
            plan.optimizer.update(
                network,
                self.gradient,
                self.optimizer_state,
                self.segments,
                members,
                rates,
                count,
                self.monitor,
            )
            for weight, radius in self.radii:
                kernels.restore_norms(weight, radius, self.sparse)
            self.step += 1
        return rates

    def _scores(self, finite: np.ndarray) -> np.ndarray | None:
        """Scores of the active members, NaN for those that have diverged."""
        if self.score is None:
            return None
        scores = np.full(len(self.active), np.nan)
        good = np.flatnonzero(finite & self.network.is_finite()).tolist()
        if len(good) == len(self.active):
            return self.score(self.network, self.active)
        if good:
            scores[good] = self.score(self.network.take(good), [self.active[k] for k in good])
        return scores

    def _penalty(self, monitor: np.ndarray) -> np.ndarray:
        """Mean penalty over the epoch, (K,)."""
        alpha, l1_ratio = self.members.alpha, self.members.l1_ratio
        return alpha * (l1_ratio * monitor[:, 1] + 0.5 * (1.0 - l1_ratio) * monitor[:, 2])

    def _judge(self, losses: np.ndarray, scores: np.ndarray | None) -> None:
        """Let go of the members that have diverged or converged."""
        observed = losses if scores is None else np.where(np.isfinite(losses), scores, np.nan)
        self.stopping.observe(self.active, observed, self.network)
        staying = []
        for k, member in enumerate(self.active):
            if not np.isfinite(losses[k]):
                self._warn_of_divergence(member, losses[k])
                self._settle(k, member, diverged=True)
            elif self.stopping.has_converged(member):
                if self.schedule.on_plateau(k):
                    self._settle(k, member)
                else:
                    self.stopping.waiting[member] = 0
                    staying.append(k)
            else:
                staying.append(k)
        if len(staying) < len(self.active):
            self._compact(staying)

    def _settle(self, k: int, member: int, diverged: bool = False) -> None:
        """Write a member's weights, of its last or of its best epoch, to the final stack."""
        kept_best = self.score is not None or diverged
        if not kept_best and not self.network.is_finite()[k]:
            self._warn_of_divergence(member, np.nan)
            kept_best = True
        if kept_best:
            self.final.assign([member], self.stopping.network, [member])
        else:
            self.final.assign([member], self.network, [k])

    def _compact(self, staying: list[int]) -> None:
        """Go on with a smaller stack; a member's result does not depend on its stack."""
        self.active = [self.active[k] for k in staying]
        if staying:
            self.network = self.network.take(staying)
            self.members = self.members.take(staying)
            self.batches = self.batches.take(staying)
            self.schedule = self.schedule.take(staying)
            self.optimizer_state = self.optimizer_state.take(staying)
            self._bind()

    def _warn_of_divergence(self, member: int, loss: float) -> None:
        which = f" of member {member}" if self.final.members > 1 else ""
        epoch = int(self.epochs[member])
        warnings.warn(
            f"Training{which} became non-finite in epoch {epoch} (loss {loss}); the best finite "
            "weights before it are kept. Lower learning_rate_init, set max_grad_norm, or scale "
            "the inputs and targets.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _say(self, epoch: int, losses: np.ndarray, scores: np.ndarray | None) -> None:
        if self.plan.verbose:
            print(f"Iteration {epoch + 1}, loss = {float(np.mean(losses)):.8f}")
            if scores is not None:
                print(f"Validation score: {float(np.mean(scores)):f}")


def _norm_groups(parameters: Parameters, layer: int) -> Any:
    """A layer's weights as columns whose norm the block's norm cancels."""
    weight = parameters.weights[layer]
    if parameters.architecture.normalization == "layer":
        return weight.reshape((parameters.members, -1, 1))
    return weight


def _radius(network: Network, layer: int) -> float:
    """The norm at which those columns are held under an L1 penalty."""
    architecture = network.architecture
    radius = column_radius(architecture, layer)
    if architecture.normalization == "layer":
        return radius * float(np.sqrt(architecture.sizes[layer + 1]))
    return radius
