"""What the targets say of a task: their kind, their units and the loss of raw outputs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sknorm.objective.losses import Loss


@dataclass(frozen=True)
class Target(ABC):
    """Learned from the targets of the training rows, and never changed.

    Attributes
    ----------
    loss : Loss
        Of raw outputs; its inverse link makes predictions of them.
    """

    loss: Loss

    @property
    @abstractmethod
    def task(self) -> str:
        """What kind of task it is: "binary", "multiclass" or "regression"."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Number of outputs, before a loss makes several raw outputs of one."""

    @property
    def raw_outputs(self) -> int:
        """Width of a network's last layer."""
        return self.loss.outputs(self.n_outputs)

    @property
    def units(self) -> tuple[Any, Any]:
        """What raw outputs are shifted by, after they are multiplied by the second."""
        return 0.0, 1.0

    @abstractmethod
    def check_same_task(self, y: np.ndarray) -> None:
        """Refuse targets that a warm start cannot go on with."""

    @abstractmethod
    def encode(self, y: np.ndarray, dtype: Any, name: str = "y") -> np.ndarray:
        """Targets as the loss's kernel takes them, (n_samples, n_targets).

        Raises
        ------
        ValueError
            If they are not of this kind; ``name`` is what the message calls them.
        """

    def as_numbers(self, y: np.ndarray) -> np.ndarray:
        """Targets as float64 numbers (n_samples, q), whose squared errors can be compared."""
        return self.encode(y, np.float64)

    def attributes(self, like: Any) -> dict[str, Any]:
        """Fitted attributes that users see; arrays are of the library of ``like``."""
        return {}

    def under(self, loss: Loss) -> Self:
        """The same targets under another loss of the same raw outputs."""
        return replace(self, loss=loss)

    def stratify(self, y: np.ndarray, held: int) -> np.ndarray | None:
        """Labels whose shares a split with ``held`` held-out rows should keep."""
        return None

    def renewed(self, y: np.ndarray, weight: np.ndarray) -> tuple[Self, bool]:
        """The same after more rows, and whether units have changed."""
        return self, False

    def wild_value(self, y: np.ndarray) -> float | None:
        """The first target so far from all others that no distribution explains it."""
        return None

    def without_outliers(self, encoded: np.ndarray) -> np.ndarray:
        """Encoded targets of a first part of all rows, without values that spoil a mean."""
        return encoded

    def best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Raw outputs of the best prediction that is the same for all rows."""
        return self.loss.initial_bias(self.encode(y, np.float64), weight)
