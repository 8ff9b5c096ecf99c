"""The only driver of training."""

from typing import TYPE_CHECKING, Any

import numpy as np

from sknorm.network.network import Network
from sknorm.network.population import set_population_statistics
from sknorm.training.full_batch import FullBatch
from sknorm.training.history import mean
from sknorm.training.keepers import first_averaged
from sknorm.training.plan import Observer, Outcome, fault
from sknorm.training.state import State
from sknorm.training.steppers import MiniBatch, Stepper

if TYPE_CHECKING:
    from sknorm.training.task import Task


class Run:
    """A training run, which can be advanced by some epochs at a time.

    Parameters
    ----------
    task : Task
    observer : Observer or None
        Who hears of every epoch.
    state : State or None
        Where to go on; None is the start.
    stepper : Stepper or None
        What trains it, if there is something.
    """

    def __init__(
        self,
        task: "Task",
        observer: Observer | None = None,
        state: State | None = None,
        stepper: Stepper | None = None,
    ) -> None:
        self.task, self.observer = task, observer or Observer()
        self.state = State.start(task) if state is None else state
        if stepper is None:
            steps = task.max_fun is None
            stepper = MiniBatch(task, self.state) if steps else FullBatch(task)
        self.stepper = stepper

    @property
    def active(self) -> list[int]:
        """Members of the whole stack that are in training."""
        return self.state.active

    @property
    def interrupted(self) -> bool:
        """Whether the user has stopped training."""
        return self.state.interrupted

    @property
    def ended(self) -> bool:
        """Whether no epoch is left for any member."""
        state = self.state
        over = state.epoch >= self.stepper.epochs or not state.active
        return over or state.stopped or state.interrupted

    def advance(self, until: int | None = None) -> None:
        """Train until this many epochs are done, or all.

        L-BFGS counts members instead, of which it trains one after another to the end.
        """
        checkpoint = self.task.checkpoint
        with self.state.network.backend.session():
            try:
                while not self.ended and (until is None or self.state.epoch < until):
                    self.stepper.train(self)
                    self.state.epoch += 1
                    if checkpoint is not None:
                        checkpoint.keep(self.state)
                if checkpoint is not None:
                    checkpoint.write(self.state)
            except KeyboardInterrupt:
                if self.task.plan.incremental or not self.state.epochs.any():
                    raise  # there is nothing to keep
                self.state.interrupted = True
                self.observer.interrupted()

    def leave(self, members: list[int]) -> None:
        """End the training of some of the members here and now."""
        for k, member in enumerate(self.active):
            if member in members:
                self._settle(k, member)
        self._compact([k for k, member in enumerate(self.active) if member not in members])

    def so_far(self) -> Network:
        """A copy of the whole stack as it would be if training ended now."""
        stack, stopping = self._snapshot(), self.state.stopping
        chosen = [member for member in self.active if stopping.score_decides(member)]
        stack.assign(chosen, self.state.best.network, chosen)
        return stack

    def record(
        self, epoch: int, losses: np.ndarray, finite: np.ndarray, scores: Any, **measures: Any
    ) -> None:
        """Take in what an epoch has made of the active stack, tell of it, let finished members go.

        Parameters
        ----------
        epoch : int
            Its number.
        losses : float64 array of shape (k,)
            Training losses, penalties included.
        finite : bool array of shape (k,)
            Whose weights are finite.
        scores : float64 array of shape (k,) or None
            Validation scores.
        **measures : arrays of shape (k,)
            What else belongs into the history.
        """
        state, measures["loss"] = self.state, losses
        lost = state.find_lost(losses)
        if lost.any():
            losses = np.where(lost, np.nan, losses)
            scores = None if scores is None else np.where(lost, np.nan, scores)
        if scores is not None:
            measures["validation"] = scores
        state.epochs[state.places] += 1
        if state.mean is not None and self.is_averaged(epoch):
            state.mean.keep(state.active, state.network, list(range(len(state.active))))
        state.history.put(epoch, state.places, **measures)
        loss, score = mean(losses), None if scores is None else mean(scores)
        state.stopped = self.observer.epoch_ends(epoch, loss, score, self._snapshot)
        values = scores if state.stopping.by_score and scores is not None else losses
        improved = state.stopping.observe(state.active, values, finite, losses)
        stays = state.schedule.watch(state.step, state.stopping.best[state.places])
        state.best.keep([state.active[k] for k in improved], state.network, improved)
        if self.task.plan.incremental:  # this epoch may be the last
            lost |= ~finite
        self._judge(lost, measures["loss"], stays)

    def is_averaged(self, epoch: int) -> bool:
        """Whether the weights of an epoch go into the average: those of the last share of them."""
        plan, budget, count = self.task.plan, self.task.budget, self.state.batches.per_epoch
        last = plan.max_iter
        if budget is not None:
            last = min(last, int(budget.steps_in_all(self.state.step, count) / count))
        return epoch >= first_averaged(plan.averaged, last)

    def _judge(self, lost: np.ndarray, losses: np.ndarray, stays: np.ndarray) -> None:
        """Let go of the members that have diverged, who are ``lost``, or converged.

        No plateau ends those that the schedule will train on: who ``stays``.
        """
        state, staying = self.state, []
        over = state.schedule.is_over(state.step)
        for k, member in enumerate(state.active):
            if lost[k]:
                self.report_divergence(member, losses[k])
                self._settle(k, member)
            elif over[k] or (
                not stays[k] and state.stopping.has_converged(member) and self._leaves(k, member)
            ):
                self._settle(k, member)
            else:
                staying.append(k)
        self._compact(staying)

    def _leaves(self, k: int, member: int) -> bool:
        """Whether a plateau ends a member's training, rather than being one for the schedule."""
        state, plan = self.state, self.task.plan
        before = float(state.schedule.rate(state.step)[k])
        by_score = state.stopping.score_decides(member)
        leaves = state.schedule.on_plateau(k) or (plan.ends_planned and by_score)
        leaves = leaves and not plan.averaged and not plan.incremental
        after = float(state.schedule.rate(state.step)[k])
        if leaves or after != before:
            self.observer.plateau(member, by_score, None if leaves else after)
        if not leaves:
            state.stopping.waiting[member] = 0
        return leaves

    def report_divergence(self, member: int, loss: Any) -> None:
        """Tell of a member whose weights, or whose loss, are not finite."""
        state = self.state
        state.diverged[member] = True
        which = f" of member {member}" if len(state.epochs) > 1 else ""
        self.observer.diverged(which, int(state.epochs[member]), loss, self.stepper.advice)

    def _settle(self, k: int, member: int) -> None:
        """Keep a member's weights, of its last or of its best epoch, for good."""
        state, last = self.state, self.state.last
        decided = state.stopping.score_decides(member)
        if not (decided or state.diverged[member] or state.network.is_finite()[k]):
            self.report_divergence(member, np.nan)
        if decided or state.diverged[member]:
            last.keep([member], state.best.network, [member])
        else:
            last.keep([member], state.network, [k])
        self.stepper.settle(last.network, member)

    def _compact(self, staying: list[int]) -> None:
        """Go on with a smaller stack, or with those who have waited."""
        state = self.state
        if len(staying) == len(state.active):
            return
        if staying:
            self.stepper.release()  # makes room for the buffers of the smaller stack
            self.state = state.take(staying)
            self.stepper = self.stepper.shrink(self.state)
        elif state.waiting and not state.stopped:
            state.enter(self.task, state.waiting[:1], state.waiting[1:])
        else:
            state.active = []

    def _snapshot(self) -> Network:
        """A copy of the whole stack: settled members, and the others as they are."""
        stack = self.state.last.network.copy()
        stack.assign(self.active, self.state.network, range(len(self.active)))
        self.stepper.complete(stack, self.active)
        return stack

    def outcome(self) -> Outcome:
        """Settle the members still in training and gather the results."""
        state = self.state
        with state.network.backend.session():
            used_up = np.zeros(len(state.epochs), dtype=bool)
            used_up[state.active] = not state.stopped
            used_up &= state.epochs >= self.task.plan.max_iter
            left = list(state.active)
            for k, member in enumerate(left):
                self._settle(k, member)
            network = state.last.network
            self.stepper.finish(state, network)
            self._take_averages(left)
        best = np.where(state.epochs > 0, state.stopping.results(), np.nan)
        return Outcome(
            network=network,
            history=state.history,
            epochs=state.epochs,
            best=best,
            used_up=used_up,
            diverged=state.diverged,
            interrupted=state.interrupted,
            timed_out=state.timed_out,
            rows_missed=state.rows_missed,
            faults=self._faults(),
        )

    def _faults(self) -> tuple[str, ...]:
        """Why the members whose scores should have been watched have none."""
        state, score = self.state, self.task.score
        missing = ~state.stopping.scored & (state.epochs > 0) & ~state.diverged
        missing &= state.stopping.by_score
        return tuple(fault(score, k) if none else "" for k, none in enumerate(missing))

    def _take_averages(self, members: list[int]) -> None:
        """Replace members by their averages, where held-out rows do not speak against it."""
        state, task = self.state, self.task
        if state.mean is None:
            return
        members = [member for member in members if state.mean.counts[member]]
        if not members:
            return
        stack = state.mean.network.take(members)
        set_population_statistics(stack, task.data, task.batches.rows[members])
        better = stack.is_finite()
        if state.stopping.by_score and task.score is not None:
            scores = stack.backend.to_numpy(task.score(stack, members))
            better &= state.stopping.accept(members, scores)
        chosen = np.flatnonzero(better).tolist()
        state.last.keep([members[k] for k in chosen], stack, chosen)
