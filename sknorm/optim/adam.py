"""Adam and AdamW."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.backends.program import Operation
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

    def owns(self, state: Any) -> bool:
        """Whether a state is of this kind of optimizer."""
        return isinstance(state, AdamState)

    def advance(self, state: AdamState, count: int) -> np.ndarray:
        """Count steps that are to come.

        Returns
        -------
        float64 array of shape (count,)
            For each, the correction of the moments' bias towards zero after it.
        """
        before = state.steps
        state.steps += count
        return _corrections(self.beta_1, self.beta_2, before, count)

    def step(self, state: AdamState, backend: Backend, arguments: dict[str, Any]) -> Operation:
        """One step of all members, in place; the arguments are those that all optimizers take."""
        moments = {"first": state.first.flat, "second": state.second.flat}
        return backend.bind("adam_step", {**asdict(self), **moments, **arguments})

    def shrink_groups(
        self, state: AdamState, backend: Backend, name: str, arguments: dict[str, Any]
    ) -> Operation:
        """Proximal step of ``strength * sum_j sqrt(p_j) ||W_j||`` on a matrix, after the update.

        Its ``groups`` j of :math:`p_j` rows are among the arguments.
        """
        second, largest = state.second[name], int(np.diff(arguments["groups"]).max())
        shape = second.shape[0], largest * second.shape[2]
        own = {"second": second, "scratch": backend.zeros(shape, second.dtype)}
        return backend.bind("adam_group_step", {**asdict(self), **own, **arguments})

    def apply(
        self, prox: Callable[[Any], None], network: Network, state: AdamState, name: str
    ) -> None:
        """Let a proximal operator that knows one step size act on a matrix, after the update."""
        prox(network[name])


@lru_cache(maxsize=64)
def _corrections(beta_1: float, beta_2: float, before: int, count: int) -> np.ndarray:
    """Corrections of the moments' bias towards zero after each of some steps."""
    steps = range(before + 1, before + count + 1)
    corrections = np.array([(1.0 - beta_2**s) ** 0.5 / (1.0 - beta_1**s) for s in steps])
    corrections.setflags(write=False)
    return corrections
