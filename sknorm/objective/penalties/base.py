"""What solvers need to know of a penalty."""

from typing import Any, ClassVar, Protocol

from sknorm._typing import Array


class Penalty(Protocol):
    """A penalty of weight matrices: a smooth part, and one that acts by its proximal operator.

    The kernels of the optimizers hold the same formulas fused with their steps, for the members
    of a stack at once; the classes are where they are stated and tested.

    Attributes
    ----------
    name : str
        As estimators take it.
    separable : bool
        Whether the proximal operator acts on each weight alone.
    diagonal_metric : bool
        Whether the proximal operator is known for a step that differs by coordinate.
    code : int
        What :mod:`sknorm.kernels.codes` calls the penalty in an optimizer's own step.
    """

    name: ClassVar[str]
    separable: ClassVar[bool]
    diagonal_metric: ClassVar[bool]
    code: ClassVar[int]

    @property
    def is_smooth(self) -> bool:
        """Whether there is nothing but a smooth part, so that a gradient is all one needs."""

    def value(self, w: Any) -> float:
        """Penalty of an array of weights."""

    def smooth_gradient(self, w: Array) -> Array:
        """Gradient of the smooth part, of the shape of ``w``."""

    def prox(self, w: Array, step: Any) -> Array:
        """Proximal operator of the part that is not smooth."""

    def optimality_gap(self, w: Any, gradient: Any) -> float:
        """How far ``w`` is from stationary, given the gradient of the loss there."""

    @staticmethod
    def applies_to(parameter: Any, layer: int) -> bool:
        """Whether one network's ``parameter`` of layer number ``layer`` is penalized."""
