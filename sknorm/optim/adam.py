"""Adam and AdamW."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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

    def group_step(
        self, network: Network, state: AdamState, layer: int, rate: Any, strength: Any
    ) -> None:
        """Proximal step of ``strength * sum_j ||W[j, :]||`` on a layer, after the update."""
        weight = network.parameters.weights[layer]
        if state.scratch is None or state.scratch.shape[0] != weight.shape[2]:
            xp, device = network.backend.xp, network.backend.device
            state.scratch = xp.zeros(weight.shape[2], dtype=weight.dtype, device=device)
        network.backend.kernels.adam_group_step(
            weight, state.second.weights[layer], rate, strength, state.correction,
            self.epsilon, self.decoupled, state.scratch,
        )  # fmt: skip

    def spectral_step(
        self, network: Network, state: AdamState, layer: int, rate: Any, strength: Any, norms: Any
    ) -> None:
        """Proximal step of ``strength`` times the nuclear norm of a layer; writes the norms.

        With the plain learning rate: the operator has no closed form in Adam's metric.
        """
        weight = network.parameters.weights[layer]
        network.backend.kernels.singular_value_threshold(weight, rate * strength, norms)

    def _correction(self, steps: int) -> float:
        """Correction of the moments' bias towards zero after so many steps."""
        return float((1.0 - self.beta_2**steps) ** 0.5 / (1.0 - self.beta_1**steps))
