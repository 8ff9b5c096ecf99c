"""A call of ``partial_fit``: one epoch over some rows, from where the last call ended."""

import operator
import time
from numbers import Integral
from typing import Any

import numpy as np

from sknorm._warnings import warn
from sknorm.backends import resolve
from sknorm.estimators import attributes, engine, parameters
from sknorm.estimators.drafts import Draft
from sknorm.estimators.incremental import Progress, TakenBackError, held_back, joined
from sknorm.estimators.rows import Rows
from sknorm.training.batches import Batches
from sknorm.training.task import Task


def train_on(draft: Draft, X: Any, y: Any, sample_weight: Any) -> None:
    """Train the draft for an epoch, and let its estimator adopt it if the call counts.

    Parameters
    ----------
    draft : Draft
        A classifier's knows the classes.
    X, y, sample_weight : object
        As ``partial_fit`` takes them.

    Raises
    ------
    ValueError
        If the input is malformed, or a first call diverges.
    """
    started, model, estimator = time.perf_counter(), draft.model, draft.estimator
    fresh = not estimator.__sklearn_is_fitted__()
    validated = _validated_parameters(estimator, fresh)
    parameters.check_combination(estimator)
    parameters.check_incremental(estimator)
    rows = model._rows(X, y, sample_weight, None, fresh=fresh, partial=True)
    progress = _going_on(model, rows, fresh)
    progress.validated = validated
    rows, model._held_row = joined(getattr(model, "_held_row", None), rows), None
    if len(rows) == 1 and model.normalization in ("batch", "ghost"):
        model._held_row, model._calls_counted = held_back(rows), progress.calls
        draft.adopt()
        return
    progress.begin(None if fresh else model.network_)
    try:
        epoch = _epoch(model, rows, progress, fresh)
    except TakenBackError as fault:
        _tell(fault, fresh)
        return
    attributes.set_increment(model, epoch, progress.network, len(rows), fresh)
    model._calls_counted = progress.calls
    draft.adopt()
    attributes.append_increment(estimator, epoch, time.perf_counter() - started)
    progress.settle(progress.calls)


def _validated_parameters(estimator: Any, fresh: bool) -> list[Any]:
    """The parameters, which scikit-learn checks in the first call only."""
    values = [getattr(estimator, name) for name in estimator._parameter_constraints]
    progress = getattr(estimator, "_progress", None)
    known = [] if progress is None else progress.validated
    same = len(known) == len(values) and all(map(operator.is_, known, values))
    if not (fresh or same):
        estimator._validate_params()
    return values


def _going_on(model: Any, rows: Rows, fresh: bool) -> Progress:
    """The training run, where the last call left it, or at its start."""
    model._backend = resolve(rows.X, model.backend, model.matmul_precision)
    progress: Progress | None = None if fresh else getattr(model, "_progress", None)
    if progress is not None and not progress.settle(model._calls_counted):
        progress = None  # a shallow copy has gone on with it
    if progress is None:
        states = model._draw_random_states()
        network = model._drawn_network(rows, states) if fresh else None
        progress = Progress(states, engine.dropout_seeds(states), network=network)
        progress.private = model.n_members > 1 or isinstance(model.random_state, Integral)
    if not fresh:
        progress.go_on(model.network_, model._backend)
    model._progress = progress
    return progress


def _epoch(model: Any, rows: Rows, progress: Progress, fresh: bool) -> dict[str, np.ndarray]:
    """Train the working network for an epoch; returns what its history has of it.

    Raises
    ------
    TakenBackError
        If the call must not count.
    """
    dtype = model._compute_dtype(rows.X, progress.network)
    if not fresh:
        model._renew_units(rows, progress)
    target = model._encode(rows.y, dtype)
    data = model._training_data(rows, target, dtype, fresh=fresh, pooled=True)
    if fresh:
        model._start_outputs(progress.network, rows, model._without_outliers(target))
    taken = np.tile(np.arange(len(rows), dtype=np.int64), (model.n_members, 1))
    size = engine.rows_per_batch(model, len(rows))
    batches = Batches(taken, size, model.shuffle, progress.random_states)
    members = engine.members(model, progress.seeds)
    schedule = engine.schedule(model, members, batches)
    model._dropout_seeds = progress.seeds.tolist()
    model._dropout_rates = model.dropout, model.input_dropout
    plan = engine.plan(model, incremental=True)
    return progress.epoch(Task(progress.network, members, batches, data, schedule, plan))


def _tell(fault: TakenBackError, fresh: bool) -> None:
    """Say that a call does not count; after a first one there is no model."""
    if fresh:
        message = f"partial_fit {fault.reason}, so there is no model. {fault.advice}"
        raise ValueError(message) from None
    warn(
        f"partial_fit {fault.reason}; {fault.kept}, and nothing of it counts. {fault.advice}",
        RuntimeWarning,
    )
