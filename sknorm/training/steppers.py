"""What a run advances by: epochs of mini-batches, or whole searches on the full batch."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from sknorm.network.network import Network
from sknorm.network.population import set_population_statistics
from sknorm.training.plan import ADVICE
from sknorm.training.state import State
from sknorm.training.steps import Epoch, Steps
from sknorm.training.validation_loss import HeldOutLoss

if TYPE_CHECKING:
    from sknorm.training.run import Run
    from sknorm.training.task import Task


class Stepper:
    """Trains the active stack of a run, which it calls back after each epoch.

    Attributes
    ----------
    advice : str
        What to do about training that diverges.
    """

    advice: str

    @property
    def epochs(self) -> int:
        """How often :meth:`train` may be called."""
        raise NotImplementedError

    def train(self, run: "Run") -> None:
        """Advance by an epoch, or by as many as nobody can resume training between.

        The network is up to date whenever the run records an epoch.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Give back the memory of what only further epochs of this stack would need."""

    def shrink(self, state: State) -> "Stepper":
        """What trains a smaller stack in its place."""
        return self

    def complete(self, stack: Network, active: list[int]) -> None:
        """Prepare a copy of the whole stack for predictions in the middle of training."""

    def settle(self, stack: Network, member: int) -> None:
        """Prepare a member of the whole stack for predictions, now that it has left."""

    def finish(self, state: State, stack: Network) -> None:
        """Prepare the whole stack for predictions, now that all have left."""


class MiniBatch(Stepper):
    """Epochs of steps on mini-batches, of all active members at once.

    Parameters
    ----------
    task : Task
    state : State
    """

    advice = ADVICE

    def __init__(self, task: "Task", state: State) -> None:
        self.task = task
        if not state.active:
            return  # it has ended, and takes no steps
        everyone = len(state.active) == len(task.members)
        members = task.members if everyone else task.members.take(state.active)
        stack = state.network, members, state.batches
        self.steps = Steps(*stack, task.data, task.plan, state.optimizer)
        state.optimizer = self.steps.state

    @property
    def epochs(self) -> int:
        return self.task.plan.max_iter

    def feed(self, task: "Task", state: State) -> "MiniBatch":
        """What goes on with the rows of another task: itself, where its buffers fit."""
        steps = self.steps
        if steps.state is not state.optimizer or not steps.serves(
            task.members, state.batches, task.data, task.plan
        ):
            return MiniBatch(task, state)
        steps.feed(state.batches, task.data)
        self.task = task
        return self

    def forget(self) -> None:
        """Let go of the rows; :meth:`feed` brings others."""
        self.steps.forget()
        del self.task

    def train(self, run: "Run") -> None:
        state, plan, started = run.state, self.task.plan, time.perf_counter()
        if state.epoch == 0 and plan.watches_start:
            self._watch_start(state)
        run.observer.epoch_begins()
        before = state.step if plan.incremental else 0
        budget = self.task.budget
        numbers = self.steps.epoch(state.schedule, state.step, before, budget)
        state.step += self.steps.done
        state.rows_seen += self.steps.rows_done
        state.rows_missed += state.batches.rows.shape[1] - self.steps.rows_done
        state.schedule.epoch_ended(state.rows_seen)
        if self._is_exact and self.task.score is not None:
            set_population_statistics(state.network, self.task.data, state.batches.rows)
        done, scores = self._read(numbers, state)
        run.record(
            state.epoch,
            done.loss + done.penalty,
            done.finite,
            scores,
            penalty=done.penalty,
            learning_rate=done.rate,
            gradient_norm=done.gradient_norm,
            seconds=time.perf_counter() - started,
        )
        if budget is not None and budget.is_over:
            run.state.stopped = run.state.timed_out = True  # another one where members have left

    def release(self) -> None:
        self.steps.release()

    def shrink(self, state: State) -> "MiniBatch":
        return MiniBatch(self.task, state)

    def complete(self, stack: Network, active: list[int]) -> None:
        if self._is_exact and self.task.score is None:
            set_population_statistics(stack, self.task.data, self.task.batches.rows)

    def finish(self, state: State, stack: Network) -> None:
        self.complete(stack, [])

    @property
    def _is_exact(self) -> bool:
        """Whether norms have the statistics of all training rows under the present weights."""
        return self.task.plan.norm_statistics == "population"

    def _watch_start(self, state: State) -> None:
        """Let the weights that a warm start begins with take part in the choice."""
        score = self.task.score
        if score is not None and state.stopping.by_score:
            scores = state.network.backend.to_numpy(score(state.network, state.active))
            state.stopping.observe(state.active, scores, np.ones(len(state.active), dtype=bool))
            state.stopping.waiting[...] = 0

    def _read(self, numbers: Any, state: State) -> tuple[Epoch, np.ndarray | None]:
        """How the epoch went, and the scores after it, in one transfer to the host."""
        network, score = state.network, self.task.score
        backend = network.backend
        if score is None:
            return self.steps.read(backend.to_numpy(numbers)), None
        if isinstance(score, HeldOutLoss):
            scores = score(network, state.active)
            both = backend.to_numpy(backend.xp.concat([numbers, scores[:, None]], axis=1))
            return self.steps.read(both[:, :-1]), both[:, -1]
        done = self.steps.read(backend.to_numpy(numbers))
        return done, self._scores(state, done.finite & np.isfinite(done.loss + done.penalty))

    def _scores(self, state: State, finite: np.ndarray) -> np.ndarray:
        """Scores of the active members, NaN for those that have diverged."""
        score, active = self.task.score, state.active
        assert score is not None
        scores, good = np.full(len(active), np.nan), np.flatnonzero(finite).tolist()
        if len(good) == len(active):
            return score(state.network, active)
        if good:
            scores[good] = score(state.network.take(good), [active[k] for k in good])
        return scores
