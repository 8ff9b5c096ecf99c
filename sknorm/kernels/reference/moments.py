"""Weighted mean and variance of the columns, right to rounding however large the mean is."""

from sknorm.kernels.reference.arrays import Array, array_namespace


def row_shares(weight: Array) -> Array:
    r"""Share :math:`w_i / W` of each row in the sums of a batch, 0 where :math:`W = 0`.

    Parameters
    ----------
    weight : array of float, shape (R, n)

    Returns
    -------
    array of float64, shape (R, n, 1)
    """
    xp = array_namespace(weight)
    w = xp.astype(weight, xp.float64)
    total = xp.sum(w, axis=1, keepdims=True)
    return (w / xp.where(total == 0.0, 1.0, total))[:, :, None]


def weighted_moments(z: Array, weight: Array) -> tuple[Array, Array, Array]:
    r"""Mean and biased variance over the rows, by the corrected two-pass algorithm.

    .. math::
        m = \sum_i p_i z_i, \quad r_i = z_i - m, \quad c = \sum_i p_i r_i, \quad
        \mu = m + c, \quad \sigma^2 = \sum_i p_i r_i^2 - c^2, \quad p_i = w_i / W

    The correction c removes the rounding error of the first pass. All of it is in float64, and
    what the mean loses to rounding is kept beside it.

    Parameters
    ----------
    z : array of float, shape (K, n, d)
    weight : array of float, shape (R, n)
        Row weights; R is 1 or K.

    Returns
    -------
    mean, rest, variance : arrays of float64, shape (K, d)
        The mean is the sum of the first two.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque (1983). Algorithms for computing the sample
    variance: analysis and recommendations. The American Statistician 37(3), 242-247.
    """
    xp = array_namespace(z, weight)
    share = row_shares(weight)
    values = xp.astype(z, xp.float64)
    first = xp.sum(share * values, axis=1, keepdims=True)
    residual = values - first
    correction = xp.sum(share * residual, axis=1)
    squares = xp.sum(share * residual * residual, axis=1)
    mean = first[:, 0, :] + correction
    rest = (first[:, 0, :] - mean) + correction
    return mean, rest, xp.maximum(squares - correction * correction, 0.0)


def column_sums(x: Array) -> Array:
    """Sums over the rows in float64, as (K, 1, d) of the dtype of x."""
    xp = array_namespace(x)
    return xp.astype(xp.sum(xp.astype(x, xp.float64), axis=1, keepdims=True), x.dtype)
