"""Losses: which kernel computes them, their link, initial bias, target units and scorer."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import make_scorer, mean_pinball_loss

from sknorm.backends.base import join_kernels
from sknorm.objective.units import deviation, quantiles, robust_units, usable, weights_in_units

# Means beyond this power of the dtype's largest number are held there, so that targets may still
# have large units.
HELD_SHARE = 0.9


@dataclass(frozen=True)
class Loss:
    """A loss of the network's raw outputs; subclasses are one loss each.

    Attributes
    ----------
    kernel : str
        The kernel that computes value and gradient in one pass.
    output_activation : str
        scikit-learn's name of the inverse link.
    """

    kernel: ClassVar[str]
    output_activation: ClassVar[str]

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        """Predictions for raw outputs of shape (..., n_outputs)."""
        return raw

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
        raise NotImplementedError

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
        getattr(join_kernels(None), self.kernel)(
            raw[None], bias, y[None], weight[None], 1.0 / np.array([total]),
            self.parameter(1), value, np.zeros_like(bias), gradient,
        )  # fmt: skip
        return float(value[0] / total), gradient[0]


@dataclass(frozen=True)
class SquaredError(Loss):
    """``1/2 sum_o (raw_o - y_o)^2``."""

    kernel: ClassVar[str] = "squared_error"
    output_activation: ClassVar[str] = "identity"

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.average(y, axis=0, weights=weight)
        return mean, usable(deviation(y, mean, weight), mean)

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.average(y, axis=0, weights=weight)

    @property
    def scorer(self) -> Any:
        return "neg_mean_squared_error"


@dataclass(frozen=True)
class Quantile(Loss):
    """``sum max(q (y - raw), (q - 1) (y - raw))`` over the outputs and the levels q.

    Raw output ``o * n_levels + l`` is level l of output o. Koenker and Bassett (1978),
    Regression quantiles, Econometrica 46, 33-50.
    """

    levels: tuple[float, ...] = (0.5,)
    listed: bool = False
    kernel: ClassVar[str] = "pinball"
    output_activation: ClassVar[str] = "identity"

    def outputs(self, targets: int) -> int:
        return targets * len(self.levels)

    @property
    def adds_axis(self) -> bool:
        return self.listed

    def parameter(self, members: int, smoothing: np.ndarray | None = None) -> np.ndarray:
        return np.tile(np.array(self.levels), (members, 1))

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return robust_units(y, weight)

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return quantiles(y, weight, self.levels).T.reshape(-1)

    @property
    def scorer(self) -> Any:
        """Of one level; several are scored by the loss."""
        return make_scorer(mean_pinball_loss, greater_is_better=False, alpha=self.levels[0])


@dataclass(frozen=True)
class AbsoluteError(Loss):
    """``sum_o |raw_o - y_o|``."""

    kernel: ClassVar[str] = "absolute_error"
    output_activation: ClassVar[str] = "identity"

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return robust_units(y, weight)

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return quantiles(y, weight, (0.5,))[0]

    @property
    def scorer(self) -> Any:
        return "neg_mean_absolute_error"


@dataclass(frozen=True)
class Huber(Loss):
    """``sum_o d^2 / 2`` for ``|d| <= delta``, else ``delta (|d| - delta / 2)``, d = raw - y.

    Huber (1964), Robust estimation of a location parameter, Ann. Math. Statist. 35, 73-101.
    """

    delta: float = 1.35
    kernel: ClassVar[str] = "huber"
    output_activation: ClassVar[str] = "identity"

    def parameter(self, members: int, smoothing: np.ndarray | None = None) -> np.ndarray:
        return np.full((members, 1), self.delta)

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return robust_units(y, weight)

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """One reweighted mean from the median on: within rounding of the minimum's basin."""
        location = quantiles(y, weight, (0.5,))[0]
        for _ in range(20):
            pull = weight[:, None] * (self.delta / np.maximum(np.abs(y - location), self.delta))
            location = (pull * y).sum(axis=0) / pull.sum(axis=0)
        return location

    @property
    def scorer(self) -> Any:
        return "neg_mean_absolute_error"


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the Poisson deviance of ``exp(raw)``: ``exp(raw) - y raw + y log y - y``."""

    kernel: ClassVar[str] = "poisson"
    output_activation: ClassVar[str] = "exp"

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        """The mean; where it would leave the dtype, the largest whose unit can be large too."""
        most = HELD_SHARE * float(np.log(xp.finfo(raw.dtype).max))
        return xp.exp(xp.minimum(raw, most))

    def _units(self, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.average(y, axis=0, weights=weight)
        return np.zeros_like(mean), mean

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        mean = np.average(y, axis=0, weights=weight)
        return np.log(np.where(mean > 0, mean, 1e-3))

    @property
    def scorer(self) -> Any:
        return "neg_mean_poisson_deviance"


@dataclass(frozen=True)
class Gamma(Poisson):
    """Half the gamma deviance of ``exp(raw)``: ``raw + y exp(-raw) - log y - 1``."""

    kernel: ClassVar[str] = "gamma"

    @property
    def scorer(self) -> Any:
        return "neg_mean_gamma_deviance"


@dataclass(frozen=True)
class BinaryLogLoss(Loss):
    """``sum_o log(1 + exp(raw_o)) - y_o raw_o`` for targets in [0, 1], smoothed.

    With smoothing s, targets are drawn to one half: ``(1 - s) y + s / 2``.
    """

    kernel: ClassVar[str] = "binary_log_loss"
    output_activation: ClassVar[str] = "logistic"

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        tail = xp.exp(-xp.abs(raw))
        return xp.where(raw >= 0, 1.0, tail) / (1.0 + tail)

    def parameter(self, members: int, smoothing: np.ndarray | None = None) -> np.ndarray:
        return np.zeros((members, 1)) if smoothing is None else smoothing[:, None]

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        share = np.average(y, axis=0, weights=weight)
        share = np.clip(share, 1e-3, 1.0 - 1e-3)
        return np.log(share / (1.0 - share))

    @property
    def scorer(self) -> Any:
        return "neg_log_loss"


@dataclass(frozen=True)
class MulticlassLogLoss(Loss):
    """``log sum_o exp(raw_o) - raw_y`` for class indices y, smoothed.

    With smoothing s, the target is ``(1 - s)`` on the class and ``s / n_classes`` on each
    (Szegedy et al., 2016, Rethinking the inception architecture for computer vision).
    """

    classes: int = 0
    kernel: ClassVar[str] = "multiclass_log_loss"
    output_activation: ClassVar[str] = "softmax"

    def inverse_link(self, raw: Any, xp: Any) -> Any:
        odds = xp.exp(raw - xp.max(raw, axis=-1, keepdims=True))
        return odds / xp.sum(odds, axis=-1, keepdims=True)

    def outputs(self, targets: int) -> int:
        return self.classes

    def parameter(self, members: int, smoothing: np.ndarray | None = None) -> np.ndarray:
        return np.zeros((members, 1)) if smoothing is None else smoothing[:, None]

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        share = np.bincount(y[:, 0], weights=weight, minlength=self.classes) / weight.sum()
        return np.log(np.maximum(share, 1e-3))

    @property
    def scorer(self) -> Any:
        return "neg_log_loss"


@dataclass(frozen=True)
class SoftMulticlassLogLoss(MulticlassLogLoss):
    """The same for targets that are distributions over the classes, (n, n_classes)."""

    kernel: ClassVar[str] = "soft_multiclass_log_loss"

    def _best_constant(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(np.average(y, axis=0, weights=weight), 1e-3))


# What the regressor's parameter may be.
LOSSES: dict[str, type[Loss]] = {
    "squared_error": SquaredError,
    "absolute_error": AbsoluteError,
    "huber": Huber,
    "quantile": Quantile,
    "poisson": Poisson,
    "gamma": Gamma,
}


def _in_units(weight: np.ndarray) -> np.ndarray:
    units, _ = weights_in_units(weight)
    return np.ones(len(weight)) if units is None else units
