"""Noise on the batches of training: input dropout, normal noise and mixup."""

from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.network.members import Members

_NOISE_LAYER = 1 << 20  # a layer of random numbers that no hidden block has


class Augmentation:
    """What changes a batch before the network sees it; nothing, unless a member asks for it.

    Mixup (Zhang et al., 2018, mixup: beyond empirical risk minimization) replaces a row, its
    targets and its weight by a convex combination with those of another row of the batch,
    with one share of a beta distribution for each member and step. Normal noise and dropout
    then act on the standardized inputs.

    Parameters
    ----------
    backend : Backend
    members : Members
    """

    def __init__(self, backend: Backend, members: Members) -> None:
        self.backend = backend
        self.members = members
        self.seed = backend.asarray(members.seed)
        self.noise = backend.asarray(members.input_noise)
        self.rate = backend.asarray(members.input_dropout)
        self.mixes = bool(np.any(members.mixup > 0))
        self.noises = bool(np.any(members.input_noise > 0))
        self.drops = bool(np.any(members.input_dropout > 0))
        self.acts = self.mixes or self.noises or self.drops

    def __call__(self, step: int, x: Any, y: Any, weight: Any) -> None:
        """Change a batch in place: x (K, n, d), y (K, n, o) and weight (K, n)."""
        kernels = self.backend.kernels
        if self.mixes:
            kernels.mixup(self.backend.asarray(self._shares(step)), x, y, weight)
        if self.noises:
            kernels.noise(self.noise, self.seed, step, _NOISE_LAYER, x)
        if self.drops:
            kernels.dropout(self.rate, self.seed, step, 0, x)

    def _shares(self, step: int) -> np.ndarray:
        """Each member's share of its own rows, a function of its seed and the step alone."""
        shares = np.ones(len(self.members))
        for k, (alpha, seed) in enumerate(zip(self.members.mixup, self.members.seed, strict=True)):
            if alpha > 0:
                bits = np.random.Philox(key=int(seed), counter=[0, step, 0, 0])
                shares[k] = np.random.Generator(bits).beta(alpha, alpha)
        return shares
