"""When a member's training ends, and which of its weights are kept."""

from dataclasses import dataclass, field

import numpy as np

from sknorm.network.network import Network


@dataclass
class Stopping:
    """Improvement of each member, by training loss or by validation score.

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
    waiting : int64 array of shape (K,)
        Epochs since the last improvement by more than ``tol``.
    network : Network
        Weights at the best epoch of each member, the initial ones before the first.
    """

    tol: float
    patience: float
    by_score: bool
    network: Network
    best: np.ndarray = field(init=False)
    waiting: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        worst = -np.inf if self.by_score else np.inf
        self.best = np.full(self.network.members, worst)
        self.waiting = np.zeros(self.network.members, dtype=np.int64)

    def observe(
        self, active: list[int], values: np.ndarray, network: Network, finite: np.ndarray
    ) -> None:
        """Take in an epoch's losses or scores of the active members, and their weights.

        ``finite`` says whose weights are, (K,).
        """
        for k, (member, value) in enumerate(zip(active, values, strict=True)):
            if not np.isfinite(value):
                self.waiting[member] += 1
                continue
            best = self.best[member]
            improvement = value - best if self.by_score else best - value
            enough = improvement >= self.tol
            self.waiting[member] = 0 if enough else self.waiting[member] + 1
            if improvement > 0 and finite[k]:
                self.best[member] = value
                self.network.assign([member], network, [k])

    def has_converged(self, member: int) -> bool:
        return bool(self.waiting[member] > self.patience)
