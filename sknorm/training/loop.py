"""The only epoch loop."""

import time
from typing import Any

import numpy as np

from sknorm.data.dataset import TrainingData
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.population import set_population_statistics
from sknorm.optim.schedules import Schedule
from sknorm.training.averaging import Averaging
from sknorm.training.batches import Batches
from sknorm.training.footprint import advising
from sknorm.training.history import History
from sknorm.training.plan import Observer, Outcome, Plan, Score, fault
from sknorm.training.steps import Epoch, Steps
from sknorm.training.stopping import Stopping, diverged
from sknorm.training.validation_loss import HeldOutLoss


def train(
    network: Network,
    members: Members,
    batches: Batches,
    data: TrainingData,
    schedule: Schedule,
    plan: Plan,
    score: Score | None = None,
    observer: Observer | None = None,
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
    observer : Observer or None
        Who hears of every epoch.

    Returns
    -------
    Outcome
    """
    with advising(network, batches, data, plan):
        run = Run(network, members, batches, data, schedule, plan, score, observer)
        run.advance()
        return run.outcome()


class Run:
    """A training run, which can be advanced by some epochs at a time.

    Takes what :func:`train` takes. Its state is the active stack, and what is known of the whole
    one.

    Attributes
    ----------
    active : list of int
        Members of the whole stack that are still in training.
    epochs : int64 array of shape (K,)
        Epochs that each has been trained.
    """

    def __init__(
        self,
        network: Network,
        members: Members,
        batches: Batches,
        data: TrainingData,
        schedule: Schedule,
        plan: Plan,
        score: Score | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.plan, self.data, self.score = plan, data, score
        self.schedule, self.observer = schedule, observer or Observer()
        self.active = list(range(network.members))
        self.final = network.take(self.active)
        self.history = History(network.members)
        by_score = score is not None and plan.keeps_best
        best = self.final.take(self.active)
        self.stopping = Stopping(plan.tol, plan.patience, by_score, best, plan.until_loss)
        self.averaging = Averaging(self.final, plan.averaged, plan.max_iter)
        self.epochs = np.zeros(network.members, dtype=np.int64)
        self.rows = batches.rows.copy()
        self.step = self.trained = 0
        self.stopped = self.interrupted = False
        self.diverged = np.zeros(network.members, dtype=bool)
        self.lowest = np.full(network.members, np.inf)  # losses
        self.steps = Steps(network, members, batches, data, plan)

    @property
    def network(self) -> Network:
        """The active stack."""
        return self.steps.network

    @property
    def ended(self) -> bool:
        """Whether no epoch is left for any member."""
        over = self.trained >= self.plan.max_iter or not self.active
        return over or self.stopped or self.interrupted

    def advance(self, until: int | None = None) -> None:
        """Train until this many epochs are done, or all."""
        last = self.plan.max_iter if until is None else min(until, self.plan.max_iter)
        with self.network.backend.session():
            try:
                if self.trained == 0:
                    self._start()
                while self.trained < last and not self.ended:
                    self._epoch(self.trained)
            except KeyboardInterrupt:
                if self.trained == 0:  # there is nothing to keep
                    raise
                self.interrupted = True
                self.observer.interrupted()

    def leave(self, members: list[int]) -> None:
        """End the training of some of the members here and now."""
        for k, member in enumerate(self.active):
            if member in members:
                self._settle(k, member)
        self._compact([k for k, member in enumerate(self.active) if member not in members])

    def so_far(self) -> Network:
        """A copy of the whole stack as it would be if training ended now."""
        stack = self._snapshot()
        chosen = [member for member in self.active if self.stopping.score_decides(member)]
        stack.assign(chosen, self.stopping.network, chosen)
        return stack

    def _start(self) -> None:
        """Let the weights that a warm start begins with take part in the choice."""
        if self.plan.watches_start and self.stopping.by_score and self.score is not None:
            finite = np.ones(len(self.active), dtype=bool)
            scores = self.network.backend.to_numpy(self.score(self.network, self.active))
            self.stopping.observe(self.active, scores, self.network, finite)
            self.stopping.waiting[...] = 0

    def _epoch(self, epoch: int) -> None:
        """Train one epoch, look at the result, let finished members go."""
        started = time.perf_counter()
        self.observer.epoch_begins()
        numbers = self.steps.epoch(self.schedule, self.step)
        self.step += self.steps.batches.per_epoch
        rows = self.rows.shape[1]
        seen = self.plan.rows_before + (int(self.epochs.max()) + 1) * rows
        self.schedule.epoch_ended(seen)
        if self.plan.norm_statistics == "population" and self.score is not None:
            set_population_statistics(self.network, self.data, self.rows[self.active])
        done, scores = self._read(numbers)
        losses = self._in_use(done.loss + done.penalty)
        if scores is not None:
            scores = np.where(np.isnan(losses), np.nan, scores)
        self.epochs[self.active] += 1
        self.averaging.observe(epoch, self.active, self.network)
        self._record(done, scores, time.perf_counter() - started)
        with np.errstate(invalid="ignore"):  # of infinite scores of both signs
            score = None if scores is None else float(np.mean(scores))
        self.stopped = self.observer.epoch_ends(
            epoch, float(np.mean(losses)), score, self._snapshot
        )
        self._judge(losses, scores, done.finite)
        self.trained += 1

    def _in_use(self, losses: np.ndarray) -> np.ndarray:
        """Losses of the active members, NaN where training has diverged."""
        lowest = self.lowest[self.active]
        self.lowest[self.active] = np.fmin(lowest, losses)
        return np.where(diverged(losses, lowest), np.nan, losses)

    def outcome(self) -> Outcome:
        """Settle the members still in training and gather the results."""
        with self.network.backend.session():
            return self._outcome()

    def _outcome(self) -> Outcome:
        used_up = np.zeros(len(self.epochs), dtype=bool)
        used_up[self.active] = not self.stopped
        used_up &= self.epochs >= self.plan.max_iter
        last = list(self.active)
        for k, member in enumerate(self.active):
            self._settle(k, member)
        if self.plan.norm_statistics == "population" and self.score is None:
            set_population_statistics(self.final, self.data, self.rows)
        self._take_averages(self.averaging.averaged(last))
        return Outcome(
            self.final, self.history, self.epochs, self.stopping.results(), used_up,
            self.diverged, self.interrupted, self._faults(),
        )  # fmt: skip

    def _faults(self) -> tuple[str, ...]:
        """Why the members whose scores should have been watched have none."""
        missing = ~self.stopping.scored & (self.epochs > 0) & ~self.diverged
        if not self.stopping.by_score or self.score is None:
            missing[...] = False
        return tuple(fault(self.score, k) if none else "" for k, none in enumerate(missing))

    def _read(self, numbers: Any) -> tuple[Epoch, np.ndarray | None]:
        """How the epoch went, and the scores after it, in one transfer to the host."""
        backend = self.network.backend
        if self.score is None:
            return self.steps.read(backend.to_numpy(numbers)), None
        if isinstance(self.score, HeldOutLoss):
            scores = self.score(self.network, self.active)
            both = backend.to_numpy(backend.xp.concat([numbers, scores[:, None]], axis=1))
            return self.steps.read(both[:, :-1]), both[:, -1]
        done = self.steps.read(backend.to_numpy(numbers))
        return done, self._scores(done.finite & np.isfinite(done.loss + done.penalty))

    def _scores(self, finite: np.ndarray) -> np.ndarray:
        """Scores of the active members, NaN for those that have diverged."""
        assert self.score is not None
        scores = np.full(len(self.active), np.nan)
        good = np.flatnonzero(finite).tolist()
        if len(good) == len(self.active):
            return self.score(self.network, self.active)
        if good:
            scores[good] = self.score(self.network.take(good), [self.active[k] for k in good])
        return scores

    def _record(self, done: Epoch, scores: np.ndarray | None, seconds: float) -> None:
        self.history.append(
            self.active, loss=done.loss + done.penalty, penalty=done.penalty,
            learning_rate=done.rate, gradient_norm=done.gradient_norm, seconds=seconds,
            **({} if scores is None else {"validation": scores}),
        )  # fmt: skip

    def _judge(self, losses: np.ndarray, scores: np.ndarray | None, finite: np.ndarray) -> None:
        """Let go of the members that have diverged or converged."""
        observed = losses
        if self.stopping.by_score and scores is not None:
            observed = np.where(np.isfinite(losses), scores, np.nan)
        self.stopping.observe(self.active, observed, self.network, finite, losses)
        staying = []
        for k, member in enumerate(self.active):
            if not np.isfinite(losses[k]):
                self._report_divergence(member, self.history.columns["loss"][-1][member])
                self._settle(k, member, diverged=True)
            elif not self.stopping.has_converged(member):
                staying.append(k)
            elif self._leaves(k, member):
                self._settle(k, member)
            else:
                self.stopping.waiting[member] = 0
                staying.append(k)
        if len(staying) < len(self.active):
            self._compact(staying)

    def _leaves(self, k: int, member: int) -> bool:
        """Whether a plateau ends a member's training: not if weights are yet to be averaged."""
        before = float(self.schedule.rate(self.step)[k])
        leaves = self.schedule.on_plateau(k) and not self.plan.averaged
        after = float(self.schedule.rate(self.step)[k])
        if leaves or after != before:
            by_score = self.stopping.score_decides(member)
            self.observer.plateau(member, by_score, None if leaves else after)
        return leaves

    def _settle(self, k: int, member: int, diverged: bool = False) -> None:
        """Write a member's weights, of its last or of its best epoch, to the final stack."""
        kept_best = self.stopping.score_decides(member) or diverged
        if not kept_best and not self.network.is_finite()[k]:
            self._report_divergence(member, np.nan)
            kept_best = True
        if kept_best:
            self.final.assign([member], self.stopping.network, [member])
        else:
            self.final.assign([member], self.network, [k])

    def _take_averages(self, members: list[int]) -> None:
        """Replace members by their averages, where held-out rows do not speak against it."""
        if not members:
            return
        stack = self.averaging.network(members, self.data, self.rows[members])
        better = stack.is_finite()
        if self.stopping.by_score and self.score is not None:
            scores = self.network.backend.to_numpy(self.score(stack, members))
            finite = np.isfinite(scores)
            better &= ~self.stopping.scored[members] | (
                finite & (scores >= self.stopping.best[members])
            )
            self.stopping.scored[members] |= finite
            best = np.where(finite, scores, -np.inf)
            self.stopping.best[members] = np.maximum(self.stopping.best[members], best)
        for k in np.flatnonzero(better).tolist():
            self.final.assign([members[k]], stack, [k])

    def _snapshot(self) -> Network:
        """A copy of the whole stack: settled members, and the others as they are."""
        stack = self.final.take(range(self.final.members))
        stack.assign(self.active, self.network, range(len(self.active)))
        if self.plan.norm_statistics == "population" and self.score is None:
            set_population_statistics(stack, self.data, self.rows)
        return stack

    def _compact(self, staying: list[int]) -> None:
        """Go on with a smaller stack; a member's result does not depend on its stack."""
        self.active = [self.active[k] for k in staying]
        if staying:
            self.schedule = self.schedule.take(staying)
            old = self.steps
            old.release()  # makes room for the buffers of the smaller stack
            self.steps = Steps(
                old.network.take(staying), old.members.take(staying), old.batches.take(staying),
                self.data, self.plan, old.state.take(staying),
            )  # fmt: skip

    def _report_divergence(self, member: int, loss: Any) -> None:
        self.diverged[member] = True
        which = f" of member {member}" if self.final.members > 1 else ""
        self.observer.diverged(which, int(self.epochs[member]), loss)
