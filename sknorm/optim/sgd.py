"""Stochastic gradient descent with momentum."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.backends.program import Operation
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

    def advance(self, state: SGDState, count: int) -> np.ndarray:
        """As :meth:`sknorm.optim.adam.Adam.advance`; all steps are alike."""
        return np.ones(count)

    def step(self, state: SGDState, backend: Backend, arguments: dict[str, Any]) -> Operation:
        """One step of all members, in place; the arguments are those that all optimizers take."""
        velocity = state.velocity.flat
        return backend.bind("sgd_step", {**asdict(self), "velocity": velocity, **arguments})

    def shrink_groups(
        self, state: SGDState, backend: Backend, name: str, arguments: dict[str, Any]
    ) -> Operation:
        """As :meth:`sknorm.optim.adam.Adam.shrink_groups`."""
        velocity = state.velocity[name]
        return backend.bind("sgd_group_step", {**asdict(self), "velocity": velocity, **arguments})

    def apply(
        self, prox: Callable[[Any], None], network: Network, state: SGDState, name: str
    ) -> None:
        """Let a proximal operator that knows one step size act on a matrix, after the update."""
        weight, velocity = network[name], state.velocity[name]
        ahead = self.momentum if self.nesterov else 0.0
        weight -= ahead * velocity
        moved = weight + 0.0
        prox(weight)
        velocity += weight - moved
        weight += ahead * velocity
