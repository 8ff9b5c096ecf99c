"""Noise on the batches of training: input dropout, normal noise and mixup."""

from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.backends.program import Operation
from sknorm.network.members import Members
from sknorm.network.quantities import Quantities

_NOISE_LAYER = 1 << 20  # a layer of random numbers that no hidden block has


def augment(
    members: Members, quantities: Quantities, backend: Backend, batch: tuple[Any, Any, Any]
) -> list[Operation]:
    """What changes a batch before the network sees it; nothing, unless a member asks for it.

    Mixup (Zhang et al., 2018, mixup: beyond empirical risk minimization) replaces a row, its
    targets and its weight by a convex combination with those of another row of the batch,
    with one share of a beta distribution for each member and step. Normal noise and dropout then
    act on the standardized inputs.

    Parameters
    ----------
    members : Members
    quantities : Quantities
    backend : Backend
    batch : tuple of arrays
        Inputs (K, n, d), targets (K, n, o) and weights (K, n), which are changed in place.
    """
    x, y, weight = batch
    key = {"seed": backend.asarray(members.seed), "out": x}
    made = []
    if mixes(members):
        mixed = {"share": quantities["share"], "x": x, "y": y, "weight": weight}
        made.append(backend.bind("mixup", mixed))
    if np.any(members.input_noise > 0):
        noise = {**key, "deviation": quantities["input_noise"], "layer": _NOISE_LAYER}
        made.append(backend.bind("noise", noise))
    if np.any(members.input_dropout > 0):
        drop = {**key, "rate": quantities["input_dropout"], "layer": 0}
        made.append(backend.bind("dropout", drop))
    return made


def mixes(members: Members) -> bool:
    """Whether any member mixes rows."""
    return bool(np.any(members.mixup_alpha > 0))


def shares(members: Members, steps: range) -> np.ndarray:
    """Mixup's shares of shape (steps, K), each a function of a member's seed and the step alone."""
    found = np.ones((len(steps), len(members)))
    for k, (alpha, seed) in enumerate(zip(members.mixup_alpha, members.seed, strict=True)):
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
