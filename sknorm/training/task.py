"""A training run before it runs: what is trained, on which rows, by which rules."""

from contextlib import nullcontext
from dataclasses import dataclass

from sknorm.data.dataset import TrainingData
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.optim.schedules import Schedule
from sknorm.training.batches import Batches
from sknorm.training.budget import Budget
from sknorm.training.checkpoint import Checkpoint
from sknorm.training.footprint import advising
from sknorm.training.plan import Observer, Outcome, Plan, Score
from sknorm.training.run import Run


@dataclass
class Task:
    """A stack of networks that is ready to be trained.

    Attributes
    ----------
    network : Network
        Initial weights; training may overwrite them.
    members : Members
    batches : Batches
    data : TrainingData
    schedule : Schedule
    plan : Plan
    score : callable or None
        Validation scores of a stack, given it and the positions of its members in the whole one.
        With it, each member ends with the weights of its best epoch, if the plan says so.
    max_fun : int or None
        Evaluations of the objective that L-BFGS may take; None is for the solvers that step
        batch by batch.
    budget : Budget or None
        Time that training may take.
    checkpoint : Checkpoint or None
        Where its state is kept, and gone on from.
    """

    network: Network
    members: Members
    batches: Batches
    data: TrainingData
    schedule: Schedule
    plan: Plan
    score: Score | None = None
    max_fun: int | None = None
    budget: Budget | None = None
    checkpoint: Checkpoint | None = None

    @property
    def rows(self) -> int:
        """Training rows of each member."""
        return int(self.batches.rows.shape[1])

    def start(self, observer: Observer | None = None) -> Run:
        """The training run, before its first epoch, or where its checkpoint stands."""
        state = None if self.checkpoint is None else self.checkpoint.resume(self)
        if state is not None and self.budget is not None:
            self.budget.ends -= state.history.seconds(by_turns=self.max_fun is not None)
        run = Run(self, observer, state)
        if self.checkpoint is not None and state is None:
            self.checkpoint.write(run.state)  # takes the place before anything is trained
        return run

    def run(self, observer: Observer | None = None) -> Outcome:
        """Train each member until it has converged, diverged or used up its epochs."""
        has_batches = self.max_fun is None
        parts = self.network, self.members, self.batches, self.data, self.plan
        with advising(*parts) if has_batches else nullcontext():
            run = self.start(observer)
            run.advance()
            return run.outcome()
