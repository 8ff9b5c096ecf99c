"""What scikit-learn does not do with arrays of a device, and what to do instead.

docs/devices.md says so. A gap that is closed fails its test here: then its list gets shorter.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import array_api_strict as strict
import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor, StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.feature_selection import SelectFromModel, SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import get_scorer, make_scorer, matthews_corrcoef
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.utils import get_tags

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends import select, to_host
from sknorm.backends.portable import PortableBackend
from sknorm.metrics import roc_auc_scorer

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # The scaler divides 0 by 0 where it has seen no rows yet.
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning"),
    # Steps that know NumPy only compare its dtypes with those of others.
    pytest.mark.filterwarnings("ignore:You are comparing a array_api_strict dtype:UserWarning"),
]

DEVICE = strict.Device("device1")
ROWS = 36
X = np.random.default_rng(0).normal(1.0, 2.0, (ROWS, 4))
SIGNAL = X[:, 0] - X[:, 1] + 0.1 * np.random.default_rng(1).normal(size=ROWS)
LABELS = (SIGNAL + np.random.default_rng(2).normal(0.0, 2.0, ROWS) > 0).astype(np.int64)
THREE = np.digitize(SIGNAL, [-1.5, 1.5])
POSITIVE = np.exp(0.2 * SIGNAL)
WORDS = np.where(LABELS, "yes", "no")
FRAME = pd.DataFrame(X, columns=list("abcd"))

ON_HOST = "Can't convert array on the .*device1.* to a NumPy array"  # a copy nobody asked for
UNLIKE_NUMPY = "no attribute|no len|must be a dtype|does not support the dtype"
MIXED = "Multiple namespaces for array inputs"
ELSEWHERE = "must use the same namespace and the same device"
GAPS = f"{ON_HOST}|{UNLIKE_NUMPY}|{MIXED}|Index arrays|1-dim indices|sparse_output"
ERRORS = (RuntimeError, TypeError, AttributeError, ValueError, IndexError)


def put(array: Any) -> Any:
    return strict.asarray(array, device=DEVICE)


def settings(**changed: Any) -> dict[str, Any]:
    # Linear, to save time. Adam would make steps of the rounding of a bias's gradient of zero.
    common = {"hidden_layer_sizes": (), "solver": "sgd", "learning_rate_init": 0.2, "max_iter": 5}
    return {**common, "random_state": 0, **changed}


def classifier(**changed: Any) -> MLPClassifier:
    return MLPClassifier(**settings(**changed), preset="sklearn")


def regressor(**changed: Any) -> MLPRegressor:
    return MLPRegressor(**settings(**changed), preset="sklearn")


@pytest.fixture
def dispatch() -> Iterator[None]:
    with config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second device of array-api-strict in the place of CuPy's."""
    monkeypatch.setattr(select, "_cupy", lambda *_: None)
    monkeypatch.setattr(select, "CupyBackend", lambda *_: PortableBackend(strict, DEVICE))


def host_scorer(metric: Callable[..., float]) -> Any:
    """A scorer that brings labels and predictions to the host."""
    return make_scorer(lambda y, predicted: metric(to_host(y), to_host(predicted)))


# Scorers

CLASSIFICATION = [
    "accuracy", "balanced_accuracy", "average_precision", "f1", "f1_macro", "jaccard",
    "neg_brier_score", "neg_log_loss", "precision", "recall",
]  # fmt: skip
LOSSES = [
    "r2", "explained_variance", "neg_max_error", "neg_mean_absolute_error",
    "neg_mean_absolute_percentage_error", "neg_mean_gamma_deviance",
    "neg_mean_poisson_deviance", "neg_mean_squared_error", "neg_mean_squared_log_error",
    "neg_median_absolute_error", "neg_root_mean_squared_error",
]  # fmt: skip
FOR_THE_HOST = [
    "matthews_corrcoef", "top_k_accuracy", "positive_likelihood_ratio",
    "neg_negative_likelihood_ratio",
]  # fmt: skip


@pytest.mark.parametrize("scoring", CLASSIFICATION + LOSSES)
def test_scorers_that_compute_on_devices(dispatch: None, scoring: str) -> None:
    y, make = (LABELS, classifier) if scoring in CLASSIFICATION else (POSITIVE, regressor)
    more = {} if make is classifier else {"loss": "poisson"}  # whose predictions are positive
    scorer = get_scorer(scoring)
    found = scorer(make(**more).fit(put(X), put(y)), put(X), put(y))
    assert float(found) == pytest.approx(float(scorer(make(**more).fit(X, y), X, y)), rel=1e-9)


@pytest.mark.parametrize("scoring", ["roc_auc", "roc_auc_ovr", "roc_auc_ovo"])
def test_roc_auc(dispatch: None, scoring: str) -> None:
    y = LABELS if scoring == "roc_auc" else THREE
    model = classifier().fit(put(X), put(y))
    with pytest.raises(ERRORS, match=GAPS):
        get_scorer(scoring)(model, put(X), put(y))
    if scoring != "roc_auc_ovo":
        expected = get_scorer(scoring)(classifier().fit(X, y), X, y)
        assert roc_auc_scorer(model, put(X), put(y)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scoring", FOR_THE_HOST)
def test_other_scorers(dispatch: None, scoring: str) -> None:
    """Rows of the host can be scored without dispatch, whatever the scorer."""
    y = THREE if scoring == "top_k_accuracy" else LABELS
    scorer, model = get_scorer(scoring), classifier().fit(put(X), put(y))
    with pytest.raises(ERRORS, match=GAPS):
        scorer(model, put(X), put(y))
    with config_context(array_api_dispatch=False):
        found = scorer(model, X, y)
    assert found == pytest.approx(scorer(classifier().fit(X, y), X, y), rel=1e-9)


def test_scorers_of_searches(dispatch: None) -> None:
    with pytest.raises(RuntimeError, match=ON_HOST):
        cross_val_score(
            classifier(), put(X), put(LABELS), cv=2, scoring="matthews_corrcoef",
            error_score="raise",
        )  # fmt: skip
    scorer = host_scorer(matthews_corrcoef)
    found = cross_val_score(classifier(), put(X), put(LABELS), cv=2, scoring=scorer)
    expected = cross_val_score(classifier(), X, LABELS, cv=2, scoring="matthews_corrcoef")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("y", [LABELS, SIGNAL], ids=["labels", "numbers"])
def test_scores_without_dispatch(y: np.ndarray) -> None:
    make = classifier if y is LABELS else regressor
    model, expected = make().fit(put(X), put(y)), make().fit(X, y).score(X, y)
    with pytest.raises(RuntimeError, match=ON_HOST):
        model.score(put(X), put(y))
    with config_context(array_api_dispatch=True):
        assert float(model.score(put(X), put(y))) == pytest.approx(expected, rel=1e-9)
    assert model.score(X, y) == pytest.approx(expected, rel=1e-9)


# Targets


def test_pandas_targets_are_not_split(dispatch: None) -> None:
    y = pd.Series(LABELS)
    for split in (train_test_split, lambda *given: cross_val_score(classifier(), *given, cv=2)):
        with pytest.raises(RuntimeError, match=ON_HOST):
            split(put(X), y)
    found = cross_val_score(classifier(), put(X), y.to_numpy(), cv=2)
    np.testing.assert_allclose(found, cross_val_score(classifier(), X, LABELS, cv=2), rtol=1e-9)


def test_pandas_targets_are_fitted_and_scored(dispatch: None) -> None:
    model = classifier().fit(put(X), pd.Series(WORDS))
    assert model.score(put(X), pd.Series(WORDS)) == model.score(put(X), WORDS)


def test_strings_are_not_put_together(dispatch: None) -> None:
    with pytest.raises(TypeError, match=UNLIKE_NUMPY):
        cross_val_predict(classifier(), put(X), WORDS, cv=2)
    classes, codes = np.unique(WORDS, return_inverse=True)
    found = cross_val_predict(classifier(), put(X), put(codes), cv=2)
    expected = cross_val_predict(classifier(), X, WORDS, cv=2)
    np.testing.assert_array_equal(classes[to_host(found)], expected)


@pytest.mark.parametrize("scoring", ["accuracy", "f1_macro", "neg_log_loss", roc_auc_scorer])
def test_strings_are_scored(dispatch: None, scoring: Any) -> None:
    found = cross_val_score(classifier(), put(X), WORDS, cv=2, scoring=scoring)
    expected = cross_val_score(classifier(), X, WORDS, cv=2, scoring=scoring)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_probabilities_are_not_put_together(dispatch: None) -> None:
    """The classes are NumPy's, and scikit-learn asks for one library."""
    given = classifier(), put(X), put(LABELS)
    with pytest.raises(TypeError, match=MIXED):
        cross_val_predict(*given, cv=2, method="predict_proba")
    folds = cross_validate(*given, cv=2, return_estimator=True, return_indices=True)
    found = np.empty((ROWS, 2))
    for model, rows in zip(folds["estimator"], folds["indices"]["test"], strict=True):
        found[rows] = to_host(model.predict_proba(put(X[rows])))
    expected = cross_val_predict(classifier(), X, LABELS, cv=2, method="predict_proba")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


# Searches and copies


def test_models_come_back_from_processes_on_the_host(dispatch: None) -> None:
    given = {"cv": 2, "return_estimator": True, "n_jobs": 2}
    model = cross_validate(regressor(), put(X), put(SIGNAL), **given)["estimator"][0]
    assert type(model.input_mean_) is np.ndarray
    with pytest.raises(ValueError, match=ELSEWHERE):
        model.predict(put(X))
    with joblib.parallel_config(backend="threading"):
        model = cross_validate(regressor(), put(X), put(SIGNAL), **given)["estimator"][0]
    assert model.predict(put(X)).device == DEVICE


def test_searches_in_threads(dispatch: None) -> None:
    search = GridSearchCV(regressor(), {"alpha": [0.0, 10.0]}, cv=2, n_jobs=2)
    expected = GridSearchCV(regressor(), {"alpha": [0.0, 10.0]}, cv=2).fit(X, SIGNAL)
    with joblib.parallel_config(backend="threading"):
        search.fit(put(X), put(SIGNAL))
    scores = [each.cv_results_["mean_test_score"] for each in (search, expected)]
    np.testing.assert_allclose(*scores, rtol=1e-9)
    np.testing.assert_allclose(to_host(search.predict(put(X))), expected.predict(X), rtol=1e-9)


def test_deep_copies_are_on_the_host(dispatch: None) -> None:
    model = regressor().fit(put(X), put(SIGNAL))
    with pytest.raises(ValueError, match=ELSEWHERE):
        copy.deepcopy(model).predict(put(X))
    np.testing.assert_allclose(copy.deepcopy(model).predict(X), to_host(model.predict(put(X))))
    assert copy.copy(model).predict(put(X)).device == DEVICE


def test_tools_that_take_device_arrays(dispatch: None) -> None:
    scores = learning_curve(regressor(), put(X), put(SIGNAL), cv=2, train_sizes=[0.5, 1.0])[2]
    expected = learning_curve(regressor(), X, SIGNAL, cv=2, train_sizes=[0.5, 1.0])[2]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)
    parts = train_test_split(put(X), put(LABELS), stratify=put(LABELS), random_state=0)
    assert all(part.device == DEVICE for part in parts)
    selector = SelectFromModel(regressor(), max_features=2).fit(put(X), put(SIGNAL))
    assert selector.transform(put(X)).device == DEVICE


# Pipelines

DEVICE_STEPS = [
    StandardScaler(), MinMaxScaler(), MaxAbsScaler(), Normalizer(), PolynomialFeatures(), PCA(2),
]  # fmt: skip
HOST_STEPS = [
    SimpleImputer(), RobustScaler(), QuantileTransformer(n_quantiles=9), PowerTransformer(),
    SplineTransformer(), KBinsDiscretizer(3, strategy="uniform", encode="ordinal"),
    SelectKBest(f_regression, k=2), make_column_transformer((StandardScaler(), [0, 1])),
]  # fmt: skip


def step_name(step: Any) -> str:
    return type(step).__name__


@pytest.mark.parametrize("step", DEVICE_STEPS, ids=step_name)
def test_steps_that_compute_on_devices(step: Any) -> None:
    model = make_pipeline(step, regressor())
    with pytest.raises(RuntimeError, match=ON_HOST):
        model.fit(put(X), put(SIGNAL))  # without dispatch
    expected = model.fit(X, SIGNAL).predict(X)
    with config_context(array_api_dispatch=True):
        found = model.fit(put(X), put(SIGNAL)).predict(put(X))
    assert found.device == DEVICE
    np.testing.assert_allclose(to_host(found), expected, rtol=1e-6)


@pytest.mark.parametrize("step", HOST_STEPS, ids=step_name)
def test_steps_of_the_host(dispatch: None, step: Any) -> None:
    """A step after them takes their result to the device."""
    assert not get_tags(step).array_api_support
    with pytest.raises(ERRORS, match=GAPS):
        make_pipeline(step, regressor()).fit(put(X), put(SIGNAL))
    model = make_pipeline(step, FunctionTransformer(put), regressor()).fit(X, SIGNAL)
    found = model.predict(X)
    assert found.device == DEVICE and model[-1].input_mean_.device == DEVICE
    expected = make_pipeline(step, regressor()).fit(X, SIGNAL).predict(X)
    np.testing.assert_allclose(to_host(found), expected, rtol=1e-9)


# Tables on the host: what scikit-learn does around the network stays there

WRAPPERS: dict[str, Callable[[str], Any]] = {
    "bagging": lambda b: BaggingRegressor(regressor(backend=b), 2, random_state=0),
    "voting": lambda b: VotingRegressor([("net", regressor(backend=b))]),
    "voting of classes": lambda b: VotingClassifier([("net", classifier(backend=b))]),
    "stacking": lambda b: StackingClassifier(
        [("net", classifier(backend=b))], final_estimator=classifier(backend=b), cv=2
    ),
    "calibration": lambda b: CalibratedClassifierCV(classifier(backend=b), cv=2),
    "temperature": lambda b: CalibratedClassifierCV(
        classifier(backend=b), method="temperature", cv=2
    ),
    "fixed threshold": lambda b: FixedThresholdClassifier(classifier(backend=b), threshold=0.3),
    "tuned threshold": lambda b: TunedThresholdClassifierCV(classifier(backend=b), cv=2),
    "one class each": lambda b: OneVsRestClassifier(classifier(backend=b)),
    "one output each": lambda b: MultiOutputRegressor(regressor(backend=b)),
    "targets": lambda b: TransformedTargetRegressor(
        regressor(backend=b), transformer=StandardScaler()
    ),
}


def wrapped_target(model: Any) -> np.ndarray:
    if isinstance(model, MultiOutputRegressor):
        return np.column_stack([SIGNAL, X[:, 2]])
    return LABELS if is_classifier(model) else SIGNAL


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers(cupy: None, name: str) -> None:
    y = wrapped_target(WRAPPERS[name]("auto"))
    with config_context(array_api_dispatch=True), pytest.raises(ERRORS, match=GAPS):
        WRAPPERS[name]("auto").fit(put(X), put(y)).predict(put(X))
    found = WRAPPERS[name]("cupy").fit(X, y).predict(X)
    np.testing.assert_allclose(found, WRAPPERS[name]("auto").fit(X, y).predict(X), rtol=1e-6)


def test_inspections(cupy: None) -> None:
    model, expected = regressor(backend="cupy").fit(X, SIGNAL), regressor().fit(X, SIGNAL)
    assert model.network_.parameters.flat.device == DEVICE
    on_device = regressor().fit(put(X), put(SIGNAL))
    with config_context(array_api_dispatch=True):
        with pytest.raises(AttributeError, match=UNLIKE_NUMPY):
            permutation_importance(on_device, put(X), put(SIGNAL), n_repeats=2)
        with pytest.raises(ValueError, match=GAPS):
            partial_dependence(on_device, put(X), [0])
    for tool in (
        lambda m: permutation_importance(m, X, SIGNAL, n_repeats=2, random_state=0).importances,
        lambda m: partial_dependence(m, X, [0], grid_resolution=3)["average"],
    ):
        np.testing.assert_allclose(tool(model), tool(expected), rtol=1e-6)


@pytest.mark.parametrize("scoring", ["roc_auc", *FOR_THE_HOST])
def test_all_scorers_score_tables_of_the_host(cupy: None, scoring: str) -> None:
    y = THREE if scoring == "top_k_accuracy" else LABELS
    given = {"cv": 2, "scoring": scoring, "return_estimator": True}
    search = cross_validate(classifier(backend="cupy"), FRAME, pd.Series(y), **given)
    assert all(model.network_.parameters.flat.device == DEVICE for model in search["estimator"])
    expected = cross_validate(classifier(), X, y, **given)
    np.testing.assert_allclose(search["test_score"], expected["test_score"], rtol=1e-9)


def test_sparse_tables_are_trained_on_the_host(cupy: None) -> None:
    table = sparse.csr_array(X)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="sparse tables compute on the host only"):
            getattr(regressor(backend="cupy"), method)(table, SIGNAL)
        expected = getattr(regressor(), method)(X, SIGNAL).predict(X)
        model = getattr(regressor(backend="auto"), method)(table, SIGNAL)
        np.testing.assert_allclose(model.predict(table), expected, rtol=1e-9)
