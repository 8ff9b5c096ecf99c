"""When a member's training ends, and which of its weights are kept."""

from dataclasses import dataclass, field

import numpy as np

from sknorm.network.network import Network

# A loss that has grown so much is that of weights whose predictions overflow, or soon will.
_BEYOND_USE = 1e30
_LEAST = 1e-8  # losses that it is measured by


def diverged(losses: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """Which losses (K,) are not finite, or so far above the lowest before that training is lost."""
    with np.errstate(invalid="ignore", over="ignore"):
        return ~(losses < _BEYOND_USE * np.maximum(lowest, _LEAST))


@dataclass
class Stopping:
    """Improvement of each member, by training loss or by validation score.

    A score that is not finite is none: the training loss judges a member until its first score.

    Attributes
    ----------
    tol : float
        Improvement that counts.
    patience : float
        Epochs without improvement after which a member has converged; may be inf.
    by_score : bool
        Whether a validation score decides (higher is better) rather than the loss.
    best : float64 array of shape (K,)
        Best loss or score of each member of the whole stack so far.
    scored : bool array of shape (K,)
        Which members have had a score that is finite.
    waiting : int64 array of shape (K,)
        Epochs since the last improvement by more than ``tol``.
    network : Network
        Weights at the best epoch of each member, the initial ones before the first.
    until_loss : bool
        Whether a training loss that improves keeps a member in training too, while its score only
        chooses the weights.
    lowest : float64 array of shape (K,)
        Lowest loss of each member before its first score, or with ``until_loss`` ever.
    """

    tol: float
    patience: float
    by_score: bool
    network: Network
    until_loss: bool = False
    best: np.ndarray = field(init=False)
    scored: np.ndarray = field(init=False)
    waiting: np.ndarray = field(init=False)
    lowest: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        members = self.network.members
        self.best = np.full(members, -np.inf if self.by_score else np.inf)
        self.scored = np.zeros(members, dtype=bool)
        self.waiting = np.zeros(members, dtype=np.int64)
        self.lowest = np.full(members, np.inf)

    def observe(
        self,
        active: list[int],
        values: np.ndarray,
        network: Network,
        finite: np.ndarray,
        losses: np.ndarray | None = None,
    ) -> None:
        """Take in an epoch's losses or scores of the active members, and their weights.

        ``finite`` says whose weights are, (K,). With ``losses`` beside scores, members that have
        had no score so far are judged by them.
        """
        for k, member in enumerate(active):
            value, by_score, record = values[k], self.by_score, self.best
            if by_score and np.isfinite(value):
                self.scored[member] = True
            elif by_score and losses is not None and not self.scored[member]:
                value, by_score, record = losses[k], False, self.lowest
            if not np.isfinite(value):
                self.waiting[member] += 1
                continue
            best = record[member]
            improvement = value - best if by_score else best - value
            enough = improvement >= self.tol
            self.waiting[member] = 0 if enough else self.waiting[member] + 1
            if improvement > 0 and finite[k]:
                record[member] = value
                self.network.assign([member], network, [k])
            if by_score and self.until_loss and losses is not None:
                self._watch_loss(member, float(losses[k]))

    def _watch_loss(self, member: int, loss: float) -> None:
        """Let a loss that falls keep a member in training."""
        if self.lowest[member] - loss >= self.tol:
            self.waiting[member] = 0
        self.lowest[member] = min(self.lowest[member], loss)

    def has_converged(self, member: int) -> bool:
        return bool(self.waiting[member] > self.patience)

    def score_decides(self, member: int) -> bool:
        """Whether a member is judged by its score, of which there is one."""
        return self.by_score and bool(self.scored[member])

    def results(self) -> np.ndarray:
        """Best loss or score of each member (K,), NaN for those without any score."""
        return np.where(self.scored, self.best, np.nan) if self.by_score else self.best
