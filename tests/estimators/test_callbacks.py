"""scikit-learn's callbacks: when they are called, what they are given, how they end training."""

import importlib.util
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DEFAULT = {MLPClassifier: "accuracy", MLPRegressor: "r2"}
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


class Recorder:
    """Notes every hook; may stop training or raise after some epochs."""

    def __init__(self, stop_after: int = 0, error: Any = None, error_at: str = "end") -> None:
        self.stop_after, self.error, self.error_at = stop_after, error, error_at
        self.hooks: list[tuple[str, str, int]] = []
        self.models: list[Any] = []
        self.given: list[tuple] = []

    def setup(self, estimator: Any, context: Any) -> None:
        self._note("setup", context)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self._note("begin", context)

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None,
        metadata: Any = None, fitted_estimator: Any = None,
    ) -> bool:  # fmt: skip
        self.models.append(fitted_estimator)
        self.given.append((X, y, metadata))
        self._note("end", context)
        return context.task_name == "epoch" and self.count("end", "epoch") == self.stop_after

    def teardown(self, estimator: Any, context: Any) -> None:
        self._note("teardown", context)

    def count(self, hook: str, task: str) -> int:
        return sum(noted[:2] == (hook, task) for noted in self.hooks)

    def _note(self, hook: str, context: Any) -> None:
        self.hooks.append((hook, context.task_name, context.task_id))
        wanted = self.error_at == hook and context.task_name == "epoch"
        if self.error is not None and wanted and self.count(hook, "epoch") == 3:
            raise self.error


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0, "tol": 0.0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


@each_estimator
@pytest.mark.parametrize(
    "settings",
    [{}, {"n_members": 2}, {"norm_statistics": "population", "n_members": 2},
     {"normalization": "layer"}, {"normalization": None, "early_stopping": True}],
    ids=str,
)  # fmt: skip
def test_hooks_are_called_once_an_epoch_in_order(
    binary: Table, estimator: type, settings: dict
) -> None:
    recorder = Recorder()
    small(estimator, **settings).set_callbacks(recorder).fit(*binary)
    epochs = [(hook, "epoch", i) for i in range(5) for hook in ("begin", "end")]
    whole = [(hook, "fit", 0) for hook in ("setup", "begin", "end", "teardown")]
    assert recorder.hooks == [*whole[:2], *epochs, *whole[2:]]


@each_estimator
@pytest.mark.parametrize("norm_statistics", ["running", "cumulative", "population"])
@pytest.mark.parametrize("members", [1, 2])
def test_rebuilt_estimators_are_those_of_shorter_fits(
    binary: Table, estimator: type, norm_statistics: str, members: int
) -> None:
    X, y = binary
    settings = {"norm_statistics": norm_statistics, "n_members": members, "dropout": 0.2}
    recorder = Recorder()
    fitted = small(estimator, **settings).set_callbacks(recorder).fit(X, y)
    *epochs, whole = recorder.models
    for epoch, model in enumerate(epochs):
        shorter = small(estimator, **settings, max_iter=epoch + 1).fit(X, y)
        np.testing.assert_array_equal(outputs(model, X), outputs(shorter, X))
        assert model.n_iter_ == epoch + 1
    for model in (epochs[-1], whole):
        np.testing.assert_array_equal(outputs(model, X), outputs(fitted, X))
    plain = small(estimator, **settings).fit(X, y)
    np.testing.assert_array_equal(outputs(fitted, X), outputs(plain, X))


@each_estimator
def test_rebuilt_estimators_have_what_fitted_ones_have(binary: Table, estimator: type) -> None:
    X, y = binary
    recorder = Recorder()
    small(estimator).set_callbacks(recorder).fit(X, y)
    model = recorder.models[2]
    assert model.score(X, y) == small(estimator, max_iter=3).fit(X, y).score(X, y)
    shapes = [(6, 6), (6, 1)]
    assert [w.shape for w in model.coefs_] == shapes
    assert model.feature_importances_.shape == (6,) and len(model.sparsity_) == 2
    assert model.loss_ > 0 and model.out_activation_ in ("logistic", "identity")


@each_estimator
def test_hooks_are_given_the_table_and_its_weights(binary: Table, estimator: type) -> None:
    X, y = binary
    weight = np.linspace(0.0, 2.0, 240)
    recorder = Recorder()
    small(estimator).set_callbacks(recorder).fit(X, y, sample_weight=weight)
    assert len(recorder.given) == 6
    for table, target, metadata in recorder.given:
        assert table is X and target is y and metadata == {"sample_weight": weight}


@each_estimator
@pytest.mark.parametrize("settings", [{}, {"n_members": 2}, {"early_stopping": True}], ids=str)
@pytest.mark.filterwarnings("error")
def test_a_callback_that_returns_true_ends_training(
    binary: Table, estimator: type, settings: dict
) -> None:
    """Without a warning that training has not converged."""
    X, y = binary
    recorder = Recorder(stop_after=3)
    settings = {**settings, "early_stopping": settings.get("early_stopping", False)}
    fitted = small(estimator, **settings).set_callbacks(recorder).fit(X, y)
    assert fitted.n_iter_ == 3 == len(fitted.loss_curve_) == recorder.count("begin", "epoch")
    assert recorder.hooks[-2:] == [("end", "fit", 0), ("teardown", "fit", 0)]
    with warnings.catch_warnings(action="ignore"):
        shorter = small(estimator, **settings, max_iter=3).fit(X, y)
    np.testing.assert_array_equal(outputs(fitted, X), outputs(shorter, X))


@each_estimator
@pytest.mark.parametrize("members", [1, 2])
def test_lbfgs_calls_hooks_each_iteration(binary: Table, estimator: type, members: int) -> None:
    X, y = binary
    recorder = Recorder()
    model = small(estimator, solver="lbfgs", n_members=members, max_iter=7)
    fitted = model.set_callbacks(recorder).fit(X, y)
    assert fitted.n_iter_ == 7
    tasks = [hook for hook in recorder.hooks if hook[1] == "epoch"]
    ids = sorted({task for _, _, task in tasks})
    expected = [(hook, "epoch", i) for i in ids for hook in ("begin", "end")]
    assert tasks == expected and ids == list(range(len(ids)))
    rebuilt = [model for model in recorder.models if model is not None]
    assert len(rebuilt) == 7 * members + 1
    np.testing.assert_allclose(outputs(rebuilt[-2], X), outputs(fitted, X), rtol=1e-9)


@each_estimator
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.filterwarnings("error")
def test_a_callback_ends_lbfgs(binary: Table, estimator: type, members: int) -> None:
    X, y = binary
    recorder = Recorder(stop_after=4)
    model = small(estimator, solver="lbfgs", n_members=members, max_iter=2000, tol=1e-3)
    fitted = model.set_callbacks(recorder).fit(X, y)
    if members == 1:
        assert fitted.n_iter_ == 4
    assert np.isfinite(outputs(fitted, X)).all()


@each_estimator
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("at", ["begin", "end"])
def test_errors_of_callbacks_are_raised_and_callbacks_torn_down(
    binary: Table, estimator: type, solver: str, at: str
) -> None:
    recorder = Recorder(error=LookupError("no such file"), error_at=at)
    model = small(estimator, solver=solver).set_callbacks(recorder)
    with pytest.raises(LookupError, match="no such file"):
        model.fit(*binary)
    assert recorder.hooks[-1][0] == "teardown" and recorder.count(at, "epoch") == 3
    with pytest.raises(NotFittedError):
        model.predict(binary[0])
    model.set_callbacks().fit(*binary).predict(binary[0])


@each_estimator
@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"early_stopping": True}], ids=str)
@pytest.mark.parametrize("at", ["begin", "end"])
def test_interrupts_leave_a_model(binary: Table, estimator: type, settings: dict, at: str) -> None:
    X, y = binary
    recorder = Recorder(error=KeyboardInterrupt(), error_at=at)
    model = small(estimator, max_iter=50, **settings).set_callbacks(recorder)
    with pytest.warns(UserWarning, match="interrupted"):
        fitted = model.fit(X, y)
    assert fitted.n_iter_ in (2, 3) and len(fitted.loss_curve_) == fitted.n_iter_
    assert np.isfinite(outputs(fitted, X)).all()
    assert recorder.hooks[-2:] == [("end", "fit", 0), ("teardown", "fit", 0)]
    assert recorder.count("begin", "epoch") == recorder.count("end", "epoch")


@each_estimator
def test_scores_are_monitored(binary: Table, estimator: type) -> None:
    X, y = binary
    monitor = ScoringMonitor(scoring=DEFAULT[estimator])
    fitted = small(estimator).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data
    scores = [row[DEFAULT[estimator]] for row in log if row["task_name"] == "epoch"]
    assert len(scores) == 5
    expected = [small(estimator, max_iter=n).fit(X, y).score(X, y) for n in range(1, 6)]
    assert scores == expected
    assert scores[-1] == fitted.score(X, y)


def test_monitored_scores_are_weighted(binary: Table) -> None:
    X, y = binary
    weight = np.where(y == 0, 0.1, 3.0)
    monitor = ScoringMonitor(scoring="accuracy")
    fitted = small(MLPClassifier).set_callbacks(monitor).fit(X, y, sample_weight=weight)
    assert monitor.get_logs().data[-1]["accuracy"] == fitted.score(X, y, sample_weight=weight)
    assert fitted.score(X, y) != fitted.score(X, y, sample_weight=weight)


@each_estimator
def test_scores_are_monitored_in_pipelines(binary: Table, estimator: type) -> None:
    X, y = binary
    monitor = ScoringMonitor(scoring=DEFAULT[estimator])
    piped = make_pipeline(StandardScaler(), small(estimator).set_callbacks(monitor)).fit(X, y)
    data = monitor.get_logs().data
    epochs = [row for row in data if row["task_name"] == "epoch"]
    assert len(epochs) == 5
    assert epochs[-1][DEFAULT[estimator]] == piped.score(X, y)


@each_estimator
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scores_are_monitored_in_searches(binary: Table, estimator: type, n_jobs: Any) -> None:
    X, y = binary
    monitor = ScoringMonitor(scoring=DEFAULT[estimator])
    model = small(estimator, max_iter=3).set_callbacks(monitor)
    GridSearchCV(model, {"alpha": [0.0, 1.0]}, cv=2, n_jobs=n_jobs).fit(X, y)
    runs = monitor.get_logs(select="all")
    epochs = [row for run in runs for row in run.data if row["task_name"] == "epoch"]
    assert len(epochs) == 3 * (4 + 1)


@pytest.mark.skipif(importlib.util.find_spec("rich") is None, reason="ProgressBar needs rich")
@each_estimator
@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"tol": 1e6}], ids=str)
def test_progress_is_shown(binary: Table, estimator: type, settings: dict, capsys: Any) -> None:
    small(estimator, **settings, n_iter_no_change=1).set_callbacks(ProgressBar()).fit(*binary)
    assert estimator.__name__ in capsys.readouterr().out


@each_estimator
@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_data_frames_keep_their_names(binary: Table, estimator: type) -> None:
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef"))
    recorder, monitor = Recorder(), ScoringMonitor(scoring=DEFAULT[estimator])
    settings = {"early_stopping": True, "scoring": None}
    fitted = small(estimator, **settings).set_callbacks(recorder, monitor).fit(frame, y)
    assert recorder.models[0].feature_names_in_.tolist() == list("abcdef")
    assert len(recorder.models[0].predict(frame)) == 240
    assert fitted.feature_names_in_.tolist() == list("abcdef")


@each_estimator
def test_only_callbacks_are_callbacks(estimator: type) -> None:
    for wrong in (print, Recorder, "ProgressBar", object()):
        with pytest.raises(TypeError, match="FitCallback"):
            small(estimator).set_callbacks(wrong)


@each_estimator
def test_callbacks_survive_cloning_and_pickling(binary: Table, estimator: type) -> None:
    X, y = binary
    recorder = Recorder(stop_after=2)
    model = small(estimator).set_callbacks(recorder)
    assert clone(model).fit(X, y).n_iter_ == 2
    restored = pickle.loads(pickle.dumps(small(estimator).set_callbacks(Recorder(stop_after=2))))
    fitted = restored.fit(X, y)
    assert fitted.n_iter_ == 2
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(outputs(again, X), outputs(fitted, X))
