"""From a prepared table to a training run: draw weights, rows to hold out, and orders."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state

from sknorm.estimators import build, curves, recipe
from sknorm.estimators.combinations import check_precision
from sknorm.estimators.fitted import Fitted, shallow_copy
from sknorm.estimators.held_out import hold_out
from sknorm.estimators.members import space_of
from sknorm.estimators.stages import HeldOut, Prepared, Training
from sknorm.network.layers import draw
from sknorm.network.members import Members
from sknorm.network.network import Network, initialize, revive
from sknorm.training.batches import Batches
from sknorm.training.checkpoint import Checkpoint
from sknorm.training.plan import Score
from sknorm.training.task import Task
from sknorm.training.validation_loss import HeldOutLoss

_NOISELESS = 0.03  # share of the loss of a constant
# Whether fits are those of a regularization path: the weights that one begins with are those of
# another alpha, and it takes more epochs to leave them than a score has patience for.
_ON_PATH: ContextVar[bool] = ContextVar("_ON_PATH", default=False)


@contextmanager
def fits_on_path() -> Iterator[None]:
    """Let fits in the block be those of a regularization path."""
    token = _ON_PATH.set(True)
    try:
        yield
    finally:
        _ON_PATH.reset(token)


def plan_training(
    estimator: Any, prepared: Prepared, previous: Fitted | None, held: HeldOut
) -> tuple[Training, Task]:
    """The training run over a prepared table: draw weights, rows to hold out, and orders."""
    continued, on_path = previous is not None, _ON_PATH.get()
    estimator = recipe.resolved(estimator, prepared.facts, previous.resolved if previous else None)
    states, member_seeds = random_states(estimator)
    network = initial_network(estimator, prepared, states, previous)
    if continued and on_path and estimator.early_stopping:
        revive(network, states)
    seeds = build.dropout_seeds(states)
    members = build.members(estimator, seeds)
    fitted = fitted_model(estimator, network, prepared, (seeds, member_seeds), members)
    training = Training(prepared, estimator, fitted, continued)
    splits_of = _split_states(estimator, states, previous)
    rows, score, training = hold_out(estimator, training, splits_of, held)
    plan = build.plan(estimator, prepared.target.loss, continued=continued, on_path=on_path)
    steps = estimator.solver != "lbfgs"
    size = build.rows_per_batch(estimator, rows.shape[1]) if steps else rows.shape[1]
    # Those of several members are drawn here, for this run alone.
    batches = Batches(rows, size, estimator.shuffle, states, private=estimator.n_members > 1)
    schedule = build.schedule(estimator, members, batches, _enough(estimator, training, score))
    max_fun = None if steps else estimator.max_fun
    task = Task(network, members, batches, prepared.data, schedule, plan, score, max_fun)
    return training, task


def _enough(estimator: Any, training: Training, score: Score | None) -> np.ndarray | None:
    """Scores (K,) beyond which networks train for longer under an adaptive schedule, if they may.

    Their held-out loss is then so small a share of the best constant's that there is hardly any
    noise: what is left of it may be what the network has not learned yet.
    """
    adapts = estimator.learning_rate == "adaptive_cosine" and estimator.early_stopping
    if not adapts or not isinstance(score, HeldOutLoss):
        return None
    prepared = training.prepared
    constant = prepared.target.loss.initial_bias(prepared.encoded, prepared.rows.weights())
    return _NOISELESS * score.of_constant(training.fitted.network, constant)


def fitted_model(
    estimator: Any,
    network: Network,
    prepared: Prepared,
    seeds: tuple[np.ndarray, tuple[int, ...]],
    differing: Members | None = None,
) -> Fitted:
    """What predictions need; the seeds are those of the dropout masks, and of the members."""
    masks, members = seeds
    rates: tuple[Any, Any] = float(estimator.dropout), float(estimator.input_dropout)
    drawn = {}
    if differing is not None and (space := space_of(estimator)):
        drawn = {name: tuple(getattr(differing, name).tolist()) for name in sorted(space)}
        rates = drawn.get("dropout", rates[0]), drawn.get("input_dropout", rates[1])
    return Fitted(
        network,
        prepared.columns,
        prepared.target,
        *rates,
        tuple(masks.tolist()),
        members,
        {name: getattr(estimator, name) for name in recipe.AUTO},
        drawn=drawn,
        asked=curves.asked(estimator),
    )


def initial_network(
    estimator: Any, prepared: Prepared, states: list[RandomState], previous: Fitted | None
) -> Network:
    """A copy of the network to go on with, or weights drawn as scikit-learn draws them.

    With a norm, the outputs start at the best constant: nothing ties training to scikit-learn's.
    """
    backend, target, rows = prepared.backend, prepared.target, prepared.rows
    if previous is not None:
        return previous.network.on(backend).copy()
    check_precision(estimator, prepared.dtype)
    architecture = build.architecture(estimator, target, prepared.columns)
    network = initialize(backend, architecture, states, np.dtype(prepared.dtype))
    if estimator.normalization is not None:
        bias = network["head.bias"]
        start = target.loss.initial_bias(prepared.encoded, rows.weights())
        bias[...] = backend.asarray(start, dtype=bias.dtype)
    return network


def seeded(estimator: Any, checkpoint: Checkpoint | None) -> Any:
    """A copy with the seed of its checkpoint, where it has none: another one leads elsewhere."""
    if checkpoint is None or estimator.random_state is not None:
        return estimator
    new = shallow_copy(estimator)
    new.random_state = RandomState(checkpoint.seed)
    return new


def random_states(estimator: Any) -> tuple[list[RandomState], tuple[int, ...]]:
    """One generator a member and its seed; a single network uses ``random_state`` itself."""
    random_state = check_random_state(estimator.random_state)
    if estimator.n_members == 1:
        return [random_state], ()
    seeds = random_state.randint(np.iinfo(np.int32).max, size=estimator.n_members).tolist()
    return [RandomState(seed) for seed in seeds], tuple(seeds)


def _split_states(
    estimator: Any, states: list[RandomState], previous: Fitted | None
) -> list[RandomState]:
    """Generators of the split; under a warm start with a seed, those of the first fit.

    Another split would hold out rows that the weights were trained on.
    """
    if previous is None or not isinstance(estimator.random_state, Integral):
        return states
    states, _ = random_states(estimator)
    for state in states:
        draw(previous.network.architecture, state)
    return states
