"""Multi-layer perceptrons for tables, with batch normalization, dropout and elastic nets."""

from sknorm import exceptions, functional, inspection, metrics, model_selection, penalties
from sknorm._show_versions import show_versions
from sknorm._version import __version__
from sknorm._warmup import warmup
from sknorm.estimators import MLPClassifier, MLPRegressor
from sknorm.model_selection import regularization_path

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "__version__",
    "exceptions",
    "functional",
    "inspection",
    "metrics",
    "model_selection",
    "penalties",
    "regularization_path",
    "show_versions",
    "warmup",
]
