"""When a member's training ends, and which of its epochs are its best."""

from dataclasses import dataclass, field

import numpy as np

# A loss that has grown so much is that of weights whose predictions overflow, or soon will.
_BEYOND_USE = 1e30
_LEAST = 1e-8  # losses that it is measured by


def diverged(losses: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """Which losses (K,) are not finite, or so far above the lowest before that training is lost."""
    return ~(losses / _BEYOND_USE < np.maximum(lowest, _LEAST))


@dataclass
class Stopping:
    """Improvement of each member, by training loss or by validation score.

    A score that is not finite is none: the training loss judges a member until its first score.

    Attributes
    ----------
    members : int
        Number of networks K of the whole stack.
    tol : float
        Improvement that counts.
    patience : float
        Epochs without improvement after which a member has converged; may be inf.
    by_score : bool
        Whether a validation score decides (higher is better) rather than the loss.
    until_loss : bool
        Whether a training loss that improves keeps a member in training too, while its score only
        chooses the weights.
    by_loss : bool
        Whether a member converges where no score decides; L-BFGS has a criterion of its own.
    best : float64 array of shape (K,)
        Best loss or score of each member so far.
    scored : bool array of shape (K,)
        Which members have had a score that is finite.
    waiting : int64 array of shape (K,)
        Epochs since the last improvement by ``tol`` or more.
    lowest : float64 array of shape (K,)
        Lowest loss of each member before its first score, or with ``until_loss`` ever.
    """

    members: int
    tol: float
    patience: float
    by_score: bool
    until_loss: bool = False
    by_loss: bool = True
    best: np.ndarray = field(init=False)
    scored: np.ndarray = field(init=False)
    waiting: np.ndarray = field(init=False)
    lowest: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.best = np.full(self.members, -np.inf if self.by_score else np.inf)
        self.scored = np.zeros(self.members, dtype=bool)
        self.waiting = np.zeros(self.members, dtype=np.int64)
        self.lowest = np.full(self.members, np.inf)

    def observe(
        self,
        active: list[int],
        values: np.ndarray,
        finite: np.ndarray,
        losses: np.ndarray | None = None,
    ) -> list[int]:
        """Take in an epoch's losses or scores of the active members.

        ``finite`` says whose weights are, (K,). With ``losses`` beside scores, members that have
        had no score so far are judged by them.

        Returns
        -------
        list of int
            Places in ``active`` of those whose weights are their best so far.
        """
        improved = []
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
                improved.append(k)
            if by_score and self.until_loss and losses is not None:
                self._watch_loss(member, float(losses[k]))
        return improved

    def _watch_loss(self, member: int, loss: float) -> None:
        """Let a loss that falls keep a member in training."""
        if self.lowest[member] - loss >= self.tol:
            self.waiting[member] = 0
        self.lowest[member] = min(self.lowest[member], loss)

    def accept(self, members: list[int], scores: np.ndarray) -> np.ndarray:
        """Which of these members (K,) do no worse with other weights, which have these scores."""
        finite = np.isfinite(scores)
        better = ~self.scored[members] | (finite & (scores >= self.best[members]))
        self.scored[members] |= finite
        self.best[members] = np.maximum(self.best[members], np.where(finite, scores, -np.inf))
        return better

    def has_converged(self, member: int) -> bool:
        waited = bool(self.waiting[member] > self.patience)
        return waited and (self.by_loss or self.score_decides(member))

    def score_decides(self, member: int) -> bool:
        """Whether a member is judged by its score, of which there is one."""
        return self.by_score and bool(self.scored[member])

    def results(self) -> np.ndarray:
        """Best loss or score of each member (K,), NaN for those without any score."""
        return np.where(self.scored, self.best, np.nan) if self.by_score else self.best
