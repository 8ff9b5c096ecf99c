r"""Losses of logits: value and gradient in one pass, the output layer's bias included.

All share one form and one signature. With logits :math:`t = z + b`, row weights :math:`w_i` and
a factor :math:`f_k` per member (one over the sum of the weights, usually):

.. math::
    \mathrm{value} \mathrel{+}= \sum_i w_i \ell_i, \qquad
    \mathrm{out}_i = f_k w_i \nabla_t \ell_i, \qquad
    \mathrm{dbias} = \sum_i \mathrm{out}_i
"""

from sknorm.kernels.reference.activations import logistic
from sknorm.kernels.reference.arrays import Array, array_namespace, per_member

__all__ = [
    "binary_log_loss",
    "multiclass_log_loss",
    "soft_multiclass_log_loss",
    "squared_error",
]


def binary_log_loss(
    z: Array,
    bias: Array,
    y: Array,
    weight: Array,
    factor: Array,
    parameter: Array,
    value: Array,
    dbias: Array,
    out: Array,
) -> None:
    r"""Log loss of o independent binary targets.

    .. math::
        \ell = \sum_o \log(1 + e^{-|t|}) + \max(t, 0) - \tilde y t, \qquad
        \nabla_t \ell = \sigma(t) - \tilde y, \qquad \tilde y = (1 - s) y + s / 2

    Parameters
    ----------
    z : array of T, shape (K, n, o)
    bias : array of T, shape (K, o)
    y : array of T, shape (R, n, o)
        Targets in [0, 1]; R is 1 or K.
    weight : array of T, shape (R, n)
        R is 1 or K, not necessarily that of y.
    factor : array of float64, shape (K,)
    parameter : array of float64, shape (K, 1)
        Smoothing s in [0, 1) of the targets towards one half.
    value : array of float64, shape (K,)
        Added to.
    dbias : array of T, shape (K, o)
    out : array of T, shape (K, n, o)
        May be z itself.
    """
    xp = array_namespace(z, bias, y)
    logits = z + bias[:, None, :]
    smoothing = per_member(parameter[:, 0], logits)
    target = (1.0 - smoothing) * y + 0.5 * smoothing
    loss = xp.log1p(xp.exp(-xp.abs(logits))) + xp.maximum(logits, 0.0) - target * logits
    write_weighted(loss, logistic(logits) - target, weight, factor, value, dbias, out)


def multiclass_log_loss(
    z: Array,
    bias: Array,
    y: Array,
    weight: Array,
    factor: Array,
    parameter: Array,
    value: Array,
    dbias: Array,
    out: Array,
) -> None:
    r"""Log loss of one of o classes, through the softmax.

    .. math::
        \ell = \log \sum_o e^{t_o} - \sum_o p_o t_o, \qquad
        \nabla_t \ell = \mathrm{softmax}(t) - p, \qquad p = (1 - s) e_y + s / o

    Parameters
    ----------
    z : array of T, shape (K, n, o)
    bias : array of T, shape (K, o)
    y : array of int64, shape (R, n, 1)
        Class indices; R is 1 or K.
    weight : array of T, shape (R, n)
        R is 1 or K, not necessarily that of y.
    factor : array of float64, shape (K,)
    parameter : array of float64, shape (K, 1)
        Smoothing s in [0, 1) of the targets towards equal shares [1]_.
    value : array of float64, shape (K,)
        Added to.
    dbias : array of T, shape (K, o)
    out : array of T, shape (K, n, o)
        May be z itself.

    References
    ----------
    .. [1] Szegedy et al. (2016), Rethinking the inception architecture for computer vision,
       CVPR, 2818-2826.
    """
    xp = array_namespace(z, bias, y)
    classes = xp.reshape(_class_indices(z, y), (1, 1, -1))
    target = xp.astype(y == classes, z.dtype)
    soft_multiclass_log_loss(z, bias, target, weight, factor, parameter, value, dbias, out)


def soft_multiclass_log_loss(
    z: Array,
    bias: Array,
    y: Array,
    weight: Array,
    factor: Array,
    parameter: Array,
    value: Array,
    dbias: Array,
    out: Array,
) -> None:
    r"""Log loss of a distribution over o classes, through the softmax.

    .. math::
        \ell = \log \sum_o e^{t_o} - \sum_o p_o t_o, \qquad
        \nabla_t \ell = \mathrm{softmax}(t) - p, \qquad p = (1 - s) y + s / o

    Parameters
    ----------
    z : array of T, shape (K, n, o)
    bias : array of T, shape (K, o)
    y : array of T, shape (R, n, o)
        Distributions over the classes; R is 1 or K.
    weight : array of T, shape (R, n)
        R is 1 or K, not necessarily that of y.
    factor : array of float64, shape (K,)
    parameter : array of float64, shape (K, 1)
        Smoothing s in [0, 1) of the targets towards equal shares.
    value : array of float64, shape (K,)
        Added to.
    dbias : array of T, shape (K, o)
    out : array of T, shape (K, n, o)
        May be z itself.
    """
    xp = array_namespace(z, bias, y)
    logits = z + bias[:, None, :]
    shifted = logits - xp.max(logits, axis=2, keepdims=True)
    exponentials = xp.exp(shifted)
    total = xp.sum(exponentials, axis=2, keepdims=True)
    smoothing = per_member(parameter[:, 0], logits)
    target = (1.0 - smoothing) * y + smoothing / z.shape[2]
    loss = xp.log(total) - xp.sum(target * shifted, axis=2, keepdims=True)
    gradient = exponentials / total - target
    write_weighted(loss, gradient, weight, factor, value, dbias, out)


def squared_error(
    z: Array,
    bias: Array,
    y: Array,
    weight: Array,
    factor: Array,
    parameter: Array,
    value: Array,
    dbias: Array,
    out: Array,
) -> None:
    r"""Half the squared error, summed over o targets.

    .. math:: \ell = \frac{1}{2} \sum_o (t - y)^2, \qquad \nabla_t \ell = t - y

    Parameters
    ----------
    z : array of T, shape (K, n, o)
    bias : array of T, shape (K, o)
    y : array of T, shape (R, n, o)
        R is 1 or K.
    weight : array of T, shape (R, n)
        R is 1 or K, not necessarily that of y.
    factor : array of float64, shape (K,)
    parameter : array of float64, shape (K, 0)
        Nothing.
    value : array of float64, shape (K,)
        Added to.
    dbias : array of T, shape (K, o)
    out : array of T, shape (K, n, o)
        May be z itself.
    """
    difference = z + bias[:, None, :] - y
    write_weighted(0.5 * difference * difference, difference, weight, factor, value, dbias, out)


def write_weighted(
    loss: Array,
    gradient: Array,
    weight: Array,
    factor: Array,
    value: Array,
    dbias: Array,
    out: Array,
) -> None:
    r"""Store what a loss returns, from its terms and their gradient; sums over rows in float64.

    Parameters
    ----------
    loss : array of float, shape (K, n, o) or (K, n, 1)
        Terms whose sum over the last axis is the loss of a row.
    gradient : array of T, shape (K, n, o)
    weight, factor, value, dbias, out
        See :func:`squared_error`.
    """
    xp = array_namespace(loss, weight, factor)
    w = weight[:, :, None]
    terms = xp.astype(w, xp.float64) * xp.astype(loss, xp.float64)
    value[...] = value + xp.sum(terms, axis=(1, 2))
    weighted = per_member(factor, gradient) * w * gradient
    total = xp.sum(xp.astype(weighted, xp.float64), axis=1)
    dbias[...] = xp.astype(total, dbias.dtype)
    out[...] = weighted


def _class_indices(z: Array, y: Array) -> Array:
    xp = array_namespace(z, y)
    return xp.cumulative_sum(xp.ones_like(z[0, 0, :], dtype=y.dtype)) - 1
