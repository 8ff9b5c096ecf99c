"""What happened in each epoch."""

from dataclasses import dataclass, field

import numpy as np

KEYS = ("loss", "penalty", "validation", "learning_rate", "gradient_norm", "seconds")


@dataclass
class History:
    """Per epoch and member; NaN after a member has left the stack.

    Attributes
    ----------
    members : int
        Number of networks K of the whole stack.
    columns : dict of str to list of float64 arrays of shape (K,)
        One array an epoch, per key of ``KEYS``.
    """

    members: int
    columns: dict[str, list[np.ndarray]] = field(default_factory=lambda: {k: [] for k in KEYS})

    def append(self, active: list[int], **values: np.ndarray | float) -> None:
        """Add an epoch of the active members."""
        for key, value in values.items():
            row = np.full(self.members, np.nan)
            row[active] = value
            self.columns[key].append(row)

    def put(self, epoch: int, member: int, **values: float) -> None:
        """Add one member's values of an epoch, where members are trained one after another."""
        for key, value in values.items():
            rows = self.columns[key]
            while len(rows) <= epoch:
                rows.append(np.full(self.members, np.nan))
            rows[epoch][member] = value

    def take(self, members: list[int], epochs: int) -> "History":
        """The first ``epochs`` epochs of some of the members."""
        rows = {key: [row[members] for row in kept[:epochs]] for key, kept in self.columns.items()}
        return History(len(members), rows)

    def as_lists(self) -> dict[str, list]:
        """Lists of floats for one network, lists of arrays for several; empty keys left out."""
        filled = {key: rows for key, rows in self.columns.items() if rows}
        if self.members == 1:
            return {key: [float(row[0]) for row in rows] for key, rows in filled.items()}
        return filled
