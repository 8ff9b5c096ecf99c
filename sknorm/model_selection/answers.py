"""Models whose table is their own answers, for scorers of averaged predictions."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin

from sknorm.estimators import MLPRegressor


class _Classifier(ClassifierMixin, BaseEstimator):
    """Answers that are probabilities, (n_samples, n_classes).

    Parameters
    ----------
    classes : ndarray or None
    """

    def __init__(self, classes: np.ndarray | None = None) -> None:
        self.classes = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> np.ndarray | None:
        """The classes."""
        return self.classes

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The answers."""
        return X

    def predict_log_proba(self, X: np.ndarray) -> np.ndarray:
        """Their logarithms."""
        with np.errstate(divide="ignore"):
            return np.log(X)

    def predict(self, X: np.ndarray) -> Any:
        """The likeliest class."""
        assert self.classes is not None
        return self.classes[np.argmax(X, axis=1)]


class _LabelClassifier(_Classifier):
    """Answers that are probabilities of labels that do not exclude each other."""

    def predict(self, X: np.ndarray) -> Any:
        """Indicators of the labels."""
        return (X > 0.5).astype(np.int64)


class _SparseLabelClassifier(_LabelClassifier):
    """Likewise, of sparse labels."""

    def predict(self, X: np.ndarray) -> Any:
        """Indicators of the labels, sparse."""
        return sparse.csr_matrix(super().predict(X))


class _Regressor(MLPRegressor):
    """Answers that are predictions, in the shape in which a regressor makes them."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any, return_std: Any = False, n_samples: Any = None) -> Any:
        """The answers."""
        return X


def answering_regressor(model: Any) -> Any:
    """One that scores answers as the fitted regressor scores its own."""
    new = _Regressor.__new__(_Regressor)
    new.__dict__.update(vars(model))
    return new


def answering_classifier(y: Any) -> Any:
    """One of the classes that targets hold, or of their labels."""
    if sparse.issparse(y):
        return _SparseLabelClassifier(np.arange(y.shape[1]))
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        return _LabelClassifier(np.arange(y.shape[1]))
    return _Classifier(np.unique(y))
