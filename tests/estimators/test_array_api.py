"""Estimators on arrays of another library and device: the answers of NumPy, where X is."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from places import each_place_once
from scipy import sparse
from sklearn import config_context
from sklearn.callback import ScoringMonitor
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends import to_host
from sknorm.metrics import roc_auc_scorer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

Put = Callable[[Any], Any]
CPU, DEVICE = strict.Device("CPU_DEVICE"), strict.Device("device1")
ROWS = 48


def _table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(1.0, 2.0, (ROWS, 4))
    signal = X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=ROWS)
    return {
        "X": X,
        "binary": (signal > 0).astype(np.int64),
        "words": np.where(signal > 0, "yes", "no"),
        "multiclass": np.digitize(signal, [-1.5, 1.5]) + 3,
        "multilabel": (X[:, :3] > 1.0).astype(np.int64),
        "number": signal,
        "numbers": np.column_stack([signal, X[:, 2]]),
        "weight": rng.uniform(0.5, 2.0, ROWS),
        "groups": np.arange(ROWS) // 4,
    }


T = _table()
X, HELD = T["X"], slice(0, 12)
STOPS: dict[str, Any] = {"early_stopping": True, "validation_fraction": 0.25}
CLASSIFIERS = [
    ("binary", {}), ("multiclass", {}), ("multilabel", {}), ("binary", {"n_members": 2}),
    ("multiclass", {"class_weight": "balanced"}), ("binary", {"solver": "lbfgs"}),
    ("multiclass", {"normalization": None}), ("multiclass", STOPS), ("binary", STOPS),
    ("binary", {**STOPS, "scoring": "neg_log_loss"}),
    ("binary", {**STOPS, "scoring": roc_auc_scorer}),
    ("multiclass", {**STOPS, "scoring": "balanced_accuracy", "n_members": 2}),
]  # fmt: skip
REGRESSORS = [
    ("number", {}), ("numbers", {}), ("number", {"n_members": 2}), ("number", STOPS),
    ("number", {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}),
    ("numbers", {"loss": "quantile", "quantile": [0.1, 0.9]}), ("numbers", {"solver": "lbfgs"}),
    ("number", {**STOPS, "scoring": "r2"}), ("number", {"normalization": None}),
]  # fmt: skip


@pytest.fixture
def dispatching() -> Iterator[None]:
    with config_context(array_api_dispatch=True):
        yield


def settings(changed: dict[str, Any]) -> dict[str, Any]:
    common: dict[str, Any] = {
        "hidden_layer_sizes": (4,), "max_iter": 2, "batch_size": 24, "random_state": 0,
        "n_iter_no_change": 10,
    }  # fmt: skip
    return {**common, **changed}


def classifier(**changed: Any) -> MLPClassifier:
    return MLPClassifier(**settings(changed), preset="sklearn")


def regressor(**changed: Any) -> MLPRegressor:
    return MLPRegressor(**settings({"learning_rate_init": 0.01, **changed}), preset="sklearn")


def assert_answers(found: Any, expected: np.ndarray, like: Any) -> None:
    """The same numbers, in the dtype of the example's floats, in its library on its device."""
    assert type(found) is type(like) and found.device == like.device
    assert str(found.dtype).endswith(str(expected.dtype))
    assert found.shape == expected.shape
    np.testing.assert_allclose(to_host(found), expected, rtol=1e-9, atol=1e-11)


@each_place_once
@pytest.mark.parametrize(("target", "changed"), CLASSIFIERS)
def test_classifiers_answer_as_on_numpy(
    put: Put, dispatch: bool, target: str, changed: dict[str, Any]
) -> None:
    device_X = put(X)
    model = classifier(**changed).fit(device_X, put(T[target]))
    expected = classifier(**changed).fit(X, T[target])
    assert type(model.classes_) is np.ndarray
    np.testing.assert_array_equal(model.classes_, expected.classes_)
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-9)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        assert_answers(getattr(model, method)(device_X), getattr(expected, method)(X), device_X)
    for name in ("input_mean_", "input_scale_"):
        assert_answers(getattr(model, name), getattr(expected, name), device_X)


@each_place_once
@pytest.mark.parametrize(("target", "changed"), REGRESSORS)
def test_regressors_answer_as_on_numpy(
    put: Put, dispatch: bool, target: str, changed: dict[str, Any]
) -> None:
    device_X = put(X)
    model = regressor(**changed).fit(device_X, put(T[target]))
    expected = regressor(**changed).fit(X, T[target])
    assert_answers(model.predict(device_X), expected.predict(X), device_X)
    for name in ("input_mean_", "input_scale_", "target_mean_", "target_scale_"):
        assert_answers(getattr(model, name), getattr(expected, name), device_X)


def test_spread_over_members_and_masks(put: Put, dispatch: bool) -> None:
    for changed, asked in (({"n_members": 2}, {}), ({"dropout": 0.3}, {"n_samples": 3})):
        asked = {"return_std": True, **asked}
        for make, y, method in (
            (classifier, "multiclass", "predict_proba"), (regressor, "number", "predict"),
        ):  # fmt: skip
            model, expected = make(**changed).fit(put(X), T[y]), make(**changed).fit(X, T[y])
            found = getattr(model, method)(put(X), **asked)
            for mine, other in zip(found, getattr(expected, method)(X, **asked), strict=True):
                assert_answers(mine, other, put(X))


def test_words_are_numpys_labels(put: Put, dispatch: bool) -> None:
    model = classifier().fit(put(X), T["words"])
    labels = model.predict(put(X))
    assert type(labels) is np.ndarray and model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(labels, classifier().fit(X, T["words"]).predict(X))
    assert model.score(put(X), T["words"]) == np.mean(labels == T["words"])
    assert model.predict_proba(put(X)).device == put(X).device


@each_place_once
@pytest.mark.parametrize("target", ["binary", "multiclass", "multilabel"])
def test_targets_and_weights_may_be_anywhere(put: Put, dispatch: bool, target: str) -> None:
    expected = classifier().fit(X, T[target], T["weight"]).predict_proba(X)
    for table in (X, put(X)):
        for y, weight in (
            (T[target], put(T["weight"])),
            (T[target].tolist(), T["weight"]),
            (put(T[target]), put(T["weight"])),
        ):
            found = classifier().fit(table, y, sample_weight=weight).predict_proba(table)
            np.testing.assert_allclose(to_host(found), expected, rtol=1e-9)


def test_sparse_indicators_are_answered_sparse(put: Put, dispatch: bool) -> None:
    y = sparse.csr_array(T["multilabel"])
    found = classifier().fit(put(X), y).predict(put(X))
    assert sparse.issparse(found)
    expected = classifier().fit(X, T["multilabel"]).predict(X)
    np.testing.assert_array_equal(found.toarray(), expected)


@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_held_out_rows_may_be_anywhere(put: Put, dispatch: bool, scoring: str) -> None:
    changed = {"scoring": scoring, "early_stopping": True}
    parts = X[HELD], T["binary"][HELD], T["weight"][HELD]
    expected = classifier(**changed).fit(X, T["binary"], None, *parts).validation_scores_
    assert len(set(expected)) > 1 or scoring == "accuracy"
    for held in (parts, [put(part) for part in parts], [put(parts[0]), *parts[1:]]):
        model = classifier(**changed).fit(put(X), put(T["binary"]), None, *held)
        np.testing.assert_allclose(model.validation_scores_, expected, rtol=1e-9)


def test_splits_may_be_given_on_the_device(put: Put, dispatch: bool) -> None:
    rows, mask = np.arange(10), np.arange(ROWS) < 10
    for how in (rows, mask, [(np.arange(10, ROWS), rows)]):
        pairs = [tuple(map(put, pair)) for pair in how] if isinstance(how, list) else put(how)
        scores = [
            regressor(early_stopping=True, validation_fraction=given).fit(table, y)
            for given, table, y in ((how, X, T["number"]), (pairs, put(X), put(T["number"])))
        ]
        expected, found = (model.validation_scores_ for model in scores)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    expected, found = (
        regressor(**STOPS).fit(table, T["number"], groups=groups).validation_scores_
        for table, groups in ((X, T["groups"]), (put(X), put(T["groups"])))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_partial_fits_go_on(put: Put, dispatch: bool) -> None:
    """Also after a pickle, and where the table is somewhere else than before."""
    halves = slice(0, 24), slice(24, 48)
    for solver in ("adam", "sgd"):
        expected = classifier(solver=solver)
        for half in (*halves, *halves):
            expected.partial_fit(X[half], T["binary"][half], classes=[0, 1])
        model = classifier(solver=solver)
        for step, place in enumerate((put, put, np.asarray, put)):
            half = halves[step % 2]
            labels = place(T["binary"][half])
            model.partial_fit(place(X[half]), labels, classes=place(np.array([0, 1])))
            model = pickle.loads(pickle.dumps(model)) if step == 1 else model
        np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-9)
        assert_answers(model.predict_proba(put(X)), expected.predict_proba(X), put(X))


def test_warm_starts_go_on(put: Put, dispatch: bool) -> None:
    expected = regressor(warm_start=True).fit(X, T["number"]).fit(X, T["number"]).predict(X)
    for places in ((put, put), (np.asarray, put), (put, np.asarray)):
        model = regressor(warm_start=True)
        for place in places:
            model.fit(place(X), place(T["number"]))
        found = model.predict(places[1](X))
        np.testing.assert_allclose(to_host(found), expected, rtol=1e-9)


@each_place_once
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool"])
def test_other_dtypes(put: Put, dispatch: bool, dtype: str) -> None:
    """float32 in, float32 out; whole numbers are float64."""
    given = np.clip(np.round(X), 0, None).astype(dtype)
    probability = classifier().fit(put(given), T["binary"]).predict_proba(put(given))
    assert probability.dtype == (strict.float32 if dtype == "float32" else strict.float64)
    expected = classifier().fit(given, T["binary"]).predict_proba(given)
    np.testing.assert_allclose(to_host(probability), expected, atol=1e-4)


@pytest.mark.usefixtures("dispatching")
class TestScikitLearn:
    """What scikit-learn does with the estimators where it dispatches."""

    # The scaler divides 0 by 0 where it has seen no rows yet, and minds with NumPy only.
    @pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
    def test_pipeline(self, put: Put) -> None:
        models = [make_pipeline(StandardScaler(), classifier()) for _ in range(2)]
        found = models[0].fit(put(X), put(T["multiclass"])).predict_proba(put(X))
        expected = models[1].fit(X, T["multiclass"]).predict_proba(X)
        assert_answers(found, expected, put(X))

    def test_cross_validation(self, put: Put) -> None:
        found = cross_val_predict(classifier(), put(X), put(T["binary"]), cv=3)
        assert_answers(found, cross_val_predict(classifier(), X, T["binary"], cv=3), put(X))

    def test_grid_search(self, put: Put) -> None:
        """The names of parameters, and the best of them, are those on NumPy."""
        searches = [
            GridSearchCV(regressor(), {"alpha": [0.0, 10.0]}, cv=KFold(2)).fit(table, y)
            for table, y in ((put(X), put(T["number"])), (X, T["number"]))
        ]
        scores = [search.cv_results_["mean_test_score"] for search in searches]
        np.testing.assert_allclose(*scores, rtol=1e-9)
        assert_answers(searches[0].predict(put(X)), searches[1].predict(X), put(X))

    @pytest.mark.parametrize(
        "name", ["accuracy", "balanced_accuracy", "neg_log_loss", "f1", roc_auc_scorer]
    )
    def test_classification_scorers(self, put: Put, name: Any) -> None:
        scorer = get_scorer(name)
        model, expected = classifier(), classifier().fit(X, T["binary"])
        found = scorer(model.fit(put(X), put(T["binary"])), put(X), put(T["binary"]))
        assert float(found) == pytest.approx(float(scorer(expected, X, T["binary"])), rel=1e-9)

    @pytest.mark.parametrize("name", ["r2", "neg_mean_squared_error"])
    def test_regression_scorers(self, put: Put, name: str) -> None:
        model, expected = regressor(), regressor().fit(X, T["number"])
        found = get_scorer(name)(model.fit(put(X), put(T["number"])), put(X), put(T["number"]))
        assert float(found) == pytest.approx(get_scorer(name)(expected, X, T["number"]), rel=1e-9)

    def test_own_scores(self, put: Put) -> None:
        """``score`` of arrays, weights included; without dispatch, metrics know NumPy only."""
        for make, target in ((classifier, "binary"), (regressor, "number")):
            model, y, weight = make().fit(put(X), put(T[target])), T[target], T["weight"]
            expected = make().fit(X, y).score(X, y, weight)
            for where in (put, np.asarray):
                found = model.score(put(X), where(y), sample_weight=where(weight))
                assert float(found) == pytest.approx(expected, rel=1e-9)

    def test_callbacks_score_where_the_table_is(self, put: Put) -> None:
        monitor = ScoringMonitor(scoring="r2")
        regressor().set_callbacks(monitor).fit(put(X), put(T["number"]))
        assert monitor.get_logs() is not None
