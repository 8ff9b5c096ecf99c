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
from sknorm.training.temperature import CalibratedLoss
from sknorm.training.validation_loss import HeldOutLoss


def hold_out(
    estimator: Any, training: Training, states: list[RandomState], given: HeldOut
) -> tuple[np.ndarray, Score | None, Training]:
    """Training rows (K, n), how a stack is scored after an epoch, if it is, and what it is for.

    Raises
    ------
    ValueError
        If the classifier is to be calibrated, but holds no rows out.
    """
    prepared, rows = training.prepared, training.prepared.rows
    trained, data = build.all_rows(estimator, len(rows)), prepared.data
    if given.X is not None:
        data, rows = _given_data(estimator, training, given)
        held = build.all_rows(estimator, len(rows))
    elif recipe.stops_early(estimator, prepared.facts):
        own = states[:1] if training.selects else states
        trained, held = splits.split(rows, estimator.validation_fraction, prepared.target, own)
        if training.selects:  # by the same rows
            trained, held = (np.repeat(each, len(states), axis=0) for each in (trained, held))
    elif recipe.asks_for_calibration(estimator):
        raise ValueError(
            f"calibration={estimator.calibration!r} needs held-out rows, but early_stopping=False "
            "and fit was given no X_val. Set early_stopping to True or 'auto', or calibration=None."
        )
    else:
        return trained, None, training
    score = _score(estimator, training, data, rows, held)
    return trained, score, training._replace(held=(data, held))


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
        kind = CalibratedLoss if training.calibrates else HeldOutLoss
        return kind(training.prepared.target.loss, data, held)
    model = _scored_model(estimator, training)
    return HeldOutScore(model, rows, data, held, training.continued)


def _scored_model(estimator: Any, training: Training) -> Any:
    """The estimator as scorers see it: fitted so far, and without the names of columns.

    The tables that it is to score have none, and are on the host.
    """
    header = {n: value for n, value in training.prepared.header.items() if "names" not in n}
    return shallow_copy(estimator, **fitted_attributes(training.fitted, header, None))
