"""Warnings point at the user's own line, however deep the code that warns is."""

import joblib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import StackedGridSearchCV

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
NET = MLPClassifier((4,), max_iter=1, random_state=0, preset="sklearn")

CALLS = {
    "fit": lambda: NET.fit(X, Y),
    "pipeline": lambda: make_pipeline(StandardScaler(), NET).fit(X, Y),
    "search": lambda: StackedGridSearchCV(NET, {"alpha": [0.0, 1.0]}, cv=2).fit(X, Y),
    "partial_fit": lambda: (
        MLPRegressor(solver="sgd", learning_rate_init=1e-3, preset="sklearn")
        .partial_fit(X, Y)
        .set_params(learning_rate_init=1e200)
        .partial_fit(X, Y)
    ),
    "batch_size": lambda: MLPRegressor(batch_size=100, max_iter=1, preset="sklearn").fit(X, Y),
    "lbfgs": lambda: MLPRegressor(solver="lbfgs", max_iter=1, preset="sklearn").fit(X, Y),
    "another thread": lambda: joblib.Parallel(2, prefer="threads")(
        joblib.delayed(fit_here)(seed) for seed in range(2)
    ),
}


def fit_here(seed: int) -> MLPClassifier:
    return MLPClassifier((4,), max_iter=1, random_state=seed, preset="sklearn").fit(X, Y)


@pytest.mark.parametrize("call", CALLS)
def test_warnings_name_the_file_of_the_user(call: str) -> None:
    with pytest.warns(Warning) as caught:
        CALLS[call]()
    assert {warning.filename for warning in caught} == {__file__}
