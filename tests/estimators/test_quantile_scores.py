"""The score of several quantiles: of the estimator, by scorers, in early stopping and searches."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import d2_pinball_score as of_one
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPRegressor
from sknorm.metrics import d2_pinball_score, d2_pinball_scorer
from sknorm.model_selection import EnsembleRegressor, StackedGridSearchCV

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning"),
]
RNG = np.random.default_rng(0)
LEVELS = [0.1, 0.5, 0.9]
X = RNG.normal(size=(120, 3))
Y = np.column_stack([X[:, 0] + 0.3 * RNG.normal(size=120), X[:, 1]])
WEIGHT = RNG.uniform(0.1, 2.0, 120)
GRID = {"alpha": [0.0, 1.0]}
TARGETS = {"number": Y[:, 0], "column": Y[:, :1], "numbers": Y}
each_target = pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)


def small(quantile: Any = LEVELS, **settings: Any) -> MLPRegressor:
    sizes = {"hidden_layer_sizes": (8,), "max_iter": 30, "random_state": 0}
    sizes |= {"learning_rate_init": 0.02, "loss": "quantile", "quantile": quantile}
    return MLPRegressor(**{**sizes, **settings}, preset="sklearn")


def expected(model: Any, y: np.ndarray, weight: Any = None) -> float:
    """The mean of scikit-learn's scores of one target and one level."""
    y = y.reshape(len(y), -1)
    predicted = model.predict(X).reshape(len(y), y.shape[1], -1)
    return np.mean([
        of_one(y[:, o], predicted[:, o, place], alpha=level, sample_weight=weight)
        for o in range(y.shape[1])
        for place, level in enumerate(LEVELS)
    ])  # fmt: skip


@each_target
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_score_is_the_mean_over_levels_and_targets(y: np.ndarray, weight: Any) -> None:
    model = small().fit(X, y)
    assert 0.3 < model.score(X, y) < 1
    found = [model.score(X, y, weight), d2_pinball_scorer(model, X, y, sample_weight=weight)]
    found += [make_scorer(d2_pinball_score, alpha=LEVELS)(model, X, y, sample_weight=weight)]
    found += [model.score(X.tolist(), pd.DataFrame(y), sample_weight=weight)]
    np.testing.assert_allclose(found, expected(model, y, weight), rtol=1e-12)


@each_target
@pytest.mark.parametrize("quantile", [0.7, [0.7]], ids=str)
def test_one_level_keeps_r2(y: np.ndarray, quantile: Any) -> None:
    model = small(quantile).fit(X, y)
    predicted = model.predict(X).reshape(y.shape)
    assert model.score(X, y, WEIGHT) == r2_score(y, predicted, sample_weight=WEIGHT)
    assert d2_pinball_scorer(model, X, y) == pytest.approx(of_one(y, predicted, alpha=0.7))


@each_target
@pytest.mark.parametrize("scoring", [None, d2_pinball_scorer, {"d2": d2_pinball_scorer}], ids=repr)
def test_searches_compare_candidates(y: np.ndarray, scoring: Any) -> None:
    key = "mean_test_d2" if isinstance(scoring, dict) else "mean_test_score"
    settings = {"scoring": scoring, "cv": 2, "refit": "d2" if isinstance(scoring, dict) else True}
    theirs = GridSearchCV(small(), GRID, **settings).fit(X, y)
    ours = StackedGridSearchCV(small(), GRID, **settings).fit(X, y)
    scores = theirs.cv_results_[key]
    assert theirs.best_params_ == {"alpha": 0.0} and scores[0] > 0.3 > scores[1]
    np.testing.assert_allclose(ours.cv_results_[key], scores, rtol=1e-12)
    assert ours.score(X, y) == pytest.approx(expected(ours, y))
    assert d2_pinball_scorer(ours, X, y) == pytest.approx(expected(ours, y))


@each_target
@pytest.mark.parametrize("scoring", [None, d2_pinball_scorer], ids=repr)
def test_models_at_the_end_of_others(y: np.ndarray, scoring: Any) -> None:
    """Pipelines, ensembles and models of transformed targets."""
    model = make_pipeline(StandardScaler(), small())
    assert cross_val_score(model, X, y, cv=2, scoring=scoring).min() > 0.3
    ensemble = EnsembleRegressor([model, small(random_state=1)], [2, 1]).fit(X, y)
    found = ensemble.score(X, y, WEIGHT) if scoring is None else scoring(ensemble, X, y)
    weight = WEIGHT if scoring is None else None
    assert found == pytest.approx(expected(ensemble, y, weight))
    if y.ndim == 1 and scoring is not None:
        squeezed = TransformedTargetRegressor(small(), func=np.arcsinh, inverse_func=np.sinh)
        assert scoring(squeezed.fit(X, y), X, y) == pytest.approx(expected(squeezed, y))


@each_target
@pytest.mark.parametrize("scoring", [None, d2_pinball_scorer], ids=repr)
def test_searches_choose_ensembles(y: np.ndarray, scoring: Any) -> None:
    search = StackedGridSearchCV(small(), GRID, cv=2, refit="ensemble", scoring=scoring)
    search.fit(X, y)
    assert search.ensemble_score_ >= search.cv_results_["mean_test_score"].max() - 0.1
    assert search.best_estimator_.score(X, y) == pytest.approx(expected(search, y))


@each_target
@pytest.mark.parametrize("scoring", [None, d2_pinball_scorer], ids=repr)
def test_early_stopping_watches_it(y: np.ndarray, scoring: Any) -> None:
    rows = np.arange(80, 120)
    settings = {"early_stopping": True, "validation_fraction": rows, "scoring": scoring}
    model = small(**settings, n_iter_no_change=4).fit(X, y, sample_weight=WEIGHT)
    assert model.best_validation_score_ == max(model.validation_scores_)
    score = model.score(X[rows], y[rows], WEIGHT[rows])
    assert score == pytest.approx(model.best_validation_score_)


def test_models_without_levels_are_refused() -> None:
    words = r"d2_pinball_scorer scores MLPRegressor\(loss='quantile'\), but this GridSearchCV"
    other = GridSearchCV(small(loss="squared_error"), GRID, cv=2).fit(X, Y[:, 0])
    with pytest.raises(ValueError, match=words):
        d2_pinball_scorer(other, X, Y[:, 0])
    with pytest.raises(ValueError, match="this StandardScaler"):
        d2_pinball_scorer(StandardScaler().fit(X), X, Y[:, 0])
    with pytest.raises(NotFittedError):
        small().score(X, Y)
