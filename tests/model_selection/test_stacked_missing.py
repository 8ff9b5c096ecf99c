"""Missing values in a stacked search matter where scikit-learn's search would meet them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from search_case import (
    ROWS,
    Case,
    T,
    assert_same_search,
    classifier,
    outcome,
    regressor,
    with_target,
)
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = T["X"]
A: dict[str, Any] = {"alpha": [1e-4, 1.0]}
PA: dict[str, Any] = {"mlp__alpha": [1e-4, 1.0]}
LATER = [(np.arange(9, 50), np.arange(50, 70)), (np.arange(9, 70), np.arange(70, ROWS))]


def with_cells(value: Any, rows: Any, dtype: Any = float) -> np.ndarray:
    """The table with a value in some rows of one column."""
    table = X.astype(dtype)
    table[rows, 2] = value
    return table


MISSING = {
    "NaN before": (with_cells(np.nan, slice(9)), LATER),
    "infinity before": (with_cells(np.inf, slice(9)), LATER),
    "None before": (with_cells(None, slice(9), object), LATER),
    "text before": (with_cells("lag", slice(9), object), LATER),
    "text before, in a frame": (pd.DataFrame(with_cells("lag", slice(9), object)), LATER),
    "sparse": (sparse.csr_array(with_cells(np.nan, slice(9))), LATER),
    "in test rows": (with_cells(np.nan, 72), LATER),
    "in one fold": (with_cells(np.nan, 55), LATER),
    "in one of three": (with_cells(np.nan, 3), KFold(3)),
    "in all": (with_cells(np.nan, 20), [LATER[1], LATER[1]]),
    "column of one fold": (with_cells("x", slice(55, 60), object), LATER),
}


@pytest.mark.parametrize(("table", "cv"), MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("steps", [False, True], ids=["alone", "Pipeline"])
def test_a_missing_value_matters_to_the_folds_that_it_is_in(
    table: Any, cv: Any, steps: bool
) -> None:
    model, grid = (Pipeline([("s", None), ("mlp", classifier())]), PA) if steps else (
        classifier(), {**A, "hidden_layer_sizes": [(4,), (8,)]})  # fmt: skip
    search = {"cv": cv, "refit": False, "scoring": "neg_log_loss", "return_train_score": True}
    case = Case("", model, grid, search=search, X=table)
    (ours, told), (theirs, words) = outcome(case.stacked), outcome(case.plain)
    if isinstance(theirs, Exception):
        assert type(ours) is type(theirs) and "fits failed" in str(ours)
        return
    assert_same_search(ours, theirs, X)
    for text in ("Scoring failed", "fits failed"):
        assert sum(text in each for each in told) == sum(text in each for each in words)


def test_a_missing_target_matters_to_the_folds_that_it_is_in() -> None:
    target = T["number"].copy()
    target[:9] = np.nan
    search = {"cv": LATER, "refit": False, "error_score": "raise"}
    case = with_target(target, regressor(), A, search)
    assert_same_search(case.stacked(), case.plain(), X)


def test_an_infinite_value_is_found_in_the_refit() -> None:
    error, _ = outcome(Case("", classifier(), A, X=with_cells(np.inf, 3)).stacked)
    assert isinstance(error, ValueError) and "column 2, first at row 3" in str(error)
