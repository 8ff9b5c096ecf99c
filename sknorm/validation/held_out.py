"""Checks of held-out rows that ``fit`` was given."""

from typing import Any

from sknorm.validation.tables import check_features


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


def check_validation(estimator: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """Held-out rows as ``fit`` checks its own, with errors that say X_val and y_val."""
    try:
        return check_features(estimator, X, reset=False, y=y)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"X_val or y_val: {error}") from error
