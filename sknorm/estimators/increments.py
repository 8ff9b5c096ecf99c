"""A call of ``partial_fit``: one epoch over some rows, from where the last call ended."""

import operator
import time
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState

from sknorm._warnings import warn
from sknorm.backends import Backend, keeps_kind
from sknorm.data.columns import Columns, column_labels
from sknorm.data.dataset import TrainingData
from sknorm.data.rows import Rows
from sknorm.data.table import resolve_table
from sknorm.data.targets import Target
from sknorm.estimators import attributes, build, combinations, recipe
from sknorm.estimators.fitted import Fitted, adopt, fitted_attributes
from sknorm.estimators.fitting import fitted_model, initial_network, random_states
from sknorm.estimators.incremental import Progress, TakenBackError, check_stretched
from sknorm.estimators.preparing import (
    check_continues,
    check_rows,
    compute_dtype,
    facts_of,
    learn_columns,
    learn_target,
)
from sknorm.estimators.stages import Given, Prepared
from sknorm.network.network import Network
from sknorm.training.batches import Batches
from sknorm.training.task import Task

_HOPELESS_FROM = 10.0  # times the scale, from where on nothing of what was learned shows


@dataclass(frozen=True)
class Increments:
    """The training run of ``partial_fit`` as an estimator has adopted it.

    Attributes
    ----------
    progress : Progress
        Goes on with each call, whether it will count or not.
    calls : int
        Calls that have counted.
    member_seeds : tuple of int
        See :class:`sknorm.estimators.fitted.Fitted`.
    waiting : Rows or None
        A single row that waits for others: a norm has no statistics of it.
    """

    progress: Progress
    calls: int
    member_seeds: tuple[int, ...]
    waiting: Rows | None = None


def train_on(estimator: Any, given: Given) -> None:
    """Train for an epoch, and let the estimator adopt what it gives if the call counts.

    Raises
    ------
    ValueError
        If the input is malformed, or a first call diverges.
    """
    started = time.perf_counter()
    previous = estimator._fitted if estimator.__sklearn_is_fitted__() else None
    before: Increments | None = getattr(estimator, "_increments", None)
    validated = _validate_parameters(estimator, previous, before)
    model = recipe.resolved_for_parts(estimator, previous.resolved if previous else None)
    combinations.check_combination(model)
    combinations.check_incremental(model)
    rows, header = check_rows(estimator, given, previous)
    target = learn_target(estimator, rows, given, previous)
    backend = resolve_table(rows.X, estimator.backend, estimator.matmul_precision)
    run: Increments | None = None
    waiting = None if before is None else before.waiting
    if previous is not None:
        check_continues(model, target, previous)
        run = _go_on(model, previous, before, backend)
        rows = rows.after(waiting)
    try:
        if run is not None and previous is not None:
            if len(rows) == 1 and estimator.normalization in ("batch", "ghost"):
                _check_single(model, rows, target, previous)
                run.progress.validated = validated
                adopt(estimator, {**header, "_increments": replace(run, waiting=rows.copied())})
                return
            run.progress.begin(previous.network)
            target = _renew(target, run.progress, rows)
        prepared = _encode(model, rows, target, previous, backend)
        if run is None:
            run = _start(model, prepared)
            run.progress.begin(None)
        epoch = _epoch(model, prepared, run.progress)
    except TakenBackError as fault:
        if before is not None and waiting is not None:  # it may be what spoils this call
            adopt(estimator, {**header, "_increments": replace(before, waiting=None)})
        _tell(fault, fresh=previous is None, waited=waiting is not None)
        return
    progress = run.progress
    progress.validated = validated
    seeds = progress.seeds, run.member_seeds
    fitted = fitted_model(model, progress.network.copy(), prepared, seeds)
    adopt(
        estimator,
        {
            **fitted_attributes(fitted, header, given.X if keeps_kind(given.X) else None),
            **attributes.of_increment(estimator, epoch, len(rows), fresh=previous is None),
            "_increments": Increments(progress, progress.calls, run.member_seeds),
        },
    )
    attributes.append_increment(estimator, epoch, time.perf_counter() - started)
    progress.settle(progress.calls)


def _validate_parameters(
    estimator: Any, previous: Fitted | None, before: Increments | None
) -> list[Any]:
    """The parameters, which scikit-learn checks in the first call only."""
    values = [getattr(estimator, name) for name in estimator._parameter_constraints]
    known = [] if before is None else before.progress.validated
    same = len(known) == len(values) and all(map(operator.is_, known, values))
    if not (previous is None or same):
        estimator._validate_params()
    return values


def _go_on(
    estimator: Any, previous: Fitted, before: Increments | None, backend: Backend
) -> Increments:
    """The training run, where the last call that counted left it."""
    run = before
    if run is not None and not run.progress.settle(run.calls):
        run = None  # a shallow copy has gone on with it
    if run is None:
        states, member_seeds = random_states(estimator)
        run = Increments(_progress(estimator, states), 0, member_seeds)
    run.progress.go_on(previous.network, backend)
    return run


def _start(estimator: Any, prepared: Prepared) -> Increments:
    """A training run at its beginning."""
    states, member_seeds = random_states(estimator)
    encoded = prepared.target.without_outliers(prepared.encoded)
    network = initial_network(estimator, prepared._replace(encoded=encoded), states, None)
    return Increments(_progress(estimator, states, network), 0, member_seeds)


def _progress(
    estimator: Any, states: list[RandomState], network: Network | None = None
) -> Progress:
    private = estimator.n_members > 1 or isinstance(estimator.random_state, Integral)
    return Progress(states, build.dropout_seeds(states), private=private, network=network)


def _renew(target: Target, progress: Progress, rows: Rows) -> Target:
    """The target in the units of all calls, in which the network then predicts what it did.

    Raises
    ------
    TakenBackError
        If a value of y is far from all others.
    """
    weight = rows.weights()
    new, moved = target.renewed(rows.y, weight)
    if moved:
        _express(progress.network, target, new, new.best_constant(rows.y, weight))
        progress.start_anew()
    _check_wild(new, rows)
    return new


def _check_wild(target: Target, rows: Rows) -> None:
    if (value := target.wild_value(rows.y)) is not None:
        raise TakenBackError(
            f"met y={value:.3g}, far from all targets so far",
            "Drop the row if the value stands for a missing one.",
        )


def _check_single(estimator: Any, row: Rows, target: Target, previous: Fitted) -> None:
    """Look at a row that is to wait as a call would that trains on it; nothing is changed.

    Later calls train on it before their own rows, and would fail one after another.
    """
    _check_wild(target, row)
    target.encode(row.y, compute_dtype(estimator, row.X, previous))
    _pool_columns(estimator, row, target, previous, waits=True)


def _encode(
    estimator: Any, rows: Rows, target: Target, previous: Fitted | None, backend: Backend
) -> Prepared:
    """The rows, encoded by what all calls say of the columns."""
    dtype = compute_dtype(estimator, rows.X, previous)
    encoded = target.encode(rows.y, dtype)
    columns = _pool_columns(estimator, rows, target, previous)
    data = TrainingData.encode(backend, rows, encoded, columns, dtype)
    facts = facts_of(rows, target, partial=True)
    return Prepared(rows, columns, target, encoded, data, backend, dtype, facts, {}, None)


def _pool_columns(
    estimator: Any, rows: Rows, target: Target, previous: Fitted | None, *, waits: bool = False
) -> Columns:
    if previous is None:
        return learn_columns(estimator, rows, target, None, partial=True)
    before, pooled = previous.columns, previous.columns.pooled(rows.X, rows.weight, rows.names)
    if before.statistics is not None and pooled.statistics is not None:
        labels = column_labels(rows.X, rows.names)
        check_stretched(rows.X, before.statistics, pooled.statistics, labels, waits=waits)
    return pooled


def _epoch(estimator: Any, prepared: Prepared, progress: Progress) -> dict[str, np.ndarray]:
    """Train the working network for an epoch; returns what its history has of it.

    Raises
    ------
    TakenBackError
        If the call must not count.
    """
    count = len(prepared.rows)
    taken = build.all_rows(estimator, count)
    size = build.rows_per_batch(estimator, count)
    batches = Batches(taken, size, estimator.shuffle, progress.random_states)
    members = build.members(estimator, progress.seeds)
    schedule = build.schedule(estimator, members, batches)
    plan = build.plan(estimator, prepared.target.loss, incremental=True)
    task = Task(progress.network, members, batches, prepared.data, schedule, plan)
    epoch = progress.epoch(task)
    if estimator.verbose:
        print(f"Iteration 1, loss = {float(np.mean(epoch['loss'])):.8f}")
    return epoch


def _express(network: Network, old: Target, new: Target, start: np.ndarray) -> None:
    """Let a network predict in new units what it predicted in old ones, in place.

    Where the scale has grown so much that nothing of what was learned shows, outputs are at
    ``start`` instead, the raw outputs of the best constant prediction.
    """
    backend, weight, bias = network.backend, network["head.weight"], network["head.bias"]
    (old_location, old_scale), (location, scale) = old.units, new.units
    ratio, shift = old_scale / scale, (old_location - location) / scale
    outputs = backend.to_numpy(bias).astype(np.float64)
    if new.loss.output_activation == "exp":
        outputs = outputs + np.log(ratio)
    else:
        outputs = outputs * ratio + shift
        weight *= backend.asarray(ratio, dtype=weight.dtype)
    outputs = np.where(ratio < 1.0 / _HOPELESS_FROM, start, outputs)
    bias[...] = backend.asarray(outputs, dtype=bias.dtype)


def _tell(fault: TakenBackError, *, fresh: bool, waited: bool) -> None:
    """Say that a call does not count, nor a row that ``waited`` for it.

    After a first one there is no model.
    """
    if fresh:
        message = f"partial_fit {fault.reason}, so there is no model. {fault.advice}"
        raise ValueError(message) from None
    warn(
        f"partial_fit {fault.reason}; the weights before the call are kept, and nothing of it "
        f"counts{', nor the single row before it' * waited}. {fault.advice}",
        RuntimeWarning,
    )
