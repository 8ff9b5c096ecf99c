"""The training data as the engine reads it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingData:
    """Arrays of one backend, shared by all members of a stack.

    Attributes
    ----------
    X : float array of shape (N, n_features)
        As the user passed it, or copied where its layout or dtype required it.
    y : array of shape (N, n_targets)
        Targets in the compute dtype, or int64 class indices.
    weight : array of shape (1, N)
        Row weights in the compute dtype, all positive.
    offset, factor : float64 arrays of shape (n_features,)
        ``(X - offset) * factor`` is what the networks see.
    """

    X: Any
    y: Any
    weight: Any
    offset: Any
    factor: Any
