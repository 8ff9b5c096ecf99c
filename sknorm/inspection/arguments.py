"""What displays are given: the network in an estimator, and errors for what is none."""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from sknorm.ensembles.members import best_of, network_of
from sknorm.estimators import MLPClassifier, MLPRegressor


def fitted_network(estimator: Any, caller: str) -> Any:
    """The fitted MLP in an estimator, a Pipeline, or the best estimator of a search.

    Raises
    ------
    TypeError
        If there is none.
    NotFittedError
        If it is not fitted.
    """
    refuse_class(estimator, caller)
    found = network_of(best_of(estimator))
    if not isinstance(found, MLPClassifier | MLPRegressor):
        raise TypeError(
            f"{caller} takes an MLPClassifier or MLPRegressor of sknorm, a Pipeline that ends in "
            f"one, or a search for one, got {described(estimator, found)}."
        )
    check_is_fitted(found)
    return found


def refuse_class(value: Any, caller: str) -> None:
    """Say what to do with a class."""
    if isinstance(value, type):
        raise TypeError(
            f"{caller} takes a fitted object, got the class {value.__name__}. Fit an instance."
        )


def described(value: Any, inner: Any) -> str:
    """What was passed instead, in words."""
    kind = type(value).__name__
    return kind if inner is value else f"{kind} with {type(inner).__name__} in it"
