"""What all losses have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from sknorm.backends.base import join_kernels
from sknorm.objective.units import weights_in_units


@dataclass(frozen=True)
class Loss:
    """A loss of the network's raw outputs; subclasses are one loss each.

    Attributes
    ----------
    name : str
        As the regressor takes it; empty of the classifier's.
    summary : str
        What is learned of the targets, for the documentation of the regressor.
    kernel : str
        The kernel that computes value and gradient in one pass.
    output_activation : str
        scikit-learn's name of the inverse link.
    scorer_name : str
        scikit-learn's name of the scorer that this loss optimizes.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    kernel: ClassVar[str]
    output_activation: ClassVar[str] = "identity"
    scorer_name: ClassVar[str]

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """The loss with those of a regressor's parameters that it has."""
        return cls()

    def refusal(self, y: np.ndarray, name: str) -> str | None:
        """Why the loss is not defined on targets (n, m) called ``name``, and what to do."""
        return None

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        """Predictions for raw outputs of shape (..., n_outputs)."""
        return raw

    def link(self, prediction: np.ndarray) -> np.ndarray:
        """Raw outputs for which these would be the predictions, in float64."""
        return prediction

    def outputs(self, targets: int) -> int:
        """Raw outputs of a network for this number of targets."""
        return targets

    @property
    def adds_axis(self) -> bool:
        """Whether predictions have an axis more than targets."""
        return False

    def parameter(self, members: int, smoothing: np.ndarray | None = None) -> np.ndarray:
        """The kernel's parameters, (members, p)."""
        return np.zeros((members, 0))

    def target_units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale of targets (n, m) that make training independent of their unit.

        Powers of two are taken out of each target, whose squares may be beyond float64.
        """
        _, exponent = np.frexp(np.abs(y).max(axis=0))
        location, scale = self._units(np.ldexp(y, -exponent), _in_units(weight))
        scale = np.ldexp(scale, exponent)
        return np.ldexp(location, exponent), np.where(scale > 0.0, scale, 1.0)

    def initial_bias(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Raw outputs (n_outputs,) of the best constant prediction."""
        return self._best_constant(y, _in_units(weight))

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale of targets; a scale of zero is none."""
        return np.zeros(y.shape[1]), np.zeros(y.shape[1])

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    @property
    def scorer(self) -> Any:
        """The scikit-learn scorer, a name or a callable, that this loss optimizes."""
        return self.scorer_name

    def value_and_gradient(
        self, raw: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None
    ) -> tuple[float, np.ndarray]:
        """Weighted mean loss of raw outputs (n, o), and its gradient with respect to them.

        Computed by the reference kernel, for a look at a loss on its own; training uses the
        backend's.
        """
        weight = np.ones(len(raw)) if weight is None else _in_units(np.asarray(weight))
        weight, value = weight.astype(raw.dtype), np.zeros(1)
        total = weight.sum()
        gradient, bias = np.empty_like(raw[None]), np.zeros((1, raw.shape[1]), raw.dtype)
        rows = raw[None], bias, y[None], weight[None], 1.0 / np.array([total])
        kernel = getattr(join_kernels(None), self.kernel)
        kernel(*rows, self.parameter(1), value, np.zeros_like(bias), gradient)
        return float(value[0] / total), gradient[0]


def logarithm(values: np.ndarray) -> np.ndarray:
    """The logarithm in float64, of zero that of the least number above."""
    return np.log(np.maximum(values, np.finfo(np.float64).tiny))


def _in_units(weight: np.ndarray) -> np.ndarray:
    units, _ = weights_in_units(weight)
    return np.ones(len(weight)) if units is None else units
