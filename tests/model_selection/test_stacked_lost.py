"""What a stacked search keeps where a process or an error ends it, and what it leaves behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
from search_case import T, classifier
from sklearn.model_selection import KFold

from sknorm.model_selection import StackedGridSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = T["X"], T["multiclass"]
SIZES = {"hidden_layer_sizes": [(3,), (4,), (5,), (6,)]}  # four stacks of two fits
LAST = 6


def own_score(last: Any) -> Any:
    """A scorer that does something else for the last candidate."""

    def score(model: Any, X: Any, y: Any) -> Any:
        if model.hidden_layer_sizes == (LAST,):
            last()
        return float(np.mean(model.predict(X) == y))

    return score


def die() -> None:
    time.sleep(0.5)  # lets the results of other workers arrive
    os.kill(os.getpid(), signal.SIGKILL)


def no_memory() -> None:
    raise MemoryError("no more")


def no_score() -> None:
    raise ZeroDivisionError("no score")


ENDS = {
    "a worker that is killed": (die, TerminatedWorkerError, "loky", 2),
    "an error on a thread": (no_score, ZeroDivisionError, "threading", 2),
    "an error in this one": (no_score, ZeroDivisionError, "threading", 1),
    "no memory": (no_memory, MemoryError, "threading", 1),
    "results all at once": (no_score, ZeroDivisionError, "sequential", 1),
}


@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs were given")
@pytest.mark.parametrize(("last", "kind", "backend", "n_jobs"), ENDS.values(), ids=ENDS)
def test_what_was_finished_is_kept(last: Any, kind: type, backend: str, n_jobs: int) -> None:
    settings: dict[str, Any] = {"cv": KFold(2), "error_score": "raise", "pre_dispatch": n_jobs}
    search = StackedGridSearchCV(classifier(), SIZES, scoring=own_score(last), **settings)
    with joblib.parallel_config(backend, n_jobs=n_jobs), pytest.raises(kind) as caught:
        search.fit(X, Y)
    expected = StackedGridSearchCV(classifier(), SIZES, scoring=own_score(int), **settings)
    whole = expected.fit(X, Y).cv_results_
    assert list(search.cv_results_) == list(whole)
    found, scores = (
        np.stack([table[f"split{fold}_test_score"] for fold in range(2)])
        for table in (search.cv_results_, whole)
    )
    finished = ~np.isnan(found)
    assert 2 <= finished.sum() <= 6 and np.isnan(found[:, 3]).all()
    np.testing.assert_array_equal(found[finished], scores[finished])
    (note,) = caught.value.__notes__
    assert f"ended after {finished.sum()} of 8 fits: cv_results_ holds their scores" in note
    assert not hasattr(search, "best_estimator_") and not hasattr(search, "best_index_")


def test_results_of_an_earlier_fit_do_not_stay_beside_the_new_ones() -> None:
    search = StackedGridSearchCV(classifier(), SIZES, cv=2, error_score="raise").fit(X, Y)
    with pytest.raises(ZeroDivisionError):
        search.set_params(scoring=own_score(no_score), refit=False).fit(X, Y)
    assert np.isnan(search.cv_results_["mean_test_score"]).any()
    for name in ("best_estimator_", "best_index_", "best_params_", "best_score_", "classes_"):
        assert not hasattr(search, name)


@pytest.mark.parametrize("refit", [True, "ensemble", "c"])
def test_a_refit_by_no_name_of_a_functions_scores_is_refused_at_once(refit: Any) -> None:
    calls: list[int] = []

    def score(model: Any, X: Any, y: Any) -> dict[str, float]:
        calls.append(1)
        return {"a": 1.0, "b": 2.0}

    search = StackedGridSearchCV(classifier(), SIZES, cv=2, scoring=score, refit=refit)
    with pytest.raises(ValueError, match="must be set to a scorer key"):
        search.fit(X, Y)
    assert len(calls) == 2
    assert search.cv_results_["mean_test_b"].tolist()[:1] == [2.0]


SCRIPT = """
import os
import joblib
import numpy as np
from sknorm import MLPClassifier
from sknorm.model_selection import StackedGridSearchCV

def score(model, X, y):
    with open(os.path.join({folder!r}, str(os.getpid())), "w"):
        return 1.0

X = np.random.default_rng(0).normal(size=(60, 3))
endless = MLPClassifier((3,), tol=0.0, n_iter_no_change=np.inf, random_state=0)
search = StackedGridSearchCV(endless, {{"max_iter": [1, 10**8]}}, cv=2, scoring=score)
with joblib.parallel_config("loky", n_jobs=2):
    search.fit(X, (X[:, 0] > 0).astype(int))
"""


def test_no_worker_outlives_a_search_that_is_terminated(tmp_path: Path) -> None:
    """The one that is in training, and the one that waits."""
    psutil = pytest.importorskip("psutil")
    script = SCRIPT.format(folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as process:
        workers = []
        try:
            wait_until(lambda: len(list(tmp_path.iterdir())) > 0)
            workers = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            process.wait(60.0)
            wait_until(lambda: not any(map(lives, workers)))
        finally:
            for each in [process, *filter(lives, workers)]:
                each.kill()
    assert len(workers) >= 2


def lives(process: Any) -> bool:
    """Whether a process runs; one that has ended may still be listed."""
    return process.is_running() and process.status() != "zombie"


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.1)
