"""The training data as the engine reads it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingData:
    """Arrays of one backend, shared by all members of a stack.

    The table may have V views, such as the folds of a cross-validation: row i under view v is
    row ``v * N + i`` of the data. All rows of a member belong to one view.

    Attributes
    ----------
    X : float array of shape (N, n_features)
        As the user passed it, or copied where its layout or dtype required it.
    y : array of shape (V * N, n_targets)
        Targets in the compute dtype, or int64 class indices.
    weight : array of shape (1, V * N)
        Row weights in the compute dtype, in the unit of the least one: their sum counts rows.
    offset, factor : float64 arrays of shape (V, n_features)
        ``(X - offset) * factor`` is what the networks see.
    """

    X: Any
    y: Any
    weight: Any
    offset: Any
    factor: Any
