r"""The group lasso after an optimizer's plain step: rows of a weight matrix shrink as a whole.

The penalty is :math:`\lambda \sum_j \lVert w_{j \cdot} \rVert_2` over the rows of a matrix
(K, d_in, d_out), which are what one input sends to the layer.

References
----------
M. Yuan and Y. Lin (2006). Model selection and estimation in regression with grouped variables.
Journal of the Royal Statistical Society B 68(1), 49-67.
"""

from sknorm.kernels.reference.arrays import Array, array_namespace, per_member

_STEPS = 12  # of Newton's method; six are many


def group_norms(weight: Array, scale: float, batch_size: float, monitor: Array) -> None:
    r"""Add the penalty of the rows to the monitor.

    .. math:: \mathrm{monitor}_{k1} \leftarrow \mathrm{monitor}_{k1}
              + n \, c \sum_j \lVert w_{kj \cdot} \rVert_2

    Parameters
    ----------
    weight : array of T, shape (K, d_in, d_out)
    scale : float
        Factor c of the norms.
    batch_size : float
        Weight n of this batch in ``monitor``.
    monitor : array of float64, shape (K, 3)
        Column 1 is added to.
    """
    xp = array_namespace(weight, monitor)
    norms = _row_norms(xp.astype(weight, xp.float64))
    monitor[:, 1] = monitor[:, 1] + batch_size * scale * xp.sum(norms, axis=(1, 2))


def sgd_group_step(
    weight: Array, velocity: Array, rate: Array, strength: Array, momentum: float, nesterov: bool
) -> None:
    r"""Turn the plain step of :func:`sgd_step` into a proximal one.

    With :math:`p = w - \mu v` for Nesterov's momentum, else :math:`p = w`, per row

    .. math::
        x = p \max(0, 1 - \eta \lambda / \lVert p \rVert_2), \qquad
        v' = v + (x - p), \qquad w' = x + \mu v' \text{ or } x,

    where :math:`v' = w' = 0` in Nesterov's rows with :math:`x = 0`: the momentum restarts at the
    kink. A fixed point of both steps is a stationary point of the penalized objective. NaN stays
    NaN.

    Parameters
    ----------
    weight, velocity : arrays of T, shape (K, d_in, d_out)
        After the plain step; both are updated.
    rate, strength : arrays of float64, shape (K,)
        Step size :math:`\eta` and :math:`\lambda`; a strength of 0 leaves a member untouched.
    momentum : float
    nesterov : bool
    """
    xp = array_namespace(weight, rate)
    inertia = momentum if nesterov else 0.0
    p = weight - inertia * velocity
    share = _shares(p, rate * strength)
    x = xp.astype(share, weight.dtype) * p
    v = velocity + (x - p)
    restart = (share == 0.0) if nesterov else xp.zeros_like(share, dtype=xp.bool)
    active = per_member(rate * strength, weight) > 0.0
    w = xp.where(restart, 0.0, x + inertia * v)
    velocity[...] = xp.where(active, xp.where(restart, 0.0, v), velocity)
    weight[...] = xp.where(active, w, weight)


def adam_group_step(
    weight: Array,
    second: Array,
    rate: Array,
    strength: Array,
    correction: Array,
    epsilon: float,
    decoupled: bool,
    scratch: Array,
) -> None:
    r"""Turn the plain step of :func:`adam_step` into a proximal one, in Adam's metric.

    With the step sizes :math:`s_i = \eta c / (\sqrt{v_i} + \epsilon)`, per row p of the weights

    .. math:: x = \arg\min_u \sum_i \frac{(u_i - p_i)^2}{2 s_i} + \lambda \lVert u \rVert_2,

    which is 0 where :math:`\sum_i (p_i / s_i)^2 \le \lambda^2`; elsewhere
    :math:`x_i = p_i r / (r + \lambda s_i)`, and :math:`r = \lVert x \rVert_2` solves

    .. math:: \phi(r) = \sum_i \frac{p_i^2}{(r + \lambda s_i)^2} = 1.

    :math:`\phi^{-1/2}` is concave, and linear where all :math:`s_i` are the same, so Newton's
    method climbs to its root from any lower bound. As :math:`\phi` is convex in the
    :math:`\lambda s_i`, to replace them by their mean under the weights :math:`p_i^2` gives one:
    :math:`r_0 = \lVert p \rVert_2 - \sum_i p_i^2 \lambda s_i / \lVert p \rVert_2^2`.

    AdamW (``decoupled``) has :math:`s_i = \eta`. NaN in a row makes all of it NaN.

    Parameters
    ----------
    weight : array of T, shape (K, d_in, d_out)
        After the plain step; updated.
    second : array of T, shape (K, d_in, d_out)
        Second moments v after the plain step.
    rate, strength : arrays of float64, shape (K,)
        :math:`\eta` and :math:`\lambda`; a strength of 0 leaves a member untouched.
    correction : array of float64, shape (K,)
    epsilon : float
        As :func:`adam_step` took them.
    decoupled : bool
    scratch : array of T, shape (K, d_out)
        Working space.
    """
    del scratch  # that of fused loops
    xp = array_namespace(weight, rate)
    wide, threshold = xp.astype(weight, xp.float64), rate * strength
    active = per_member(threshold, wide) > 0.0
    if decoupled:
        x = _shares(wide, threshold) * wide
    else:
        root = xp.sqrt(xp.astype(second, xp.float64)) + epsilon
        scaled = per_member(threshold * correction, wide) / root
        x = _adaptive(wide, xp.where(active, scaled, 1.0))
    weight[...] = xp.where(active, xp.astype(x, weight.dtype), weight)


def _shares(p: Array, threshold: Array) -> Array:
    """What the proximal operator of the norms leaves of each row, (K, d_in, 1) float64."""
    xp = array_namespace(p, threshold)
    norms, limit = _row_norms(xp.astype(p, xp.float64)), threshold[:, None, None]
    dead = norms <= limit
    return xp.where(dead, 0.0, 1.0 - limit / xp.where(dead, 1.0, norms))


def _adaptive(p: Array, a: Array) -> Array:
    """Proximal operator of the rows' norms, with ``a`` the strength times the steps."""
    xp = array_namespace(p, a)
    dead = xp.sum((p / a) ** 2, axis=2, keepdims=True) <= 1.0
    r = _remaining_norms(xp.where(dead, 1.0, p), xp.where(dead, 0.0, a))
    return xp.where(dead, 0.0, p * (r / (r + a)))


def _remaining_norms(p: Array, a: Array) -> Array:
    """Newton's method for the norms of the rows that the proximal operator leaves.

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


def _row_norms(wide: Array) -> Array:
    """Euclidean norms of the rows of (K, d_in, d_out), with the last axis kept."""
    xp = array_namespace(wide)
    return xp.sqrt(xp.sum(wide * wide, axis=2, keepdims=True))
