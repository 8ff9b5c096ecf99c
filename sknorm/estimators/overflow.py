"""Predictions that leave the range of floats: of training rows, and of rows far from these."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from sknorm._warnings import warn
from sknorm.backends import is_on_host, to_host
from sknorm.data.columns import column_labels
from sknorm.data.table import chunk, materialize, resolve_table
from sknorm.estimators.fitted import Fitted
from sknorm.estimators.predictive import predictive
from sknorm.objective.losses import HELD_SHARE


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
    values = _means(estimator, X)
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


def predicts_numbers(estimator: Any, X: Any) -> bool:
    """Whether all predictions for a checked table are finite."""
    values = _means(estimator, X)
    xp = array_namespace(values)
    return bool(xp.all(xp.isfinite(values)))


def _means(estimator: Any, X: Any) -> Any:
    """Predictions for a checked table, (n_samples, n_outputs), whatever they are."""
    backend = resolve_table(X, estimator.backend, estimator.matmul_precision)
    with np.errstate(over="ignore", invalid="ignore"):
        return predictive(estimator._fitted, backend, X, None, False).mean


def check_finite(fitted: Fitted, X: Any, mean: Any) -> None:
    """Look into predictions on the host that overflow: by a value of X, or by the weights.

    Numbers that are standardized, or taken as they are, have no bound, as squashed ones have.

    Parameters
    ----------
    fitted : Fitted
    X : checked table of shape (n_samples, n_features)
    mean : array of shape (n_samples, n_outputs)
        Its predictions.

    Raises
    ------
    ValueError
        If the row of one that is not finite has a value so large that its square overflows.

    Warns
    -----
    RuntimeWarning
        If it has none.
    """
    xp = array_namespace(mean)
    if not is_on_host(mean) or bool(xp.all(xp.isfinite(mean))):  # a look would wait for a device
        return
    lost = np.flatnonzero(to_host(~xp.all(xp.isfinite(mean), axis=1)))
    rows = f"{len(lost)} of the {X.shape[0]} rows" if len(lost) > 1 else f"row {lost[0]}"
    what = f"The predictions of {rows} of X overflow"
    far = None if fitted.columns.clips else _far_value(fitted, X, int(lost[0]))
    if far is None:
        warn(
            f"{what}, as the weights are huge. Fit with a norm, or with a lower "
            "learning_rate_init.",
            RuntimeWarning,
        )
    else:
        raise ValueError(
            f"{what}: {far}. Clip or drop such values, or fit with scaling='robust', which bounds "
            "them."
        )


def _far_value(fitted: Fitted, X: Any, row: int) -> str | None:
    """What a row holds that is too far from the training rows; None if it holds nothing such."""
    columns, values = fitted.columns, _row(X, row)
    with np.errstate(over="ignore"):
        distance = np.nan_to_num(np.abs((values - columns.offset) * columns.factor), posinf=np.inf)
    largest = float(np.finfo(fitted.dtype).max)
    if distance.max(initial=0.0) < largest**0.5:
        return None
    column = int(np.argmax(distance))
    middle = float(columns.offset[column] + columns.fill[column] / columns.factor[column])
    labels = column_labels(X, columns.names)
    label = column if labels is None else repr(labels[column])
    return (
        f"column {label} holds {values[column]:.3g} at row {row}, where the training rows lie "
        f"about {middle:.3g}"
    )


def _row(X: Any, row: int) -> np.ndarray:
    """Numbers of a row, (n_numeric,) in float64 on the host."""
    part = chunk(X, row, row + 1)
    dense = part.toarray() if hasattr(part, "toarray") else part
    return to_host(dense).astype(np.float64)[0]
