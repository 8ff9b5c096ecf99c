"""Multi-layer perceptrons for tables, with batch normalization, dropout and elastic nets."""

from sknorm import (
    exceptions,
    export,
    functional,
    inspection,
    metrics,
    model_selection,
    penalties,
)
from sknorm._show_versions import show_versions
from sknorm._version import __version__
from sknorm._warmup import warmup
from sknorm.estimators import MLPClassifier, MLPRegressor
from sknorm.export import load, save, to_onnx
from sknorm.model_selection import regularization_path

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "__version__",
    "exceptions",
    "export",
    "functional",
    "inspection",
    "load",
    "metrics",
    "model_selection",
    "penalties",
    "regularization_path",
    "save",
    "show_versions",
    "to_onnx",
    "warmup",
]
