"""Choosing the strength of the regularization."""

from sknorm.model_selection.path import RegularizationPath, regularization_path
from sknorm.model_selection.stacked_search import StackedGridSearchCV, StackedRandomizedSearchCV

__all__ = [
    "RegularizationPath",
    "StackedGridSearchCV",
    "StackedRandomizedSearchCV",
    "regularization_path",
]
