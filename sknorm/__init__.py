"""Multi-layer perceptrons for tables, with batch normalization, dropout and elastic nets."""

from sknorm._show_versions import show_versions
from sknorm._version import __version__
from sknorm.estimators import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "__version__", "show_versions"]
