"""Losses that outliers hardly move: absolute error, Huber's, and those of quantiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics import make_scorer, mean_pinball_loss

from sknorm.objective.losses.base import Loss
from sknorm.objective.units import quantiles, robust_units


class Robust(Loss):
    """A loss whose targets' units outliers hardly move either."""

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return robust_units(y, weight)


@dataclass(frozen=True)
class AbsoluteError(Robust):
    """``sum_o |raw_o - y_o|``."""

    name: ClassVar[str] = "absolute_error"
    summary: ClassVar[str] = "their median"
    kernel: ClassVar[str] = "absolute_error"
    scorer_name: ClassVar[str] = "neg_mean_absolute_error"

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return quantiles(y, weight, (0.5,))[0]


@dataclass(frozen=True)
class Huber(Robust):
    """``sum_o d^2 / 2`` for ``|d| <= delta``, else ``delta (|d| - delta / 2)``, d = raw - y.

    Huber (1964), Robust estimation of a location parameter, Ann. Math. Statist. 35, 73-101.
    """

    delta: float = 1.35
    name: ClassVar[str] = "huber"
    summary: ClassVar[str] = "a mean that outliers hardly move"
    kernel: ClassVar[str] = "huber"
    scorer_name: ClassVar[str] = "neg_mean_absolute_error"

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """The loss that turns from squared to absolute at ``huber_delta``."""
        return cls(float(parameters["huber_delta"]))

    def parameter(self, members: int, smoothing: np.ndarray | None = None) -> np.ndarray:
        return np.full((members, 1), self.delta)

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Twenty reweighted means, each about the last one, from the median on."""
        location = quantiles(y, weight, (0.5,))[0]
        for _ in range(20):
            pull = weight[:, None] * (self.delta / np.maximum(np.abs(y - location), self.delta))
            location = (pull * y).sum(axis=0) / pull.sum(axis=0)
        return location


@dataclass(frozen=True)
class Quantile(Robust):
    """``sum max(q (y - raw), (q - 1) (y - raw))`` over the outputs and the levels q.

    Raw output ``o * n_levels + l`` is level l of output o. Koenker and Bassett (1978),
    Regression quantiles, Econometrica 46, 33-50.
    """

    levels: tuple[float, ...] = (0.5,)
    listed: bool = False
    name: ClassVar[str] = "quantile"
    summary: ClassVar[str] = "their quantiles"
    kernel: ClassVar[str] = "pinball"

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """The loss of a level or list of levels, each in (0, 1)."""
        quantile = parameters["quantile"]
        levels = np.atleast_1d(np.asarray(quantile, dtype=np.float64))
        if levels.ndim != 1 or levels.size == 0 or not np.all((levels > 0) & (levels < 1)):
            raise ValueError(
                f"quantile={quantile!r} must be a level in (0, 1), or a list of such levels."
            )
        if np.any(np.diff(levels) <= 0):
            raise ValueError(f"quantile={quantile!r} must be increasing, without repetitions.")
        return cls(tuple(levels.tolist()), listed=np.ndim(quantile) == 1)

    def outputs(self, targets: int) -> int:
        return targets * len(self.levels)

    @property
    def adds_axis(self) -> bool:
        return self.listed

    def parameter(self, members: int, smoothing: np.ndarray | None = None) -> np.ndarray:
        return np.tile(np.array(self.levels), (members, 1))

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return quantiles(y, weight, self.levels).T.reshape(-1)

    @property
    def scorer(self) -> Any:
        """Of one level; several are scored by the loss."""
        return make_scorer(mean_pinball_loss, greater_is_better=False, alpha=self.levels[0])
