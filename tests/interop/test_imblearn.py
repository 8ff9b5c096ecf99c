"""imbalanced-learn: samplers before the network, in pipelines, searches and ensembles."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier

imblearn = pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(300, 6, weights=[0.9], class_sep=2.0, flip_y=0.02, random_state=0)
SAMPLERS = ["over_sampling.SMOTE", "over_sampling.RandomOverSampler",
            "under_sampling.RandomUnderSampler", "combine.SMOTEENN"]  # fmt: skip


def network(**changed: Any) -> MLPClassifier:
    settings = {"hidden_layer_sizes": (8,), "max_iter": 40, "random_state": 0}
    return MLPClassifier(**settings | changed, preset="sklearn")


def made(path: str, **options: Any) -> Any:
    """An object of a class of imbalanced-learn, by its module and name."""
    module, _, name = path.rpartition(".")
    return getattr(pytest.importorskip(f"imblearn.{module}"), name)(**options)


def piped(sampler: Any) -> Any:
    from imblearn.pipeline import make_pipeline

    return make_pipeline(StandardScaler(), sampler, network())


@pytest.mark.parametrize("path", SAMPLERS)
def test_pipelines_train_on_what_the_sampler_gives(path: str) -> None:
    model = piped(made(path, random_state=0)).fit(X, Y)
    scaled = StandardScaler().fit_transform(X)
    expected = network().fit(*made(path, random_state=0).fit_resample(scaled, Y))
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(scaled))


@pytest.mark.parametrize("path", SAMPLERS[::2])
def test_searches(path: str) -> None:
    grid = {"mlpclassifier__alpha": [1e-4, 1.0]}
    search = GridSearchCV(
        piped(made(path, random_state=0)), grid, cv=3, scoring="roc_auc", error_score="raise"
    )
    assert 0.5 < search.fit(X, Y).best_score_ <= 1.0


def test_balanced_bagging() -> None:
    bags = made(
        "ensemble.BalancedBaggingClassifier", estimator=network(), n_estimators=5, random_state=0
    )
    assert bags.fit(X, Y).predict_proba(X).shape == (300, 2)
    plain = balanced_accuracy_score(Y, network().fit(X, Y).predict(X))
    assert balanced_accuracy_score(Y, bags.predict(X)) > plain
