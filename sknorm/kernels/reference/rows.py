"""Kernels on the rows of a batch: taking them, their moments, dropout, and products."""

from sknorm.kernels.reference.arrays import Array, array_namespace
from sknorm.kernels.reference.moments import weighted_moments
from sknorm.kernels.reference.random import drop


def gather(
    X: Array,
    y: Array,
    weight: Array,
    rows: Array,
    offset: Array,
    factor: Array,
    x_out: Array,
    y_out: Array,
    weight_out: Array,
) -> None:
    r"""Take a batch of rows, standardizing the columns on the way.

    .. math:: x_{rij} = (X_{\rho(r, i), j} - o_j) f_j

    The difference is taken in float64: float32 columns with a large mean keep their digits.

    Parameters
    ----------
    X : array of float32 or float64, shape (N, d)
    y : array of T or int64, shape (N, o)
        Targets, or class indices with o = 1.
    weight : array of T, shape (M, N)
        Row weights of each member, M = K, or of all, M = 1.
    rows : array of int64, shape (R, n)
        Indices of the batch's rows; R is 1 or K.
    offset, factor : arrays of float64, shape (d,)
    x_out : array of T, shape (R, n, d)
    y_out : array, dtype of y, shape (R, n, o)
    weight_out : array of T, shape (max(R, M), n)
    """
    xp = array_namespace(X, y, weight, rows)
    for r in range(rows.shape[0]):
        taken = xp.astype(xp.take(X, rows[r, :], axis=0), xp.float64)
        x_out[r, ...] = xp.astype((taken - offset) * factor, x_out.dtype)
        y_out[r, ...] = xp.take(y, rows[r, :], axis=0)
    for m in range(weight_out.shape[0]):
        index = rows[m % rows.shape[0], :]
        weight_out[m, ...] = xp.take(weight[m % weight.shape[0], :], index, axis=0)


def column_moments(z: Array, weight: Array, moments: Array) -> None:
    r"""Weighted mean and biased variance of each column over the rows.

    .. math::
        \mu = \frac{1}{W} \sum_i w_i z_i, \qquad
        \sigma^2 = \frac{1}{W} \sum_i w_i (z_i - \mu)^2, \qquad W = \sum_i w_i

    Parameters
    ----------
    z : array of T, shape (K, n, d)
    weight : array of T, shape (R, n)
        Row weights; R is 1 or K.
    moments : array of float64, shape (K, 2, d)
        Written: mean and variance.
    """
    mean, _, variance = weighted_moments(z, weight)
    moments[:, 0, :] = mean
    moments[:, 1, :] = variance


def dropout(rate: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    r"""Drop values at random and scale the kept ones, :math:`x \cdot \mathrm{keep} / (1 - p)`.

    The mask is a function of its key alone (see :func:`~sknorm.kernels.reference.random.drop`),
    so the same call on the gradient is the backward pass.

    Parameters
    ----------
    rate : array of float64, shape (K,)
        Probability p in [0, 1) of dropping a value; 0 leaves the member untouched.
    seed : array of uint32, shape (K,)
    step, layer : int
    out : array of T, shape (K, n, d)
        Changed in place.
    """
    out[...] = drop(out, rate, seed, step, layer)


def matmul(a: Array, b: Array, out: Array) -> None:
    """Product of stacks of matrices, ``a @ b``, broadcast over the leading axis.

    Parameters
    ----------
    a : array of T, shape (K or 1, n, m)
    b : array of T, shape (K or 1, m, d)
    out : array of T, shape (K, n, d)
    """
    xp = array_namespace(a, b)
    out[...] = xp.matmul(a, b)
