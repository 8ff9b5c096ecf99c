"""The estimators."""

from sknorm.estimators.classifier import MLPClassifier
from sknorm.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
