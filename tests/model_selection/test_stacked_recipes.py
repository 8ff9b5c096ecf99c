"""Stacked searches over parameters that are ``"auto"``."""

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import StackedGridSearchCV

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def tables(multiclass: Table, regression: Table) -> dict[str, Table]:
    return {"multiclass": multiclass, "regression": regression}


def outputs(model: Any, X: Any) -> np.ndarray:
    return model.predict_proba(X) if isinstance(model, MLPClassifier) else model.predict(X)


GRIDS: list[dict[str, Any]] = [
    {"alpha": [1e-5, 0.1], "dropout": ["auto", 0.3]},
    {"n_bins": ["auto", None, 3], "alpha": [1e-5, 0.1]},
    {"input_dropout": [0.0, 0.2]},
    {"preset": ["fast", "accurate", "sklearn"]},
    {"learning_rate_init": ["auto", 0.01], "solver": ["adam", "sgd"]},
]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize(
    "task", ["multiclass", pytest.param("regression", marks=pytest.mark.thorough)]
)
def test_stacked_searches_score_as_others(
    tables: dict[str, Table], task: str, grid: dict[str, Any]
) -> None:
    """Also where a column has other bins, and so a network other inputs, in each fold."""
    X, y = tables[task]
    X = X.copy()
    X[:, 2] = np.floor(X[:, 2])
    X[:3, 2] = [20.0, 21.0, 22.0]
    kind = MLPRegressor if task == "regression" else MLPClassifier
    model = kind(preset="fast", hidden_layer_sizes=(6,), max_iter=3, random_state=0)
    stacked = StackedGridSearchCV(model, grid, cv=3).fit(X, y)
    single = GridSearchCV(model, grid, cv=3).fit(X, y)
    for k in range(3):
        name = f"split{k}_test_score"
        np.testing.assert_array_equal(stacked.cv_results_[name], single.cv_results_[name])
    ours, theirs = stacked.best_estimator_, single.best_estimator_
    assert ours.resolved_params_ == theirs.resolved_params_
    np.testing.assert_array_equal(outputs(ours, X), outputs(theirs, X))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_searches_with_all_features(binary: Table, n_jobs: int) -> None:
    """Races and ensembles, over networks whose numbers are embedded."""
    X, y = binary
    model = MLPClassifier(preset="fast", hidden_layer_sizes=(6,), max_iter=6, random_state=0)
    grid = {"alpha": [1e-5, 0.1], "dropout": ["auto", 0.3]}
    search = StackedGridSearchCV(model, grid, cv=3, racing=True, n_jobs=n_jobs, refit="ensemble")
    search.fit(X, y)
    assert np.isfinite(search.predict_proba(X)).all() and search.score(X, y) > 0.5
