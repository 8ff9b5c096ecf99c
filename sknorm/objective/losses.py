"""Losses: which kernel computes them, and how raw outputs become predictions."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


class Loss(Protocol):
    """A loss of the network's raw output.

    ``kernel`` names the kernel that computes value and gradient in one pass; ``inverse_link``
    maps raw outputs to predictions; ``output_activation`` is its scikit-learn name.
    """

    kernel: ClassVar[str]
    output_activation: ClassVar[str]

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        """Predictions for raw outputs of shape (..., n_outputs)."""


@dataclass(frozen=True)
class SquaredError:
    """``1/2 sum_o (raw_o - y_o)^2``."""

    kernel: ClassVar[str] = "squared_error"
    output_activation: ClassVar[str] = "identity"

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        return raw


@dataclass(frozen=True)
class BinaryLogLoss:
    """``sum_o log(1 + exp(raw_o)) - y_o raw_o`` for targets in [0, 1]."""

    kernel: ClassVar[str] = "binary_log_loss"
    output_activation: ClassVar[str] = "logistic"

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        tail = xp.exp(-xp.abs(raw))
        return xp.where(raw >= 0, 1.0, tail) / (1.0 + tail)


@dataclass(frozen=True)
class MulticlassLogLoss:
    """``log sum_o exp(raw_o) - raw_y`` for class indices y."""

    kernel: ClassVar[str] = "multiclass_log_loss"
    output_activation: ClassVar[str] = "softmax"

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        odds = xp.exp(raw - xp.max(raw, axis=-1, keepdims=True))
        return odds / xp.sum(odds, axis=-1, keepdims=True)
