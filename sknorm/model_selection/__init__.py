"""Choosing the strength of the regularization."""

from sknorm.ensembles import EnsembleClassifier, EnsembleRegressor
from sknorm.model_selection.path import RegularizationPath, regularization_path
from sknorm.model_selection.search import StackedGridSearchCV, StackedRandomizedSearchCV

__all__ = [
    "EnsembleClassifier",
    "EnsembleRegressor",
    "RegularizationPath",
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "regularization_path",
]
