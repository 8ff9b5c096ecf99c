"""Distributions to search, around what the presets choose."""

from typing import Any

from scipy import stats
from sklearn.base import clone, is_classifier

from sknorm.ensembles.members import network_of
from sknorm.estimators import MLPClassifier, MLPRegressor, recipe
from sknorm.estimators.combinations import hidden_sizes
from sknorm.estimators.members import space_of
from sknorm.estimators.parameters import RANDOM

_NORMS = ("batch", "batch", "layer", None)  # batch norm is the most accurate alone
_ACTIVATIONS = ("mish", "mish", "relu")
_MOST_DROPOUT = {True: 0.5, False: 0.15}  # of classifiers, and of regressors


def default_space(estimator: Any) -> dict[str, Any]:
    """Distributions around a preset's values, for a randomized search.

    The networks differ in norm, activation, depth and embeddings as well as in rates, so that they
    err in different ways: `refit="ensemble"` gains more by that than by the best candidate.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline that ends in one
        Only parameters that are `"auto"`, or have their default, are given distributions, and
        not those that its solver does not use, or that its members draw from `member_space`.

    Returns
    -------
    dict of str to list or distribution of scipy.stats
        By the names of the estimator's parameters, as `param_distributions` of a search takes them.

    Raises
    ------
    TypeError
        If it does not end in a network.
    ValueError
        If a parameter of the network has a value that it cannot have.

    See Also
    --------
    StackedRandomizedSearchCV : What searches them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknorm import MLPClassifier
    >>> from sknorm.model_selection import StackedRandomizedSearchCV, default_space
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(preset="fast", max_iter=10, random_state=0)
    >>> search = StackedRandomizedSearchCV(
    ...     network, default_space(network), n_iter=4, cv=3, refit="ensemble", random_state=0)
    >>> search.fit(X, y).best_estimator_.predict(X).shape
    (150,)
    """
    estimator = clone(estimator, safe=False)  # what is fitted may hold a copy of the network
    network = network_of(estimator)
    if not isinstance(network, (MLPClassifier, MLPRegressor)):
        raise TypeError(
            "default_space takes an MLPClassifier, an MLPRegressor or a Pipeline that ends in one, "
            f"got {estimator!r}."
        )
    network._validate_params()
    defaults, usual = type(network)(), recipe.resolved(network)
    rate, layers = usual.learning_rate_init, hidden_sizes(usual.hidden_layer_sizes)
    space: dict[str, Any] = {
        "activation": list(_ACTIVATIONS),
        "alpha": stats.loguniform(1e-6, 1e-2),
        "dropout": stats.uniform(0.0, _MOST_DROPOUT[is_classifier(network)]),
        "hidden_layer_sizes": ["auto", layers[:-1] or layers, (*layers, *layers[-1:])],
        "learning_rate_init": stats.loguniform(rate / 2.0, 2.0 * rate),
        "n_bins": ["auto", "auto", None],
        "normalization": list(_NORMS),
    }
    if 1 in layers:
        space["normalization"].remove("layer")  # which makes a layer of one unit the same for all
    others = {*RANDOM, "learning_rate_init"} if usual.solver == "lbfgs" else set()
    for name in {*others, *space_of(usual)} & space.keys():
        del space[name]
    names = {id(part): f"{name}__" for name, part in estimator.get_params(deep=True).items()}
    path = "" if network is estimator else names[id(network)]
    return {
        path + name: values
        for name, values in space.items()
        if _equals(getattr(network, name), getattr(defaults, name))
    }


def _equals(value: Any, default: Any) -> bool:
    """Whether a parameter has its default; arrays are none."""
    return isinstance(value, type(default)) and value == default
