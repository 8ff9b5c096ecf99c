r"""Optimizer steps on flat buffers that hold the parameters of all members.

Parameter follows parameter, each a C-contiguous (K, ...) array. Row s of ``segments`` says where
it starts, how many values a member has, and which penalty acts on each of them, as a code of
:mod:`sknorm.kernels.codes`; it is on the host, because it decides what is launched:

- ``UNPENALIZED``: none, or one whose proximal operator is a kernel of its own;
- ``ELASTIC_NET``: :math:`\lambda |w| + \lambda_2 w^2 / 2`, where :math:`\lambda = \alpha \rho` and
  :math:`\lambda_2 = \alpha (1 - \rho)` with the L1 ratio :math:`\rho`;
- ``L0``: :math:`\lambda [w \ne 0]` with :math:`\lambda = \alpha`.

The part that is not smooth acts through its proximal operator, so that zeros are exact. With a
step of s, :math:`\mathrm{prox}(w, s)` is :math:`\mathrm{sign}(w) \max(|w| - s \lambda, 0)` for the
elastic net, and for L0 it is w where :math:`w^2 > 2 s \lambda`, else 0. :math:`\lambda = 0` leaves
the plain step as it is.

References
----------
N. Parikh and S. Boyd (2014). Proximal algorithms. Foundations and Trends in Optimization 1(3),
127-239.

T. Blumensath and M. E. Davies (2008). Iterative thresholding for sparse approximations. Journal
of Fourier Analysis and Applications 14, 629-654.
"""

from collections.abc import Callable, Iterator

from sknorm.kernels.codes import ELASTIC_NET, L0, UNPENALIZED
from sknorm.kernels.reference.arrays import Array, array_namespace, per_member


def sgd_step(
    parameters: Array,
    gradient: Array,
    velocity: Array,
    segments: Array,
    rate: Array,
    alpha: Array,
    l1_ratio: Array,
    momentum: float,
    nesterov: bool,
    batch_size: float,
    monitor: Array,
) -> None:
    r"""One step of proximal gradient descent with momentum.

    With :math:`g = \nabla + \lambda_2 w` and step size :math:`\eta`, heavy-ball momentum takes

    .. math::
        v' = \mu v - \eta g, \qquad w' = \mathrm{prox}(w + v', \eta), \qquad
        v \leftarrow w' - w,

    Nesterov's takes

    .. math::
        p = w - \eta g, \quad x = \mathrm{prox}(p, \eta), \quad
        v' = \mu v - \eta g + (x - p), \quad w' = x + \mu v',

    where :math:`v' = w' = 0` if :math:`\lambda > 0` and :math:`x = 0`: the momentum restarts at
    the kink. A fixed point satisfies :math:`w = \mathrm{prox}(w - \eta g, \eta)`, hence is a
    stationary point of the penalized objective. NaN stays NaN.

    Parameters
    ----------
    parameters, gradient, velocity : arrays of T, shape (P,)
        Parameters and velocity are updated.
    segments : array of int64, shape (S, 3)
        Offset, size per member, penalty code.
    rate, alpha, l1_ratio : arrays of float64, shape (K,)
    momentum : float
    nesterov : bool
    batch_size : float
        Weight of this batch in ``monitor``.
    monitor : array of float64, shape (K, 3)
        Added to: ``batch_size`` times the Euclidean norm of the gradient, the sum of
        :math:`|w|` (elastic net) or :math:`[w \ne 0]` (L0) over the penalized parameters before
        the step, and the sum of :math:`w^2` over those of the elastic net.
    """
    _watch(parameters, gradient, segments, batch_size, monitor)
    for span, code in _spans(segments, rate.shape[0]):
        w, grad, v = (_member_rows(a, span, rate) for a in (parameters, gradient, velocity))
        strength, l2 = _strengths(alpha, l1_ratio, code)
        descent = per_member(rate, w) * (grad + per_member(l2, w) * w)
        update = _nesterov if nesterov else _heavy_ball
        new = update(w, v, descent, rate * strength, momentum, _PROX[code])
        _store(velocity, parameters, span, new)


def adam_step(
    parameters: Array,
    gradient: Array,
    first: Array,
    second: Array,
    segments: Array,
    rate: Array,
    alpha: Array,
    l1_ratio: Array,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    correction: Array,
    decoupled: bool,
    batch_size: float,
    monitor: Array,
) -> None:
    r"""One step of proximal Adam, or of AdamW where ``decoupled``.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \qquad
        \eta = \frac{\gamma c}{\sqrt v + \epsilon} \\
        w' &= \mathrm{prox}(w - \eta m, \eta), \quad g = \nabla + \lambda_2 w
        & & \text{(Adam)} \\
        w' &= \mathrm{prox}((1 - \gamma \lambda_2) w - \eta m, \gamma), \quad g = \nabla
        & & \text{(AdamW)}

    Adam thresholds in its own metric, so that a fixed point is a stationary point of the
    penalized objective; AdamW decouples the whole penalty from the adaptive scale. NaN stays NaN.

    Parameters
    ----------
    parameters, gradient, first, second : arrays of T, shape (P,)
        Parameters and both moments are updated.
    segments : array of int64, shape (S, 3)
        Offset, size per member, penalty code.
    rate, alpha, l1_ratio : arrays of float64, shape (K,)
    beta_1, beta_2, epsilon : float
    correction : array of float64, shape (K,)
        Bias correction c of this step.
    decoupled : bool
    batch_size : float
        Weight of this batch in ``monitor``.
    monitor : array of float64, shape (K, 3)
        Added to, as by :func:`sgd_step`.

    References
    ----------
    D. P. Kingma and J. Ba (2015). Adam: a method for stochastic optimization. ICLR.

    I. Loshchilov and F. Hutter (2019). Decoupled weight decay regularization. ICLR.
    """
    xp = array_namespace(parameters, gradient, rate)
    _watch(parameters, gradient, segments, batch_size, monitor)
    for span, code in _spans(segments, rate.shape[0]):
        w, g, m, v = (_member_rows(a, span, rate) for a in (parameters, gradient, first, second))
        strength, l2 = _strengths(alpha, l1_ratio, code)
        if not decoupled:
            g = g + per_member(l2, w) * w
        m = beta_1 * m + (1.0 - beta_1) * g
        v = beta_2 * v + (1.0 - beta_2) * g * g
        eta = per_member(rate * correction, w) / (xp.sqrt(v) + epsilon)
        if decoupled:
            w, threshold = per_member(1.0 - rate * l2, w) * w, per_member(rate * strength, w)
        else:
            threshold = eta * per_member(strength, w)
        _store(first, second, span, (m, v))
        parameters[span] = xp.reshape(_PROX[code](w - eta * m, threshold), (-1,))


def clip_gradient(gradient: Array, segments: Array, max_norm: float) -> None:
    r"""Scale each member's gradient down to a largest Euclidean norm.

    .. math:: g \leftarrow g \min(1, c / \lVert g \rVert_2)

    A norm that is not finite leaves the gradient as it is: divergence must stay visible.

    Parameters
    ----------
    gradient : array of T, shape (P,)
        Changed in place.
    segments : array of int64, shape (S, 3)
        Offset, size per member, penalty code.
    max_norm : float
    """
    xp = array_namespace(gradient)
    each = sum(int(segments[s, 1]) for s in range(segments.shape[0]))
    members = gradient.shape[0] // each
    norm = _member_norms(gradient, segments, members)
    clipped = xp.isfinite(norm) & (norm > max_norm)
    scale = xp.where(clipped, max_norm / xp.where(clipped, norm, 1.0), 1.0)
    for span, _ in _spans(segments, members):
        g = _member_rows(gradient, span, norm)
        gradient[span] = xp.reshape(per_member(scale, g) * g, (-1,))


def restore_norms(weight: Array, radius: float, active: Array) -> None:
    r"""Rescale the columns of weight matrices to a given Euclidean norm.

    .. math:: w_{\cdot j} \leftarrow r \, w_{\cdot j} / \lVert w_{\cdot j} \rVert_2

    Parameters
    ----------
    weight : array of T, shape (K, d_in, d_out)
        Changed in place; zero columns stay zero.
    radius : float
    active : array of bool, shape (K,)
        Members whose columns are rescaled; the others are untouched.
    """
    xp = array_namespace(weight, active)
    wide = xp.astype(weight, xp.float64)
    norm = xp.sqrt(xp.sum(wide * wide, axis=1, keepdims=True))
    changed = active[:, None, None] & (norm != 0.0)
    scale = xp.where(changed, radius / xp.where(changed, norm, 1.0), 1.0)
    weight[...] = xp.astype(wide * scale, weight.dtype)


def _heavy_ball(
    w: Array, v: Array, descent: Array, threshold: Array, momentum: float, prox: Callable
) -> tuple[Array, Array]:
    v = momentum * v - descent
    moved = w + v
    new = prox(moved, per_member(threshold, w))
    # new - w would round away the digits that v has and w has not.
    return v + (new - moved), new


def _nesterov(
    w: Array, v: Array, descent: Array, threshold: Array, momentum: float, prox: Callable
) -> tuple[Array, Array]:
    xp = array_namespace(w, threshold)
    p = w - descent
    x = prox(p, per_member(threshold, w))
    v = momentum * v - descent + (x - p)
    restart = (threshold > 0.0)[:, None] & (x == 0.0)
    return xp.where(restart, 0.0, v), xp.where(restart, 0.0, x + momentum * v)


def _soft(w: Array, threshold: Array) -> Array:
    """Proximal operator of the absolute value; NaN passes through sign and maximum."""
    xp = array_namespace(w, threshold)
    return xp.sign(w) * xp.maximum(xp.abs(w) - threshold, 0.0)


def _hard(w: Array, threshold: Array) -> Array:
    """Proximal operator of the indicator of w != 0; NaN passes through the comparison."""
    xp = array_namespace(w, threshold)
    return xp.where((threshold > 0.0) & (w * w <= 2.0 * threshold), 0.0, w)


_PROX = {UNPENALIZED: _soft, ELASTIC_NET: _soft, L0: _hard}


def _strengths(alpha: Array, l1_ratio: Array, code: int) -> tuple[Array, Array]:
    """Factors of the nonsmooth and of the squared part of a segment's penalty, (K,)."""
    if code == ELASTIC_NET:
        return alpha * l1_ratio, alpha * (1.0 - l1_ratio)
    return (0.0 * alpha if code == UNPENALIZED else alpha), 0.0 * alpha


def _watch(
    parameters: Array, gradient: Array, segments: Array, batch_size: float, monitor: Array
) -> None:
    xp = array_namespace(parameters, gradient, monitor)
    members = monitor.shape[0]
    monitor[:, 0] = monitor[:, 0] + batch_size * _member_norms(gradient, segments, members)
    for span, code in _spans(segments, members):
        w = xp.astype(_member_rows(parameters, span, monitor), xp.float64)
        if code == ELASTIC_NET:
            monitor[:, 1] = monitor[:, 1] + batch_size * xp.sum(xp.abs(w), axis=1)
            monitor[:, 2] = monitor[:, 2] + batch_size * xp.sum(w * w, axis=1)
        elif code == L0:
            nonzeros = xp.sum(xp.astype(w != 0.0, xp.float64), axis=1)
            monitor[:, 1] = monitor[:, 1] + batch_size * nonzeros


def _member_norms(gradient: Array, segments: Array, members: int) -> Array:
    """Euclidean norm of each member's gradient, (K,) float64."""
    xp = array_namespace(gradient)
    total: Array = 0.0
    for span, _ in _spans(segments, members):
        g = xp.astype(xp.reshape(gradient[span], (members, -1)), xp.float64)
        total = total + xp.sum(g * g, axis=1)
    return xp.sqrt(total)


def _spans(segments: Array, members: int) -> Iterator[tuple[slice, int]]:
    """Where each parameter of all members stands in the buffers, and its penalty code."""
    for s in range(segments.shape[0]):
        offset, size = int(segments[s, 0]), int(segments[s, 1])
        yield slice(offset, offset + members * size), int(segments[s, 2])


def _member_rows(buffer: Array, span: slice, like: Array) -> Array:
    """One segment as (K, size), with the K of the (K, ...) array ``like``."""
    xp = array_namespace(buffer, like)
    return xp.reshape(buffer[span], (like.shape[0], -1))


def _store(a: Array, b: Array, span: slice, values: tuple[Array, Array]) -> None:
    xp = array_namespace(a, b)
    a[span], b[span] = (xp.reshape(value, (-1,)) for value in values)
