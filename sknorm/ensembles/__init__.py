"""Weighted averages of models, and how they are selected and predicted."""

from sknorm.ensembles.forward_selection import forward_selection
from sknorm.ensembles.weighted import EnsembleClassifier, EnsembleRegressor

__all__ = ["EnsembleClassifier", "EnsembleRegressor", "forward_selection"]
