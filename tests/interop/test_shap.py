"""SHAP: explanations of predictions, whose parts add up to the prediction."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sknorm import MLPClassifier, MLPRegressor

with warnings.catch_warnings():
    # Matplotlib's, of what SHAP calls as it is imported.
    warnings.filterwarnings("ignore", "The set_bad function", PendingDeprecationWarning)
    shap = pytest.importorskip("shap", reason="SHAP is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}
Table = tuple[np.ndarray, np.ndarray]


def test_kernel_explainer_of_probabilities(multiclass: Table) -> None:
    X, y = multiclass
    model = MLPClassifier(**SETTINGS, preset="sklearn").fit(X, y)
    explainer = shap.KernelExplainer(model.predict_proba, X[:20])
    parts = np.asarray(explainer.shap_values(X[:3], nsamples=60, silent=True))
    assert parts.shape == (3, X.shape[1], 3)
    total = parts.sum(axis=1) + explainer.expected_value
    np.testing.assert_allclose(total, model.predict_proba(X[:3]), atol=1e-10)


def test_explainers_of_data_frames(regression: Table) -> None:
    """The background is a frame, so the model sees its columns by their names."""
    frame = pd.DataFrame(regression[0], columns=list("abcdef"))
    model = MLPRegressor(**SETTINGS, preset="sklearn").fit(frame, regression[1])
    explainer = shap.Explainer(model.predict, frame[:20], algorithm="permutation")
    parts = explainer(frame[:3], silent=True)
    assert list(parts.feature_names) == list(frame.columns)
    total = parts.values.sum(axis=1) + parts.base_values
    np.testing.assert_allclose(total, model.predict(frame[:3]), rtol=1e-8)


def test_features_without_weights_have_no_part(regression: Table) -> None:
    X = np.column_stack([regression[0], np.random.default_rng(0).normal(size=len(regression[0]))])
    model = MLPRegressor(
        **SETTINGS | {"max_iter": 40}, penalty="group_lasso", alpha=0.5, preset="sklearn"
    )
    model.fit(X, regression[1])
    without = model.feature_importances_ == 0
    assert without.any() and not without.all()
    parts = shap.Explainer(model.predict, X[:20])(X[:3], silent=True)
    np.testing.assert_allclose(parts.values[:, without], 0.0, atol=1e-9)
