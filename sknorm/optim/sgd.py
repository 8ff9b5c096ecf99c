"""Stochastic gradient descent with momentum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters, take_parameters, zeros_like


@dataclass
class SGDState:
    """Velocities of a stack, in the layout of its parameters."""

    velocity: Parameters

    def take(self, members: list[int]) -> "SGDState":
        return SGDState(take_parameters(self.velocity, members))

    def copy(self) -> "SGDState":
        """The same state in arrays of its own."""
        return SGDState(self.velocity.copy())

    def snapshot(self, spare: "SGDState | None" = None) -> "SGDState":
        """A copy for :meth:`restore`, in the memory of an older one if there is one."""
        if spare is None:
            return self.copy()
        spare.restore(self)
        return spare

    def restore(self, other: "SGDState") -> None:
        """Be what another state is, in place."""
        self.velocity.flat[...] = other.velocity.flat

    def on(self, backend: Backend) -> "SGDState":
        """The same state as arrays of a backend."""
        return SGDState(self.velocity.on(backend))


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

    def shrink_rows(
        self, network: Network, state: SGDState, name: str, rate: Any, strength: Any
    ) -> None:
        """Proximal step of ``strength * sum_j ||W[j, :]||`` on a matrix, after the update."""
        network.backend.kernels.sgd_group_step(
            network[name], state.velocity[name], rate, strength, self.momentum, self.nesterov
        )

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
