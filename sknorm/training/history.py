"""What happened in each epoch."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

KEYS = ("loss", "penalty", "validation", "learning_rate", "gradient_norm", "seconds")


def mean(values: np.ndarray) -> float:
    """Mean over the members; without the ten microseconds that NumPy takes, where there is one."""
    return float(values[0] if len(values) == 1 else values.mean())


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

    def put(self, epoch: int, places: Any, **values: Any) -> None:
        """Add values of an epoch of the members at these places."""
        for key, value in values.items():
            rows = self.columns[key]
            if len(rows) == epoch and isinstance(places, slice):  # of all, in a third of the time
                given = isinstance(value, np.ndarray)
                rows.append(np.array(value if given else [value] * self.members, np.float64))
                continue
            while len(rows) <= epoch:
                rows.append(np.full(self.members, np.nan))
            rows[epoch][places] = value

    def seconds(self, *, by_turns: bool) -> float:
        """What all epochs have taken, of members that train together or one after another."""
        of_epoch = np.nansum if by_turns else np.nanmax
        return float(sum(of_epoch(row) for row in self.columns["seconds"]))

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
