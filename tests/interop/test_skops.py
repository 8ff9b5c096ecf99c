"""skops: models in files that run no code as they are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import EnsembleClassifier, EnsembleRegressor

skops = pytest.importorskip("skops.io", reason="skops is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4))
LABELS = np.where(X[:, 0] > 0, "yes", "no")


def regressor(**settings: Any) -> MLPRegressor:
    return MLPRegressor(**{**SETTINGS, "preset": "sklearn", **settings})


def with_requests() -> MLPRegressor:
    with config_context(enable_metadata_routing=True):
        return regressor().set_fit_request(sample_weight=True).fit(X, X[:, 0])


MODELS = {
    "classifier": lambda: MLPClassifier(**SETTINGS, preset="sklearn").fit(X, LABELS),
    "regressor": lambda: MLPRegressor(**SETTINGS, n_members=2, preset="sklearn").fit(X, X[:, 0]),
    "without a norm": lambda: MLPRegressor(**SETTINGS, normalization=None, preset="sklearn").fit(
        X, X[:, 0]
    ),
    "lbfgs": lambda: MLPClassifier(**SETTINGS, solver="lbfgs", preset="sklearn").fit(X, LABELS),
    "members": lambda: regressor(n_members=3, member_space="default", early_stopping=True).fit(
        X, X[:, 0]
    ),
    "bins": lambda: regressor(n_bins=4, scaling="robust").fit(X, X[:, 0]),
    "ensemble": lambda: EnsembleClassifier(
        [MLPClassifier(**SETTINGS, preset="sklearn", alpha=alpha) for alpha in (0.1, 1.0)]
    ).fit(X, LABELS),
    "ensemble of pipelines": lambda: EnsembleRegressor.from_fitted(
        [make_pipeline(StandardScaler(), regressor()).fit(X, X[:, 0])], weights=[2]
    ),
    "requests": with_requests,
    "chunk": lambda: MLPClassifier(**SETTINGS, preset="sklearn").partial_fit(
        X, LABELS, classes=["no", "yes"]
    ),
    "pipeline": lambda: make_pipeline(
        StandardScaler(), MLPClassifier(**SETTINGS, preset="sklearn")
    ).fit(X, LABELS),
}
models = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


@models
def test_files_hold_the_model(make: Any, tmp_path: Path) -> None:
    model, file = make(), tmp_path / "model.skops"
    skops.dump(model, file)
    unknown = skops.get_untrusted_types(file=file)
    assert all(name.startswith("sknorm.") for name in unknown)
    again = skops.load(file, trusted=unknown)
    for method in ("predict", "predict_proba"):
        if hasattr(model, method):
            np.testing.assert_array_equal(getattr(again, method)(X), getattr(model, method)(X))
    assert repr(again) == repr(model)


def test_training_goes_on_from_a_file() -> None:
    model = MODELS["chunk"]()
    data = skops.dumps(model)
    again = skops.loads(data, trusted=skops.get_untrusted_types(data=data))
    for each in (model, again):
        each.partial_fit(X, LABELS)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@models
def test_estimators_alone_are_to_be_trusted(make: Any) -> None:
    unknown = skops.get_untrusted_types(data=skops.dumps(make()))
    own = {"MLPClassifier", "MLPRegressor", "EnsembleClassifier", "EnsembleRegressor"}
    assert {name.rpartition(".")[2] for name in unknown} <= own


def test_distributions_of_scipy_are_to_be_trusted_too() -> None:
    space = {"alpha": stats.loguniform(1e-6, 1e-3)}
    model = regressor(n_members=2, member_space=space).fit(X, X[:, 0])
    data = skops.dumps(model)
    unknown = skops.get_untrusted_types(data=data)
    assert {name.partition(".")[0] for name in unknown} == {"sknorm", "scipy"}
    again = skops.loads(data, trusted=unknown)
    np.testing.assert_array_equal(again.fit(X, X[:, 0]).predict(X), model.predict(X))
