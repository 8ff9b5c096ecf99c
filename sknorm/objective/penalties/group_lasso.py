"""The group lasso: a column sends either nothing or something to the whole first layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from array_api_compat import array_namespace

from sknorm.backends.program import Operation
from sknorm.objective.penalties.base import Penalty

_STEPS = 50  # of Newton's method; five are many


@dataclass(frozen=True)
class GroupLasso(Penalty):
    r"""``alpha * sum_j sqrt(d_j) * |W_j|_2`` over the columns j of the table.

    :math:`W_j` are the :math:`d_j` weights that a column has in the first layer: a row of its
    matrix for a number, and for a category a row for each level, or for each number of the vectors
    that stand for levels. They are zero together, so the penalty selects columns. Whether a number
    is missing is a column of its own. The factor :math:`\sqrt{d_j}` makes ``alpha`` mean the same
    at all widths, and for categories of all sizes. With :math:`\lambda = \alpha \sqrt{d_j}` the
    proximal operator of a step s shrinks groups,

    .. math:: \mathrm{prox}(w_j, s) = w_j \max(0, 1 - s \lambda / \lVert w_j \rVert_2).

    With a step :math:`s_i` per coordinate it is 0 where
    :math:`\sum_i (w_{ji} / s_i)^2 \le \lambda^2`, elsewhere
    :math:`w_{ji} r / (r + \lambda s_i)` with the root r of

    .. math:: \sum_i w_{ji}^2 / (r + \lambda s_i)^2 = 1.

    Parameters
    ----------
    alpha : float
        Strength, in units of the loss.

    References
    ----------
    Yuan and Lin (2006), Model selection and estimation in regression with grouped variables,
    JRSS B 68, 49-67.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.penalties import GroupLasso
    >>> penalty = GroupLasso(alpha=0.5)
    >>> w = np.array([[0.0, 3.0, 0.0, 4.0], [0.1, 0.0, -0.1, 0.0]])
    >>> round(penalty.value(w), 6)
    5.141421
    >>> penalty.prox(w, 1.0)
    array([[ 0. ,  2.4,  0. ,  3.2],
           [ 0. ,  0. , -0. ,  0. ]])

    Both rows as one group:

    >>> round(penalty.value(w, groups=[0, 2]), 6)
    7.073896
    """

    name: ClassVar[str] = "group_lasso"
    summary: ClassVar[str] = (
        "the sum over the features of the norms of their weights in the first layer, each times "
        "the root of how many they are (Yuan and Lin, 2006), which switches whole features off, "
        "categories with all their levels"
    )

    def value(self, w: Any, groups: Any = None) -> float:
        """Penalty of a weight matrix.

        Parameters
        ----------
        w : array of shape (d_in, d_out)
        groups : array of int of shape (g + 1,), default=None
            Rows ``groups[j]`` to ``groups[j + 1]`` are group j; None takes each for itself.

        Returns
        -------
        float
        """
        return sum(
            self._strength(part) * float(array_namespace(part).sum(_norms(part)))
            for part in _parts(w, groups)
        )

    def prox(self, w: Any, step: Any, groups: Any = None) -> Any:
        """``argmin_u sum_j strength_j * |u_j|_2 + sum (u - w)^2 / (2 step)``, groups as a whole.

        Parameters
        ----------
        w : array of shape (d_in, d_out)
        step : float, or array of positive numbers that broadcasts against ``w``
        groups : array of int of shape (g + 1,), default=None
            As :meth:`value` takes them.

        Returns
        -------
        array of the shape of ``w``
        """
        if groups is None:
            return self._prox(w, step)
        xp, parts = array_namespace(w), _parts(w, groups)
        steps = _parts(step + xp.zeros_like(w), groups)
        shrunk = [self._prox(*pair) for pair in zip(parts, steps, strict=True)]
        return xp.concat([xp.reshape(part, (-1, w.shape[-1])) for part in shrunk])

    def optimality_gap(self, w: Any, gradient: Any, groups: Any = None) -> float:
        """Largest distance, among groups, of ``-gradient`` to the penalty's subdifferential.

        For a group that is not zero the length of ``gradient + strength * w / |w|``, for a zero one
        what the gradient's length exceeds the strength by. Zero exactly at the stationary points
        of loss plus penalty.

        Parameters
        ----------
        w, gradient : arrays of shape (d_in, d_out)
        groups : array of int of shape (g + 1,), default=None
            As :meth:`value` takes them.

        Returns
        -------
        float
        """
        pairs = zip(_parts(w, groups), _parts(gradient, groups), strict=True)
        return max(self._gap(*pair) for pair in pairs)

    @staticmethod
    def applies_to(parameter: Any, layer: int) -> bool:
        """The weight matrix of the first layer is penalized, whose rows belong to columns."""
        return layer == 0 and parameter.ndim >= 2

    def proximal_step(self, network: Any, optimizer: Any) -> "_GroupStep":
        """What follows the optimizer's step on a stack."""
        return _GroupStep(self, network, optimizer)

    def _strength(self, w: Any) -> float:
        return self.alpha * float(w.shape[-1]) ** 0.5

    def _prox(self, w: Any, step: Any) -> Any:
        """The proximal operator of the rows of a matrix."""
        xp, limit = array_namespace(w), self._strength(w) * step
        if getattr(step, "ndim", 0) and self.alpha > 0.0:
            return _prox_in_metric(w, limit + xp.zeros_like(w))
        norms = _norms(w)
        dead = norms <= limit
        share = 1.0 - limit / xp.where(dead, xp.ones_like(norms), norms)
        return w * xp.where(dead, xp.zeros_like(norms), share)

    def _gap(self, w: Any, gradient: Any) -> float:
        """Largest distance among the rows of a matrix."""
        xp, strength, norms = array_namespace(w), self._strength(w), _norms(w)
        zero = norms == 0
        unit = w / xp.where(zero, xp.ones_like(norms), norms)
        excess = _norms(gradient) - strength
        at_zero = xp.where(excess > 0, excess, xp.zeros_like(excess))
        return float(xp.max(xp.where(zero, at_zero, _norms(gradient + strength * unit))))


class _GroupStep:
    """The proximal step of a stack on the columns of its table."""

    is_recordable: ClassVar[bool] = True

    def __init__(self, penalty: GroupLasso, network: Any, optimizer: Any) -> None:
        self.network, self.optimizer = network, optimizer
        self.name = network.parameters.layout.inputs.name
        self.groups = network.architecture.groups
        self.scale = float(np.sqrt(network[self.name].shape[2]))
        self.strength = network.backend.asarray(penalty.alpha * self.scale)

    def before(self, batch_size: int, monitor: Any) -> Operation:
        """Add the norms of the groups, before a step, to the monitor."""
        arguments = {"scale": self.scale, "batch_size": batch_size, "monitor": monitor}
        own = {"weight": self.network[self.name], "groups": self.groups}
        return self.network.backend.bind("group_norms", {**own, **arguments})

    def after(self, state: Any, quantities: Any) -> Operation:
        """Shrink the groups, in the metric of the optimizer."""
        own = {"weight": self.network[self.name], "groups": self.groups}
        arguments = {**own, "strength": self.strength, **quantities.arguments()}
        return self.optimizer.shrink_groups(state, self.network.backend, self.name, arguments)


def _parts(w: Any, groups: Any) -> Iterator[Any]:
    """Matrices whose rows are groups: the rows of a group are a longer one."""
    if groups is None:
        yield w
        return
    for begin, end in pairwise(map(int, groups)):
        yield array_namespace(w).reshape(w[begin:end, :], (1, -1))


def _norms(w: Any) -> Any:
    """Euclidean norms along the last axis, which is kept."""
    xp = array_namespace(w)
    return xp.sqrt(xp.sum(w * w, axis=-1, keepdims=True))


def _prox_in_metric(w: Any, a: Any) -> Any:
    """Proximal operator with ``a`` the strength times the step of each coordinate."""
    xp = array_namespace(w, a)
    dead = xp.sum((w / a) ** 2, axis=-1, keepdims=True) <= 1
    norms = _remaining_norms(xp.where(dead, xp.ones_like(w), w), a)
    return xp.where(dead, xp.zeros_like(w), w * (norms / (norms + a)))


def _remaining_norms(w: Any, a: Any) -> Any:
    """Newton's method for the norms of the rows that the proximal operator leaves.

    The power -1/2 of the sum is concave in r, so the method climbs to the root from any lower
    bound; one is the root with the ``a`` of a row replaced by their mean.
    """
    xp = array_namespace(w, a)
    squares, precision = w * w, 4.0 * float(xp.finfo(w.dtype).eps)
    total = xp.sum(squares, axis=-1, keepdims=True)
    start = xp.sqrt(total) - xp.sum(squares * a, axis=-1, keepdims=True) / total
    r = xp.where(start > 0, start, xp.zeros_like(start))
    for _ in range(_STEPS):
        u = 1.0 / (r + a)
        phi = xp.sum(squares * u**2, axis=-1, keepdims=True)
        change = (phi**1.5 - phi) / xp.sum(squares * u**3, axis=-1, keepdims=True)
        r = xp.where(r + change < 0, xp.zeros_like(r), r + change)
        if not bool(xp.any(xp.abs(change) > precision * r)):
            break
    return r
