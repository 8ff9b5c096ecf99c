"""Choosing the strength of the regularization."""

from sknorm.ensembles import EnsembleClassifier, EnsembleRegressor
from sknorm.model_selection.path import RegularizationPath, regularization_path
from sknorm.model_selection.search import StackedGridSearchCV, StackedRandomizedSearchCV
from sknorm.model_selection.space import default_space

__all__ = [
    "EnsembleClassifier",
    "EnsembleRegressor",
    "RegularizationPath",
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "default_space",
    "regularization_path",
]
