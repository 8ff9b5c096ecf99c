"""Units of a regressor's targets that follow what all calls of ``partial_fit`` have seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sknorm.objective.losses import Loss
from sknorm.objective.units import below_one, quantiles

# Pairs of quantiles, and how many deviations of a normal distribution lie between them. The first
# pair that differs measures the spread: one bad record in a hundred does not move it.
_RANGES = ((0.25, 0.75, 1.349), (0.05, 0.95, 3.290), (0.01, 0.99, 4.653))
_RENEWED_FROM = 2.0  # times the spread, or spreads of the location, that units may be off
SPOILT_FROM = 100.0  # times the robust spread that no deviation is
_WILD_FROM = 1e10  # spreads from the location that no target lies at


@dataclass(frozen=True)
class TargetUnits:
    """Where the targets lie and how far they spread; arrays are float64 of shape (n_outputs,).

    Attributes
    ----------
    weight : float
        Sum of the weights of the rows seen.
    location : array
        Their median; zero under a log link, whose units have no location.
    spread : array
        Their robust deviation about it, zero where all are equal; under a log link their mean,
        without the largest hundredth.
    """

    weight: float
    location: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, weight: np.ndarray, loss: Loss) -> "TargetUnits":
        """Those of targets (n, n_outputs) under row weights (n,)."""
        with np.errstate(over="ignore", invalid="ignore"):  # units are then left as they are
            each = [_summary(column, below_one(weight), loss) for column in y.T]
        location, spread = np.array(each, dtype=np.float64).T
        return cls(float(weight.sum()), location, spread)

    @classmethod
    def in_use(
        cls, y: np.ndarray, weight: np.ndarray, location: np.ndarray, scale: np.ndarray
    ) -> "TargetUnits":
        """Those that targets are trained in, for a later call to start from."""
        constant = y.min(axis=0) == y.max(axis=0)
        return cls(float(weight.sum()), location, np.where(constant, 0.0, scale))

    def tamed(self, location: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Units for a first call, without what a few bad records do to its mean and deviation."""
        spoilt = (self.spread > 0) & (scale / SPOILT_FROM > self.spread)
        return np.where(spoilt, self.location, location), np.where(spoilt, self.spread, scale)

    def merged(self, other: "TargetUnits", loss: Loss) -> "TargetUnits":
        """Those of both calls' rows together, as if each call's were normally distributed."""
        share = other.weight / (self.weight + other.weight)
        if _is_log(loss):
            spread = (1 - share) * self.spread + share * other.spread
            return TargetUnits(self.weight + other.weight, self.location, spread)
        apart = other.location - self.location
        within = np.hypot(np.sqrt(1 - share) * self.spread, np.sqrt(share) * other.spread)
        spread = np.hypot(within, np.sqrt(share * (1 - share)) * apart)
        return TargetUnits(self.weight + other.weight, self.location + share * apart, spread)

    def are_outgrown_by(self, pooled: "TargetUnits") -> bool:
        """Whether targets of these units are badly scaled for what is known by now."""
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = self.spread / _RENEWED_FROM, self.spread * _RENEWED_FROM
            moved = np.abs(pooled.location - self.location) > _RENEWED_FROM * self.spread
        other = (pooled.spread < low) | (pooled.spread > high) | moved
        return bool(np.any(other & (pooled.spread > 0)) and np.isfinite(pooled.spread).all())


def renew(
    units: tuple[np.ndarray, np.ndarray], seen: TargetUnits, pooled: TargetUnits
) -> tuple[np.ndarray, np.ndarray]:
    """Location and scale in use, which stand to ``pooled`` as they stood to ``seen``."""
    location, scale = units
    usable = np.where(pooled.spread > 0, pooled.spread, 1.0)
    growth = np.divide(usable, seen.spread, out=usable / scale, where=seen.spread > 0)
    offset = np.where(seen.spread > 0, (location - seen.location) * growth, 0.0)
    kept = pooled.spread == 0
    new = pooled.location + offset, scale * growth
    return np.where(kept, location, new[0]), np.where(kept, scale, new[1])


def wild_value(y: np.ndarray, location: np.ndarray, scale: np.ndarray) -> float | None:
    """The first target so many scales away that no distribution explains it."""
    with np.errstate(over="ignore"):
        far = np.abs(y - location) > _WILD_FROM * scale
    return float(y[far][0]) if far.any() else None


def _is_log(loss: Loss) -> bool:
    return loss.output_activation == "exp"


def _summary(y: np.ndarray, weight: np.ndarray, loss: Loss) -> tuple[Any, Any]:
    """Location and spread of one output."""
    levels = [0.99] if _is_log(loss) else [0.5, *(each for *pair, _ in _RANGES for each in pair)]
    found = dict(zip(levels, quantiles(y[:, None], weight, levels)[:, 0], strict=True))
    if _is_log(loss):
        return 0.0, np.average(np.minimum(y, found[0.99]), weights=weight)
    median = found[0.5]
    for low, high, deviations in _RANGES:
        if (spread := found[high] / deviations - found[low] / deviations) > 0:
            return median, spread
    distance = np.abs(y - median)
    most = distance.max() or 1.0  # whose square may overflow
    return median, most * np.sqrt(np.average((distance / most) ** 2, weights=weight))
