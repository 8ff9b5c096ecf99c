"""What goes between host and device: the rows and what varies of an epoch, and one array back."""

from collections import Counter
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from array_api_strict._array_object import Array

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends.portable import PortableBackend
from sknorm.data import table as tables
from sknorm.estimators.reporting import Reporter

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DEVICE = strict.Device("device1")
ROWS, WIDTH, EPOCHS = 48, 3, 3

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "ghost": {"normalization": "ghost", "ghost_batch_size": 4},
    "layer": {"normalization": "layer"},
    "no norm": {"normalization": None},
    "two layers": {"hidden_layer_sizes": (4, 4), "residual": True},
    "sgd": {"solver": "sgd", "learning_rate": "invscaling"},
    "l1": {"alpha": 0.1, "l1_ratio": 0.5},
    "l0": {"alpha": 0.1, "penalty": "l0"},
    "group lasso": {"alpha": 0.1, "penalty": "group_lasso", "solver": "sgd"},
    "nuclear": {"alpha": 0.1, "penalty": "nuclear", "solver": "adamw"},
    "augmented": {"dropout": 0.2, "input_dropout": 0.2, "input_noise": 0.1},
    "clipped": {"max_grad_norm": 0.1},
    "members": {"n_members": 2},
    "averaged": {"swa_fraction": 1.0},
    "cumulative": {"norm_statistics": "cumulative"},
    "mixup": {"mixup_alpha": 0.3},
}


class CountingBackend(PortableBackend):
    """The device's backend, which counts what comes to the host."""

    def __init__(self, traffic: "Traffic") -> None:
        super().__init__(strict, DEVICE)
        self.traffic = traffic

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        self.traffic.now["asarray"] += not isinstance(array, Array)
        return super().asarray(array, dtype)

    def to_numpy(self, array: Any) -> np.ndarray:
        self.traffic.now["to_numpy"] += 1
        return super().to_numpy(array)


class Traffic:
    """Counts of transfers, before the first epoch and from the start of each on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.phases = [Counter[str]()]
        self._begin = Reporter.epoch_begins
        backend, upload = CountingBackend(self), strict.asarray

        def counted_upload(array: Any, **options: Any) -> Any:
            if not isinstance(array, Array):
                self.now["uploads"] += 1
                self.now["uploads of X"] += np.shape(array) == (ROWS, WIDTH)
            return upload(array, **options)

        def begin(reporter: Reporter) -> None:
            self.phases.append(Counter())
            self._begin(reporter)

        patch.setattr(tables, "resolve", lambda *_: backend)
        patch.setattr(strict, "asarray", counted_upload)
        patch.setattr(Reporter, "epoch_begins", begin)
        for name in ("__bool__", "__int__", "__float__", "__index__", "__complex__", "__array__"):
            patch.setattr(Array, name, self._counted(name, getattr(Array, name)))

    @property
    def now(self) -> Counter[str]:
        return self.phases[-1]

    @property
    def epochs(self) -> list[Counter[str]]:
        """All but the last, which also holds what comes after training."""
        return self.phases[1:-1]

    def _counted(self, name: str, method: Any) -> Any:
        def counted(array: Any, *arguments: Any, **options: Any) -> Any:
            self.now["looks" if name != "__array__" else "reads"] += 1
            return method(array, *arguments, **options)

        return counted


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    return Traffic(monkeypatch)


def table() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(ROWS, WIDTH))
    return X, X[:, 0] - X[:, 1]


def device_table() -> tuple[Any, Any]:
    X, y = table()
    return strict.asarray(X, device=DEVICE), strict.asarray(y, device=DEVICE)


def settings(**changed: Any) -> dict[str, Any]:
    common: dict[str, Any] = {
        "hidden_layer_sizes": (4,), "max_iter": EPOCHS, "batch_size": 12, "tol": 0.0,
        "n_iter_no_change": EPOCHS, "early_stopping": False, "random_state": 0,
    }  # fmt: skip
    return {**common, **changed}


def assert_quiet(traffic: Traffic, uploads: int) -> None:
    """One array comes back from an epoch, and no number in it is looked at before."""
    assert len(traffic.epochs) == EPOCHS - 1
    for epoch in traffic.epochs:
        assert epoch["to_numpy"] == 1, epoch
        assert epoch["reads"] <= 1, epoch
        assert epoch["looks"] == 0, epoch
        assert epoch["uploads"] <= uploads and epoch["uploads"] == epoch["asarray"], epoch


@pytest.mark.parametrize("name", VARIANTS)
def test_an_epoch_sends_rows_and_rates_and_reads_once(traffic: Traffic, name: str) -> None:
    model = MLPRegressor(**settings(**VARIANTS[name]), preset="sklearn").fit(*device_table())
    assert isinstance(model.network_.backend, CountingBackend)
    assert_quiet(traffic, uploads=2)


@pytest.mark.parametrize("name", ["default", "two layers", "members", "layer", "no norm"])
@pytest.mark.parametrize("statistics", ["running", "population"])
def test_so_does_an_epoch_with_held_out_rows(traffic: Traffic, name: str, statistics: str) -> None:
    changed = {**VARIANTS[name], "norm_statistics": statistics}
    stopping = {"early_stopping": True, "validation_fraction": 0.25}
    model = MLPRegressor(**settings(**changed, **stopping), preset="sklearn").fit(*device_table())
    assert len(model.validation_scores_) == EPOCHS
    passes = len(model.network_.statistics) if statistics == "population" else 0
    assert_quiet(traffic, uploads=4 + passes)


@pytest.mark.parametrize(("calibration", "uploads"), [(None, 4), ("temperature", 5)])
def test_classifiers_are_as_quiet(traffic: Traffic, calibration: Any, uploads: int) -> None:
    X, y = table()
    labels = np.digitize(y, [-1.0, 1.0])
    stopping = {"early_stopping": True, "validation_fraction": 0.25, "label_smoothing": 0.1}
    changed = settings(**stopping, calibration=calibration)
    MLPClassifier(**changed, preset="sklearn").fit(strict.asarray(X, device=DEVICE), labels)
    assert_quiet(traffic, uploads=uploads)


@pytest.mark.parametrize("stopping", [False, True])
@pytest.mark.parametrize("name", ["l1", "mixup"])
def test_transfers_do_not_grow_with_the_batches(
    monkeypatch: pytest.MonkeyPatch, name: str, stopping: bool
) -> None:
    counts = []
    for batch_size in (6, 12):
        with monkeypatch.context() as patch:
            traffic = Traffic(patch)
            changed = {"batch_size": batch_size, "early_stopping": stopping, **VARIANTS[name]}
            MLPRegressor(**settings(**changed), preset="sklearn").fit(*device_table())
            counts.append(traffic.epochs)
    assert counts[0][0]["uploads"] > 0
    assert counts[0] == counts[1]


@pytest.mark.parametrize("stopping", [False, True])
def test_the_table_is_uploaded_once(traffic: Traffic, stopping: bool) -> None:
    MLPRegressor(**settings(early_stopping=stopping), preset="sklearn").fit(*table())
    assert sum(phase["uploads of X"] for phase in traffic.phases) == 1
    assert traffic.phases[0]["uploads of X"] == 1


@pytest.mark.parametrize("stopping", [False, True])
def test_a_table_on_the_device_is_not_uploaded(traffic: Traffic, stopping: bool) -> None:
    X, y = device_table()
    traffic.now.clear()
    MLPRegressor(**settings(early_stopping=stopping), preset="sklearn").fit(X, y)
    assert sum(phase["uploads of X"] for phase in traffic.phases) == 0


@pytest.mark.parametrize("return_std", [False, True])
def test_predictions_stay_on_the_device(traffic: Traffic, return_std: bool) -> None:
    X, y = device_table()
    model = MLPRegressor(**settings(n_members=2), preset="sklearn").fit(X, y)
    model.predict(X)  # the first folds the norms
    traffic.now.clear()
    model.predict(X, return_std=return_std)
    assert traffic.now["to_numpy"] == traffic.now["uploads of X"] == traffic.now["looks"] == 0
    assert traffic.now["reads"] == 1  # whether X is finite


def test_counters_see_what_they_count(traffic: Traffic) -> None:
    X, _ = device_table()
    assert traffic.now["uploads of X"] == 1
    backend = tables.resolve(X)
    assert bool(backend.xp.all(X == X)) and float(X[0, 0]) == float(backend.to_numpy(X)[0, 0])
    assert (traffic.now["looks"], traffic.now["to_numpy"], traffic.now["reads"]) == (2, 1, 1)
