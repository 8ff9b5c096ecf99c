"""What a model is made of: the network in it, and whether code of its own must run."""

import inspect
import re
from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from sknorm._sklearn import BaseSearchCV

# Libraries whose networks are stacked, and whose Pipelines do no more than call their steps.
_LIBRARIES = ("sknorm", "sklearn", "imblearn")
# What each class has of its own without doing anything else.
_HARMLESS = re.compile(
    r"__(init|doc|module|dict|weakref|annot\w+|abstractmethods|firstlineno|static_attributes"
    r"|parameters|orig_bases)__|_abc_impl|_parameter_constraints|set_\w+_request"
)


def network_of(model: Any) -> Any:
    """The estimator itself, or the one that Pipelines and transformers of targets end in."""
    while True:
        if isinstance(model, Pipeline):
            model = model.steps[-1][1]
        elif isinstance(model, TransformedTargetRegressor):
            model = getattr(model, "regressor_", model.regressor)
        else:
            return model


def named(network: Any) -> str:
    """What something is that is no network of this library; scikit-learn's have the same names."""
    if isinstance(network, type):
        return f"the class {network.__name__}"
    own = type(network)
    whose = "scikit-learn's " if own.__module__.startswith("sklearn.") else ""
    return whose + own.__name__


def best_of(estimator: Any) -> Any:
    """The estimator that a search has refitted; any other as it is.

    Raises
    ------
    NotFittedError
        If the search has refitted none.
    """
    if hasattr(estimator, "best_estimator_"):
        return estimator.best_estimator_
    if isinstance(estimator, BaseSearchCV) or hasattr(estimator, "cv_results_"):
        raise NotFittedError(
            f"This {type(estimator).__name__} has no best_estimator_: call fit, with refit=True."
        )
    return estimator


def library_class(estimator: Any) -> type:
    """The most derived of an estimator's classes that one of the known libraries defines."""
    classes = type(estimator).__mro__
    return next(each for each in classes if each.__module__.partition(".")[0] in _LIBRARIES)


def has_own_code(estimator: Any) -> bool:
    """Whether a subclass, or the object itself, replaces a method of the library's class.

    Other defaults, other constraints of parameters and additional methods replace nothing.
    """
    own, base = type(estimator), library_class(estimator)
    if not vars(estimator).keys().isdisjoint(dir(base)):
        return True
    return own is not base and any(
        inspect.getattr_static(own, name, None) is not inspect.getattr_static(base, name, None)
        for name in _replaceable(estimator, base)
        if not _HARMLESS.fullmatch(name)
    )


def all_parameters(network: Any) -> dict[str, Any]:
    """Parameters of a network, those included that its subclass's constructor does not take."""
    names = inspect.signature(library_class(network)).parameters
    return {name: getattr(network, name) for name in names} | network.get_params(deep=False)


def _replaceable(estimator: Any, base: type) -> set[str]:
    """Names of what a class has, and of parameters, which a property may stand in for."""
    return {*dir(base), *inspect.signature(base).parameters}
