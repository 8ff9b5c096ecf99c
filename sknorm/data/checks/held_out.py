"""Checks of held-out rows that ``fit`` was given."""

from typing import Any

import numpy as np

from sknorm._warnings import warn
from sknorm.data.checks.tables import check_features
from sknorm.data.kinds import Kinds
from sknorm.data.statistics import Statistics, gather

# Deviations, in location or in spread, that rows of one source hardly differ by in most columns;
# those that columns of mean 0 and deviation 1 differ by from others; and rows that tell.
_FAR = 5.0
_STANDARD = 2.0
_ENOUGH = 10


def check_pair(X_val: Any, y_val: Any, sample_weight_val: Any) -> None:
    """Raise a ValueError if held-out rows were given in part."""
    for name, value, other, missing in (
        ("X_val", X_val, "y_val", y_val),
        ("y_val", y_val, "X_val", X_val),
        ("sample_weight_val", sample_weight_val, "X_val", X_val),
    ):
        if value is not None and missing is None:
            raise ValueError(
                f"{name} was given without {other}. Held-out rows need X_val and y_val; pass both, "
                "or neither to hold out validation_fraction of X."
            )


def check_validation(estimator: Any, X: Any, y: Any, known: Kinds) -> tuple[Any, Any]:
    """Held-out rows as ``fit`` checks its own, with errors that say X_val and y_val."""
    try:
        return check_features(estimator, X, y=y, known=known)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"X_val or y_val: {error}") from error


def warn_if_far(X: Any, seen: Statistics | None, X_val: Any, names: Any) -> None:
    """Warn of held-out rows that are not on the scale of X in most columns.

    A Pipeline transforms X, but X_val only where it is told to. ``seen`` is what is known of the
    columns of X, if it is.
    """
    try:
        seen = gather(X, None) if seen is None else seen
        held = gather(X_val, None)
    except ValueError:  # of values whose squares overflow, where no scaling is asked for
        return
    spread, own = seen.deviation, held.deviation
    distance = np.abs(held.mean - seen.mean) / np.where(spread > 0, spread, 1.0)
    far = _are_far(seen, spread, distance, own, X_val.shape[0])
    if not far.any():
        return
    column = int(np.argmax(np.where(far, distance, -1.0)))
    label = f"{column}" if names is None else repr(names[column])
    warn(
        f"X_val is on another scale than X in {far.sum()} of {far.size} columns: column {label} "
        f"has mean {held.mean[column]:.3g} and deviation {own[column]:.3g} in X_val, "
        f"{seen.mean[column]:.3g} and {spread[column]:.3g} in X. If a Pipeline transforms X, let "
        "it transform X_val too: Pipeline(steps, transform_input=['X_val']) under metadata "
        "routing; see 'Which rows are held out' in the user guide.",
        UserWarning,
    )


def _are_far(
    seen: Statistics,
    spread: np.ndarray,
    distance: np.ndarray,
    own: np.ndarray,
    rows: int,
) -> np.ndarray:
    """Columns on another scale, if most are: of all, or of those that a scaler left behind."""
    varies = spread > 0
    far = varies & ((distance > _FAR) | (own > _FAR * spread))
    if far.any() and 2 * far.sum() >= varies.sum():
        return far
    standard = (np.abs(seen.mean) < 1e-3) & (np.abs(spread - 1.0) < 1e-3)
    far |= (distance > _STANDARD) | (own < spread / _FAR)
    far &= standard & (rows >= _ENOUGH)
    return far if far.sum() >= 3 and 2 * far.sum() >= standard.sum() else np.zeros_like(far)
