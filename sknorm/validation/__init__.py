"""Checks of X, y, weights and groups that say what is wrong, where, and what to do about it."""

from sknorm.validation.continuing import check_continues
from sknorm.validation.held_out import check_pair, check_validation, warn_if_far
from sknorm.validation.tables import check_features, check_sparse_backend, feature_names
from sknorm.validation.targets import as_numbers, check_labels
from sknorm.validation.weights import check_groups, check_weights, positive_rows

__all__ = [
    "as_numbers",
    "check_continues",
    "check_features",
    "check_groups",
    "check_labels",
    "check_pair",
    "check_sparse_backend",
    "check_validation",
    "check_weights",
    "feature_names",
    "positive_rows",
    "warn_if_far",
]
