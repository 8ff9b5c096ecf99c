"""Checks of X, y, weights and groups that say what is wrong, where, and what to do about it."""

from sknorm.data.checks.held_out import check_pair, check_validation, warn_if_far
from sknorm.data.checks.tables import (
    check_count,
    check_features,
    check_sparse_backend,
    check_targets,
    feature_names,
)
from sknorm.data.checks.targets import as_numbers, check_labels
from sknorm.data.checks.weights import check_groups, check_weights, positive_rows

__all__ = [
    "as_numbers",
    "check_count",
    "check_features",
    "check_groups",
    "check_labels",
    "check_pair",
    "check_sparse_backend",
    "check_targets",
    "check_validation",
    "check_weights",
    "feature_names",
    "positive_rows",
    "warn_if_far",
]
