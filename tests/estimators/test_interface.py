"""Names: parameters, defaults, methods and fitted attributes of scikit-learn's MLPs exist here."""

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import neural_network
from sklearn.utils._param_validation import Interval, Options

import sknorm
from sknorm.estimators import recipe

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_name = pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])


def pair(name: str, **settings: Any) -> tuple[Any, Any]:
    """Ours and scikit-learn's estimator."""
    ours = getattr(sknorm, name)(preset="sklearn", **settings)
    return ours, getattr(neural_network, name)(**settings)


@each_name
def test_parameters_have_the_defaults_of_scikit_learn(name: str) -> None:
    """Those that are "auto" have them under the preset, the others as they are."""
    mine, other = pair(name)
    theirs, facts = other.get_params(), recipe.Facts(240, 6, is_sparse=False, task="binary")
    resolved = recipe.resolve(mine, facts)
    assert set(resolved) == set(recipe.AUTO)
    ours = mine.get_params() | resolved
    assert set(theirs) <= set(ours)
    assert {key for key in theirs if ours[key] != theirs[key]} == {"early_stopping"}


def values_of(constraint: Any) -> list:
    """Options by name, and the ends of a range that belong to it."""
    if isinstance(constraint, Options):
        return list(constraint.options)
    if not isinstance(constraint, Interval):
        return []
    left = [constraint.left] if constraint.closed in ("left", "both") else []
    right = [constraint.right] if constraint.closed in ("right", "both") else []
    return [end for end in left + right if end is not None]


@each_name
def test_values_that_scikit_learn_takes_are_taken(name: str) -> None:
    mine, other = (type(estimator) for estimator in pair(name))
    taken, refused = [], []
    for parameter, constraints in other._parameter_constraints.items():
        for value in [v for constraint in constraints for v in values_of(constraint)]:
            try:
                mine(**{parameter: value})._validate_params()
                taken.append((parameter, value))
            except ValueError:
                refused.append((parameter, value))
    assert refused == [] and len(taken) > 20


@each_name
def test_methods_take_the_arguments_of_scikit_learn_in_order(name: str) -> None:
    mine, other = (type(estimator) for estimator in pair(name))
    assert {key for key in dir(other) if not key.startswith("_")} <= set(dir(mine))
    for method in ("__init__", "fit", "partial_fit", "predict", "score"):
        ours, theirs = (
            [(p.name, p.kind) for p in inspect.signature(getattr(c, method)).parameters.values()]
            for c in (mine, other)
        )
        assert [p for p in ours if p in theirs] == theirs
        positional = [p for p in theirs if p[1] is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        assert ours[: len(positional)] == positional


@each_name
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_fitted_attributes_are_those_of_scikit_learn(
    binary: Table, name: str, solver: str, early_stopping: bool
) -> None:
    X, y = pd.DataFrame(binary[0], columns=list("abcdef")), binary[1]
    settings = {"hidden_layer_sizes": (7, 5), "max_iter": 5, "random_state": 0}
    mine, other = pair(name, **settings, solver=solver, early_stopping=early_stopping)
    mine.fit(X, y)
    for attribute, theirs in vars(other.fit(X, y)).items():
        if not attribute.endswith("_"):
            continue
        ours = getattr(mine, attribute)
        if attribute in ("coefs_", "intercepts_"):
            assert [w.shape for w in ours] == [w.shape for w in theirs]
        elif isinstance(theirs, int | str) and solver != "lbfgs":  # whose rows it does not count
            assert ours == theirs, attribute
        elif solver != "lbfgs":  # under which scikit-learn does not stop early
            assert isinstance(ours, float if isinstance(theirs, float) else type(theirs))
