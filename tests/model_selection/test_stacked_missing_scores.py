"""Stacked searches whose fits have no score to stop by, or whose scorers fail."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sknorm import MLPClassifier
from sknorm.model_selection import StackedGridSearchCV

Table = tuple[np.ndarray, np.ndarray]

GRID = {"alpha": [0.0, 0.1, 1.0]}


def small(**settings: Any) -> MLPClassifier:
    sizes = {"hidden_layer_sizes": (6,), "max_iter": 12, "random_state": 0}
    sizes |= {"learning_rate_init": 0.02, "early_stopping": True, "tol": 1e-3}
    return MLPClassifier(
        **{**sizes, "validation_fraction": np.arange(20), **settings}, preset="sklearn"
    )


def ordered(table: Table) -> Table:
    """Rows of one class first, so that a fold's first rows hold one class only."""
    order = np.argsort(table[1], kind="stable")
    return table[0][order], table[1][order]


def search(kind: type, model: Any, table: Table, **settings: Any) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = kind(model, GRID, **{"cv": 3, **settings}).fit(*table)
    return fitted, [str(w.message) for w in caught if w.category is not ConvergenceWarning]


@pytest.mark.parametrize(
    "settings", [{}, {"n_jobs": 2}, {"racing": True}, {"racing": True, "cv": 2}], ids=str
)
@pytest.mark.parametrize("scoring", ["roc_auc", "nan"])
def test_fits_without_scores_go_by_their_loss(
    binary: Table, settings: dict[str, Any], scoring: str
) -> None:
    """As each alone does; the search says so once, beside the refit."""
    table = ordered(binary)
    model = small(scoring=scoring if scoring == "roc_auc" else lambda *_: np.nan)
    ours, messages = search(StackedGridSearchCV, model, table, **settings)
    told = [m for m in messages if "was never a finite number" in m]
    assert len(told) == 2 and len(messages) <= 3
    assert told[0].startswith("In ") and " fits, scoring=" in told[0]
    assert "hold one class only, 0" in told[0] and "scoring=" in told[1]
    if "racing" not in settings:
        theirs, _ = search(GridSearchCV, model, table)
        for key in ("mean_test_score", "split0_test_score"):
            np.testing.assert_allclose(ours.cv_results_[key], theirs.cv_results_[key])
        assert ours.cv_results_["mean_test_score"].max() > 0.7


def test_a_chosen_ensemble_warns_of_its_members(binary: Table) -> None:
    table = ordered(binary)
    ours, messages = search(
        StackedGridSearchCV, small(scoring="roc_auc"), table, refit="ensemble", cv=2
    )
    assert ours.score(*table) > 0.7
    assert any(m.startswith("scoring='roc_auc' was never") for m in messages)


def test_a_failing_scorer_fails_its_own_fit_alone(binary: Table) -> None:
    """Others in the same stack are what they are without it."""
    X, y = binary
    marked = np.where(np.arange(240) == 0, 1e3, X[:, 0])  # a held-out row of folds 1 and 2

    def score(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        if X_held[0, 0] == 1e3:
            raise ValueError("such a row is unheard of")
        return float(np.mean(model.predict(X_held) == y_held))

    table = np.column_stack([marked, X[:, 1:]]), y
    ours, messages = search(StackedGridSearchCV, small(scoring=score), table, refit=False)
    theirs, _ = search(GridSearchCV, small(scoring=score), table, refit=False)
    for fold in range(3):
        key = f"split{fold}_test_score"
        assert np.isnan(ours.cv_results_[key]).all() == (fold > 0)
        np.testing.assert_allclose(ours.cv_results_[key], theirs.cv_results_[key])
    assert any("scoring=score failed on the held-out rows in epoch 1" in m for m in messages)


def test_what_all_fits_fail_of_is_raised(binary: Table) -> None:
    X, y = binary
    names = np.array(["no", "yes"])[y]
    model = small(scoring="f1")  # whose positive label is 1
    with pytest.raises(ValueError, match=r"scoring='f1' failed on the held-out rows in epoch 1"):
        StackedGridSearchCV(model, GRID, cv=2, error_score="raise").fit(X, names)
    with pytest.raises(ValueError, match="All the 6 fits failed"):
        StackedGridSearchCV(model, GRID, cv=2).fit(X, names)
