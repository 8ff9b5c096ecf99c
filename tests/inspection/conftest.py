"""Fitted models to look at, and pictures that are drawn nowhere and left nowhere."""

from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest
from sklearn.datasets import make_friedman1

from sknorm import MLPClassifier, MLPRegressor, regularization_path

matplotlib.use("Agg")
import matplotlib.pyplot as plt

QUICK: dict[str, Any] = {"preset": "sklearn", "learning_rate": "cosine", "random_state": 0}


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """A display opens a figure only where no axes are passed."""
    assert plt.get_fignums() == []
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def table() -> tuple[np.ndarray, np.ndarray]:
    """120 rows of 6 columns, and numbers."""
    return make_friedman1(120, n_features=6, random_state=0)


@pytest.fixture(scope="session")
def watched(table: tuple[np.ndarray, np.ndarray]) -> MLPClassifier:
    """A network of two layers of L1-sparse weights, with held-out rows."""
    X, y = table
    model = MLPClassifier(
        (8, 4), l1_ratio=1.0, alpha=0.02, early_stopping=True, max_iter=6, **QUICK
    )
    return model.fit(X, y > np.median(y))


@pytest.fixture(scope="session")
def members(table: tuple[np.ndarray, np.ndarray]) -> MLPRegressor:
    """Members that differ, of which some were chosen."""
    space = {"alpha": [1e-4, 1e-2], "dropout": [0.0, 0.1, 0.2]}
    model = MLPRegressor(
        hidden_layer_sizes=(8,), n_members=6, member_space=space, early_stopping=True, max_iter=5,
        **QUICK,
    )  # fmt: skip
    return model.fit(*table)


@pytest.fixture(scope="session")
def path(table: tuple[np.ndarray, np.ndarray]) -> Any:
    """A path of three alphas."""
    model = MLPRegressor(
        hidden_layer_sizes=(8,), penalty="group_lasso", early_stopping=True, max_iter=8, **QUICK
    )
    return regularization_path(model, *table, alphas=[1.0, 0.1, 0.001])
