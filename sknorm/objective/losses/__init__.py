"""Losses: which kernel computes them, their link, initial bias, target units and scorer."""

from typing import Literal, TypeAlias

from sknorm.objective.losses.base import Loss
from sknorm.objective.losses.deviances import HELD_SHARE, Gamma, Poisson
from sknorm.objective.losses.log_losses import (
    BinaryLogLoss,
    MulticlassLogLoss,
    SoftMulticlassLogLoss,
)
from sknorm.objective.losses.robust import AbsoluteError, Huber, Quantile
from sknorm.objective.losses.squared_error import SquaredError

__all__ = [
    "CLASSIFICATION",
    "HELD_SHARE",
    "LOSSES",
    "AbsoluteError",
    "BinaryLogLoss",
    "Gamma",
    "Huber",
    "Loss",
    "LossName",
    "MulticlassLogLoss",
    "Poisson",
    "Quantile",
    "SoftMulticlassLogLoss",
    "SquaredError",
]

LossName: TypeAlias = Literal[
    "squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma"
]
LOSSES: dict[str, type[Loss]] = {
    loss.name: loss for loss in (SquaredError, AbsoluteError, Huber, Quantile, Poisson, Gamma)
}
CLASSIFICATION: tuple[type[Loss], ...] = (BinaryLogLoss, MulticlassLogLoss, SoftMulticlassLogLoss)
