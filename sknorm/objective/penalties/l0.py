"""The number of weights that are not zero."""

from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace

from sknorm._typing import Array
from sknorm.kernels import codes
from sknorm.objective.penalties.base import Penalty


@dataclass(frozen=True)
class L0(Penalty):
    r"""``alpha`` times the number of weights that are not zero.

    Its proximal operator is hard thresholding,

    .. math::
        \mathrm{prox}(w, s) = \begin{cases} w & w^2 > 2 s \alpha \\ 0 & \text{else,} \end{cases}

    which removes small weights and leaves the others as they are. The penalty is not convex: what
    an optimizer finds is a local solution that depends on its start and its steps.

    Parameters
    ----------
    alpha : float
        Strength, in units of the loss, per weight.

    References
    ----------
    Donoho and Johnstone (1994), Ideal spatial adaptation by wavelet shrinkage, Biometrika 81,
    425-455. Blumensath and Davies (2008), Iterative thresholding for sparse approximations,
    Journal of Fourier Analysis and Applications 14, 629-654.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.penalties import L0
    >>> penalty = L0(alpha=0.5)
    >>> w = np.array([[2.0, -0.5], [0.0, -3.0]])
    >>> penalty.value(w)
    1.5
    >>> penalty.prox(w, 1.0)
    array([[ 2.,  0.],
           [ 0., -3.]])
    """

    name: ClassVar[str] = "l0"
    summary: ClassVar[str] = "the number of weights that are not zero"
    code: ClassVar[int] = codes.L0

    def value(self, w: Any) -> float:
        """Penalty of an array of weights."""
        xp = array_namespace(w)
        return self.alpha * int(xp.sum(xp.astype(w != 0, xp.int64)))

    def prox(self, w: Array, step: Any) -> Array:
        """``argmin_u step * alpha * (u != 0) + (u - w)^2 / 2`` per weight; 0 where both are.

        ``step`` is a float or an array that broadcasts against ``w``. NaN stays NaN.
        """
        xp = array_namespace(w)
        small = xp.abs(w) <= (2.0 * self.alpha * step) ** 0.5
        return xp.where(small, xp.zeros_like(w), w)

    def optimality_gap(self, w: Any, gradient: Any) -> float:
        """Largest gradient of the loss among the weights that are not zero.

        Zero exactly at the local minima of a convex loss plus penalty: no small change of the
        zeros pays, whatever the gradient there. It says nothing about other sets of zeros.
        """
        xp = array_namespace(w)
        return float(xp.max(xp.where(w == 0, xp.zeros_like(w), xp.abs(gradient))))
