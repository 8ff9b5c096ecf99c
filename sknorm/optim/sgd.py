"""Stochastic gradient descent with momentum."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters, take_parameters, zeros_like


@dataclass
class SGDState:
    """Velocities of a stack, in the layout of its parameters."""

    velocity: Parameters

    def take(self, members: list[int]) -> "SGDState":
        return SGDState(take_parameters(self.velocity, members))


@dataclass(frozen=True)
class SGD:
    """Classical or Nesterov momentum, as in scikit-learn, with the elastic net's proximal step.

    With an L1 penalty the velocity is the difference of successive iterates, so that a fixed
    point of the step is a stationary point of the objective whatever the momentum.

    Parameters
    ----------
    momentum : float
    nesterov : bool

    References
    ----------
    Sutskever et al. (2013), On the importance of initialization and momentum in deep
    learning. Ochs et al. (2014), iPiano: inertial proximal algorithm for nonconvex
    optimization.
    """

    momentum: float
    nesterov: bool

    def init(self, network: Network) -> SGDState:
        """Velocities of zero."""
        return SGDState(zeros_like(network.parameters))

    def owns(self, state: Any) -> bool:
        """Whether a state is of this kind of optimizer."""
        return isinstance(state, SGDState)

    def advance(self, state: SGDState) -> None:
        """Count a step, before its :meth:`update`; all are alike."""

    def advance_recorded(self, state: SGDState, count: int, place: Any) -> np.ndarray:
        """As :meth:`sknorm.optim.adam.Adam.advance_recorded`; nobody looks."""
        return np.ones(count)

    def update(
        self,
        network: Network,
        gradient: Parameters,
        state: SGDState,
        segments: Any,
        members: Members,
        rate: Any,
        batch_size: int,
        monitor: Any,
    ) -> None:
        """One step of all members, in place."""
        network.backend.kernels.sgd_step(
            network.parameters.flat, gradient.flat, state.velocity.flat, segments, rate,
            members.alpha, members.l1_ratio, self.momentum, self.nesterov, batch_size, monitor,
        )  # fmt: skip

    def group_step(
        self, network: Network, state: SGDState, layer: int, rate: Any, strength: Any
    ) -> None:
        """Proximal step of ``strength * sum_j ||W[j, :]||`` on a layer, after the update."""
        network.backend.kernels.sgd_group_step(
            network.parameters.weights[layer], state.velocity.weights[layer], rate, strength,
            self.momentum, self.nesterov,
        )  # fmt: skip

    def spectral_step(
        self, network: Network, state: SGDState, layer: int, rate: Any, strength: Any, norms: Any
    ) -> None:
        """Proximal step of ``strength`` times the nuclear norm of a layer; writes the norms."""
        weight, velocity = network.parameters.weights[layer], state.velocity.weights[layer]
        ahead = self.momentum if self.nesterov else 0.0
        weight -= ahead * velocity
        moved = weight + 0.0
        network.backend.kernels.singular_value_threshold(weight, rate * strength, norms)
        velocity += weight - moved
        weight += ahead * velocity
