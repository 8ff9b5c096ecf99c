"""Stacked searches over raw tables: levels and scaling are those of each fold."""

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from search_case import (
    ERROR,
    LOSS,
    STOPS,
    Case,
    T,
    assert_same_search,
    classifier,
    piped,
    regressor,
)
from sklearn.model_selection import KFold
from sklearn.preprocessing import FunctionTransformer

from sknorm.model_selection import StackedGridSearchCV

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Column 'once' of X has missing values"),
]

ALPHA: dict[str, Any] = {"alpha": [1e-4, 0.1], "dropout": [0.0, 0.3]}


def frame(rows: int, seed: int = 0) -> pd.DataFrame:
    """Text of few and many levels, some in few folds only, a boolean, and numbers with gaps."""
    rng = np.random.default_rng(seed)
    gaps = rng.normal(size=rows)
    gaps[rng.uniform(size=rows) < 0.2] = np.nan
    once = np.full(rows, np.nan)
    once[1:] = rng.normal(size=rows - 1)
    return pd.DataFrame(
        {
            "few": rng.choice(["a", "b", "c"], rows),
            "x": rng.normal(size=rows),
            "gaps": gaps,
            "once": once,  # which all folds but one see the gap of
            "many": [f"l{i}" for i in rng.integers(0, 20, rows)],
            "flag": rng.uniform(size=rows) < 0.5,
        }
    )


FRAME = frame(len(T["X"])).assign(signal=T["X"][:, 0])


CASES = {
    "folds that see the same levels": (classifier(), ALPHA, "binary", LOSS, ["few", "x", "flag"]),
    "folds that see different ones": (classifier(), ALPHA, "multiclass", LOSS, list(FRAME)),
    "numbers": (regressor(), ALPHA, "number", ERROR, list(FRAME)),
    "robust": (regressor(scaling="robust"), ALPHA, "number", ERROR, list(FRAME)),
    "scalings": (
        regressor(), {"scaling": ["robust", "standard"], "min_frequency": [1, 5]}, "number", ERROR,
        list(FRAME),
    ),
    "which columns": (
        regressor(), {"categorical_features": ["from_dtype", ["few", "many", "flag", "x"]]},
        "number", ERROR, list(FRAME),
    ),
    "early stopping": (classifier(**STOPS), {"alpha": [1e-4, 1.0]}, "binary", LOSS, list(FRAME)),
    "members": (classifier(n_members=2), {"alpha": [1e-4, 1.0]}, "binary", LOSS, list(FRAME)),
    "mixup": (classifier(mixup_alpha=0.4), ALPHA, "binary", LOSS, list(FRAME)),
    "dropped inputs": (classifier(input_dropout=0.2), ALPHA, "binary", LOSS, list(FRAME)),
    "behind a step": (
        piped(classifier(), FunctionTransformer()), {"mlp__alpha": [1e-4, 1.0]}, "binary", LOSS,
        list(FRAME),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_scores_are_scikit_learns(name: str) -> None:
    model, grid, target, how, names = CASES[name]
    case = Case(name, model, grid, target, {**how, "cv": KFold(3)}, X=FRAME[names])
    assert_same_search(case.stacked(), case.plain(), case.data[0])


def test_masks_whose_text_is_the_same() -> None:
    """Texts of long ones leave out what is in the middle."""
    masks = [pd.Series(np.arange(70) == place) for place in (30, 35)]
    assert str(masks[0]) == str(masks[1])
    table = np.random.default_rng(0).integers(0, 4, (90, 70)).astype(float)
    settings = {"categorical_features": masks, "max_iter": [20]}
    case = Case("", classifier(), settings, "binary", {**LOSS, "cv": KFold(3)}, X=table)
    found = case.stacked()
    assert_same_search(found, case.plain(), table)
    assert np.ptp(found.cv_results_["mean_test_score"]) > 0


def test_folds_share_one_table() -> None:
    """A fold more takes what it takes over an array: targets, weights, and an order of its rows."""
    table, y = frame(20_000), np.random.default_rng(0).normal(size=20_000)
    model = regressor(hidden_layer_sizes=(4,), max_iter=1, batch_size=2000)

    def peak(X: Any, folds: int) -> int:
        cv = KFold(folds)
        search = StackedGridSearchCV(model, {"alpha": [0.1]}, cv=cv, refit=False, n_jobs=1)
        search.fit(X, y)  # loads and compiles
        tracemalloc.start()
        search.fit(X, y)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    def each(X: Any) -> float:
        return (peak(X, 6) - peak(X, 2)) / 4

    own = table[["x", "gaps", "once"]].to_numpy().nbytes + 4 * 6 * len(table)  # and the codes
    assert each(table) - each(table[["x"]].to_numpy()) < 0.5 * own


def test_a_level_of_the_test_rows_alone_is_unknown() -> None:
    """In the fold, not in the final model, which has seen it."""
    table = frame(60)
    table.loc[:19, "few"] = "only in the first fold"
    y = (table["x"] > 0).to_numpy()
    search = StackedGridSearchCV(classifier(), {"alpha": [1e-4]}, cv=KFold(3)).fit(table, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    known = search.best_estimator_._fitted.columns.categories[0].levels.tolist()
    assert "only in the first fold" in known


def test_malformed_rows_of_one_fold_fail_that_fold() -> None:
    table = frame(60)
    table.loc[5, "x"] = np.inf
    y = np.arange(60) % 2
    rows, test = np.arange(40), np.arange(40, 60)
    splits = [(rows, test), (rows[rows != 5], test)]
    search = StackedGridSearchCV(classifier(), {"alpha": [1e-4]}, cv=splits, refit=False)
    with (
        pytest.warns(Warning, match="One or more of the test scores are non-finite"),
        pytest.warns(Warning, match=r"infinity: column 1 \('x'\), first at row 5"),
    ):
        search.fit(table, y)
    scores = [search.cv_results_[f"split{k}_test_score"][0] for k in range(2)]
    assert np.isnan(scores).tolist() == [True, False]
