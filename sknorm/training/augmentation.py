"""Noise on the batches of training: input dropout, normal noise and mixup."""

from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.network.members import Members

_BLOCK = 256  # steps whose shares of mixup are drawn, and uploaded, together
_NOISE_LAYER = 1 << 20  # a layer of random numbers that no hidden block has


class Augmentation:
    """What changes a batch before the network sees it; nothing, unless a member asks for it.

    Mixup (Zhang et al., 2018, mixup: beyond empirical risk minimization) replaces a row, its
    targets and its weight by a convex combination with those of another row of the batch,
    with one share of a beta distribution for each member and step. The shares of a block of
    steps go to the device in one array, so that a step takes its own without an upload. Normal
    noise and dropout then act on the standardized inputs.

    Parameters
    ----------
    backend : Backend
    members : Members

    Attributes
    ----------
    place : float64 array of shape (K,)
        Where a recorded step, which does not know its number, finds its shares.
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
        self.place: Any = None
        self._block = -1
        self._shares: Any = None

    def __call__(self, step: Any, x: Any, y: Any, weight: Any) -> None:
        """Change a batch in place: x (K, n, d), y (K, n, o) and weight (K, n)."""
        kernels = self.backend.kernels
        if self.mixes:
            kernels.mixup(self._share(step), x, y, weight)
        if self.noises:
            kernels.noise(self.noise, self.seed, step, _NOISE_LAYER, x)
        if self.drops:
            kernels.dropout(self.rate, self.seed, step, 0, x)

    def _share(self, step: Any) -> Any:
        """Each member's share (K,) of its own rows, where the batch is."""
        if not isinstance(step, int):
            return self.place
        block, place = divmod(step, _BLOCK)
        if block != self._block:
            steps = range(block * _BLOCK, (block + 1) * _BLOCK)
            self._shares, self._block = self.backend.asarray(shares(self.members, steps)), block
        return self._shares[place, ...]


def shares(members: Members, steps: range) -> np.ndarray:
    """Mixup's shares of shape (steps, K), each a function of a member's seed and the step alone."""
    found = np.ones((len(steps), len(members)))
    for k, (alpha, seed) in enumerate(zip(members.mixup, members.seed, strict=True)):
        if alpha == 0:
            continue
        bits = np.random.Philox(key=int(seed))
        generator, state = np.random.Generator(bits), bits.state
        for row, step in enumerate(steps):
            # As a new generator that starts from this counter, in a sixth of the time.
            state["state"]["counter"][1] = step
            bits.state = state
            found[row, k] = generator.beta(alpha, alpha)
    return found
