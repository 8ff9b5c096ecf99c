"""What solvers need to know of a penalty."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from array_api_compat import array_namespace

from sknorm._typing import Array
from sknorm.backends.program import Operation
from sknorm.kernels import codes


class ProximalStep(Protocol):
    """The proximal step of a penalty that is not part of the optimizer's own.

    Attributes
    ----------
    is_recordable : bool
        Whether it launches kernels alone, so that a recorded step may hold it.
    """

    is_recordable: ClassVar[bool]

    def before(self, batch_size: int, monitor: Any) -> Operation:
        """Add the penalty over alpha, before a step, to column 1 of the monitor."""

    def after(self, state: Any, quantities: Any) -> Operation:
        """Follow the optimizer's step."""


@dataclass(frozen=True)
class Penalty:
    """A penalty of weight matrices: a smooth part, and one that acts by its proximal operator.

    The kernels of the optimizers hold the same formulas fused with their steps, for the members
    of a stack at once; the classes are where they are stated and tested. A penalty of a stack has
    hyperparameters of shape (K,).

    Parameters
    ----------
    alpha : float
        Strength, in units of the loss.

    Attributes
    ----------
    name : str
        As estimators take it.
    summary : str
        What ``alpha`` multiplies, for the documentation of the estimators.
    takes_l1_ratio : bool
        Whether there is an L1 norm with a share of its own.
    selects : bool
        Whether single weights, or those of an input, become zero.
    diagonal_metric : bool
        Whether the proximal operator is known for a step that differs by coordinate.
    code : int
        What :mod:`sknorm.kernels.codes` calls the penalty in an optimizer's own step.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    takes_l1_ratio: ClassVar[bool] = False
    selects: ClassVar[bool] = True
    diagonal_metric: ClassVar[bool] = True
    code: ClassVar[int] = codes.UNPENALIZED

    alpha: float

    @classmethod
    def of(cls, alpha: Any, l1_ratio: Any) -> Self:
        """The penalty with these hyperparameters: numbers, or arrays of shape (K,) of a stack."""
        return cls(alpha)

    @property
    def is_smooth(self) -> bool:
        """Whether there is nothing but a smooth part, so that a gradient is all one needs."""
        return self.alpha == 0.0

    @property
    def curvature(self) -> float:
        """Factor of half the squared norm in the smooth part."""
        return 0.0 * self.alpha

    def value(self, w: Any) -> float:
        """Penalty of an array of weights."""
        raise NotImplementedError

    def smooth_gradient(self, w: Array) -> Array:
        """Gradient of the smooth part, of the shape of ``w``: zeros where there is none."""
        return array_namespace(w).zeros_like(w)

    def prox(self, w: Array, step: Any) -> Array:
        """Proximal operator of the part that is not smooth."""
        raise NotImplementedError

    def optimality_gap(self, w: Any, gradient: Any) -> float:
        """How far ``w`` is from stationary, given the gradient of the loss there."""
        raise NotImplementedError

    @staticmethod
    def applies_to(parameter: Any, layer: int) -> bool:
        """Whether one network's ``parameter`` of layer number ``layer`` is penalized.

        Weight matrices are; biases, scales and shifts are not.
        """
        return parameter.ndim >= 2

    def total(self, sums: Any) -> Any:
        """The penalty (K,) of a stack from the sums (K, 2) that its steps monitor."""
        return self.alpha * sums[:, 0]

    def proximal_step(self, network: Any, optimizer: Any) -> ProximalStep | None:
        """What follows the optimizer's step on a stack; None where that holds the penalty."""
        return None

    def refusal(self, solver: str) -> str | None:
        """Why a solver does not serve this penalty, and what to choose instead."""
        if solver == "lbfgs" and not self.is_smooth:
            return (
                f"solver='lbfgs' needs a smooth objective, but penalty={self.name!r} is not "
                "smooth. Use solver='adam', 'adamw' or 'sgd', or penalty='elasticnet', l1_ratio=0."
            )
        if solver == "adam" and not self.diagonal_metric and self.alpha > 0:
            return (
                f"penalty={self.name!r} has no proximal step in the metric of solver='adam', whose "
                "step differs by coordinate. Use solver='adamw', which decouples the penalty, or "
                "'sgd'."
            )
        return None
