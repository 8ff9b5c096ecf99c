"""Training on all rows at once with L-BFGS, member by member."""

import time

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknorm._warnings import warn
from sknorm.data.dataset import TrainingData
from sknorm.network.layout import Segment
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import zeros_like
from sknorm.network.population import set_population_statistics
from sknorm.objective.penalties.base import Penalty
from sknorm.optim.lbfgs import Minimum, lbfgs
from sknorm.training.gradient import Batch, BatchGradient, Results
from sknorm.training.history import History
from sknorm.training.plan import Observer, Outcome, Plan, Score, fault
from sknorm.training.stopping import Stopping


def train_full_batch(
    network: Network,
    members: Members,
    rows: np.ndarray,
    data: TrainingData,
    plan: Plan,
    max_fun: int,
    score: Score | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Minimize each member's objective over all of its rows.

    The objective has to be smooth and without random parts. Norms keep the statistics of the
    training rows under the final weights, since those were the statistics in training.

    Parameters
    ----------
    network : Network
        Initial weights; overwritten.
    members : Members
    rows : int64 array of shape (K, n)
    data : TrainingData
    plan : Plan
        Of its fields, the loss, ``max_iter``, ``tol`` (largest entry of the gradient),
        ``patience`` and those about validation scores count.
    max_fun : int
        Largest number of evaluations of the objective.
    score, observer
        See :func:`sknorm.training.loop.train`.

    Returns
    -------
    Outcome
    """
    history = History(len(members))
    epochs, best = np.zeros(len(members), dtype=np.int64), np.full(len(members), np.nan)
    diverged, faults = np.zeros(len(members), dtype=bool), [""] * len(members)
    failed: Minimum | None = None
    interrupted = False
    with network.backend.session():
        for member in range(len(members)):
            search = _Search(
                network, member, members.take([member]), rows[[member]], data, plan, history,
                score, observer or Observer(),
            )  # fmt: skip
            minimum = search.run(max_fun)
            network.assign([member], search.network, [0])
            epochs[member], best[member] = minimum.iterations, search.stopping.results()[0]
            diverged[member], interrupted = search.diverged, search.interrupted
            faults[member] = search.fault()
            failed = failed if minimum.converged else minimum
            if search.stopped or interrupted:
                break
    if failed is not None:
        _warn(failed)
    used_up = np.zeros(len(members), dtype=bool)  # L-BFGS has a warning of its own
    return Outcome(network, history, epochs, best, used_up, diverged, interrupted, tuple(faults))


class _Search:
    """One member's objective, and what is looked at after each iteration."""

    def __init__(
        self,
        stack: Network,
        member: int,
        members: Members,
        rows: np.ndarray,
        data: TrainingData,
        plan: Plan,
        history: History,
        score: Score | None,
        observer: Observer,
    ) -> None:
        network = stack.take([member])
        self.stack, self.network, self.member, self.rows = stack, network, member, rows
        self.stopped = self.interrupted = self.diverged = False
        self.data, self.plan, self.history = data, plan, history
        self.score, self.observer = score, observer
        backend = network.backend
        weight = backend.to_numpy(data.weight)[0][rows].mean(axis=1, dtype=np.float64)
        self.total = rows.shape[1] * weight[0]
        self.gradient = zeros_like(network.parameters)
        self.value = backend.xp.zeros(1, dtype=backend.xp.float64, device=backend.device)
        still = members.take([0])
        still.norm_momentum[...] = 0.0
        batch, results = Batch(rows.shape[1], 1, weight), Results(self.gradient, self.value)
        self.compute = BatchGradient(network, still, plan.loss, data, batch, results)
        self.compute.load(backend.asarray(rows), 0)
        self.ridge = _ridge(network, plan.penalty.of(members.alpha[0], members.l1_ratio[0]))
        by_score = score is not None and plan.keeps_best
        self.stopping = Stopping(plan.tol, plan.patience, by_score, network.take([0]))
        self.iterations, self.started = 0, time.perf_counter()
        self.last = backend.to_numpy(network.parameters.flat).astype(np.float64)

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Objective and gradient at a point."""
        backend = self.network.backend
        self._place(x)
        self.value[...] = 0.0
        self.compute.differentiate(0)
        loss = float(backend.to_numpy(self.value)[0]) / self.total
        pull = self.ridge * x
        gradient = backend.to_numpy(self.gradient.flat).astype(np.float64)
        return loss + 0.5 * float(pull @ x), gradient + pull

    def run(self, max_fun: int) -> Minimum:
        """Search, and leave the network where it ended."""
        plan = self.plan
        self.observer.epoch_begins()
        try:
            minimum = lbfgs(self, self.last, plan.max_iter, max_fun, plan.tol, self.after_iteration)
        except KeyboardInterrupt:
            if self.iterations == 0 and self.member == 0:  # there is nothing to keep
                raise
            self.interrupted = True
            self.observer.interrupted()
            minimum = Minimum(self.last, True, "interrupted", self.iterations)
        self._place(minimum.x)
        if self.stopping.score_decides(0):
            self.network.assign([0], self.stopping.network, [0])
        if not self.network.is_finite()[0]:
            self.diverged = True
            self.network.assign([0], self.stopping.network, [0])
            warn(
                "L-BFGS came to weights that are not finite; the best before are kept. Scale "
                "the inputs and targets.",
                RuntimeWarning,
            )
        set_population_statistics(self.network, self.data, self.rows)
        return minimum

    def after_iteration(self, x: np.ndarray, value: float) -> bool:
        """Record an iteration; True ends the search."""
        self.last, now = x.copy(), time.perf_counter()
        seconds, self.started = now - self.started, now
        penalty = 0.5 * float((self.ridge * x) @ x)
        values: dict[str, float] = {"loss": value, "penalty": penalty, "seconds": seconds}
        score = None
        if self.score is not None:
            scores = self.score(self._at(x), [self.member])
            score = float(self.network.backend.to_numpy(scores)[0])
            values["validation"] = score
        self.history.put(self.iterations, self.member, **values)
        stops, epoch = self._judge(x, value, score), self.iterations
        self.iterations += 1
        self.stopped = self.observer.epoch_ends(epoch, value, score, lambda: self._snapshot(x))
        if stops or self.stopped:
            return True
        self.observer.epoch_begins()
        return False

    def _judge(self, x: np.ndarray, value: float, score: float | None) -> bool:
        """Keep the best weights; whether the validation score says to stop."""
        if not self.stopping.by_score or score is None:
            self.stopping.best[0] = value
            return False
        network = self._at(x)
        finite, losses = network.is_finite(), np.array([value])
        self.stopping.observe([0], np.array([score]), network, finite, losses)
        return self.stopping.score_decides(0) and self.stopping.has_converged(0)

    def fault(self) -> str:
        """Why there is no score to watch, if there should be one."""
        watched = self.stopping.by_score and self.iterations > 0 and not self.diverged
        return fault(self.score, self.member) if watched and not self.stopping.scored[0] else ""

    def _snapshot(self, x: np.ndarray) -> Network:
        """A copy of the whole stack with this member at a point."""
        copy = self.stack.take(range(self.stack.members))
        copy.assign([self.member], self._at(x), [0])
        return copy

    def _at(self, x: np.ndarray) -> Network:
        """The network at a point, with the statistics of its training rows."""
        self._place(x)
        stack = self.network.take([0])
        set_population_statistics(stack, self.data, self.rows)
        return stack

    def _place(self, x: np.ndarray) -> None:
        flat = self.network.parameters.flat
        flat[...] = self.network.backend.asarray(x, dtype=flat.dtype)


def _ridge(network: Network, penalty: Penalty) -> np.ndarray:
    """The penalty's curvature for each parameter.

    Weights before a norm are left out: their scale changes nothing but the penalty, so that the
    objective would fall for ever, and never reach a minimum, as they shrink.
    """

    def acts(segment: Segment) -> bool:
        return penalty.applies_to(segment, segment.layer) and not segment.is_normalized

    segments = network.parameters.layout.segments.values()
    return np.concatenate([np.full(s.size, penalty.curvature * acts(s)) for s in segments])


def _warn(minimum: Minimum) -> None:
    warn(
        f"lbfgs failed to converge after {minimum.iterations} iteration(s): {minimum.message}. "
        "Increase max_iter or max_fun to improve the convergence, or scale the data.",
        ConvergenceWarning,
    )
