"""Log losses of the classifier."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sknorm.objective.losses.base import Loss, logarithm


class LogLoss(Loss):
    """A loss whose parameter is the smoothing."""

    scorer_name: ClassVar[str] = "neg_log_loss"

    def parameter(self, members: int, smoothing: np.ndarray | None = None) -> np.ndarray:
        return np.zeros((members, 1)) if smoothing is None else smoothing[:, None]


@dataclass(frozen=True)
class BinaryLogLoss(LogLoss):
    """``sum_o log(1 + exp(raw_o)) - y_o raw_o`` for targets in [0, 1], smoothed.

    With smoothing s, targets are drawn to one half: ``(1 - s) y + s / 2``.
    """

    kernel: ClassVar[str] = "binary_log_loss"
    output_activation: ClassVar[str] = "logistic"

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        tail = xp.exp(-xp.abs(raw))
        return xp.where(raw >= 0, 1.0, tail) / (1.0 + tail)

    def link(self, prediction: np.ndarray) -> np.ndarray:
        return logarithm(prediction) - logarithm(1.0 - prediction)

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        share = np.average(y, axis=0, weights=weight)
        share = np.clip(share, 1e-3, 1.0 - 1e-3)
        return np.log(share / (1.0 - share))


@dataclass(frozen=True)
class MulticlassLogLoss(LogLoss):
    """``log sum_o exp(raw_o) - raw_y`` for class indices y, smoothed.

    With smoothing s, the target is ``(1 - s)`` on the class and ``s / n_classes`` on each
    (Szegedy et al., 2016, Rethinking the inception architecture for computer vision).
    """

    classes: int = 0
    kernel: ClassVar[str] = "multiclass_log_loss"
    output_activation: ClassVar[str] = "softmax"

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        odds = xp.exp(raw - xp.max(raw, axis=-1, keepdims=True))
        return odds / xp.sum(odds, axis=-1, keepdims=True)

    def link(self, prediction: np.ndarray) -> np.ndarray:
        return logarithm(prediction)

    def outputs(self, targets: int) -> int:
        return self.classes

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        share = np.bincount(y[:, 0], weights=weight, minlength=self.classes) / weight.sum()
        return np.log(np.maximum(share, 1e-3))


@dataclass(frozen=True)
class SoftMulticlassLogLoss(MulticlassLogLoss):
    """The same for targets that are distributions over the classes, (n, n_classes)."""

    kernel: ClassVar[str] = "soft_multiclass_log_loss"

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(np.average(y, axis=0, weights=weight), 1e-3))
