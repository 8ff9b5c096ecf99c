"""scikit-learn's own checks, over the defaults and over what changes the computation."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from sknorm import MLPClassifier, MLPRegressor

SMALL: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 60}
SETTINGS: list[dict[str, Any]] = [
    {},
    {**SMALL, "solver": "sgd", "learning_rate_init": 0.05},
    {**SMALL, "solver": "adamw", "learning_rate_init": 0.01},
    {**SMALL, "normalization": "ghost", "learning_rate_init": 0.01},
    {**SMALL, "normalization": "layer", "learning_rate_init": 0.01},
    {**SMALL, "normalization": None, "learning_rate_init": 0.01},
    {**SMALL, "n_members": 3, "learning_rate_init": 0.01},
    {**SMALL, "l1_ratio": 1.0, "alpha": 1e-3, "learning_rate_init": 0.01},
    {**SMALL, "solver": "lbfgs"},
    {**SMALL, "solver": "lbfgs", "normalization": None},
    {
        "hidden_layer_sizes": (16, 16),
        "residual": True,
        "penalty": "group_lasso",
        "learning_rate_init": 0.01,
    },
]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks(
    [estimator(**settings) for settings in SETTINGS for estimator in (MLPClassifier, MLPRegressor)]
)
def test_configuration_passes_check(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("estimator", [MLPClassifier(), MLPRegressor()], ids=repr)
def test_check_estimator_as_a_user_types_it(estimator: Any) -> None:
    check_estimator(estimator)
