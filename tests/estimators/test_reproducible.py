"""Same seed, same bits: whatever the threads, the processes and the neighbours."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from sknorm import MLPClassifier, MLPRegressor
from sknorm.network.layers.block import pieces

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def outputs(fitted: Any, X: np.ndarray) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def small(estimator: type = MLPClassifier, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8, 6), "max_iter": 6, "random_state": 0}
    return estimator(
        preset="sklearn", **{**sizes, "learning_rate_init": 0.02, "dropout": 0.1, **settings}
    )


@pytest.fixture(scope="module")
def wide() -> Table:
    """2,048 rows of 32 columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2048, 32)).astype(np.float32)
    return X, (X @ rng.normal(size=32) > 0).astype(int)


WIDE = {"hidden_layer_sizes": (256, 256), "batch_size": 1024, "max_iter": 2, "random_state": 0}


@pytest.mark.parametrize("normalization", ["batch", "ghost", "layer", None])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_number_of_threads_changes_no_bit(
    wide: Table, normalization: str | None, dtype: str
) -> None:
    """On layers that are cut into pieces, which two threads share."""
    assert len(pieces(1024, 256, 256)) == 2
    X, y = wide
    settings = {**WIDE, "normalization": normalization, "dtype": dtype, "dropout": 0.1}
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fitted = MLPClassifier(**settings, preset="sklearn").fit(X, y)
            results.append((fitted.network_.parameters.flat, fitted.predict_proba(X)))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"n_members": 2}], ids=str)
def test_same_seed_trains_the_same_network(binary: Table, estimator: type, settings: dict) -> None:
    X, y = binary
    first, second = (small(estimator, **settings).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(outputs(first, X), outputs(second, X))
    assert first.loss_curve_ == second.loss_curve_
    other = small(estimator, **settings, random_state=1).fit(X, y)
    assert np.any(outputs(other, X) != outputs(first, X))


def test_without_a_seed_fits_differ(binary: Table) -> None:
    X, y = binary
    one, two = (small(random_state=None).fit(X, y).predict_proba(X) for _ in range(2))
    assert np.any(one != two)


def test_generator_as_seed_advances(binary: Table) -> None:
    X, y = binary
    generator = np.random.RandomState(0)
    one, two = (small(random_state=generator).fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(one, small(random_state=0).fit(X, y).predict_proba(X))
    assert np.any(one != two)


def test_global_numpy_generator_is_left_alone(binary: Table) -> None:
    X, y = binary
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    small(early_stopping=True).fit(X, y)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_order_of_fits_changes_nothing(binary: Table, multiclass: Table) -> None:
    X, y = binary
    fresh = small().fit(X, y).predict_proba(X)
    small(hidden_layer_sizes=(30,)).fit(*multiclass)
    np.testing.assert_array_equal(small().fit(X, y).predict_proba(X), fresh)


def test_workers_of_a_grid_search_change_nothing(binary: Table) -> None:
    X, y = binary
    grid = {"alpha": [1e-4, 1e-1], "dropout": [0.0, 0.3]}
    searches = [GridSearchCV(small(), grid, cv=2, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)]
    serial, parallel = searches
    for key in serial.cv_results_:
        if "time" not in key:
            np.testing.assert_array_equal(serial.cv_results_[key], parallel.cv_results_[key])
    assert serial.best_params_ == parallel.best_params_
    np.testing.assert_array_equal(serial.predict_proba(X), parallel.predict_proba(X))


def test_concurrent_fits_equal_serial_ones(wide: Table, binary: Table) -> None:
    """Two threads of one process, with networks that share the worker threads."""
    jobs = [
        (MLPClassifier(**WIDE, preset="sklearn"), wide),
        (small(), binary),
        (MLPClassifier(**WIDE, normalization=None, preset="sklearn"), wide),
        (small(MLPRegressor, max_iter=30), binary),
    ]

    def fit(job: tuple[Any, Table]) -> np.ndarray:
        estimator, (X, y) = job
        return outputs(estimator.fit(X, y), X)

    serial = [fit(job) for job in jobs]
    with ThreadPoolExecutor(2) as threads:
        concurrent = list(threads.map(fit, jobs))
    for one, two in zip(serial, concurrent, strict=True):
        np.testing.assert_array_equal(one, two)


_FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from threadpoolctl import threadpool_limits
from sknorm import MLPClassifier
rng = np.random.default_rng(0)
X = rng.normal(size=(1024, 32)).astype(np.float32)
y = (X[:, 0] > 0).astype(int)
def fit():
    model = MLPClassifier((256, 256), batch_size=1024, max_iter=2, random_state=0)
    return model.fit(X, y).predict_proba(X)
with threadpool_limits(2):
    before = fit()  # starts the worker threads, which a fork does not inherit
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(fit(), before) else 1)
    status = os.waitpid(child, 0)[1]
    sys.exit(os.waitstatus_to_exitcode(status) + (not np.array_equal(fit(), before)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_forked_child_and_its_parent_fit_on() -> None:
    done = subprocess.run([sys.executable, "-c", _FORK], timeout=120, check=False)
    assert done.returncode == 0
