"""The elastic net: a mixture of the L1 and the squared L2 norm."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from array_api_compat import array_namespace

from sknorm._typing import Array
from sknorm.kernels import codes
from sknorm.objective.penalties.base import Penalty


@dataclass(frozen=True)
class ElasticNet(Penalty):
    r"""``alpha * (l1_ratio * |W|_1 + (1 - l1_ratio) / 2 * |W|_2^2)``.

    Its proximal operator, that of the L1 norm, is soft thresholding,

    .. math:: \mathrm{prox}(w, s) = \mathrm{sign}(w) \max(|w| - s \alpha r, 0),

    with the L1 ratio r; the squared norm acts by its gradient.

    Parameters
    ----------
    alpha : float
        Strength, in units of the loss.
    l1_ratio : float
        Share of the L1 norm, in [0, 1].

    References
    ----------
    Zou and Hastie (2005), Regularization and variable selection via the elastic net, JRSS B
    67, 301-320. Parikh and Boyd (2014), Proximal algorithms, Foundations and Trends in
    Optimization 1, 127-239.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.penalties import ElasticNet
    >>> penalty = ElasticNet(alpha=1.0, l1_ratio=0.5)
    >>> w = np.array([[2.0, -0.5], [0.0, -3.0]])
    >>> penalty.value(w)
    6.0625
    >>> penalty.prox(w, 1.0)
    array([[ 1.5, -0. ],
           [ 0. , -2.5]])
    """

    name: ClassVar[str] = "elasticnet"
    summary: ClassVar[str] = "the elastic net above"
    takes_l1_ratio: ClassVar[bool] = True
    code: ClassVar[int] = codes.ELASTIC_NET

    l1_ratio: float

    @classmethod
    def of(cls, alpha: Any, l1_ratio: Any) -> Self:
        """The penalty with these hyperparameters: numbers, or arrays of shape (K,) of a stack."""
        return cls(alpha, l1_ratio)

    @property
    def l1(self) -> float:
        """Factor of the L1 norm."""
        return self.alpha * self.l1_ratio

    @property
    def l2(self) -> float:
        """Factor of half the squared L2 norm."""
        return self.alpha * (1.0 - self.l1_ratio)

    @property
    def is_smooth(self) -> bool:
        """Whether there is no L1 norm, which has kinks."""
        return self.l1 == 0.0

    @property
    def curvature(self) -> float:
        """Factor of half the squared L2 norm."""
        return self.l2

    def value(self, w: Any) -> float:
        """Penalty of an array of weights."""
        xp = array_namespace(w)
        return float(self.l1 * xp.sum(xp.abs(w)) + 0.5 * self.l2 * xp.sum(w * w))

    def smooth_gradient(self, w: Array) -> Array:
        """Gradient of the L2 part, of the shape of ``w``."""
        weights: Any = w
        return self.l2 * weights

    def prox(self, w: Array, step: Any) -> Array:
        """``argmin_u step * l1 * |u|_1 + |u - w|^2 / 2``: soft thresholding.

        ``step`` is a float or an array that broadcasts against ``w``.
        """
        xp = array_namespace(w)
        shrunk = xp.abs(w) - self.l1 * step
        return xp.sign(w) * xp.where(shrunk > 0, shrunk, xp.zeros_like(w))

    def optimality_gap(self, w: Any, gradient: Any) -> float:
        """Largest distance of ``-gradient`` of the loss to the penalty's subdifferential at w.

        Zero exactly at the stationary points of loss plus penalty.
        """
        xp = array_namespace(w)
        slope = gradient + self.l2 * w
        excess = xp.abs(slope) - self.l1
        at_zero = xp.where(excess > 0, excess, xp.zeros_like(w))
        gap = xp.where(w == 0, at_zero, xp.abs(slope + self.l1 * xp.sign(w)))
        return float(xp.max(gap))

    def total(self, sums: Any) -> Any:
        """The penalty (K,) of a stack from its sums (K, 2) of ``|w|`` and ``w^2``."""
        return self.alpha * (self.l1_ratio * sums[:, 0] + 0.5 * (1.0 - self.l1_ratio) * sums[:, 1])

    def refusal(self, solver: str) -> str | None:
        """Why a solver does not serve this penalty, and what to choose instead."""
        if solver == "lbfgs" and not self.is_smooth:
            return (
                f"solver='lbfgs' needs a smooth objective, but l1_ratio={self.l1_ratio} adds an "
                "L1 norm. Set l1_ratio=0, or use solver='adam', 'adamw' or 'sgd'."
            )
        return super().refusal(solver)
