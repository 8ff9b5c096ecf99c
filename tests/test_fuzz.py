"""Random parameters, tables and calls: what must hold after each call, whatever came before.

A call works, or is refused with an error of a known kind and leaves the model as it was. Only fits
change what a model predicts; parameters that are set after them do not, nor do pickles. All draws
follow from the number of the sequence, which a failure names.
"""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sknorm import MLPClassifier, MLPRegressor
from sknorm.objective.losses import LOSSES
from sknorm.objective.penalties import PENALTIES

SEQUENCES, PARTS, CALLS = 160, 16, 7
OFTEN = 8  # parts in the default run

Rng = np.random.Generator

# What users may be told of; any other warning fails the test.
TOLD = (
    (ConvergenceWarning, ""),
    (RuntimeWarning, "non-finite|not finite|overflow|reaches"),
    (
        UserWarning,
        "larger than the|more than any|acts with penalty|never a finite number|one_cycle|cosine",
    ),
)
SHARED: dict[str, list[Any]] = {
    "hidden_layer_sizes": [(), (1,), (3,), (4, 4), 5],
    "activation": ["auto", "relu", "tanh"],
    "preset": ["sklearn", "fast", "accurate", "best"],
    "solver": ["adam", "adam", "adamw", "sgd", "sgd", "lbfgs"],
    "alpha": [0.0, 1e-4, 0.1, 10.0],
    "l1_ratio": [0.0, 0.0, 0.5, 1.0],
    "penalty": ["elasticnet", *PENALTIES],
    "batch_size": ["auto", 2, 7, 1000],
    "learning_rate": [
        "auto",
        "constant",
        "invscaling",
        "adaptive",
        "cosine",
        "one_cycle",
        "adaptive_cosine",
    ],
    "learning_rate_init": ["auto", 1e-3, 0.05, 1e3],
    "max_iter": [1, 2, 3],
    "shuffle": [True, False],
    "tol": [0.0, 1e-4, 1.0],
    "momentum": [0.0, 0.9],
    "nesterovs_momentum": [True, False],
    "early_stopping": ["auto", "auto", False, True],
    "validation_fraction": [0.1, 0.3],
    "n_iter_no_change": ["auto", 1, 10, np.inf],
    "normalization": ["batch", "batch", "ghost", "layer", None],
    "norm_statistics": ["running", "running", "cumulative", "population"],
    "norm_affine": [True, False],
    "ghost_batch_size": [2, 16],
    "dropout": ["auto", 0.0, 0.0, 0.3],
    "input_dropout": [0.0, 0.0, 0.2],
    "n_bins": ["auto", None, 2, 5, 5],  # refused with some of the others, tables and calls
    "scaling": ["auto", "standard", "robust", None],
    "input_noise": [0.0, 0.0, 0.1],
    "mixup_alpha": [0.0, 0.0, 0.3],
    "residual": [False, True],
    "swa_fraction": [0.0, 0.0, 0.5],
    "max_grad_norm": [None, None, 1.0],
    "scoring": ["loss", "loss", None],
    "n_members": ["auto", 1, 1, 2],
    "dtype": ["auto", "float32", "float64"],
    "warm_start": [False, False, True],
}
OWN: dict[type, dict[str, list[Any]]] = {
    MLPClassifier: {
        "class_weight": [None, None, "balanced"],
        "label_smoothing": [0.0, 0.0, 0.1],
        "calibration": ["auto", "temperature", None],
    },
    MLPRegressor: {
        "loss": list(LOSSES),
        "quantile": [0.5, [0.1, 0.9], [0.3]],
        "standardize_target": ["auto", True, False],
        "huber_delta": [0.1, 1.35],
    },
}
WRONG: dict[str, Any] = {
    "alpha": -1.0, "dropout": 1.0, "max_iter": 0, "solver": "none", "hidden_layer_sizes": (0,),
    "normalization": "group", "n_members": 0, "momentum": 2.0, "learning_rate_init": 0.0,
    "batch_size": "all", "dtype": "float16", "validation_fraction": "half",
    "preset": "auto", "n_bins": 1,
}  # fmt: skip


def settings(rng: Rng, kind: type, share: float) -> dict[str, Any]:
    """Some of the parameters, each at one of its values."""
    table = {**SHARED, **OWN[kind]}
    names = [name for name in table if rng.random() < share]
    return {name: table[name][rng.integers(len(table[name]))] for name in names}


class Task:
    """A table of one kind of columns and targets, of which calls take rows."""

    def __init__(self, rng: Rng, kind: type) -> None:
        self.rng, self.kind = rng, kind
        self.width = int(rng.integers(1, 6))
        self.classes = int(rng.integers(2, 4))
        self.targets = int(rng.choice([1, 1, 2]))
        self.form = rng.choice(["float64", "float32", "sparse", "fortran", "list"])
        self.unit = float(rng.choice([1.0, 1.0, 1e-6, 1e5]))
        self.names = rng.random() < 0.3

    def rows(self, least: int = 12) -> tuple[Any, Any]:
        """X in the task's form, and y."""
        rng, n = self.rng, int(self.rng.integers(least, 60))
        values = rng.normal(size=(n, self.width)) + rng.integers(-2, 3, self.width)
        values[:, -1] = np.round(values[:, -1])
        signal = values.sum(axis=1) + 0.1 * rng.normal(size=n)
        return self._formed(values * self.unit), self._target(signal)

    def _formed(self, values: np.ndarray) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "float64": lambda: values,
            "float32": lambda: values.astype(np.float32),
            "sparse": lambda: sparse.csr_array(np.where(np.abs(values) < self.unit, 0.0, values)),
            "fortran": lambda: np.asfortranarray(values),
            "list": lambda: values.tolist(),
        }
        return made[self.form]()

    def _target(self, signal: np.ndarray) -> Any:
        if self.kind is MLPRegressor:
            amounts = np.exp(signal / 4) + 0.1
            return amounts if self.targets == 1 else np.stack([amounts, 2 * amounts], axis=1)
        codes = np.argsort(np.argsort(signal)) * self.classes // len(signal)
        return np.array(["u", "v", "w"])[codes] if self.names else codes

    @property
    def labels(self) -> list[Any]:
        return (["u", "v", "w"] if self.names else [0, 1, 2])[: self.classes]


def outputs(model: Any, X: Any) -> np.ndarray:
    return model.predict_proba(X) if isinstance(model, MLPClassifier) else model.predict(X)


class Session:
    """A model, and what it predicted for some rows after the last call that counted."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.kind: type = MLPClassifier if rng.random() < 0.5 else MLPRegressor
        self.task = Task(rng, self.kind)
        base = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": seed}
        base["preset"] = "sklearn"
        self.model = self.kind(**{**base, **settings(rng, self.kind, 0.35)})
        self.probe = self.task.rows()[0]
        self.predicted: np.ndarray | None = None

    def play(self) -> None:
        calls = [
            self.fit, self.fit, self.partial_fit, self.partial_fit, self.failed_fit,
            self.failed_fit, self.set_parameters, self.restore, self.copy,
        ]  # fmt: skip
        self.fit()
        for _ in range(CALLS):
            calls[self.rng.integers(len(calls))]()
            self.check()

    def fit(self) -> None:
        X, y = self.task.rows()
        weight = self.rng.integers(0, 3, len(y)) * 0.5 if self.rng.random() < 0.3 else None
        self._trying(lambda: self.model.fit(X, y, sample_weight=weight))

    def partial_fit(self) -> None:
        X, y = self.task.rows(least=self.rng.choice([1, 12]))
        if not hasattr(self.model, "partial_fit"):
            return
        extra = {"classes": self.task.labels} if self.kind is MLPClassifier else {}
        self._trying(lambda: self.model.partial_fit(X, y, **extra))

    def failed_fit(self) -> None:
        X, y = self.task.rows()
        name = str(self.rng.choice(sorted(WRONG)))
        method = self.model.fit
        if hasattr(self.model, "partial_fit") and self.rng.random() < 0.4:
            method = self.model.partial_fit
        kept = self.model.get_params()[name]
        fault = self.rng.integers(5)
        with pytest.raises((ValueError, TypeError)):
            if fault == 0:
                method(self.task._formed(np.full((20, self.task.width), np.inf)), y[:20])
            elif fault == 1:
                method(X, y[:-1])
            elif fault == 2:
                method(X, y, sample_weight=np.full(len(y), -1.0))
            elif fault == 3:
                self.model.set_params(**{name: WRONG[name]})
                method(X, y)
            else:
                method(X, np.full(len(y), None))
        self.model.set_params(**{name: kept})

    def set_parameters(self) -> None:
        self.model.set_params(**settings(self.rng, self.kind, 0.15))

    def restore(self) -> None:
        self.model = pickle.loads(pickle.dumps(self.model))

    def copy(self) -> None:
        self.model = copy.deepcopy(self.model)

    def _trying(self, call: Callable[[], Any]) -> None:
        """A call that may be refused, but then changes nothing."""
        try:
            call()
        except ValueError as error:
            assert len(str(error)) > 20, error
        else:
            self.predicted = outputs(self.model, self.probe)

    def check(self) -> None:
        """What holds of a fitted model, or of one that is not fitted."""
        model = self.model
        if self.predicted is None:
            assert not hasattr(model, "network_") and not hasattr(model, "n_features_in_")
            return
        seen = outputs(model, self.probe)
        np.testing.assert_array_equal(seen, self.predicted)
        assert np.isfinite(seen).all() or model.loss_ > 1e30  # from the first epoch on
        n = np.shape(self.probe)[0]
        if isinstance(model, MLPClassifier):
            assert seen.shape == (n, len(model.classes_))
            np.testing.assert_allclose(seen.sum(axis=1), 1.0, rtol=1e-5)
            assert set(model.predict(self.probe)) <= set(self.task.labels)
        else:
            assert seen.shape[0] == n and seen.size % (n * self.task.targets) == 0
        assert model.n_features_in_ == self.task.width
        embedding = model.network_.architecture.embedding
        widths = [1] * self.task.width if embedding is None else embedding.widths
        assert model.coefs_[0].shape[-2] == sum(widths) and len(widths) == self.task.width
        values = model.resolved_params_.values()
        assert not any(isinstance(value, str) and value == "auto" for value in values)
        assert {len(rows) for rows in model.history_.values()} <= {len(model.loss_curve_)}
        assert model.t_ > 0 or model.solver == "lbfgs"  # which may have nothing to do
        assert len(model.feature_importances_) == self.task.width


@pytest.mark.parametrize(
    "part",
    [pytest.param(k, marks=pytest.mark.thorough if k >= OFTEN else []) for k in range(PARTS)],
)
def test_sequences_of_calls(part: int) -> None:
    with warnings.catch_warnings():
        for category, message in TOLD:
            warnings.filterwarnings("ignore", f"(?s).*({message})", category)
        for seed in range(part, SEQUENCES, PARTS):
            try:
                Session(seed).play()
            except Exception as error:
                error.add_note(f"sequence {seed}")
                raise
