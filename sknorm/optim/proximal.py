"""Penalties whose proximal operator is not part of the optimizer's own step."""

from typing import Any

import numpy as np

from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.optim.adam import Adam
from sknorm.optim.sgd import SGD


class GroupStep:
    """Group lasso on the input rows of the first layer."""

    def __init__(self, network: Network, members: Members, optimizer: SGD | Adam) -> None:
        self.network: Network = network
        self.optimizer: Any = optimizer
        self.scale = float(np.sqrt(network.architecture.sizes[1]))
        self.strength = network.backend.asarray(members.alpha * self.scale)

    def before(self, batch_size: int, monitor: Any) -> None:
        """Add the norms of the rows, before a step, to the monitor."""
        self.network.backend.kernels.group_norms(
            self.network.parameters.weights[0], self.scale, batch_size, monitor
        )

    def after(self, state: Any, rate: Any) -> None:
        """Take the proximal step that follows the optimizer's."""
        self.optimizer.group_step(self.network, state, 0, rate, self.strength)


class SpectralStep:
    """Nuclear norm of every weight matrix."""

    def __init__(self, network: Network, members: Members, optimizer: SGD | Adam) -> None:
        self.network: Network = network
        self.optimizer: Any = optimizer
        self.strength = network.backend.asarray(members.alpha)
        backend = network.backend
        none = backend.xp.zeros(len(members), dtype=backend.xp.float64, device=backend.device)
        self.norms = [none + 0.0 for _ in network.parameters.weights]
        for weight, norms in zip(network.parameters.weights, self.norms, strict=True):
            backend.kernels.singular_value_threshold(weight, none, norms)

    def before(self, batch_size: int, monitor: Any) -> None:
        """Add the sums of the singular values, before a step, to the monitor."""
        for norms in self.norms:
            monitor[:, 1] = monitor[:, 1] + batch_size * norms

    def after(self, state: Any, rate: Any) -> None:
        """Take the proximal steps that follow the optimizer's."""
        for layer, norms in enumerate(self.norms):
            self.optimizer.spectral_step(self.network, state, layer, rate, self.strength, norms)


PROXIMAL_STEPS: dict[str, type[GroupStep] | type[SpectralStep]] = {
    "group_lasso": GroupStep,
    "nuclear": SpectralStep,
}
