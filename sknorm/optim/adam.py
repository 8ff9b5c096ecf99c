"""Adam and AdamW."""

from dataclasses import dataclass
from typing import Any

from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters, take_parameters, zeros_like


@dataclass
class AdamState:
    """Moments of the gradient, in the layout of the parameters, and the steps taken."""

    first: Parameters
    second: Parameters
    steps: int

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
        state.steps += 1
        bias = (1.0 - self.beta_2**state.steps) ** 0.5 / (1.0 - self.beta_1**state.steps)
        network.backend.kernels.adam_step(
            network.parameters.flat, gradient.flat, state.first.flat, state.second.flat,
            segments, rate, members.alpha, members.l1_ratio, self.beta_1, self.beta_2,
            self.epsilon, bias, self.decoupled, batch_size, monitor,
        )  # fmt: skip
