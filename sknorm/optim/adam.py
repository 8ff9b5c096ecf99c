"""Adam and AdamW."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters, take_parameters, zeros_like


@dataclass
class AdamState:
    """Moments of the gradient, in the layout of the parameters, and the steps taken.

    ``correction`` is that of the moments' bias towards zero after these steps: a number, or an
    array of one where a recorded step reads it.
    """

    first: Parameters
    second: Parameters
    steps: int
    scratch: Any = None
    correction: Any = 1.0

    def take(self, members: list[int]) -> "AdamState":
        first, second = (take_parameters(p, members) for p in (self.first, self.second))
        return AdamState(first, second, self.steps)

    def copy(self) -> "AdamState":
        """The same state in arrays of its own, without the room for scratch values."""
        return AdamState(self.first.copy(), self.second.copy(), self.steps)

    def snapshot(self, spare: "AdamState | None" = None) -> "AdamState":
        """A copy for :meth:`restore`, in the memory of an older one if there is one."""
        if spare is None:
            return self.copy()
        spare.restore(self)
        return spare

    def restore(self, other: "AdamState") -> None:
        """Be what another state is, in place."""
        self.first.flat[...], self.second.flat[...] = other.first.flat, other.second.flat
        self.steps = other.steps

    def on(self, backend: Backend) -> "AdamState":
        """The same state as arrays of a backend, without the room for scratch values."""
        return AdamState(self.first.on(backend), self.second.on(backend), self.steps)


@dataclass(frozen=True)
class Adam:
    """Adam with the elastic net's proximal step in Adam's own metric, or decoupled (AdamW).

    Parameters
    ----------
    beta_1, beta_2 : float
        Decay rates of the moments.
    epsilon : float
        Added to the root of the second moment (before its bias is corrected, as in
        scikit-learn and in the algorithm's efficient form).
    decoupled : bool
        Whether the whole penalty acts with the plain learning rate.

    References
    ----------
    Kingma and Ba (2015), Adam: a method for stochastic optimization. Loshchilov and Hutter
    (2019), Decoupled weight decay regularization.
    """

    beta_1: float
    beta_2: float
    epsilon: float
    decoupled: bool

    def init(self, network: Network) -> AdamState:
        """Moments of zero."""
        return AdamState(zeros_like(network.parameters), zeros_like(network.parameters), 0)

    def owns(self, state: Any) -> bool:
        """Whether a state is of this kind of optimizer."""
        return isinstance(state, AdamState)

    def advance(self, state: AdamState) -> None:
        """Count a step, before its :meth:`update`."""
        state.steps += 1
        state.correction = self._correction(state.steps)

    def advance_recorded(self, state: AdamState, count: int, place: Any) -> np.ndarray:
        """Count steps that find what changes between them at ``place``, an array of one.

        Returns
        -------
        float64 array of shape (count,)
            What they are to find there.
        """
        state.correction, before = place, state.steps
        state.steps += count
        return np.array([self._correction(before + i + 1) for i in range(count)])

    def update(
        self,
        network: Network,
        gradient: Parameters,
        state: AdamState,
        segments: Any,
        members: Members,
        rate: Any,
        batch_size: int,
        monitor: Any,
    ) -> None:
        """One step of all members, in place."""
        network.backend.kernels.adam_step(
            network.parameters.flat, gradient.flat, state.first.flat, state.second.flat,
            segments, rate, members.alpha, members.l1_ratio, self.beta_1, self.beta_2,
            self.epsilon, state.correction, self.decoupled, batch_size, monitor,
        )  # fmt: skip

    def shrink_rows(
        self, network: Network, state: AdamState, name: str, rate: Any, strength: Any
    ) -> None:
        """Proximal step of ``strength * sum_j ||W[j, :]||`` on a matrix, after the update."""
        weight = network[name]
        if state.scratch is None or state.scratch.shape[0] != weight.shape[2]:
            xp, device = network.backend.xp, network.backend.device
            state.scratch = xp.zeros(weight.shape[2], dtype=weight.dtype, device=device)
        network.backend.kernels.adam_group_step(
            weight, state.second[name], rate, strength, state.correction,
            self.epsilon, self.decoupled, state.scratch,
        )  # fmt: skip

    def apply(
        self, prox: Callable[[Any], None], network: Network, state: AdamState, name: str
    ) -> None:
        """Let a proximal operator that knows one step size act on a matrix, after the update."""
        prox(network[name])

    def _correction(self, steps: int) -> float:
        """Correction of the moments' bias towards zero after so many steps."""
        return float((1.0 - self.beta_2**steps) ** 0.5 / (1.0 - self.beta_1**steps))
