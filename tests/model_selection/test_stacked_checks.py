"""Stacked searches as scikit-learn's meta-estimators: its own checks, tags, and routed metadata."""

from typing import Any

import numpy as np
import pytest
from fitting_checks import parametrize_with_different_checks, parametrize_with_fitting_checks
from search_case import PAIRS, Case, T, assert_same_search, classifier, regressor
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import StackedGridSearchCV, StackedRandomizedSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL: dict[str, Any] = {
    "preset": "sklearn", "hidden_layer_sizes": (16,), "max_iter": 15, "learning_rate_init": 0.1,
    "random_state": 0,
}  # fmt: skip
MODELS = [MLPClassifier, MLPRegressor]
COMMON: dict[str, Any] = {"cv": 2, "error_score": "raise"}


def scaled(model: Any) -> Pipeline:
    return Pipeline([("s", StandardScaler()), ("mlp", model)])


GRID, PIPED = {"alpha": [1e-4, 1e-2]}, {"mlp__alpha": [1e-4, 1e-2]}
SEARCHES = [StackedGridSearchCV(make(**SMALL), GRID, **COMMON) for make in MODELS]
OTHERS = {
    "pipeline of a classifier": StackedGridSearchCV(scaled(MODELS[0](**SMALL)), PIPED, **COMMON),
    "pipeline of a regressor": StackedGridSearchCV(scaled(MODELS[1](**SMALL)), PIPED, **COMMON),
    "randomized": StackedRandomizedSearchCV(MODELS[1](**SMALL), GRID, n_iter=1, **COMMON),
}
FAILING = "check_classifiers_one_label_sample_weights"


def expected_failures(search: Any) -> dict[str, str]:
    if isinstance(search.estimator, MLPClassifier):
        return {FAILING: "a fold of one class fails before its weights are looked at"}
    return {}


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of labels that are NaN
@parametrize_with_different_checks(SEARCHES, expected_failed_checks=expected_failures)
def test_searches_pass_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@parametrize_with_fitting_checks(OTHERS, seldom=("pipeline of a regressor", "randomized"))
def test_other_searches_pass_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_what_fails_for_scikit_learns_search_too() -> None:
    search = GridSearchCV(MLPClassifier(**SMALL), {"alpha": [1e-4, 1e-2]}, **COMMON)
    with pytest.raises(AssertionError, match="sample_weight"):
        getattr(estimator_checks, FAILING)("GridSearchCV", search)


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("kind", PAIRS)
def test_tags_and_routing_are_those_of_scikit_learns_search(make: Any, kind: str) -> None:
    ours, theirs = (pair(scaled(make()), {"mlp__alpha": [1.0]}) for pair in PAIRS[kind])
    assert get_tags(ours) == get_tags(theirs)
    mine, words = (str(search.get_metadata_routing()) for search in (ours, theirs))
    assert mine.replace("Stacked", "") == words


METHODS = ["predict", "predict_proba", "predict_log_proba", "score"]
NEVER = ["transform", "inverse_transform", "decision_function", "score_samples", "partial_fit"]


@pytest.mark.parametrize("make", [classifier, regressor])
def test_methods_are_those_of_the_estimator(make: Any) -> None:
    search = StackedGridSearchCV(make(), {"alpha": [1e-4, 1.0]}, cv=2)
    target = T["number" if make is regressor else "multiclass"]
    has = {name: name != "predict_proba" and "log" not in name for name in METHODS}
    for name in METHODS:
        assert hasattr(search, name) == (has[name] or make is classifier)
        if hasattr(search, name):
            with pytest.raises(NotFittedError):
                getattr(search, name)(T["X"], *([target] if name == "score" else []))
    search.fit(T["X"], target)
    for name in METHODS:
        if hasattr(search, name):
            given = (T["X"], target) if name == "score" else (T["X"],)
            expected = getattr(search.best_estimator_, name)(*given)
            np.testing.assert_array_equal(getattr(search, name)(*given), expected)
    for name in NEVER:
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(search, name)


W = {"sample_weight": T["weight"]}
OTHER = {"sample_weight": T["weight"], "w": T["weight"][::-1]}
HELD = {"X_val": T["X"][:30] * 1.1, "y_val": T["multiclass"][:30]}
STOPS: dict[str, Any] = {
    "early_stopping": True, "n_iter_no_change": 2, "tol": 0.05, "max_iter": 12,
    "validation_fraction": 0.3,
}  # fmt: skip


def loss(**requests: Any) -> dict[str, Any]:
    """A scorer with requests."""
    with config_context(enable_metadata_routing=True):
        return {"scoring": get_scorer("neg_log_loss").set_score_request(**requests)}


def network(stops: bool = False, norm: Any = "batch", **requests: Any) -> Any:
    with config_context(enable_metadata_routing=True):
        model = classifier(normalization=norm, **(STOPS if stops else {}))
        return model.set_fit_request(**requests)


def scaler(request: Any) -> StandardScaler:
    with config_context(enable_metadata_routing=True):
        return StandardScaler().set_fit_request(sample_weight=request)


def folds(**requests: Any) -> GroupKFold:
    with config_context(enable_metadata_routing=True):
        return GroupKFold(3).set_split_request(**requests)


def pipeline(step: Any, model: Any, **settings: Any) -> Pipeline:
    return Pipeline([("s", step), ("mlp", model)], **settings)


A: dict[str, Any] = {"alpha": [1e-4, 1.0]}
PA: dict[str, Any] = {"mlp__alpha": [1e-4, 1.0]}
SCORED = loss(sample_weight=True)
GROUPS = {"groups": T["groups"]}
ROUTED = [
    Case("fit and score", network(sample_weight=True), A,
         search={**SCORED, "return_train_score": True}, fit=W),
    Case("fit", network(sample_weight=True), A, search=loss(sample_weight=False), fit=W),
    Case("score", network(sample_weight=False), A, search=SCORED, fit=W),
    Case("several scores", network(sample_weight=True), A, search={
        "scoring": {"a": SCORED["scoring"], **{"b": loss(sample_weight=False)["scoring"]}},
        "refit": "b"}, fit=W),
    Case("another name", network(sample_weight="w"), A, search=SCORED, fit=OTHER),
    Case("network", pipeline(scaler(False), network(sample_weight=True, norm=None)), PA,
         search=SCORED, fit=W),
    Case("step", pipeline(scaler(True), network(sample_weight=False, norm=None)), PA,
         search=SCORED, fit=W),
    Case("both", pipeline(scaler(True), network(sample_weight="w", norm=None)), PA,
         search=SCORED, fit=OTHER),
    Case("nothing before", pipeline(None, network(sample_weight="w")), PA, search=SCORED,
         fit=OTHER),
    Case("steps that differ in requests", pipeline(None, network(sample_weight=False, norm=None)),
         {"s": [scaler(True), scaler(False)]}, search=SCORED, fit=W),
    Case("networks that differ in requests", pipeline(scaler(True), network()),
         {"mlp": [network(sample_weight=True), network(sample_weight=False)]}, search=SCORED,
         fit=W),
    Case("groups of the folds", network(True, groups=False), A,
         search={**SCORED, "cv": GroupKFold(3)}, fit=GROUPS),
    Case("groups by another name", network(), A, search={"cv": folds(groups="g")},
         fit={"g": T["groups"]}),
    Case("groups of held-out rows", network(True, groups=True), A,
         search={**SCORED, "cv": KFold(3)}, fit=GROUPS),
    Case("groups of both", network(True, groups=True), A,
         search={**SCORED, "cv": GroupKFold(3)}, fit=GROUPS),
    Case("held-out rows", network(True, X_val=True, y_val=True), A, search=SCORED, fit=HELD),
    Case("held-out rows as they are", pipeline(
        StandardScaler(), network(True, None, X_val=True, y_val=True)), PA, search=SCORED,
        fit=HELD),
    Case("held-out rows transformed", pipeline(
        StandardScaler(), network(True, None, X_val=True, y_val=True)),
        {"transform_input": [["X_val"], None], **PA}, search=SCORED, fit=HELD),
]  # fmt: skip


@pytest.mark.parametrize("case", ROUTED, ids=lambda case: case.name)
def test_metadata_go_where_scikit_learn_routes_them(case: Case) -> None:
    with config_context(enable_metadata_routing=True):
        assert_same_search(case.stacked(), case.plain(), case.data[0])


@pytest.mark.parametrize(
    ("case", "match"),
    [
        (Case("", classifier(), A, search=SCORED, fit=W), "not explicitly set as requested"),
        (Case("", network(sample_weight=True), A, search={"scoring": "accuracy"}, fit=W),
         "not explicitly set as requested"),
        (Case("", network(sample_weight=False), A, search=loss(sample_weight=False), fit=W),
         "not routed to any object"),
    ],
)  # fmt: skip
def test_metadata_that_nobody_asked_for_are_refused(case: Case, match: str) -> None:
    with config_context(enable_metadata_routing=True):
        for fit in (case.stacked, case.plain):
            with pytest.raises((ValueError, TypeError), match=match):
                fit()


def test_metadata_of_score() -> None:
    search = StackedGridSearchCV(network(sample_weight=True), A, cv=2, **SCORED)
    given = (T["X"], T["multiclass"])
    with config_context(enable_metadata_routing=True):
        search.fit(*given, **W)
        expected = SCORED["scoring"](search.best_estimator_, *given, **W)
        assert search.score(*given, **W) == expected != search.score(*given)
    with pytest.raises(ValueError, match="is only supported if"):
        search.score(*given, **W)


def test_a_search_is_an_estimator_of_another_cross_validation() -> None:
    """Nested cross-validation, with groups for both."""
    scores = []
    with config_context(enable_metadata_routing=True):
        for pair in PAIRS["grid"]:
            model = network(groups=False).set_params(batch_size=8)
            search = pair(model, A, cv=GroupKFold(2), **SCORED)
            found = cross_val_score(
                search, T["X"], T["multiclass"], cv=GroupKFold(2), params=GROUPS
            )
            scores.append(found)
    np.testing.assert_allclose(*scores)
