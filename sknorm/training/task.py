"""A training run before it runs: what is trained, on which rows, by which rules."""

from dataclasses import dataclass

from sknorm.data.dataset import TrainingData
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.optim.schedules import Schedule
from sknorm.training.batches import Batches
from sknorm.training.full_batch import train_full_batch
from sknorm.training.loop import Run, train
from sknorm.training.plan import Observer, Outcome, Plan, Score


@dataclass
class Task:
    """A stack of networks that is ready to be trained.

    Attributes
    ----------
    network : Network
        Initial weights; training overwrites them.
    members : Members
    batches : Batches
    data : TrainingData
    schedule : Schedule
    plan : Plan
    score : callable or None
        See :func:`sknorm.training.loop.train`.
    max_fun : int or None
        Evaluations of the objective that L-BFGS may take; None is for the solvers that step
        batch by batch.
    """

    network: Network
    members: Members
    batches: Batches
    data: TrainingData
    schedule: Schedule
    plan: Plan
    score: Score | None = None
    max_fun: int | None = None

    @property
    def rows(self) -> int:
        """Training rows of each member."""
        return int(self.batches.rows.shape[1])

    def start(self, observer: Observer | None = None) -> Run:
        """The training run, before its first epoch; not of L-BFGS, which has none."""
        return Run(
            self.network, self.members, self.batches, self.data, self.schedule, self.plan,
            self.score, observer,
        )  # fmt: skip

    def run(self, observer: Observer | None = None) -> Outcome:
        """Train the stack."""
        if self.max_fun is not None:
            return train_full_batch(
                self.network, self.members, self.batches.rows, self.data, self.plan, self.max_fun,
                self.score, observer,
            )  # fmt: skip
        return train(
            self.network, self.members, self.batches, self.data, self.schedule, self.plan,
            self.score, observer,
        )  # fmt: skip
