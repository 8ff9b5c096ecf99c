"""The nuclear norm: the sum of the singular values, which favours matrices of low rank."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from array_api_compat import array_namespace

from sknorm._typing import Array
from sknorm.backends.program import Operation
from sknorm.objective.penalties.base import Penalty


@dataclass(frozen=True)
class NuclearNorm(Penalty):
    r"""``alpha`` times the sum of the singular values of each weight matrix.

    Its proximal operator shrinks the singular values and sets the small ones to zero:

    .. math::
        \mathrm{prox}(U \Sigma V^\top, s) = U \max(\Sigma - s \alpha, 0) V^\top.

    In a metric that differs by coordinate, such as Adam's, it has no closed form.

    Parameters
    ----------
    alpha : float
        Strength, in units of the loss.

    References
    ----------
    Cai, Candès and Shen (2010), A singular value thresholding algorithm for matrix completion,
    SIAM Journal on Optimization 20, 1956-1982. Watson (1992), Characterization of the
    subdifferential of some matrix norms, Linear Algebra and its Applications 170, 33-45.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.penalties import NuclearNorm
    >>> penalty = NuclearNorm(alpha=0.5)
    >>> w = np.diag([4.0, 1.0, 0.25])
    >>> penalty.value(w)
    2.625
    >>> np.linalg.svd(penalty.prox(w, 1.0), compute_uv=False)
    array([3.5, 0.5, 0. ])
    """

    name: ClassVar[str] = "nuclear"
    summary: ClassVar[str] = (
        "the sum of the singular values of each layer's weights (not with solver 'adam')"
    )
    selects: ClassVar[bool] = False
    diagonal_metric: ClassVar[bool] = False

    def value(self, w: Any) -> float:
        """Penalty of a weight matrix."""
        xp = array_namespace(w)
        return self.alpha * float(xp.sum(xp.linalg.svdvals(w)))

    def prox(self, w: Array, step: Any) -> Array:
        """``argmin_u step * alpha * |u|_* + |u - w|^2 / 2``, for a float as ``step``.

        Raises
        ------
        ValueError
            If ``step`` is an array, but for one without axes.
        """
        if getattr(step, "ndim", 0):
            raise ValueError(
                "The nuclear norm's proximal operator is known for one step size of all weights "
                f"only; got an array of shape {step.shape}. Pass a float."
            )
        xp = array_namespace(w)
        left, values, right = xp.linalg.svd(w, full_matrices=False)
        shrunk = values - step * self.alpha
        kept = xp.where(shrunk > 0, shrunk, xp.zeros_like(values))
        return (left * kept) @ right

    def optimality_gap(self, w: Any, gradient: Any) -> float:
        r"""Distance, in the Frobenius norm, of ``-gradient`` to the penalty's subdifferential.

        For :math:`W = U \Sigma V^\top` with the singular vectors of positive values, that set is
        :math:`\alpha (U V^\top + M)` with :math:`U^\top M = 0`, :math:`M V = 0` and no singular
        value of M above one. The distance is zero exactly at the stationary points of loss plus
        penalty. Singular values below rounding count as zero.
        """
        xp = array_namespace(w)
        left, values, right = xp.linalg.svd(w, full_matrices=False)
        tiny = max(w.shape) * float(xp.finfo(w.dtype).eps) * float(xp.max(values))
        rank = int(xp.sum(xp.astype(values > tiny, xp.int64)))
        left, right = left[:, :rank], right[:rank, :]
        outside = gradient - left @ (left.T @ gradient)
        outside = outside - (outside @ right.T) @ right
        inside = gradient - outside + self.alpha * (left @ right)
        excess = xp.linalg.svdvals(outside) - self.alpha
        excess = xp.where(excess > 0, excess, xp.zeros_like(excess))
        return float(xp.sqrt(xp.sum(inside * inside) + xp.sum(excess * excess)))

    def proximal_step(self, network: Any, optimizer: Any) -> "_SpectralStep":
        """What follows the optimizer's step on a stack."""
        return _SpectralStep(self, network, optimizer)


class _SpectralStep:
    """The proximal step of a stack on each of its weight matrices, with the plain learning rate."""

    is_recordable: ClassVar[bool] = False

    def __init__(self, penalty: NuclearNorm, network: Any, optimizer: Any) -> None:
        self.network, self.optimizer = network, optimizer
        backend = network.backend
        self.strength = backend.asarray(penalty.alpha)
        none = backend.xp.zeros_like(self.strength)
        self.norms = {s.name: none + 0.0 for s in network.parameters.layout.weights}
        for name, norms in self.norms.items():
            self._threshold(none, norms, network[name])

    def before(self, batch_size: int, monitor: Any) -> Operation:
        """Add the sums of the singular values, before a step, to the monitor."""
        return Operation(partial(self._watch, batch_size, monitor))

    def after(self, state: Any, quantities: Any) -> Operation:
        """Threshold the singular values; the sums of the new ones are kept for the monitor."""
        return Operation(partial(self._shrink, state, quantities["learning_rate"]))

    def _watch(self, batch_size: int, monitor: Any) -> None:
        for norms in self.norms.values():
            monitor[:, 1] = monitor[:, 1] + batch_size * norms

    def _shrink(self, state: Any, rate: Any) -> None:
        for name, norms in self.norms.items():
            prox = partial(self._threshold, rate * self.strength, norms)
            self.optimizer.apply(prox, self.network, state, name)

    def _threshold(self, threshold: Any, norms: Any, weight: Any) -> None:
        self.network.backend.kernels.singular_value_threshold(weight, threshold, norms)
