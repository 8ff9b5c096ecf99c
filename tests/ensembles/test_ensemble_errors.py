"""What ensembles refuse: weights and members that do not fit together."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from ensemble_case import LEVELS, T, X, ensemble_of, fitted, model, seeds
from sklearn import neural_network
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.ensembles.weighted import EnsembleClassifier, EnsembleRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WRONG_WEIGHTS = {
    "short": ([1.0], r"one number for each of the 2 estimators.*\(1,\)"),
    "two dimensions": ([[1.0, 2.0]], r"its shape is \(1, 2\)"),
    "negative": ([1.0, -1.0], "weights must be finite and not negative"),
    "zero": ([0.0, 0.0], "at least one that is positive"),
    "NaN": ([1.0, np.nan], "weights must be finite and not negative"),
    "infinite": ([np.inf, 1.0], "weights must be finite and not negative"),
}


@pytest.mark.parametrize(("weights", "message"), WRONG_WEIGHTS.values(), ids=WRONG_WEIGHTS)
def test_weights_that_are_none_are_refused(weights: Any, message: str) -> None:
    models = fitted(seeds("number", 2), "number")
    with pytest.raises(ValueError, match=message):
        EnsembleRegressor.from_fitted(models, weights)
    with pytest.raises(ValueError, match=message):
        EnsembleRegressor(models, weights).fit(X, T["number"])


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (
            EnsembleRegressor,
            MLPClassifier(preset="sklearn"),
            "takes sknorm's MLPRegressors.*is MLPClassifier",
        ),
        (
            EnsembleClassifier,
            MLPRegressor(preset="sklearn"),
            "takes sknorm's MLPClassifiers.*is MLPRegressor",
        ),
        (
            EnsembleClassifier,
            neural_network.MLPClassifier(),
            r"estimators\[1\] is scikit-learn's MLPClassifier",
        ),
        (EnsembleClassifier, MLPClassifier, "is the class MLPClassifier"),
        (
            EnsembleClassifier,
            make_pipeline(StandardScaler(), LogisticRegression()),
            "is a Pipeline that ends in scikit-learn's LogisticRegression",
        ),
    ],
)
def test_members_of_another_kind_are_refused(kind: Any, wrong: Any, message: str) -> None:
    right = model("binary" if kind is EnsembleClassifier else "number")
    for weights in (None, [1.0, 0.0]):
        with pytest.raises(TypeError, match=message):
            kind.from_fitted([right.fit(X, T["binary"]), wrong], weights)
        with pytest.raises(TypeError, match=message):
            kind([right, wrong], weights).fit(X, T["binary"])


@pytest.mark.parametrize("kind", [EnsembleClassifier, EnsembleRegressor])
def test_ensembles_of_nothing_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="estimators is empty"):
        kind([]).fit(X, T["binary"])
    with pytest.raises(ValueError, match="estimators is empty"):
        kind.from_fitted([])
    with pytest.raises(ValueError, match="'estimators' parameter of"):
        kind(3).fit(X, T["binary"])
    with pytest.raises(NotFittedError):
        kind.from_fitted([model("binary" if kind is EnsembleClassifier else "number")])
    with pytest.raises(NotFittedError):
        kind([model("binary")]).predict(X)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (("binary", X), ("multiclass", X), r"classes_ differ: \[0, 1\] and \[3, 4, 5\]"),
        (("binary", X), ("words", X), "classes_ differ"),
        (("binary", X), ("binary", X[:, :3]), "n_features_in_ differ: 4 and 3"),
        (("number", X), ("numbers", X), "n_outputs_ differ: 1 and 2"),
        (("quantiles", X), ("number", X), r"quantile differ: \[0.1, 0.5, 0.9\] and \[\]"),
        (
            ("number", pd.DataFrame(X, columns=list("abcd"))),
            ("number", pd.DataFrame(X, columns=list("abce"))),
            "feature_names_in_ differ",
        ),
    ],
    ids=str,
)
def test_members_of_several_tasks_are_refused(one: tuple, other: tuple, message: str) -> None:
    models = [fitted([model(task)], task, table)[0] for task, table in (one, other)]
    with pytest.raises(ValueError, match=f"models of one task, but their {message}"):
        ensemble_of(one[0], models)
    assert len(ensemble_of(one[0], models, [1.0, 0.0]).estimators_) == 1


def test_labels_and_indicators_are_two_tasks() -> None:
    codes = T["multilabel"].sum(axis=1) % 3
    models = [model("multilabel").fit(X, T["multilabel"]), model("multilabel").fit(X, codes)]
    with pytest.raises(ValueError, match="kind of labels differ: True and False"):
        EnsembleClassifier.from_fitted(models)


def test_quantiles_of_other_levels_are_another_task() -> None:
    levels = [LEVELS, [0.2, 0.5, 0.8]]
    models = fitted([model("quantiles", quantile=each) for each in levels], "number")
    with pytest.raises(ValueError, match="their quantile differ"):
        EnsembleRegressor.from_fitted(models)
