"""skops: models in files that run no code as they are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor

skops = pytest.importorskip("skops.io", reason="skops is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4))
LABELS = np.where(X[:, 0] > 0, "yes", "no")
MODELS = {
    "classifier": lambda: MLPClassifier(**SETTINGS, preset="sklearn").fit(X, LABELS),
    "regressor": lambda: MLPRegressor(**SETTINGS, n_members=2, preset="sklearn").fit(X, X[:, 0]),
    "without a norm": lambda: MLPRegressor(**SETTINGS, normalization=None, preset="sklearn").fit(
        X, X[:, 0]
    ),
    "lbfgs": lambda: MLPClassifier(**SETTINGS, solver="lbfgs", preset="sklearn").fit(X, LABELS),
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
    assert {name.rpartition(".")[2] for name in unknown} <= {"MLPClassifier", "MLPRegressor"}
