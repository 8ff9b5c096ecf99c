"""MAPIE: prediction intervals and sets that cover the truth as often as they promise."""

from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor

mapie = pytest.importorskip("mapie", reason="MAPIE is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(900, 3))
Y = X[:, 0] + RNG.normal(size=900) * (0.2 + np.abs(X[:, 1]))
LABELS = np.where(Y > 0.7, "high", np.where(Y < -0.7, "low", "middle"))
TRAIN, CALIBRATE, TEST = slice(0, 400), slice(400, 600), slice(600, 900)
LEVEL = 0.9
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 40, "random_state": 0}


def regressor(**changed: Any) -> MLPRegressor:
    return MLPRegressor(**SETTINGS, **changed, preset="sklearn")


def covered(intervals: np.ndarray) -> float:
    """How often the truth is within the bounds, which are in order."""
    low, high = intervals[:, 0, 0], intervals[:, 1, 0]
    assert np.all(low <= high)
    return float(np.mean((low <= Y[TEST]) & (Y[TEST] <= high)))


@pytest.mark.parametrize("fitted", [True, False])
def test_split_conformal_regressor(fitted: bool) -> None:
    from mapie.regression import SplitConformalRegressor

    model = regressor().fit(X[TRAIN], Y[TRAIN]) if fitted else regressor()
    conformal = SplitConformalRegressor(model, confidence_level=LEVEL, prefit=fitted)
    if not fitted:
        conformal.fit(X[TRAIN], Y[TRAIN])
    points, intervals = conformal.conformalize(X[CALIBRATE], Y[CALIBRATE]).predict_interval(X[TEST])
    expected = regressor().fit(X[TRAIN], Y[TRAIN]).predict(X[TEST])
    np.testing.assert_array_equal(points, expected)
    assert covered(intervals) == pytest.approx(LEVEL, abs=0.06)


def test_conformalized_quantiles() -> None:
    """Of fitted models: MAPIE clones quantile regressors of a few libraries only."""
    from mapie.regression import ConformalizedQuantileRegressor

    levels = (1 - LEVEL) / 2, (1 + LEVEL) / 2, 0.5
    models = [regressor(loss="quantile", quantile=q).fit(X[TRAIN], Y[TRAIN]) for q in levels]
    conformal = ConformalizedQuantileRegressor(models, confidence_level=LEVEL, prefit=True)
    points, intervals = conformal.conformalize(X[CALIBRATE], Y[CALIBRATE]).predict_interval(X[TEST])
    np.testing.assert_array_equal(points, models[2].predict(X[TEST]))
    assert covered(intervals) == pytest.approx(LEVEL, abs=0.06)
    widths, noise = intervals[:, 1, 0] - intervals[:, 0, 0], np.abs(X[TEST, 1])
    assert widths[noise > 1.0].mean() > 1.25 * widths[noise < 0.3].mean()


def test_cross_conformal_regressor() -> None:
    from mapie.regression import CrossConformalRegressor

    both = slice(TRAIN.start, CALIBRATE.stop)
    conformal = CrossConformalRegressor(regressor(), confidence_level=LEVEL, cv=3)
    _, intervals = conformal.fit_conformalize(X[both], Y[both]).predict_interval(X[TEST])
    assert covered(intervals) == pytest.approx(LEVEL, abs=0.06)


def test_sets_of_classes() -> None:
    from mapie.classification import SplitConformalClassifier

    model = MLPClassifier(**SETTINGS, preset="sklearn").fit(X[TRAIN], LABELS[TRAIN])
    conformal = SplitConformalClassifier(model, confidence_level=LEVEL, prefit=True)
    labels, sets = conformal.conformalize(X[CALIBRATE], LABELS[CALIBRATE]).predict_set(X[TEST])
    np.testing.assert_array_equal(labels, model.predict(X[TEST]))
    codes = np.searchsorted(model.classes_, LABELS[TEST])
    inside = sets[np.arange(len(codes)), codes, 0]
    assert np.mean(inside) == pytest.approx(LEVEL, abs=0.06)
