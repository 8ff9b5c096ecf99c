"""Checks of what stands beside the rows: their weights and their groups."""

from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from sknorm._sklearn import _check_sample_weight
from sknorm.backends import fetched
from sknorm.data.checks.targets import as_numbers, check_entries
from sknorm.objective.units import hold_weights


def check_weights(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Row weights in float64, in a unit that their sum does not leave, or None if there are none.

    Raises
    ------
    ValueError
        If weights are no numbers, negative, not finite, all zero, or not one per row.
    """
    if sample_weight is None:
        return None
    rows = X if isinstance(X, np.ndarray) else np.empty((X.shape[0], 0))
    weight = fetched(sample_weight)
    if isinstance(weight, Number):
        weight = np.full(X.shape[0], weight)
    weight = as_numbers(weight, "sample_weight")
    if weight.size and not weight.any():
        raise ValueError(
            "sample_weight is zero in all rows. Sample weights must contain at least one non-zero "
            "number."
        )
    weight = _check_sample_weight(weight, rows, dtype=np.float64)
    if weight.min() < 0:
        row = int(np.argmin(weight))
        raise ValueError(
            f"Negative values in data passed to `sample_weight`: {weight[row]} at row {row}. "
            "Weights must be zero (the row is left out) or positive."
        )
    return hold_weights(weight)


def positive_rows(weight: np.ndarray | None, at_least: int) -> np.ndarray | None:
    """Rows that count; those of weight zero are left out, as if they had never been passed.

    None where all count.

    Raises
    ------
    ValueError
        If fewer than ``at_least`` rows are left.
    """
    if weight is None or weight.all():
        return None
    kept = np.flatnonzero(weight > 0)
    if len(kept) < at_least:
        raise ValueError(
            f"sample_weight (with class_weight) leaves {len(kept)} of {len(weight)} rows with a "
            f"positive weight; at least {at_least} are needed."
        )
    return kept


def check_groups(groups: Any, X: Any) -> np.ndarray:
    """Groups of the rows, (n_samples,), of one type, without missing values."""
    groups = fetched(groups)
    check_entries(groups, "groups")
    if (shape := np.shape(groups)) not in ((len(groups),), (len(groups), 1)):
        raise ValueError(f"groups must hold one group a row, got an array of shape {shape}.")
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    try:
        np.unique(groups)
    except TypeError as error:
        raise ValueError(
            f"groups mixes types that have no common order: {error}. Give them one type, for "
            "example with groups.astype(str)."
        ) from None
    return groups
