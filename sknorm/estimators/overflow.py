"""Predictions that leave the range of floats: of training rows, and of rows far from these."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from sknorm._warnings import warn
from sknorm.backends import to_host
from sknorm.data.columns import column_labels
from sknorm.data.table import chunk, materialize, resolve_table
from sknorm.estimators.fitted import Fitted
from sknorm.estimators.predictive import predictive
from sknorm.objective.losses import HELD_SHARE


class FarValueError(ValueError):
    """A table holds a value whose row has no finite prediction."""


def warn_if_infinite(estimator: Any, X: Any) -> None:
    """Warn of predictions of training rows that overflow, as those of a log link may.

    They are held at a value near the largest of their dtype. No loss tells: the gamma loss of such
    a prediction is finite, and cheap to bring about for an outlier. Others overflow where weights
    are huge, although the loss of the last epoch, of weights and statistics before, is finite.
    """
    fitted = estimator._fitted
    holds = fitted.target.loss.output_activation == "exp"
    if not (holds or _may_overflow(fitted)):
        return
    X = materialize(X)
    backend = resolve_table(X, estimator.backend, estimator.matmul_precision)
    with np.errstate(over="ignore", invalid="ignore"):
        values = predictive(fitted, backend, X, None, False).mean
    xp = array_namespace(values)
    lost = ~xp.isfinite(values)
    if holds:
        lost = lost | (values >= 0.99 * float(xp.finfo(values.dtype).max) ** HELD_SHARE)
    if count := int(xp.sum(xp.astype(xp.any(lost, axis=1), xp.int64))):
        what = f"loss={estimator.loss!r}: the" if holds else "The"
        warn(
            f"{what} predictions of {count} of the {X.shape[0]} training rows overflow. Use a "
            "norm, scale the inputs, or lower learning_rate_init.",
            RuntimeWarning,
        )


def _may_overflow(fitted: Fitted) -> bool:
    """Whether products of as many weights as there are layers are large for their dtype."""
    flat = fitted.network.parameters.flat
    xp = array_namespace(flat)
    largest, layers = float(xp.max(xp.abs(flat))), fitted.network.architecture.hidden + 1
    return largest > float(xp.finfo(flat.dtype).max) ** (0.5 / layers)


def refuse_far_rows(fitted: Fitted, X: Any, mean: Any) -> None:
    """Refuse a checked table with values so large that predictions of their rows overflow.

    Numbers that are standardized, or taken as they are, have no bound, as squashed ones have.

    Parameters
    ----------
    fitted : Fitted
    X : checked table of shape (n_samples, n_features)
    mean : array of shape (n_samples, n_outputs)
        Its predictions.

    Raises
    ------
    FarValueError
        If a row whose prediction is not finite has such a value.
    """
    columns, xp = fitted.columns, array_namespace(mean)
    if columns.clips or bool(xp.all(xp.isfinite(mean))):
        return
    lost = np.flatnonzero(to_host(~xp.all(xp.isfinite(mean), axis=1)))
    row = int(lost[0])
    values = _row(X, row)
    with np.errstate(over="ignore"):
        distance = np.nan_to_num(np.abs((values - columns.offset) * columns.factor), posinf=np.inf)
    largest = float(xp.finfo(fitted.network.parameters.flat.dtype).max)
    if distance.max(initial=0.0) < largest**0.5:
        return  # the weights overflow, of which fit has warned
    column = int(np.argmax(distance))
    middle = float(columns.offset[column] + columns.fill[column] / columns.factor[column])
    labels = column_labels(X, columns.names)
    label = column if labels is None else repr(labels[column])
    rows = f"{len(lost)} of the {X.shape[0]} rows" if len(lost) > 1 else f"row {row}"
    raise FarValueError(
        f"The predictions of {rows} of X overflow: column {label} holds {values[column]:.3g} "
        f"at row {row}, where the training rows lie about {middle:.3g}. Clip or "
        "drop such values, or fit with scaling='robust', which bounds them."
    )


def _row(X: Any, row: int) -> np.ndarray:
    """Numbers of a row, (n_numeric,) in float64 on the host."""
    part = chunk(X, row, row + 1)
    dense = part.toarray() if hasattr(part, "toarray") else part
    return to_host(dense).astype(np.float64)[0]
