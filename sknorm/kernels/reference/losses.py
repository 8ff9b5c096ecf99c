r"""Losses of logits: value and gradient in one pass, the output layer's bias included.

All share one form. With logits :math:`t = z + b`, row weights :math:`w_i` and a factor
:math:`f_k` per member (one over the sum of the weights, usually):

.. math::
    \mathrm{value} \mathrel{+}= \sum_i w_i \ell_i, \qquad
    \mathrm{out}_i = f_k w_i \nabla_t \ell_i, \qquad
    \mathrm{dbias} = \sum_i \mathrm{out}_i
"""

from sknorm.kernels.reference.activations import logistic
from sknorm.kernels.reference.arrays import Array, array_namespace, per_member


def binary_log_loss(
    z: Array,
    bias: Array,
    y: Array,
    weight: Array,
    factor: Array,
    value: Array,
    dbias: Array,
    out: Array,
) -> None:
    r"""Log loss of o independent binary targets.

    .. math::
        \ell = \sum_o \log(1 + e^{-|t|}) + \max(t, 0) - y t, \qquad
        \nabla_t \ell = \sigma(t) - y

    Parameters
    ----------
    z : array of T, shape (K, n, o)
    bias : array of T, shape (K, o)
    y : array of T, shape (R, n, o)
        Targets in [0, 1]; R is 1 or K.
    weight : array of T, shape (R, n)
        R is 1 or K, not necessarily that of y.
    factor : array of float64, shape (K,)
    value : array of float64, shape (K,)
        Added to.
    dbias : array of T, shape (K, o)
    out : array of T, shape (K, n, o)
        May be z itself.
    """
    xp = array_namespace(z, bias, y)
    logits = z + bias[:, None, :]
    loss = xp.log1p(xp.exp(-xp.abs(logits))) + xp.maximum(logits, 0.0) - y * logits
    _write(loss, logistic(logits) - y, weight, factor, value, dbias, out)


def multiclass_log_loss(
    z: Array,
    bias: Array,
    y: Array,
    weight: Array,
    factor: Array,
    value: Array,
    dbias: Array,
    out: Array,
) -> None:
    r"""Log loss of one of o classes, through the softmax.

    .. math::
        \ell = \log \sum_o e^{t_o - t_{\max}} + t_{\max} - t_y, \qquad
        \nabla_t \ell = \mathrm{softmax}(t) - e_y

    Parameters
    ----------
    z : array of T, shape (K, n, o)
    bias : array of T, shape (K, o)
    y : array of int64, shape (R, n, 1)
        Class indices; R is 1 or K.
    weight : array of T, shape (R, n)
        R is 1 or K, not necessarily that of y.
    factor : array of float64, shape (K,)
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
    classes = xp.reshape(_class_indices(z, y), (1, 1, -1))
    target = xp.where(y == classes, shifted, 0.0)
    loss = xp.log(total) - xp.sum(target, axis=2, keepdims=True)
    gradient = exponentials / total - xp.astype(y == classes, z.dtype)
    _write(loss, gradient, weight, factor, value, dbias, out)


def squared_error(
    z: Array,
    bias: Array,
    y: Array,
    weight: Array,
    factor: Array,
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
    value : array of float64, shape (K,)
        Added to.
    dbias : array of T, shape (K, o)
    out : array of T, shape (K, n, o)
        May be z itself.
    """
    difference = z + bias[:, None, :] - y
    _write(0.5 * difference * difference, difference, weight, factor, value, dbias, out)


def _class_indices(z: Array, y: Array) -> Array:
    xp = array_namespace(z, y)
    return xp.cumulative_sum(xp.ones_like(z[0, 0, :], dtype=y.dtype)) - 1


def _write(
    loss: Array,
    gradient: Array,
    weight: Array,
    factor: Array,
    value: Array,
    dbias: Array,
    out: Array,
) -> None:
    """Weight and store; sums over rows run in float64."""
    xp = array_namespace(loss, weight, factor)
    w = weight[:, :, None]
    terms = xp.astype(w, xp.float64) * xp.astype(loss, xp.float64)
    value[...] = value + xp.sum(terms, axis=(1, 2))
    weighted = per_member(factor, gradient) * w * gradient
    total = xp.sum(xp.astype(weighted, xp.float64), axis=1)
    dbias[...] = xp.astype(total, dbias.dtype)
    out[...] = weighted
