"""What may differ between the members of a stack."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Members:
    """Hyperparameters of K networks, one entry each, by the names of the parameters.

    Attributes
    ----------
    alpha, l1_ratio : float64 arrays of shape (K,)
        Strength and L1 share of the penalty.
    dropout, input_dropout : float64 arrays of shape (K,)
        Probabilities with which hidden units and inputs are dropped.
    input_noise : float64 array of shape (K,)
        Standard deviation of the normal noise on standardized inputs.
    mixup_alpha : float64 array of shape (K,)
        Parameter of the symmetric beta distribution of mixup's shares; 0 is none.
    label_smoothing : float64 array of shape (K,)
        Share of the targets' mass that is spread over the classes.
    learning_rate_init : float64 array of shape (K,)
        Initial step size.
    norm_momentum : float64 array of shape (K,)
        Weight of a new batch in the running statistics.
    seed : uint32 array of shape (K,)
        Keys of the dropout masks.
    """

    alpha: np.ndarray
    l1_ratio: np.ndarray
    dropout: np.ndarray
    input_dropout: np.ndarray
    input_noise: np.ndarray
    mixup_alpha: np.ndarray
    label_smoothing: np.ndarray
    learning_rate_init: np.ndarray
    norm_momentum: np.ndarray
    seed: np.ndarray

    def __len__(self) -> int:
        return len(self.seed)

    def on(self, backend: Any) -> "Members":
        """The same numbers as arrays of a backend."""
        return Members(**{f.name: backend.asarray(getattr(self, f.name)) for f in fields(self)})

    def take(self, members: list[int]) -> "Members":
        """Some of the members."""
        return Members(**{f.name: getattr(self, f.name)[members] for f in fields(self)})


def join_members(parts: Sequence[Members]) -> Members:
    """The members of several stacks in one."""
    names = [f.name for f in fields(Members)]
    return Members(**{name: np.concatenate([getattr(m, name) for m in parts]) for name in names})
