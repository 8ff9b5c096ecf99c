"""The squared error, which learns means."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sknorm.objective.losses.base import Loss
from sknorm.objective.units import deviation, usable


@dataclass(frozen=True)
class SquaredError(Loss):
    """``1/2 sum_o (raw_o - y_o)^2``."""

    name: ClassVar[str] = "squared_error"
    summary: ClassVar[str] = "their mean"
    kernel: ClassVar[str] = "squared_error"
    scorer_name: ClassVar[str] = "neg_mean_squared_error"

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.average(y, axis=0, weights=weight)
        return mean, usable(deviation(y, mean, weight), mean)

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.average(y, axis=0, weights=weight)
