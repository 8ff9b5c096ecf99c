"""skrub: pipelines for data frames of mixed columns, from strings to predictions."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import StackedGridSearchCV

skrub = pytest.importorskip("skrub", reason="skrub is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = 200
RNG = np.random.default_rng(0)
COLUMNS: dict[str, Any] = {
    "city": RNG.choice(["Paris", "London", "Rome"], ROWS),
    "age": RNG.integers(18, 80, ROWS),
    "since": pd.date_range("2024-01-01", periods=ROWS),
    "job": [f"job {k % 60}" for k in range(ROWS)],
    "income": np.where(RNG.random(ROWS) < 0.1, np.nan, RNG.normal(size=ROWS)),
}
FRAMES = {"pandas": pd.DataFrame(COLUMNS), "polars": pl.DataFrame(COLUMNS)}
PARISIANS = np.where((COLUMNS["city"] == "Paris") & (COLUMNS["age"] > 40), "yes", "no")
SETTINGS: dict[str, Any] = {"max_iter": 30, "learning_rate_init": 0.01, "random_state": 0}


@pytest.mark.parametrize("library", FRAMES)
def test_tabular_pipeline(library: str) -> None:
    frame = FRAMES[library]
    classifier = skrub.tabular_pipeline(MLPClassifier(**SETTINGS, preset="sklearn")).fit(
        frame, PARISIANS
    )
    assert classifier.score(frame, PARISIANS) > 0.95
    assert set(classifier.predict(frame)) == {"yes", "no"}
    age = COLUMNS["age"].astype(np.float64)
    regressor = skrub.tabular_pipeline(MLPRegressor(**SETTINGS, preset="sklearn")).fit(frame, age)
    assert regressor.score(frame, age) > 0.9


@pytest.mark.parametrize("library", FRAMES)
def test_vectorizer_names_the_columns(library: str) -> None:
    frame = FRAMES[library].drop("income", **({"axis": 1} if library == "pandas" else {}))
    model = make_pipeline(skrub.TableVectorizer(), MLPClassifier(**SETTINGS, preset="sklearn")).fit(
        frame, PARISIANS
    )
    assert {"city_Paris", "age", "since_year"} <= set(model[-1].feature_names_in_)
    assert model.predict_proba(frame).shape == (ROWS, 2)


def test_searches() -> None:
    pipeline = skrub.tabular_pipeline(MLPClassifier(**SETTINGS | {"max_iter": 5}, preset="sklearn"))
    # Not the texts, which skrub encodes anew with each fit.
    frame, grid = FRAMES["pandas"].drop(columns="job"), {"mlpclassifier__alpha": [1e-4, 1.0]}
    search = StackedGridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(frame, PARISIANS)
    best = pipeline.set_params(**search.best_params_)
    scores = cross_val_score(best, frame, PARISIANS, cv=2, error_score="raise")
    assert search.best_score_ == pytest.approx(scores.mean())
