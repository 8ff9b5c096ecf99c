"""What may vary from step to step."""

from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.network.members import Members

# `correction` is that of Adam's moments, `share` what mixup leaves of a row.
NAMES = (
    *("learning_rate", "correction", "share"),
    *("norm_momentum", "dropout", "input_dropout", "input_noise"),
)


class Quantities:
    """For each quantity a number of each member, which a step reads where it stands.

    Parameters
    ----------
    backend : Backend
    members : Members
        Of which the quantities have the values that they have unless they vary.

    Attributes
    ----------
    numbers : float64 array of shape (Q, K)
        Those of the present step.
    """

    def __init__(self, backend: Backend, members: Members) -> None:
        ones = np.ones(len(members))
        known = {**vars(members), "learning_rate": members.learning_rate_init}
        self.usual = np.stack([known.get(name, ones) for name in NAMES])
        self.numbers = backend.asarray(self.usual.copy())

    def __getitem__(self, name: str) -> Any:
        """The numbers (K,) of a quantity, of whichever step is under way."""
        return self.numbers[NAMES.index(name), ...]

    def arguments(self) -> dict[str, Any]:
        """Those that the kernels of optimizers take, by the names that they give them."""
        return {"rate": self["learning_rate"], "correction": self["correction"]}

    def table(self, steps: int, **varying: np.ndarray) -> np.ndarray:
        """Those of each step, (steps, Q, K), from what varies: arrays that ``(steps, K)`` holds."""
        table = self.usual[None].repeat(steps, axis=0)
        self.write(table, **varying)
        return table

    def write(self, table: np.ndarray, **varying: np.ndarray) -> None:
        """Write what varies into a table of some steps."""
        for name, values in varying.items():
            table[:, NAMES.index(name)] = values
