"""What training is asked to do, and what it leaves behind."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sknorm._warnings import warn
from sknorm.network.network import Network
from sknorm.objective.losses import Loss
from sknorm.objective.penalties.base import Penalty
from sknorm.optim import SGD, Adam
from sknorm.training.history import History

# Scores (K,) of a stack whose members are at these positions of the whole one, on the host or,
# for HeldOutLoss, on its device.
Score = Callable[[Network, list[int]], Any]
# What to do about steps that diverge.
ADVICE = "Lower learning_rate_init, set max_grad_norm, or scale the inputs and targets."


@dataclass(frozen=True)
class Plan:
    """How long and by which rules a stack is trained.

    Attributes
    ----------
    loss : Loss
    penalty : type of Penalty
    optimizer : SGD or Adam
    max_iter : int
        Largest number of epochs.
    tol, patience : float
        See :class:`sknorm.training.stopping.Stopping`.
    max_grad_norm : float or None
        Euclidean norm to which gradients are clipped.
    norm_statistics : {"running", "cumulative", "population"}
    averaged : float
        Share of the epochs, at the end, over which weights are averaged; 0 is none.
    keeps_best : bool
        Whether validation scores end training and choose the weights, rather than being
        recorded only.
    watches_start : bool
        Whether the weights that training starts from take part in that choice.
    until_loss : bool
        Whether training goes on while the training loss improves, though a score does not.
    rows_before : int
        Rows seen by earlier fits that this one continues, for the schedule.
    ends_planned : bool
        Whether scores end training under a schedule that is planned over all epochs, too.
    incremental : bool
        Whether training never knows what comes next, as in ``partial_fit``: then a plateau ends no
        member's training, nothing is kept of earlier epochs, and statistics accumulate over all.
    """

    loss: Loss
    penalty: type[Penalty]
    optimizer: SGD | Adam
    max_iter: int
    tol: float
    patience: float
    max_grad_norm: float | None
    norm_statistics: str
    averaged: float = 0.0
    keeps_best: bool = True
    watches_start: bool = False
    until_loss: bool = False
    rows_before: int = 0
    ends_planned: bool = False
    incremental: bool = False


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
        Lowest training loss or highest validation score of each member; NaN where scores decide
        and none was finite.
    used_up : bool array of shape (K,)
        Which members used up ``max_iter`` before they had converged.
    diverged : bool array of shape (K,)
        Which members came to weights or losses that are not finite.
    interrupted : bool
        Whether the user stopped it.
    timed_out : bool
        Whether the time that it may take ended it.
    rows_missed : int
        Rows of its epochs for which there was no time.
    faults : tuple of K str
        Why there was no score to watch, for members without any; else empty.
    """

    network: Network
    history: History
    epochs: np.ndarray
    best: np.ndarray
    used_up: np.ndarray
    diverged: np.ndarray
    interrupted: bool = False
    timed_out: bool = False
    rows_missed: int = 0
    faults: tuple[str, ...] = ()

    @property
    def exhausted(self) -> bool:
        """Whether a member used up ``max_iter`` before it had converged."""
        return bool(self.used_up.any())

    def take(self, members: list[int]) -> "Outcome":
        """What training left behind of some of the members."""
        arrays = ("epochs", "best", "used_up", "diverged")
        return replace(
            self,
            network=self.network.take(members),
            history=self.history.take(members, int(self.epochs[members].max())),
            faults=tuple(self.faults[k] for k in members),
            **{name: getattr(self, name)[members] for name in arrays},
        )


def fault(score: Any, member: int) -> str:
    """Why none of a member's scores was finite, by what a score says of it."""
    reason = getattr(score, "reason", None)
    return "no score was finite" if reason is None else reason(member)


class Observer:
    """Hears of every epoch; this one only warns of what went wrong."""

    def epoch_begins(self) -> None:
        """An epoch starts."""

    def epoch_ends(
        self, epoch: int, loss: float, score: float | None, snapshot: Callable[[], Network]
    ) -> bool:
        """An epoch is over; True ends training. ``snapshot()`` copies the stack as it is."""
        return False

    def diverged(self, which: str, epoch: int, loss: Any, advice: str = ADVICE) -> None:
        """A network has come to a loss or to weights that are not finite."""
        warn(
            f"Training{which} became non-finite in epoch {epoch} (loss {loss}); the best finite "
            f"weights before it are kept. {advice}",
            RuntimeWarning,
        )

    def interrupted(self) -> None:
        """The user has stopped training."""
        warn("Training interrupted by user.")

    def plateau(self, member: int, by_score: bool, rate: float | None) -> None:
        """A member has stopped improving: its learning rate is now ``rate``, or it leaves."""
