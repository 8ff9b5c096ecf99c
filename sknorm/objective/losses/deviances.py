"""Deviances under a log link, for targets that are not negative."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sknorm.objective.losses.base import Loss, logarithm

# Means beyond this power of the dtype's largest number are held there, so that targets may still
# have large units.
HELD_SHARE = 0.9


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the Poisson deviance of ``exp(raw)``: ``exp(raw) - y raw + y log y - y``."""

    name: ClassVar[str] = "poisson"
    summary: ClassVar[str] = "the mean of counts, by half their deviance through a log link"
    kernel: ClassVar[str] = "poisson"
    scorer_name: ClassVar[str] = "neg_mean_poisson_deviance"
    output_activation: ClassVar[str] = "exp"

    def refusal(self, y: np.ndarray, name: str) -> str | None:
        if not y.min(initial=np.inf) < 0:
            return None
        return (
            f"loss='poisson' needs targets that are not negative, but {name} holds {_least(y)}. "
            "Use another loss, or shift the targets."
        )

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        """The mean; where it would leave the dtype, the largest whose unit can be large too."""
        most = HELD_SHARE * float(np.log(xp.finfo(raw.dtype).max))
        return xp.exp(xp.minimum(raw, most))

    def link(self, prediction: np.ndarray) -> np.ndarray:
        return logarithm(prediction)

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.average(y, axis=0, weights=weight)
        return np.zeros_like(mean), mean

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        mean = np.average(y, axis=0, weights=weight)
        return np.log(np.where(mean > 0, mean, 1e-3))


@dataclass(frozen=True)
class Gamma(Poisson):
    """Half the gamma deviance of ``exp(raw)``: ``raw + y exp(-raw) - log y - 1``."""

    name: ClassVar[str] = "gamma"
    summary: ClassVar[str] = "the mean of positive amounts, likewise"
    kernel: ClassVar[str] = "gamma"
    scorer_name: ClassVar[str] = "neg_mean_gamma_deviance"

    def refusal(self, y: np.ndarray, name: str) -> str | None:
        if not y.min(initial=np.inf) <= 0:
            return None
        return (
            f"loss='gamma' needs positive targets, but {name} holds {_least(y)}. Use "
            "loss='poisson' or another loss."
        )


def _least(y: np.ndarray) -> str:
    """The least of the targets (n, m), and where it stands."""
    return f"{y.min():g} at row {int(np.argmin(y.min(axis=1)))}"
