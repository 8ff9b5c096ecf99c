"""Training on all rows at once with L-BFGS, member by member."""

import time
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknorm._warnings import warn
from sknorm.kernels.codes import ELASTIC_NET
from sknorm.network.network import Network
from sknorm.network.parameters import zeros_like
from sknorm.network.population import set_population_statistics
from sknorm.objective.objective import BatchGradient
from sknorm.optim.lbfgs import lbfgs
from sknorm.training.state import State
from sknorm.training.steppers import Stepper

if TYPE_CHECKING:
    from sknorm.training.run import Run
    from sknorm.training.task import Task

_NOTICE = (
    "lbfgs failed to converge after {} iteration(s): {}. Increase max_iter or max_fun to improve "
    "the convergence, or scale the data."
)


class FullBatch(Stepper):
    """Searches for minima of the objective over all rows, for one member after another.

    The objective has to be smooth and without random parts. Norms keep the statistics of the
    training rows under the final weights, since those were the statistics in training. SciPy owns
    the search and its memory of gradients, so that training can be resumed between members only.

    Parameters
    ----------
    task : Task
        Of its plan, the loss, ``max_iter`` (iterations), ``tol`` (largest entry of the gradient),
        ``patience`` and what is about validation scores count.
    """

    advice = "Scale the inputs and targets."

    def __init__(self, task: "Task") -> None:
        self.task = task

    @property
    def epochs(self) -> int:
        return len(self.task.members)

    def train(self, run: "Run") -> None:
        """Search for one member's minimum, which then leaves."""
        plan, state, max_fun = self.task.plan, run.state, self.task.max_fun
        assert max_fun is not None
        (member,), objective = state.active, _Objective(self.task, state.network, state.active[0])
        last, iteration, started = objective.start(), 0, time.perf_counter()

        def after_iteration(x: np.ndarray, value: float) -> bool:
            nonlocal last, iteration, started
            last = x.copy()
            objective.place(x)
            if self.task.score is not None:
                objective.set_statistics()
            seconds = time.perf_counter() - started
            finite, losses = objective.is_finite(x), np.array([value])
            measures = {"penalty": objective.penalty(x), "seconds": seconds}
            run.record(iteration, losses, finite, self._scores(state), **measures)
            started, iteration = started + seconds, iteration + 1
            if state.stopped or member not in state.active:
                return True
            run.observer.epoch_begins()
            return False

        run.observer.epoch_begins()
        try:
            found = lbfgs(objective, last, plan.max_iter, max_fun, plan.tol, after_iteration)
            last = found.x
        finally:
            objective.place(last)
        if not found.converged:
            state.notice = _NOTICE.format(found.iterations, found.message)
        run.leave([member])

    def _scores(self, state: State) -> np.ndarray | None:
        score, network = self.task.score, state.network
        return None if score is None else network.backend.to_numpy(score(network, state.active))

    def complete(self, stack: Network, active: list[int]) -> None:
        for member in active:
            self.settle(stack, member)

    def settle(self, stack: Network, member: int) -> None:
        alone = stack.members == 1
        network = stack if alone else stack.take([member])
        set_population_statistics(network, self.task.data, self.task.batches.rows[[member]])
        if not alone:
            stack.assign([member], network, [0])

    def finish(self, state: State, stack: Network) -> None:
        if state.notice:
            warn(state.notice, ConvergenceWarning)


class _Objective:
    """One member's objective, as a function of all of its parameters.

    Parameters
    ----------
    task : Task
    network : Network
        Of one member; takes the parameters where the objective is evaluated.
    member : int
        Which one of the task's.
    """

    def __init__(self, task: "Task", network: Network, member: int) -> None:
        self.network, self.data, self.rows = network, task.data, task.batches.rows[[member]]
        backend, count = network.backend, self.rows.shape[1]
        weight = backend.to_numpy(task.data.weight)[0][self.rows].mean(axis=1, dtype=np.float64)
        self.total = count * weight[0]
        self.gradient = zeros_like(network.parameters)
        self.value = backend.xp.zeros(1, dtype=backend.xp.float64, device=backend.device)
        still = task.members.take([member])
        still.norm_momentum[...] = 0.0
        self.compute = BatchGradient(
            network, still, task.plan.loss, task.data, count, weight, 1, self.gradient, self.value
        )
        self.compute.load(backend.asarray(self.rows), 0)
        self.ridge = _ridge(network, float(still.alpha[0]))
        self.largest = float(backend.xp.finfo(network.parameters.flat.dtype).max)

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Objective and gradient at a point."""
        backend = self.network.backend
        self.place(x)
        self.value[...] = 0.0
        self.compute.differentiate(0)
        loss = float(backend.to_numpy(self.value)[0]) / self.total
        pull = self.ridge * x
        gradient = backend.to_numpy(self.gradient.flat).astype(np.float64)
        return loss + 0.5 * float(pull @ x), gradient + pull

    def start(self) -> np.ndarray:
        """The point at which the network is."""
        flat = self.network.parameters.flat
        return self.network.backend.to_numpy(flat).astype(np.float64)

    def place(self, x: np.ndarray) -> None:
        """Move the network to a point."""
        flat = self.network.parameters.flat
        flat[...] = self.network.backend.asarray(x, dtype=flat.dtype)

    def is_finite(self, x: np.ndarray) -> np.ndarray:
        """Whether parameters at a point are finite, (1,)."""
        return np.array([x @ x < self.largest])

    def penalty(self, x: np.ndarray) -> float:
        return 0.5 * float((self.ridge * x) @ x)

    def set_statistics(self) -> None:
        """Give the norms the statistics of the training rows."""
        set_population_statistics(self.network, self.data, self.rows)


def _ridge(network: Network, alpha: float) -> np.ndarray:
    """The penalty's curvature for each parameter: alpha for weights, else 0.

    Weights before a norm are left out: their scale changes nothing but the penalty, so that the
    objective would fall for ever, and never reach a minimum, as they shrink.
    """
    architecture = network.architecture
    segments = architecture.segments(1, ELASTIC_NET)
    curvature = [np.full(size, alpha * (code == ELASTIC_NET)) for _, size, code in segments]
    for layer in range(architecture.hidden if architecture.normalization else 0):
        curvature[layer][:] = 0.0
    return np.concatenate(curvature)
