"""Which training job do all contenders do? One table, one net, one number of epochs.

The net has hidden blocks of Linear, batch norm, ReLU and dropout, and is trained by Adam on
shuffled batches. scikit-learn's MLP does the same job without norm and dropout.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from timing import Contender

LEARNING_RATE = 1e-3
DROPOUT = 0.1


@dataclass(frozen=True)
class Job:
    """Rows ``X`` (n, d) float32, targets ``y`` (n,): classes 0..n_classes-1, or values if 0."""

    X: np.ndarray
    y: np.ndarray
    n_classes: int
    hidden: tuple[int, ...]
    batch_size: int

    @property
    def n_outputs(self) -> int:
        """Columns of the output layer: one for values and for two classes."""
        return self.n_classes if self.n_classes > 2 else 1

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return -(-len(self.X) // self.batch_size)


def random_job(
    batch_size: int, width: int, n_classes: int, batches: int, inputs: int = 64, seed: int = 0
) -> Job:
    """A made-up classification table of exactly ``batches`` full batches."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((batches * batch_size, inputs), dtype=np.float32)
    logits = X @ rng.standard_normal((inputs, n_classes), dtype=np.float32)
    logits += 5 * rng.standard_normal(logits.shape, dtype=np.float32)
    return Job(X, logits.argmax(1), n_classes, (width, width), batch_size)


def sknorm_estimator(job: Job, epochs: int, **overrides: Any) -> Any:
    """This library's estimator for the job, with as many epochs as asked for."""
    from sknorm import MLPClassifier, MLPRegressor

    parameters: dict[str, Any] = {
        **_shared_parameters(job, epochs),
        "preset": "sklearn",
        "normalization": "batch",
        "dropout": DROPOUT,
        "dtype": "float32",
    }
    return (MLPClassifier if job.n_classes else MLPRegressor)(**{**parameters, **overrides})


def sklearn_estimator(job: Job, epochs: int) -> Any:
    """scikit-learn's estimator for the job, without the norm and the dropout it lacks."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return (MLPClassifier if job.n_classes else MLPRegressor)(**_shared_parameters(job, epochs))


def fit_contender(name: str, job: Job, epochs: int, make: Callable[..., Any]) -> Contender:
    """Whole ``fit`` calls, as a user makes them, counted in training steps."""

    def run() -> None:
        quiet_fit(make(job, epochs), job.X, job.y)

    return Contender(name, run, epochs * job.steps)


def quiet_fit(estimator: Any, X: Any, y: Any) -> Any:
    """Fit without the warning that a fixed number of epochs did not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def _shared_parameters(job: Job, epochs: int) -> dict[str, Any]:
    return {
        "hidden_layer_sizes": job.hidden,
        "activation": "relu",
        "solver": "adam",
        "batch_size": job.batch_size,
        "learning_rate_init": LEARNING_RATE,
        "max_iter": epochs,
        "n_iter_no_change": epochs,
        "tol": 0.0,
        "early_stopping": False,
        "random_state": 0,
    }
