"""Ensembles: averages of their members' answers, whoever the members are."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ensemble_case import (
    LABELS,
    TASKS,
    WEIGHTS,
    T,
    X,
    answers,
    assert_average,
    ensemble_of,
    fitted,
    kind_of,
    model,
    seeds,
    steps,
)
from fitting_checks import parametrize_with_different_checks, parametrize_with_fitting_checks
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags

from sknorm import MLPClassifier, MLPRegressor
from sknorm.ensembles.stacked_forward import stacks
from sknorm.ensembles.weighted import EnsembleClassifier, EnsembleRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_task = pytest.mark.parametrize("task", TASKS)


@each_task
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_answers_are_averages_of_the_members(task: str, weights: Any) -> None:
    models = fitted(seeds(task), task)
    ensemble = ensemble_of(task, models, weights)
    assert_average(ensemble, models, X, weights)
    assert_average(ensemble, models, X[:1], weights)
    with pytest.raises(AssertionError):
        assert_average(ensemble, models, X, [1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize("task", LABELS)
def test_labels_are_the_most_probable(task: str) -> None:
    ensemble = ensemble_of(task, fitted(seeds(task), task), WEIGHTS)
    probability, labels = ensemble.predict_proba(X), ensemble.predict(X)
    assert labels.dtype == model(task).fit(X, T[task]).predict(X).dtype
    if task == "multilabel":
        np.testing.assert_array_equal(labels, (probability > 0.5).astype(int))
        assert labels.shape == T[task].shape
    else:
        np.testing.assert_allclose(probability.sum(axis=1), 1.0)
        np.testing.assert_array_equal(labels, ensemble.classes_[probability.argmax(axis=1)])
        assert len(set(labels)) > 1
    np.testing.assert_array_equal(ensemble.predict_log_proba(X), np.log(probability))
    right = (labels == T[task]).reshape(len(X), -1).all(axis=1)
    assert ensemble.score(X, T[task]) == pytest.approx(right.mean())


def test_sparse_indicators_are_answered_sparse() -> None:
    y = sparse.csr_array(T["multilabel"])
    models = [each.fit(X, y) for each in seeds("multilabel")]
    labels = EnsembleClassifier.from_fitted(models).predict(X)
    assert sparse.issparse(labels)
    dense = ensemble_of("multilabel", fitted(seeds("multilabel"), "multilabel"))
    np.testing.assert_array_equal(labels.toarray(), dense.predict(X))


def test_no_probability_has_a_logarithm() -> None:
    members = fitted(seeds("binary", 2, solver="lbfgs", normalization=None, alpha=0.0), "binary")
    log = EnsembleClassifier.from_fitted(members).predict_log_proba(1e4 * X)
    assert np.isneginf(log).any() and not np.isnan(log).any()


MIXED: dict[str, list[dict[str, Any]]] = {
    "layers": [{}, {"hidden_layer_sizes": (5, 4)}, {"activation": "tanh"}, {}],
    "no layers": [{"hidden_layer_sizes": ()}, {"hidden_layer_sizes": (), "random_state": 3}],
    "several networks": [{"n_members": 3}, {"random_state": 1}, {"n_members": 2}],
    "batch and ghost norm": [{}, {"normalization": "ghost", "ghost_batch_size": 5}],
    "layer norm": [
        {"normalization": "layer"},
        {"normalization": "layer", "random_state": 1},
        {"normalization": "layer", "norm_epsilon": 0.5},
    ],
    "no norm": [{"normalization": None}, {"normalization": None, "random_state": 1}, {}],
    "residual": [{"hidden_layer_sizes": (4, 4)}, {"hidden_layer_sizes": (4, 4), "residual": True}],
    "precisions": [{"dtype": "float32"}, {"dtype": "float64"}, {"dtype": "float32", "alpha": 1.0}],
    "epsilons": [{"norm_epsilon": 0.5}, {}, {"norm_affine": False}],
    "dropout": [{"dropout": 0.5}, {"input_dropout": 0.3}],
}


@pytest.mark.parametrize("task", ["multiclass", "numbers"])
@pytest.mark.parametrize("mixture", MIXED)
def test_members_may_differ(task: str, mixture: str) -> None:
    models = fitted([model(task, **changed) for changed in MIXED[mixture]], task)
    weights = np.arange(1.0, len(models) + 1)
    tolerance = 1e-5 if mixture == "precisions" else 1e-12
    assert_average(ensemble_of(task, models, weights), models, X, weights, rtol=tolerance)


def test_losses_may_differ() -> None:
    models = [
        model("number", loss=loss).fit(X, 1.0 + T["counts"])
        for loss in ("squared_error", "poisson", "gamma", "huber")
    ]
    assert stacks(models) == [[0, 1, 2, 3]]
    assert_average(EnsembleRegressor.from_fitted(models), models, X)


@each_task
def test_pipelines_are_members(task: str) -> None:
    models = fitted(
        [steps(task), model(task), steps(task, alpha=1.0), model(task, alpha=1.0)], task
    )
    models.append(models[0])
    nested = make_pipeline(FunctionTransformer(), steps(task, random_state=3))
    models += fitted([nested], task)
    weights = [1.0, 2.0, 1.0, 1.0, 3.0, 1.0]
    ensemble = ensemble_of(task, models, weights)
    assert_average(ensemble, models, X, weights)
    assert ensemble.n_features_in_ == 4
    if is_classifier(ensemble):
        np.testing.assert_array_equal(ensemble.classes_, models[0].classes_)


@pytest.mark.parametrize("task", ["binary", "quantiles of two"])
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, pd.DataFrame, np.float32])
def test_tables_of_other_kinds(task: str, kind: Any) -> None:
    table = kind(np.where(np.abs(X) < 1.0, 0.0, X))
    if isinstance(table, pd.DataFrame):
        table.columns = list("abcd")
    models = fitted(seeds(task), task, table)
    assert_average(ensemble_of(task, models), models, table, rtol=1e-5 if kind is np.float32 else 0)


@each_task
def test_fit_trains_clones(task: str) -> None:
    y = T[TASKS[task][0]]
    models = [*seeds(task, 2), steps(task)]
    ensemble = kind_of(task)(models, [1.0, 0.0, 2.0])
    assert ensemble.fit(X, y) is ensemble
    same = ensemble_of(task, fitted([clone(each) for each in models], task), [1.0, 0.0, 2.0])
    np.testing.assert_array_equal(answers(ensemble, X), answers(same, X))
    for each in models:
        with pytest.raises(NotFittedError):
            each.predict(X)
    assert len(ensemble.estimators_) == 2 and ensemble.estimators_[0] is not models[0]
    np.testing.assert_allclose(ensemble.weights_, [1 / 3, 2 / 3])


def test_an_ensemble_of_fitted_models_fits_anew() -> None:
    models = fitted(seeds("number", 2), "number")
    before = models[0].predict(X)
    new = clone(EnsembleRegressor.from_fitted(models, [1.0, 2.0]))
    with pytest.raises(NotFittedError):
        new.predict(X)
    new.fit(X, -T["number"])
    np.testing.assert_array_equal(models[0].predict(X), before)
    half = [clone(each).fit(X, -T["number"]) for each in models]
    assert_average(new, half, X, [1.0, 2.0])


@pytest.mark.parametrize("routing", [False, True])
def test_row_weights_reach_every_member(routing: bool) -> None:
    y, weight = T["number"], T["weight"]
    with config_context(enable_metadata_routing=routing):
        pipeline = steps("number")
        if routing:
            pipeline[-1].set_fit_request(sample_weight=True)
            pipeline[0].set_fit_request(sample_weight=False)
        nested = make_pipeline(FunctionTransformer(), clone(pipeline))
        ensemble = EnsembleRegressor([model("number"), pipeline, nested])
        ensemble.fit(X, y, sample_weight=weight)
    scaler = StandardScaler().fit(X)
    inside = model("number").fit(scaler.transform(X), y, weight).predict(scaler.transform(X))
    expected = (model("number").fit(X, y, weight).predict(X) + 2.0 * inside) / 3.0
    np.testing.assert_allclose(ensemble.predict(X), expected)
    plain = clone(ensemble).fit(X, y)
    assert np.any(np.abs(plain.predict(X) - expected) > 1e-3)


def test_other_parameters_of_fit_reach_every_member() -> None:
    held = {"X_val": X[40:], "y_val": T["number"][40:]}
    ensemble = EnsembleRegressor(seeds("number", 2)).fit(X[:40], T["number"][:40], **held)
    for seed, member in enumerate(ensemble.estimators_):
        alone = model("number", random_state=seed).fit(X[:40], T["number"][:40], **held)
        assert member.validation_scores_ == alone.validation_scores_ != []


def test_members_of_weight_zero_do_nothing() -> None:
    models = [*fitted(seeds("number", 2), "number"), model("number", hidden_layer_sizes=(-1,))]
    weights = [1.0, 1.0, 0.0]
    ensemble = EnsembleRegressor.from_fitted(models, weights)
    assert ensemble.estimators_ == models[:2]
    assert_average(ensemble, models[:2], X)
    again = clone(ensemble).fit(X, T["number"])
    assert len(again.estimators_) == 2 and len(again.estimators) == 3


@pytest.mark.parametrize("weights", [[1, 3], (0.25, 0.75), np.array([0.5e308, 1.5e308])])
def test_only_ratios_of_weights_matter(weights: Any) -> None:
    models = fitted(seeds("number", 2), "number")
    ensemble = EnsembleRegressor.from_fitted(models, weights)
    np.testing.assert_allclose(ensemble.weights_, [0.25, 0.75])
    assert_average(ensemble, models, X, [0.25, 0.75])


def test_attributes_are_those_of_the_members() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    for task in ("words", "multilabel", "numbers"):
        models = fitted([model(task), steps(task)], task, frame)
        ensemble = ensemble_of(task, models)
        assert ensemble.estimators_ == models and ensemble.weights_.tolist() == [0.5, 0.5]
        assert ensemble.n_outputs_ == models[0].n_outputs_ and ensemble.n_features_in_ == 4
        assert ensemble.feature_names_in_.tolist() == list("abcd")
        assert hasattr(ensemble, "classes_") == (task != "numbers")
        with pytest.raises(ValueError, match="feature names should match"):
            ensemble.predict(frame[list("bacd")])
    bare = ensemble_of("number", fitted(seeds("number", 2), "number"))
    assert not hasattr(bare, "feature_names_in_")
    for name in ("weights_", "n_features_in_", "n_outputs_"):
        assert not hasattr(EnsembleRegressor(seeds("number", 2)), name)


def test_parameters_pickles_and_representations() -> None:
    models = fitted(seeds("multiclass", 2), "multiclass")
    ensemble = EnsembleClassifier.from_fitted(models, [1.0, 2.0])
    assert ensemble.get_params() == {"estimators": models, "weights": [1.0, 2.0]}
    again = pickle.loads(pickle.dumps(ensemble))
    np.testing.assert_array_equal(again.predict_proba(X), ensemble.predict_proba(X))
    assert "MLPClassifier" in repr(ensemble) and "weights=[1.0, 2.0]" in repr(ensemble)
    assert "EnsembleClassifier" in ensemble._repr_html_()
    ensemble.set_params(weights=[1.0, 0.0])
    assert ensemble.weights_.tolist() == [1 / 3, 2 / 3]  # until it is fitted again
    assert ensemble.fit(X, T["multiclass"]).weights_.tolist() == [1.0]


def test_weights_can_be_searched() -> None:
    search = GridSearchCV(
        EnsembleRegressor(seeds("number", 2)), {"weights": [[1, 0], [1, 1]]}, cv=2
    ).fit(X, T["number"])
    alone = GridSearchCV(model("number"), {"alpha": [1e-4]}, cv=2).fit(X, T["number"])
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == pytest.approx(alone.best_score_) and scores[1] != scores[0]


def test_tags_are_those_of_the_members() -> None:
    classifier, regressor = EnsembleClassifier(seeds("binary")), EnsembleRegressor([])
    assert is_classifier(classifier) and is_regressor(regressor)
    assert get_tags(classifier).classifier_tags.multi_label
    assert get_tags(regressor).target_tags.multi_output
    assert get_tags(classifier).input_tags.sparse and get_tags(classifier).array_api_support
    mixed = get_tags(EnsembleClassifier([model("binary"), steps("binary")]))
    assert not mixed.array_api_support
    unlike = make_pipeline(FunctionTransformer(validate=True), model("binary"))
    assert not get_tags(EnsembleClassifier([unlike])).input_tags.sparse


def members(kind: Any) -> list[Any]:
    settings = {"hidden_layer_sizes": (16,), "max_iter": 20, "learning_rate_init": 0.03}
    return [kind(preset="sklearn", **settings, random_state=seed) for seed in range(2)]


@parametrize_with_different_checks(
    [EnsembleClassifier(members(MLPClassifier), [2, 1]), EnsembleRegressor(members(MLPRegressor))]
)
def test_ensemble_passes_check(estimator: Any, check: Any) -> None:
    check(estimator)


PIPELINES = [make_pipeline(StandardScaler(), member) for member in members(MLPRegressor)]


@parametrize_with_fitting_checks({"pipelines": EnsembleRegressor(PIPELINES)})
def test_ensemble_of_pipelines_passes_check(estimator: Any, check: Any) -> None:
    check(estimator)
