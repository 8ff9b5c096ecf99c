"""Training on all rows at once with L-BFGS, member by member."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknorm._warnings import warn
from sknorm.backends.program import Program, are_cut
from sknorm.network.layout import Segment
from sknorm.network.network import Network
from sknorm.network.parameters import zeros_like
from sknorm.network.population import set_population_statistics
from sknorm.objective.penalties.base import Penalty
from sknorm.optim.lbfgs import lbfgs
from sknorm.training.budget import Budget
from sknorm.training.gradient import Batch, BatchGradient, Results
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
        search = _Search(self.task, state.network, state.active[0])
        if self.task.budget is not None:
            search.budget = self.task.budget.part(1.0 / (1 + len(state.waiting)))
        tell = partial(self._tell, run, search)
        run.observer.epoch_begins()
        try:
            found = lbfgs(search, search.last, plan.max_iter, max_fun, plan.tol, tell)
            search.last = found.x
        finally:
            search.place(search.last)
        if not found.converged:
            state.notice = _NOTICE.format(found.iterations, found.message)
        run.leave([search.member])

    def _tell(self, run: "Run", search: "_Search", x: np.ndarray, value: float) -> bool:
        """Let the run record an iteration; True ends the search."""
        state, score, scores = run.state, self.task.score, None
        search.last, seconds = x.copy(), search.lap()
        search.place(x)
        if score is not None:
            set_population_statistics(search.network, self.task.data, search.rows)
            scores = search.network.backend.to_numpy(score(search.network, [search.member]))
        measures = {"penalty": search.penalty(x), "seconds": seconds}
        run.record(search.iteration, np.array([value]), search.is_finite(x), scores, **measures)
        search.iteration += 1
        if search.budget is not None and search.budget.left < seconds:
            state.timed_out = True
            return True
        if state.stopped or search.member not in state.active:
            return True
        run.observer.epoch_begins()
        return False

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


class _Search:
    """One member's objective, as a function of all of its parameters, and how far it is minimized.

    Parameters
    ----------
    task : Task
    network : Network
        Of one member; takes the parameters where the objective is evaluated.
    member : int
        Which one of the task's.
    """

    def __init__(self, task: "Task", network: Network, member: int) -> None:
        self.network, self.member, self.rows = network, member, task.batches.rows[[member]]
        backend, count = network.backend, self.rows.shape[1]
        weight = backend.to_numpy(task.data.weight)[0][self.rows].mean(axis=1, dtype=np.float64)
        self.total = count * weight[0]
        self.gradient = zeros_like(network.parameters)
        self.value = backend.xp.zeros(1, dtype=backend.xp.float64, device=backend.device)
        still = task.members.take([member])
        still.norm_momentum[...] = 0.0
        batch, results = Batch(count, 1, weight), Results(self.gradient, self.value)
        compute = BatchGradient(network, still, task.plan.loss, task.data, batch, results)
        compute.load(backend.asarray(self.rows), 0)
        self.differentiate = self._differentiation(compute)
        self.ridge = _ridge(network, task.plan.penalty.of(still.alpha[0], still.l1_ratio[0]))
        self.last = backend.to_numpy(network.parameters.flat).astype(np.float64)
        self.iteration, self._since = 0, time.perf_counter()
        self.budget: Budget | None = None
        self.largest = float(backend.xp.finfo(network.parameters.flat.dtype).max)

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Objective and gradient at a point."""
        backend = self.network.backend
        self.place(x)
        self.value[...] = 0.0
        self.differentiate()
        loss = float(backend.to_numpy(self.value)[0]) / self.total
        pull = self.ridge * x
        gradient = backend.to_numpy(self.gradient.flat).astype(np.float64)
        return loss + 0.5 * float(pull @ x), gradient + pull

    def _differentiation(self, compute: BatchGradient) -> Callable[[], None]:
        """What writes the gradient where the network is; without Python, where it is short."""
        backend, quantities = self.network.backend, compute.quantities
        operations, count = compute.differentiation, self.rows.shape[1]
        if are_cut(operations) or not backend.compiles:
            return partial(compute.differentiate, 0)
        from sknorm.backends.executors.compiled import Compiled  # loads Numba

        rows, numbers = {count: compute.rows}, quantities.numbers
        program = Program({count: operations}, rows, numbers, compute.workspace)
        code = Compiled(backend, program, [(0, count)])
        return partial(code.epoch, program, self.rows, quantities.table(1), 0)

    def place(self, x: np.ndarray) -> None:
        """Move the network to a point."""
        flat = self.network.parameters.flat
        flat[...] = self.network.backend.asarray(x, dtype=flat.dtype)

    def is_finite(self, x: np.ndarray) -> np.ndarray:
        """Whether parameters at a point are finite, (1,)."""
        return np.array([x @ x < self.largest])

    def penalty(self, x: np.ndarray) -> float:
        return 0.5 * float((self.ridge * x) @ x)

    def lap(self) -> float:
        """Seconds since the last call."""
        before, self._since = self._since, time.perf_counter()
        return self._since - before


def _ridge(network: Network, penalty: Penalty) -> np.ndarray:
    """The penalty's curvature for each parameter.

    Weights before a norm are left out: their scale changes nothing but the penalty, so that the
    objective would fall for ever, and never reach a minimum, as they shrink.
    """

    def acts(segment: Segment) -> bool:
        return penalty.applies_to(segment, segment.layer) and not segment.is_normalized

    segments = network.parameters.layout.segments.values()
    return np.concatenate([np.full(s.size, penalty.curvature * acts(s)) for s in segments])
