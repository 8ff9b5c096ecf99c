"""scikit-learn's own checks, over the defaults and over what changes the computation."""

from typing import Any

import pytest
from fitting_checks import parametrize_with_fitting_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknorm import MLPClassifier, MLPRegressor

SMALL: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 60, "learning_rate_init": 0.01}
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {**SMALL, "solver": "sgd", "learning_rate_init": 0.05},
    "adamw": {**SMALL, "solver": "adamw"},
    "ghost": {**SMALL, "normalization": "ghost"},
    "layer": {**SMALL, "normalization": "layer"},
    "no norm": {**SMALL, "normalization": None},
    "members": {**SMALL, "n_members": 3},
    "l1": {**SMALL, "l1_ratio": 1.0, "alpha": 1e-3},
    "lbfgs": {**SMALL, "solver": "lbfgs"},
    "lbfgs without norm": {**SMALL, "solver": "lbfgs", "normalization": None},
    "residual and group lasso": {
        "hidden_layer_sizes": (16, 16), "residual": True, "penalty": "group_lasso",
        "learning_rate_init": 0.01,
    },
}  # fmt: skip
CONFIGURED = {
    f"{estimator.__name__} {name}": estimator(preset="sklearn", **settings)
    for name, settings in SETTINGS.items()
    for estimator in (MLPClassifier, MLPRegressor)
}

OFTEN = ("ghost", "no norm", "members", "lbfgs")  # the others have parts of these
SELDOM = tuple(name for name in CONFIGURED if not name.endswith(OFTEN))

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_default_passes_check(estimator: Any, check: Any) -> None:
    check(estimator)


@parametrize_with_fitting_checks(CONFIGURED, SELDOM)
def test_configuration_passes_check(estimator: Any, check: Any) -> None:
    check(estimator)
