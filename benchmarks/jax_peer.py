"""How does a JAX user train the same net? One jitted update function with donated buffers.

Batch norm, dropout and Adam are written out; the rows of a batch are gathered inside the update.
"""

from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from job import DROPOUT, LEARNING_RATE, Job
from timing import Contender

EPSILON = 1e-5
MOMENTUM = 0.1


class State(NamedTuple):
    """Everything that one update reads and replaces; its buffers are donated."""

    parameters: Any
    first: Any
    second: Any
    running: Any
    key: Any
    count: Any


class JaxTrainer:
    """The state of a net and the loop over shuffled index batches."""

    def __init__(self, job: Job) -> None:
        self.X = jnp.asarray(job.X)
        self.y = jnp.asarray(job.y, dtype=jnp.int32 if job.n_classes else jnp.float32)
        self.batch_size = job.batch_size
        self.rng = np.random.default_rng(0)
        self.state = initial_state(job)
        self.update = jax.jit(partial(update, n_classes=job.n_classes), donate_argnums=0)

    def train(self, epochs: int) -> None:
        """Train for some more epochs and wait for the last update."""
        for _ in range(epochs):
            order = self.rng.permutation(len(self.X)).astype(np.int32)
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                self.state, _ = self.update(self.state, self.X, self.y, rows)
        jax.block_until_ready(self.state)


def jax_contender(job: Job, epochs: int) -> Contender:
    """The loop over the jitted update."""
    trainer = JaxTrainer(job)
    return Contender("JAX jit", lambda: trainer.train(epochs), epochs * job.steps)


def initial_state(job: Job) -> State:
    """He-normal weights, unit scales, zero shifts, zero moments."""
    rng = np.random.default_rng(0)
    sizes = [job.X.shape[1], *job.hidden, job.n_outputs]
    parameters = [
        {
            "weight": _he_normal(rng, inputs, outputs),
            "scale": jnp.ones(outputs),
            "shift": jnp.zeros(outputs),
        }
        for inputs, outputs in pairwise(sizes[:-1])
    ]
    output = {"weight": _he_normal(rng, *sizes[-2:]), "bias": jnp.zeros(sizes[-1])}
    running = [(jnp.zeros(width), jnp.ones(width)) for width in job.hidden]
    parameters.append(output)
    first, second = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
    return State(parameters, first, second, running, jax.random.key(0), jnp.zeros((), jnp.int32))


def update(state: State, X: Any, y: Any, rows: Any, *, n_classes: int) -> tuple[State, Any]:
    """One training step: gradient of the loss on a batch, running statistics, Adam."""
    key, step_key = jax.random.split(state.key)
    objective = partial(_objective, n_classes=n_classes)
    (loss, running), gradient = jax.value_and_grad(objective, has_aux=True)(
        state.parameters, state.running, X[rows], y[rows], step_key
    )
    count = state.count + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state.second, gradient)
    unbias_first, unbias_second = 1 - 0.9**count, 1 - 0.999**count

    def moved(w: Any, m: Any, v: Any) -> Any:
        return w - LEARNING_RATE * (m / unbias_first) / (jnp.sqrt(v / unbias_second) + 1e-8)

    parameters = jax.tree.map(moved, state.parameters, first, second)
    return State(parameters, first, second, running, key, count), loss


def _objective(
    parameters: Any, running: Any, X: Any, y: Any, key: Any, *, n_classes: int
) -> tuple[Any, Any]:
    updated = []
    for layer, statistics in zip(parameters[:-1], running, strict=True):
        key, mask_key = jax.random.split(key)
        X, statistics = _block(layer, statistics, X, mask_key)
        updated.append(statistics)
    logits = X @ parameters[-1]["weight"] + parameters[-1]["bias"]
    return _loss(logits, y, n_classes), updated


def _block(layer: Any, statistics: Any, X: Any, key: Any) -> tuple[Any, Any]:
    z = X @ layer["weight"]
    mean = z.mean(0)
    variance = ((z - mean) ** 2).mean(0)
    unbiased = variance * (len(z) / (len(z) - 1))
    statistics = tuple(
        r + MOMENTUM * (b - r) for r, b in zip(statistics, (mean, unbiased), strict=True)
    )
    statistics = jax.lax.stop_gradient(statistics)
    z = jax.nn.relu((z - mean) * (layer["scale"] / jnp.sqrt(variance + EPSILON)) + layer["shift"])
    keep = jax.random.bernoulli(key, 1 - DROPOUT, z.shape)
    return jnp.where(keep, z / (1 - DROPOUT), 0), statistics


def _loss(logits: Any, y: Any, n_classes: int) -> Any:
    if n_classes > 2:
        log_probabilities = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).mean()
    if n_classes:
        return (jax.nn.softplus(logits[:, 0]) - y * logits[:, 0]).mean()
    return 0.5 * ((logits[:, 0] - y) ** 2).mean()


def _he_normal(rng: np.random.Generator, inputs: int, outputs: int) -> Any:
    weight = rng.standard_normal((inputs, outputs), dtype=np.float32)
    return jnp.asarray(weight * np.float32(np.sqrt(2 / inputs)))
