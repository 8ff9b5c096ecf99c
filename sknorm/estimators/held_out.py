"""Rows that training holds out, and how a stack is scored on them after an epoch."""

from typing import Any

import numpy as np
from numpy.random import RandomState

from sknorm.data import checks, splits
from sknorm.data.columns import column_labels
from sknorm.data.dataset import TrainingData
from sknorm.data.rows import Rows
from sknorm.data.table import move_table
from sknorm.estimators import build, recipe
from sknorm.estimators.fitted import fitted_attributes, shallow_copy
from sknorm.estimators.scoring import HeldOutScore
from sknorm.estimators.stages import HeldOut, Training
from sknorm.training.plan import Score
from sknorm.training.validation_loss import HeldOutLoss


def hold_out(
    estimator: Any, training: Training, states: list[RandomState], given: HeldOut
) -> tuple[np.ndarray, Score | None, tuple[TrainingData, np.ndarray] | None]:
    """Training rows (K, n), how a stack is scored after an epoch, if it is, and who selects."""
    prepared, rows = training.prepared, training.prepared.rows
    everything = build.all_rows(estimator, len(rows))
    selects = estimator.member_space is not None and estimator.n_members > 1
    if given.X is not None:
        data, own = _given_data(estimator, training, given)
        held = build.all_rows(estimator, len(own))
        selecting = (data, held[0]) if selects else None
        return everything, _score(estimator, training, data, own, held), selecting
    if not recipe.stops_early(estimator, len(rows), prepared.facts.task):
        return everything, None, None
    how = estimator.validation_fraction
    if not selects:
        trained, held = splits.split(rows, how, prepared.target, states)
        return trained, _score(estimator, training, prepared.data, rows, held), None
    trained, held = splits.split(rows, how, prepared.target, states[:1])  # one for all
    trained, held = (np.repeat(each, len(states), axis=0) for each in (trained, held))
    score = _score(estimator, training, prepared.data, rows, held)
    return trained, score, (prepared.data, held[0])


def _given_data(estimator: Any, training: Training, given: HeldOut) -> tuple[TrainingData, Rows]:
    """Held-out rows that ``fit`` was given."""
    prepared, columns = training.prepared, training.prepared.columns
    checked = shallow_copy(estimator, **prepared.header)
    X = move_table(given.X, estimator.backend)
    X, y = checks.check_validation(checked, X, given.y, columns.kinds)
    columns.warn_of_new_gaps(X, "X_val")
    labels = column_labels(X, prepared.rows.names)
    checks.warn_if_far(prepared.rows.X, columns.statistics, X, labels)
    with splits.about("sample_weight_val"):
        weight = checks.check_weights(given.weight, X)
    with splits.about("y_val"):
        y = estimator._check_target(y)
    rows = Rows(X, y, None, None, None, int(X.shape[0])).weighted(weight, 1)
    encoded = prepared.target.encode(rows.y, prepared.dtype, "y_val")
    data = TrainingData.encode(prepared.backend, rows, encoded, columns, prepared.dtype)
    return data, rows


def _score(
    estimator: Any, training: Training, data: TrainingData, rows: Rows, held: np.ndarray
) -> Score:
    if estimator.scoring == "loss":
        return HeldOutLoss(training.prepared.target.loss, data, held)
    return HeldOutScore(_scored_model(estimator, training), rows, held, training.continued)


def _scored_model(estimator: Any, training: Training) -> Any:
    """The estimator as scorers see it: fitted so far, and without the names of columns.

    The tables that it is to score have none, and are on the host.
    """
    header = {n: value for n, value in training.prepared.header.items() if "names" not in n}
    return shallow_copy(estimator, **fitted_attributes(training.fitted, header, None))
