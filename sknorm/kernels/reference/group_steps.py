r"""The group lasso after an optimizer's plain step: groups of weights shrink as a whole.

The penalty is :math:`\lambda \sum_j \sqrt{p_j} \lVert w_j \rVert_2` over groups of
:math:`p_j` consecutive rows of a matrix (K, d_in, d_out): what the inputs that stand for one column
of a table send to the layer.

References
----------
M. Yuan and Y. Lin (2006). Model selection and estimation in regression with grouped variables.
Journal of the Royal Statistical Society B 68(1), 49-67.
"""

from collections.abc import Iterator

import numpy as np

from sknorm.kernels.reference.arrays import Array, array_namespace, per_member

_STEPS = 12  # of Newton's method; six are many


def group_norms(
    weight: Array, groups: np.ndarray, scale: float, batch_size: float, monitor: Array
) -> None:
    r"""Add the penalty of the groups to the monitor.

    .. math:: \mathrm{monitor}_{k1} \leftarrow \mathrm{monitor}_{k1}
              + n \, c \sum_j \sqrt{p_j} \lVert w_{kj} \rVert_2

    Parameters
    ----------
    weight : array of T, shape (K, d_in, d_out)
    groups : int64 array of shape (g + 1,), on the host
        Rows ``groups[j]`` to ``groups[j + 1]`` are group j: from 0 to d_in, increasing.
    scale : float
        Factor c of the norms.
    batch_size : float
        Weight n of this batch in ``monitor``.
    monitor : array of float64, shape (K, 3)
        Column 1 is added to.
    """
    xp = array_namespace(weight, monitor)
    total: Array | float = 0.0
    for rows, size in _runs(groups):
        norms = _norms(xp.astype(_joined(weight, rows, size), xp.float64))
        total = total + size**0.5 * xp.sum(norms, axis=(1, 2))
    monitor[:, 1] = monitor[:, 1] + batch_size * scale * total


def sgd_group_step(
    weight: Array,
    velocity: Array,
    groups: np.ndarray,
    rate: Array,
    strength: Array,
    momentum: float,
    nesterov: bool,
) -> None:
    r"""Turn the plain step of :func:`sgd_step` into a proximal one.

    With :math:`q = w - \mu v` for Nesterov's momentum, else :math:`q = w`, per group of p rows

    .. math::
        x = q \max(0, 1 - \eta \lambda \sqrt{p} / \lVert q \rVert_2), \qquad
        v' = v + (x - q), \qquad w' = x + \mu v' \text{ or } x,

    where :math:`v' = w' = 0` in Nesterov's groups with :math:`x = 0`: the momentum restarts at the
    kink. A fixed point of both steps is a stationary point of the penalized objective. NaN stays
    NaN.

    Parameters
    ----------
    weight, velocity : arrays of T, shape (K, d_in, d_out)
        After the plain step; both are updated.
    groups : int64 array of shape (g + 1,), on the host
        Rows ``groups[j]`` to ``groups[j + 1]`` are group j: from 0 to d_in, increasing.
    rate, strength : arrays of float64, shape (K,)
        Step size :math:`\eta` and :math:`\lambda`; a strength of 0 leaves a member untouched.
    momentum : float
    nesterov : bool
    """
    xp, inertia = array_namespace(weight, rate), momentum if nesterov else 0.0
    for rows, size in _runs(groups):
        now, speed = _joined(weight, rows, size), _joined(velocity, rows, size)
        q, threshold = now - inertia * speed, rate * strength * size**0.5
        share = _shares(q, threshold)
        x = xp.astype(share, weight.dtype) * q
        v = speed + (x - q)
        restart = (share == 0.0) if nesterov else xp.zeros_like(share, dtype=xp.bool)
        active = per_member(threshold, weight) > 0.0
        w = xp.where(restart, 0.0, x + inertia * v)
        _put(velocity, rows, xp.where(active, xp.where(restart, 0.0, v), speed))
        _put(weight, rows, xp.where(active, w, now))


def adam_group_step(
    weight: Array,
    second: Array,
    groups: np.ndarray,
    rate: Array,
    strength: Array,
    correction: Array,
    epsilon: float,
    decoupled: bool,
    scratch: Array,
) -> None:
    r"""Turn the plain step of :func:`adam_step` into a proximal one, in Adam's metric.

    With the step sizes :math:`s_i = \eta c / (\sqrt{v_i} + \epsilon)`, per group p of the weights,
    whose :math:`\lambda` is the strength times the root of its number of rows,

    .. math:: x = \arg\min_u \sum_i \frac{(u_i - p_i)^2}{2 s_i} + \lambda \lVert u \rVert_2,

    which is 0 where :math:`\sum_i (p_i / s_i)^2 \le \lambda^2`; elsewhere
    :math:`x_i = p_i r / (r + \lambda s_i)`, and :math:`r = \lVert x \rVert_2` solves

    .. math:: \phi(r) = \sum_i \frac{p_i^2}{(r + \lambda s_i)^2} = 1.

    :math:`\phi^{-1/2}` is concave, and linear where all :math:`s_i` are the same, so Newton's
    method climbs to its root from any lower bound. As :math:`\phi` is convex in the
    :math:`\lambda s_i`, to replace them by their mean under the weights :math:`p_i^2` gives one:
    :math:`r_0 = \lVert p \rVert_2 - \sum_i p_i^2 \lambda s_i / \lVert p \rVert_2^2`.

    AdamW (``decoupled``) has :math:`s_i = \eta`. NaN in a group makes all of it NaN.

    Parameters
    ----------
    weight : array of T, shape (K, d_in, d_out)
        After the plain step; updated.
    second : array of T, shape (K, d_in, d_out)
        Second moments v after the plain step.
    groups : int64 array of shape (g + 1,), on the host
        Rows ``groups[j]`` to ``groups[j + 1]`` are group j: from 0 to d_in, increasing.
    rate, strength : arrays of float64, shape (K,)
        :math:`\eta`, and the strength of a row; a strength of 0 leaves a member untouched.
    correction : array of float64, shape (K,)
    epsilon : float
        As :func:`adam_step` took them.
    decoupled : bool
    scratch : array of T, shape (K, values of the largest group)
        Working space.
    """
    del scratch  # that of fused loops
    xp = array_namespace(weight, rate)
    for rows, size in _runs(groups):
        now, threshold = _joined(weight, rows, size), rate * strength * size**0.5
        wide = xp.astype(now, xp.float64)
        active = per_member(threshold, wide) > 0.0
        if decoupled:
            x = _shares(wide, threshold) * wide
        else:
            root = xp.sqrt(xp.astype(_joined(second, rows, size), xp.float64)) + epsilon
            scaled = per_member(threshold * correction, wide) / root
            x = _adaptive(wide, xp.where(active, scaled, 1.0))
        _put(weight, rows, xp.where(active, xp.astype(x, weight.dtype), now))


def _runs(groups: np.ndarray) -> Iterator[tuple[slice, int]]:
    """Rows of neighbouring groups of one size, and the size, which are taken at once."""
    sizes = np.diff(groups)
    ends = [*np.flatnonzero(np.diff(sizes)) + 1, len(sizes)]
    begin = 0
    for end in map(int, ends):
        if end > begin:
            yield slice(int(groups[begin]), int(groups[end])), int(sizes[begin])
        begin = end


def _joined(values: Array, rows: slice, size: int) -> Array:
    """Some rows of (K, d_in, d_out) by groups of so many: (K, groups, size * d_out)."""
    xp, part = array_namespace(values), values[:, rows, :]
    return xp.reshape(part, (part.shape[0], -1, size * part.shape[2])) if size > 1 else part


def _put(values: Array, rows: slice, joined: Array) -> None:
    """Write what :func:`_joined` has of some rows."""
    xp, shape = array_namespace(values), values[:, rows, :].shape
    values[:, rows, :] = xp.reshape(joined, shape)


def _shares(p: Array, threshold: Array) -> Array:
    """What the proximal operator of the norms leaves of each group, (K, groups, 1) float64."""
    xp = array_namespace(p, threshold)
    norms, limit = _norms(xp.astype(p, xp.float64)), threshold[:, None, None]
    dead = norms <= limit
    return xp.where(dead, 0.0, 1.0 - limit / xp.where(dead, 1.0, norms))


def _adaptive(p: Array, a: Array) -> Array:
    """Proximal operator of the groups' norms, with ``a`` the strength times the steps."""
    xp = array_namespace(p, a)
    dead = xp.sum((p / a) ** 2, axis=2, keepdims=True) <= 1.0
    r = _remaining_norms(xp.where(dead, 1.0, p), xp.where(dead, 0.0, a))
    return xp.where(dead, 0.0, p * (r / (r + a)))


def _remaining_norms(p: Array, a: Array) -> Array:
    """Newton's method for the norms of the groups that the proximal operator leaves.

    Always as many steps: to look whether fewer would do is to wait for the device.
    """
    xp = array_namespace(p, a)
    squares = p * p
    total = xp.sum(squares, axis=2, keepdims=True)
    r = xp.maximum(xp.sqrt(total) - xp.sum(squares * a, axis=2, keepdims=True) / total, 0.0)
    for _ in range(_STEPS):
        u = 1.0 / (r + a)
        phi = xp.sum(squares * u**2, axis=2, keepdims=True)
        change = (phi**1.5 - phi) / xp.sum(squares * u**3, axis=2, keepdims=True)
        r = xp.maximum(r + change, 0.0)
    return r


def _norms(wide: Array) -> Array:
    """Euclidean norms of (K, groups, values), with the last axis kept."""
    xp = array_namespace(wide)
    return xp.sqrt(xp.sum(wide * wide, axis=2, keepdims=True))
