"""Networks in plain NumPy, made of the norms of ``sknorm.functional``: open to look inside."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax

from sknorm import functional

EPS = 1e-5
# Value, and derivative by input and value.
ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "logistic": (expit, lambda z, a: a * (1 - a)),
    "tanh": (np.tanh, lambda z, a: 1 - a * a),
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype(z.dtype)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z, a: np.where(z > 0, 1, 0.01)),
}
_GAINS = {"logistic": 1.0, "tanh": 1.0, "relu": 2.0, "leaky_relu": 2.0}  # Glorot's, and He's
NORMS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "batch": (functional.batch_norm, functional.batch_norm_backward),
    "layer": (functional.layer_norm, functional.layer_norm_backward),
    "group": (
        lambda z, scale, shift: functional.group_norm(z, 8, scale, shift),
        functional.group_norm_backward,
    ),
}


class Network:
    """Linear, norm and activation, several times, and a Linear; the loss is ``loss``.

    ``parameters`` is a list: for each layer its weights, its shift (or bias), and its scale.
    """

    def __init__(
        self, sizes: list[int], norm: str | None, activation: str, seed: int, scale: float = 1.0
    ) -> None:
        self.norm, self.activation, self.n_layers = norm, activation, len(sizes) - 1
        self.rng = np.random.default_rng(seed)
        self.parameters: list[np.ndarray] = []
        for before, after in pairwise(sizes):
            deviation = scale * np.sqrt(_GAINS[activation] / before)
            self.parameters.append(self.rng.normal(0, deviation, (before, after)))
            self.parameters += [np.zeros(after), np.ones(after)]
        self.velocities = [np.zeros_like(each) for each in self.parameters]

    def forward(self, X: np.ndarray, moments: list[Any] | None = None) -> tuple[Any, list[Any]]:
        """Outputs, and for each layer its input, its norm's cache and its activation's input.

        ``moments`` of the training rows take the place of the batch's in a prediction.
        """
        tape, act = [], ACTIVATIONS[self.activation][0]
        for k in range(self.n_layers):
            weights, shift, scale = self.parameters[3 * k : 3 * k + 3]
            product, cache = X @ weights, None
            if self.norm is None or k == self.n_layers - 1:
                z = product + shift
            elif moments and self.norm == "batch":
                mean, variance = moments[k]
                z = (product - mean) / np.sqrt(variance + EPS) * scale + shift
            else:
                z, cache = NORMS[self.norm][0](product, scale, shift)
            tape.append((X, cache, z, product))
            X = act(z)
        return z, tape

    def gradients(self, X: np.ndarray, Y: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Loss of a batch, and its gradients in the order of ``parameters``."""
        outputs, tape = self.forward(X)
        value, delta = loss(outputs, Y)
        found: list[np.ndarray] = []
        slope = ACTIVATIONS[self.activation][1]
        act = ACTIVATIONS[self.activation][0]
        for k in reversed(range(self.n_layers)):
            X, cache, z, _ = tape[k]
            if k < self.n_layers - 1:
                delta = delta * slope(z, act(z))
            shift, scale = delta.sum(axis=0), np.zeros(delta.shape[1])
            if cache is not None:
                delta, scale, shift = NORMS[self.norm or ""][1](delta, cache)
            found = [X.T @ delta, shift, scale, *found]
            delta = delta @ self.parameters[3 * k].T
        return value, found

    def step(self, gradients: list[np.ndarray], rate: float, momentum: float = 0.9) -> None:
        """Gradient descent with momentum."""
        for values, speed, slope in zip(self.parameters, self.velocities, gradients, strict=True):
            speed *= momentum
            speed -= rate * slope
            values += speed

    def train(self, X: np.ndarray, Y: np.ndarray, rate: float, epochs: int, batch: int) -> None:
        """Epochs in random order; a last batch that is not full is left out."""
        with np.errstate(all="ignore"):
            for _ in range(epochs):
                order = self.rng.permutation(len(X))
                for start in range(0, max(1, len(X) - batch + 1), batch):
                    rows = order[start : start + batch]
                    self.step(self.gradients(X[rows], Y[rows])[1], rate)

    def moments(self, X: np.ndarray) -> list[Any]:
        """Mean and variance of each layer's products for the training rows."""
        tape = self.forward(X)[1]
        return [(product.mean(axis=0), product.var(axis=0)) for *_, product in tape]

    def loss(self, X: np.ndarray, Y: np.ndarray, moments: list[Any] | None = None) -> float:
        """Loss of a prediction; infinite for a network that has diverged."""
        with np.errstate(all="ignore"):
            found = loss(self.forward(X, moments)[0], Y)[0]
        return found if np.isfinite(found) else np.inf


def loss(outputs: np.ndarray, Y: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean of the log loss, or of the square error for one output, and its gradient."""
    if Y.shape[1] == 1:
        return float(np.mean((outputs - Y) ** 2)), 2 * (outputs - Y) / len(Y)
    logs = log_softmax(outputs, axis=1)
    return float(-np.mean(np.sum(Y * logs, axis=1))), (np.exp(logs) - Y) / len(Y)


def targets(y: np.ndarray, n_classes: int) -> np.ndarray:
    """One column for each class, or the numbers as a column."""
    return np.eye(n_classes)[y.astype(int)] if n_classes else y[:, None]
