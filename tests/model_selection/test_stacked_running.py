"""Stacked searches on threads, in processes and on a cluster; stopped, and listened to."""

import _thread
import threading
import time
from collections.abc import Iterator
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from search_case import Case, T, assert_same_results, classifier
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sknorm.model_selection import StackedGridSearchCV, plan
from sknorm.model_selection.context import Progress

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = T["X"], T["multiclass"]
STOPS: dict[str, Any] = {
    "early_stopping": True, "n_iter_no_change": 2, "tol": 0.05, "max_iter": 12,
    "validation_fraction": 0.3,
}  # fmt: skip
PLAIN = Case(
    "plain", classifier(**STOPS), {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(4,), (8,)]},
    search={"scoring": "neg_log_loss", "return_train_score": True},
)  # fmt: skip
PIPED = Case(
    "Pipeline", Pipeline([("s", StandardScaler()), ("mlp", classifier(**STOPS))]),
    {"mlp__alpha": [1e-4, 1.0], "mlp__hidden_layer_sizes": [(4,), (8,)]}, search=PLAIN.search,
    fit={"mlp__sample_weight": T["weight"] + 1.0},
)  # fmt: skip
each_case = pytest.mark.parametrize("case", [PLAIN, PIPED], ids=lambda case: case.name)


@each_case
@pytest.mark.parametrize("backend", ["threading", "sequential"])
def test_results_are_the_same_wherever_they_are_computed(case: Case, backend: str) -> None:
    expected = case.stacked().cv_results_
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert_same_results(case.stacked().cv_results_, expected, rtol=0.0)


def test_in_processes(capsys: pytest.CaptureFixture) -> None:
    """All in one test: tests in several workers would each start processes of their own."""
    with joblib.parallel_config(backend="loky", n_jobs=2):
        found = [case.stacked().cv_results_ for case in (PLAIN, PIPED)]
        assert_progress_bar_runs_to_its_end(capsys)
    for results, case in zip(found, (PLAIN, PIPED), strict=True):
        assert_same_results(results, case.stacked().cv_results_, rtol=0.0)


def test_threads_of_this_process_are_what_n_jobs_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scorer without a name, and objects that no process could be sent."""
    lock, seen = threading.Lock(), set()

    def score(model: Any, X: Any, y: Any) -> float:
        with lock:
            seen.add(threading.get_ident())
        time.sleep(0.01)
        return model.score(X, y)

    monkeypatch.setattr(plan, "_MOST", 1)
    found = PLAIN.stacked(scoring=score, n_jobs=3, refit=False)
    assert len(seen) > 1
    assert_same_results(found.cv_results_, PLAIN.plain(scoring=score).cv_results_)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_errors_that_are_to_be_raised_are(n_jobs: int) -> None:
    search = StackedGridSearchCV(
        classifier(), {"alpha": [1e-4, -1]}, cv=2, n_jobs=n_jobs, error_score="raise"
    )
    with pytest.raises(ValueError, match="'alpha' parameter"):
        search.fit(X, Y)


def test_an_error_ends_training_on_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    advanced, calls = Progress.advanced, [0]

    def counted(self: Progress, epochs: int) -> None:
        calls[0] += 1
        advanced(self, epochs)

    def fails(model: Any, X: Any, y: Any) -> float:
        raise ZeroDivisionError("no score")

    monkeypatch.setattr(Progress, "advanced", counted)
    model, values = classifier(tol=0.0, n_iter_no_change=np.inf), {"max_iter": [3, 10**7]}
    search = StackedGridSearchCV(model, values, cv=2, n_jobs=2, scoring=fails, error_score="raise")
    with pytest.raises(ZeroDivisionError):
        search.fit(X, Y)
    assert_stands_still(calls)


def assert_stands_still(calls: list[int]) -> None:
    """Nothing is in training any more."""
    time.sleep(0.2)
    made = calls[0]
    time.sleep(0.2)
    assert calls[0] == made >= 3


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two processes with a thread each."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**settings, dashboard_address=":0") as cluster, Client(cluster) as client:
        yield client


@each_case
def test_on_a_cluster(client: Client, case: Case) -> None:
    with joblib.parallel_config(backend="dask"):
        found = case.stacked().cv_results_
    assert_same_results(found, case.stacked().cv_results_, rtol=0.0)


def test_the_table_is_sent_to_a_cluster_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 20_000
    table = np.random.default_rng(0).normal(size=(rows, 20))
    scatter, submit = client.scatter, client.submit
    sent: list[int] = []
    tasks: list[int] = []

    def scattered(data: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(len(cloudpickle.dumps(data)))
        return scatter(data, *args, **kwargs)

    def submitted(*args: Any, **kwargs: Any) -> Any:
        tasks.append(len(cloudpickle.dumps((args, kwargs))))
        return submit(*args, **kwargs)

    monkeypatch.setattr(client, "scatter", scattered)
    monkeypatch.setattr(client, "submit", submitted)
    search = StackedGridSearchCV(classifier(max_iter=1), {"hidden_layer_sizes": [3, 4, 5]}, cv=3)
    with joblib.parallel_config(backend="dask"):
        search.fit(table, (table[:, 0] > 0).astype(int))
    assert len(tasks) >= 6 and max(tasks) < 20_000
    assert sum(size >= table.nbytes for size in sent) == 1
    assert sum(sent) < 1.5 * table.nbytes


def interrupt_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Let the user press Ctrl-C in the middle of the training of a stack."""
    advanced, left = Progress.advanced, [calls]

    def impatient(self: Progress, epochs: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        advanced(self, epochs)

    monkeypatch.setattr(Progress, "advanced", impatient)


@pytest.mark.parametrize(("several", "solver"), [(False, "adam"), (True, "adam"), (False, "lbfgs")])
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.filterwarnings("ignore:One or more of the (test|train) scores are non-finite")
def test_an_interrupted_search_keeps_what_was_finished(
    monkeypatch: pytest.MonkeyPatch, n_jobs: int, several: bool, solver: str
) -> None:
    monkeypatch.setattr(plan, "_MOST", 1)
    scores = {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy"} if several else {}
    model, values = classifier(max_iter=4, solver=solver), {"alpha": [1e-4, 0.1, 0.2, 0.3, 1.0]}
    settings = {"cv": 2, "n_jobs": n_jobs, "return_train_score": True, **scores}
    search = StackedGridSearchCV(model, values, **settings)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 22)
        with pytest.warns(UserWarning, match=r"interrupted after (\d+) of 10 fits"):  # noqa: SIM117
            with pytest.raises(KeyboardInterrupt):
                search.fit(X, Y)
    assert not hasattr(search, "best_estimator_") and not hasattr(search, "best_params_")
    whole = StackedGridSearchCV(model, values, **settings).fit(X, Y).cv_results_
    partly = search.cv_results_
    assert list(partly) == list(whole) and partly["params"] == whole["params"]
    names = [key for key in whole if key.startswith("split")]
    found, expected = (np.stack([table[key] for key in names]) for table in (partly, whole))
    finished = ~np.isnan(found)
    np.testing.assert_array_equal(found[finished], expected[finished])
    per_fit = len(names) // 2
    if n_jobs == 1:
        assert finished.sum() == 5 * per_fit
    assert 0 < finished.sum() <= 5 * per_fit and finished.sum() % per_fit == 0
    assert_same_results(search.fit(X, Y).cv_results_, whole, rtol=0.0)


@pytest.mark.filterwarnings("ignore:The search was interrupted after 6 of 8")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_an_interrupted_search_by_a_function_of_several_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whose names are not known of a fit that failed."""
    monkeypatch.setattr(plan, "_MOST", 1)
    interrupt_after(monkeypatch, 18)
    search = StackedGridSearchCV(
        classifier(max_iter=4), {"alpha": [-1, 0.1, 0.2, 0.3]}, cv=2, error_score=-7.0, refit="a",
        scoring=lambda model, X, y: {"a": model.score(X, y), "b": 1.0},
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    found = np.stack([search.cv_results_[f"split{fold}_test_b"] for fold in range(2)])
    np.testing.assert_array_equal(np.sort(found.ravel()), [-7, -7, 1, 1, 1, 1, np.nan, np.nan])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_that_is_interrupted_at_once_has_no_results(
    monkeypatch: pytest.MonkeyPatch, n_jobs: int
) -> None:
    interrupt_after(monkeypatch, 1)
    endless = classifier(max_iter=10**7, tol=0.0, n_iter_no_change=np.inf)
    search = StackedGridSearchCV(endless, {"alpha": [1e-4, 1.0]}, cv=2, n_jobs=n_jobs)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert not hasattr(search, "cv_results_")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_signal_ends_training_wherever_it_runs(
    monkeypatch: pytest.MonkeyPatch, n_jobs: int
) -> None:
    """It reaches the main thread, which may only be waiting for others."""
    advanced, calls = Progress.advanced, [0]

    def signalled(self: Progress, epochs: int) -> None:
        calls[0] += 1
        if calls[0] == 5:
            _thread.interrupt_main()
        advanced(self, epochs)

    monkeypatch.setattr(Progress, "advanced", signalled)
    model = classifier(max_iter=10**7, tol=0.0, n_iter_no_change=np.inf)
    search = StackedGridSearchCV(model, {"hidden_layer_sizes": [(4,), (8,)]}, cv=2, n_jobs=n_jobs)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert_stands_still(calls)


class Listener:
    """Notes the tasks that begin and end, of which estimator, and who is told of them."""

    def __init__(self) -> None:
        self.open: list[tuple] = []
        self.closed: list[tuple] = []
        self.set_up = self.torn_down = 0
        self.given: list[Any] = []
        self.estimators: set[int] = set()

    def setup(self, estimator: Any, context: Any) -> None:
        self.set_up += 1

    def on_fit_task_begin(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None, metadata: Any = None
    ) -> None:
        self.open.append(self._task(context))
        self.given.append((context.task_name, X, y, metadata))
        self.estimators.add(id(estimator))

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        self.open.remove(task := self._task(context))
        self.closed.append(task)
        self.estimators.add(id(estimator))

    def teardown(self, estimator: Any, context: Any) -> None:
        self.torn_down += 1

    def count(self, name: str) -> int:
        return sum(task[1] == name for task in self.closed)

    @staticmethod
    def _task(context: Any) -> tuple:
        return context.estimator_name, context.task_name, context.task_id, id(context)


class Passed(Listener):
    """One that sub-estimators are given too."""

    max_propagation_depth = None


@each_case
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("refit", [True, False])
def test_callbacks_of_a_search_hear_of_its_tasks(case: Case, n_jobs: int, refit: bool) -> None:
    listener = Listener()
    search = StackedGridSearchCV(case.model, case.grid, cv=2, n_jobs=n_jobs, refit=refit)
    search.set_callbacks(listener).fit(X, Y, **case.fit)
    assert listener.set_up == listener.torn_down == 1 and not listener.open
    assert listener.estimators == {id(search)}
    assert listener.count("fit") == listener.count("search") == 1
    assert listener.count("refit-with-best-params") == int(refit)
    # 4 candidates in 2 folds for at most 12 epochs, whatever they stopped after.
    assert listener.count("member-epochs") == 96
    assert listener.closed[-1][1] == "fit"
    assert [name for name, *_ in listener.given[:2]] == ["fit", "search"]
    _, table, target, _ = listener.given[0]
    assert table is X and target is Y


def test_long_searches_tell_of_a_thousand_steps() -> None:
    listener = Listener()
    search = StackedGridSearchCV(classifier(max_iter=300, tol=0.1), {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(listener).fit(X, Y)
    assert listener.count("member-epochs") == 1000 and not listener.open


def test_callbacks_are_told_of_weights() -> None:
    listener = Listener()
    search = StackedGridSearchCV(classifier(), {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(listener).fit(X, Y, sample_weight=T["weight"])
    told = {name: metadata for name, _, _, metadata in listener.given}
    for name in ("fit", "refit-with-best-params"):
        np.testing.assert_array_equal(told[name]["sample_weight"], T["weight"])


def test_callbacks_that_are_passed_on_hear_of_the_refit() -> None:
    listener = Passed()
    search = StackedGridSearchCV(classifier(), {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(listener).fit(X, Y)
    assert listener.count("epoch") == search.best_estimator_.n_iter_ and not listener.open


@pytest.mark.parametrize("steps", [False, True], ids=["alone", "Pipeline"])
def test_callbacks_of_the_estimator_run_in_each_fit(steps: bool) -> None:
    """And in the refit, as in scikit-learn's search."""
    counts, tables = [], []
    for make in (StackedGridSearchCV, GridSearchCV):
        listener, grid = Listener(), {"alpha": [0.1, 1.0]}
        model: Any = classifier().set_callbacks(listener)
        if steps:
            model = Pipeline([("s", StandardScaler()), ("mlp", model)])
            grid = {"mlp__alpha": grid["alpha"]}
        tables.append(make(model, grid, cv=3).fit(X, Y).cv_results_)
        assert listener.set_up == listener.torn_down == 7 and not listener.open
        counts.append([listener.count(name) for name in ("fit", "epoch")])
    assert counts[0] == counts[1]
    assert_same_results(*tables)


def test_scores_that_a_callback_monitors_are_those_of_each_fit() -> None:
    scores = []
    for make in (StackedGridSearchCV, GridSearchCV):
        monitor = ScoringMonitor(scoring="neg_log_loss")
        make(classifier().set_callbacks(monitor), {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
        rows = monitor.get_logs().data  # of all fits
        scores.append([row["neg_log_loss"] for row in rows if row["task_name"] == "epoch"])
    assert len(scores[0]) == 20  # of four epochs, in four fits and the refit
    np.testing.assert_allclose(np.sort(scores[0]), np.sort(scores[1]))


@pytest.mark.parametrize("kind", ["failing", "interrupted"])
def test_callbacks_are_torn_down_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    listener = Listener()
    grid = {"alpha": [-1, -2] if kind == "failing" else [0.1, 1.0]}
    search = StackedGridSearchCV(classifier(), grid, cv=2).set_callbacks(listener)
    if kind == "interrupted":
        interrupt_after(monkeypatch, 2)
    with pytest.raises(ValueError if kind == "failing" else KeyboardInterrupt):
        search.fit(X, Y)
    assert listener.set_up == listener.torn_down == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_candidates_that_fail_do_not_keep_progress_from_its_end() -> None:
    listener = Listener()
    grid = [{"alpha": [-1, 0.1]}, {"max_iter": ["x"]}]
    search = StackedGridSearchCV(classifier(max_iter=5), grid, cv=2).set_callbacks(listener)
    search.fit(X, Y)
    assert listener.count("member-epochs") == 10 and not listener.open


def test_a_progress_bar_runs_to_its_end(capsys: pytest.CaptureFixture) -> None:
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert_progress_bar_runs_to_its_end(capsys)


def assert_progress_bar_runs_to_its_end(capsys: pytest.CaptureFixture) -> None:
    search = StackedGridSearchCV(classifier(), {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(ProgressBar()).fit(X, Y)
    shown = capsys.readouterr().out
    assert "StackedGridSearchCV - fit" in shown and "search" in shown and "100%" in shown
