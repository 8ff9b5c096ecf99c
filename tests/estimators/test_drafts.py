"""A fit that fails leaves the estimator as it was; a fitted model is what was fitted."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from interrupts import interrupted_at
from sklearn.base import clone
from sklearn.callback import ScoringMonitor

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]
Fit = Callable[[Any, np.ndarray, np.ndarray], Any]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


def small(estimator: type, **settings: Any) -> Any:
    return estimator(
        preset="sklearn",
        **{"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0, **settings},
    )


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def public(fitted: Any) -> dict[str, Any]:
    """What a user can see of a fitted estimator, but for its parameters."""
    names = [n for n in vars(fitted) if n.endswith("_") and not n.startswith("_")]
    names += ["coefs_", "intercepts_", "feature_importances_", "sparsity_"]
    return {name: getattr(fitted, name) for name in names if name != "network_"}


def assert_same(one: Any, other: Any) -> None:
    """Two fitted estimators are the same to a user."""
    seen, expected = public(one), public(other)
    assert seen.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, list):
            for mine, theirs in zip(seen[name], value, strict=True):
                np.testing.assert_array_equal(mine, theirs, err_msg=name)
        elif isinstance(value, dict):
            assert {k: len(v) for k, v in seen[name].items()} == {
                k: len(v) for k, v in value.items()
            }
        else:
            np.testing.assert_array_equal(seen[name], value, err_msg=name)


class BoomError(Exception):
    """An error of a user's own code."""


def fails(error: BaseException) -> Callable[..., float]:
    """A scorer that raises."""

    def scorer(model: Any, X: Any, y: Any) -> float:
        raise error

    return scorer


class Callback:
    """A callback that raises at one of its hooks."""

    def __init__(self, hook: str) -> None:
        self.hook = hook

    def setup(self, estimator: Any, context: Any) -> None:
        self._meet("setup", context)

    def teardown(self, estimator: Any, context: Any) -> None:
        self._meet("teardown", context)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self._meet("begin", context)

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        self._meet("end", context)

    def _meet(self, hook: str, context: Any) -> None:
        if self.hook in (hook, f"{context.task_name} {hook}"):
            raise BoomError(self.hook)


def stopping(scorer: Any) -> dict[str, Any]:
    return {"early_stopping": True, "scoring": scorer}


FAULTS: dict[str, tuple[dict[str, Any], Fit]] = {
    "infinity": ({}, lambda m, X, y: m.fit(np.where(X > 1, np.inf, X), y)),
    "rows": ({}, lambda m, X, y: m.fit(9 * X, y[1:])),
    "weights": ({}, lambda m, X, y: m.fit(9 * X, y, np.full(len(y), -1.0))),
    "columns held out": ({}, lambda m, X, y: m.fit(9 * X, y, X_val=X[:, :2], y_val=y)),
    "targets held out": ({}, lambda m, X, y: m.fit(9 * X, y, X_val=X, y_val=np.full(240, "u"))),
    "few rows to hold out": ({"early_stopping": True}, lambda m, X, y: m.fit(X[:9] + 9, y[:9])),
    "batch_size": ({"batch_size": 1}, lambda m, X, y: m.fit(9 * X, y)),
    "parameter": ({"alpha": -1.0}, lambda m, X, y: m.fit(9 * X, y)),
    "scorer": (stopping(fails(BoomError("no"))), lambda m, X, y: m.fit(9 * X[:, :4], y)),
    "splitter": (
        {"early_stopping": True, "validation_fraction": [(range(9), [900])]},
        lambda m, X, y: m.fit(9 * X, y),
    ),
    "callback begins": ({}, lambda m, X, y: m.set_callbacks(Callback("begin")).fit(9 * X, y)),
    "callback, epoch": ({}, lambda m, X, y: m.set_callbacks(Callback("epoch end")).fit(9 * X, y)),
    "callback, end": ({}, lambda m, X, y: m.set_callbacks(Callback("fit end")).fit(9 * X, y)),
    "interrupt before an epoch": ({}, lambda m, X, y: interrupt(m, 9 * X, y)),
}


def interrupt(model: Any, X: np.ndarray, y: np.ndarray) -> None:
    with interrupted_at(30):
        model.fit(X, y)


@each_estimator
@pytest.mark.parametrize("start", ["fitted", "new", "warm"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_fit_leaves_the_estimator_as_it_was(
    binary: Table, estimator: type, start: str, fault: str
) -> None:
    X, y = binary
    model = small(estimator, warm_start=start == "warm")
    if start != "new":
        model.fit(X, y * 1)
    expected = None if start == "new" else outputs(model, X)
    before = {} if start == "new" else public(model)
    settings, fit = FAULTS[fault]
    with pytest.raises((ValueError, BoomError, KeyboardInterrupt)):
        fit(model.set_params(**settings), X, y)
    if start == "new":
        assert not hasattr(model, "network_") and not hasattr(model, "n_features_in_")
        return
    np.testing.assert_array_equal(outputs(model, X), expected)
    after = public(model)
    assert after.keys() == before.keys()
    for name in ("input_mean_", "input_scale_", "loss_", "n_iter_", "t_", "n_features_in_"):
        np.testing.assert_array_equal(after[name], before[name])


def test_other_labels_leave_the_classes(binary: Table) -> None:
    X, y = binary
    model = small(MLPClassifier).fit(X, y)
    expected = model.predict(X)
    for bad in (np.zeros(240), np.full(240, "u")):
        with pytest.raises(ValueError, match="at least 2 classes"):
            model.fit(9 * X, bad)
    np.testing.assert_array_equal(model.predict(X), expected)
    np.testing.assert_array_equal(model.classes_, [0, 1])


def test_a_warning_that_is_an_error_leaves_the_estimator_as_it_was(binary: Table) -> None:
    X, y = binary
    model = small(MLPClassifier).fit(X, y)
    expected = outputs(model, X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Warning, match="Maximum iterations"):
            model.fit(9 * X, 1 - y)
    np.testing.assert_array_equal(outputs(model, X), expected)


@each_estimator
def test_a_fit_after_a_failed_one_is_a_fit_of_its_own(binary: Table, estimator: type) -> None:
    X, y = binary
    model = small(estimator).fit(X, y)
    with pytest.raises(ValueError):
        model.fit(X, np.full(239, 0.5))
    assert_same(model.fit(X[:200], y[:200]), small(estimator).fit(X[:200], y[:200]))


@each_estimator
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_interrupt_leaves_the_old_model_or_a_new_one(
    binary: Table, estimator: type, solver: str
) -> None:
    """Wherever it comes: before the first epoch is over, it is raised."""
    X, y = binary
    model = small(estimator, solver=solver, max_iter=2).fit(X, y)
    for call in (1, 10, 50, 100, 200, 400, 700, 1000):
        before, epochs = outputs(model, X), len(model.loss_curve_)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with interrupted_at(call):
                    model.fit(100 * X + 7, y)
            except KeyboardInterrupt:
                np.testing.assert_array_equal(outputs(model, X), before)
                assert len(model.loss_curve_) == epochs
            else:
                assert np.isfinite(outputs(model, 100 * X + 7)).all() and model.n_iter_ >= 1
                model.fit(X, y)


@each_estimator
def test_names_of_columns_go_with_a_table_that_has_none(binary: Table, estimator: type) -> None:
    pd = pytest.importorskip("pandas")
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = small(estimator).fit(frame, y)
    assert model.feature_names_in_.tolist() == list("abcdef")
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")


@each_estimator
def test_threads_predict_by_one_model_or_the_other(binary: Table, estimator: type) -> None:
    """While a model is fitted again, to other columns and other units."""
    X, y = binary
    first = small(estimator, max_iter=2).fit(X, y)
    second = clone(first).fit(100 * X + 7, 9 * y)
    allowed = [outputs(first, X), outputs(second, X)]
    wrong, done = [], threading.Event()

    def predict() -> None:
        while not done.is_set():
            seen = outputs(first, X)
            if not any(np.array_equal(seen, each) for each in allowed):
                wrong.append(seen)

    thread = threading.Thread(target=predict)
    thread.start()
    for _ in range(15):
        first.fit(100 * X + 7, 9 * y)
        first.fit(X, y)
    done.set()
    thread.join()
    assert not wrong


def test_callbacks_see_a_fitted_estimator_before_it_is_one(binary: Table) -> None:
    X, y = binary
    monitor = ScoringMonitor(scoring="accuracy")
    model = small(MLPClassifier).set_callbacks(monitor)
    model.fit(X, y)
    logged = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(logged) == 5 and logged[-1] == model.score(X, y)


CHANGED: dict[str, tuple[type, dict[str, Any], dict[str, Any]]] = {
    "loss": (MLPRegressor, {}, {"loss": "poisson"}),
    "quantile": (MLPRegressor, {"loss": "quantile", "quantile": [0.1, 0.9]}, {"quantile": 0.5}),
    "quantiles": (
        MLPRegressor,
        {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
        {"quantile": [0.2, 0.8], "loss": "huber"},
    ),
    "members": (MLPRegressor, {"n_members": 2}, {"n_members": 1}),
    "more members": (MLPClassifier, {}, {"n_members": 3}),
    "dropout": (MLPRegressor, {"dropout": 0.3}, {"dropout": 0.0}),
    "input_dropout": (MLPClassifier, {"input_dropout": 0.2}, {"input_dropout": 0.0}),
    "layers": (MLPClassifier, {}, {"hidden_layer_sizes": (3, 3), "activation": "tanh"}),
    "norm": (MLPRegressor, {}, {"normalization": None, "standardize_target": False}),
    "mixup": (MLPClassifier, {}, {"mixup_alpha": 0.3, "label_smoothing": 0.1}),
    "norm's own": (MLPRegressor, {"normalization": "layer"}, {"norm_epsilon": 10.0}),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_fitted_model_does_not_read_its_parameters(multiclass: Table, case: str) -> None:
    X, y = multiclass
    estimator, settings, changes = CHANGED[case]
    model, same = (small(estimator, **settings).fit(X, y + 1) for _ in range(2))
    model.set_params(**changes)
    np.testing.assert_array_equal(outputs(model, X), outputs(same, X))
    assert_same(model, same)
    method = "predict_proba" if estimator is MLPClassifier else "predict"
    if settings.get("dropout", settings.get("input_dropout")):
        for mine, theirs in zip(
            *(getattr(m, method)(X, return_std=True, n_samples=4) for m in (model, same)),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)


@each_estimator
def test_dropout_that_comes_after_the_fit_does_not_act(binary: Table, estimator: type) -> None:
    model = small(estimator).fit(*binary).set_params(dropout=0.5)
    predict = model.predict_proba if estimator is MLPClassifier else model.predict
    with pytest.raises(ValueError, match="trained without"):
        predict(binary[0], return_std=True, n_samples=20)


LINKS = [
    ({}, {"loss": "poisson"}, "loss='poisson'.*loss='squared_error'"),
    ({"loss": "poisson"}, {"loss": "squared_error"}, "loss='squared_error'.*loss='poisson'"),
    ({"loss": "absolute_error"}, {"loss": "gamma"}, "loss='gamma'.*loss='absolute_error'"),
    ({"loss": "quantile"}, {"quantile": [0.1, 0.9]}, "quantile=.0.1, 0.9."),
    ({"loss": "quantile", "quantile": [0.5]}, {"loss": "huber"}, "number of levels"),
]


@pytest.mark.parametrize(("settings", "changes", "message"), LINKS, ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_link_does_not_go_on(
    multiclass: Table, settings: dict, changes: dict, message: str, method: str
) -> None:
    X, y = multiclass
    model = small(MLPRegressor, warm_start=True, **settings).fit(X, y + 1)
    expected = outputs(model, X)
    with pytest.raises(ValueError, match=message):
        getattr(model.set_params(**changes), method)(X, y + 1)
    np.testing.assert_array_equal(outputs(model, X), expected)


@pytest.mark.parametrize(
    ("start", "then"),
    [("squared_error", "absolute_error"), ("quantile", "huber"), ("poisson", "gamma")],
)
def test_a_loss_of_the_same_link_goes_on(multiclass: Table, start: str, then: str) -> None:
    X, y = multiclass
    settings = {"max_iter": 60, "learning_rate_init": 0.02, "warm_start": True}
    model = small(MLPRegressor, loss=start, **settings).fit(X, y + 1)
    model.set_params(loss=then).fit(X, y + 1)
    fresh = small(MLPRegressor, loss=then, **settings).fit(X, y + 1)
    assert model.score(X, y + 1) > fresh.score(X, y + 1) - 0.05
