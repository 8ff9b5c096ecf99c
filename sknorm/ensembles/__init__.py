"""Weighted averages of models, and how they are selected and predicted."""

from sknorm.ensembles.weighted import EnsembleClassifier, EnsembleRegressor
from sknorm.training.forward_selection import forward_selection

__all__ = ["EnsembleClassifier", "EnsembleRegressor", "forward_selection"]
