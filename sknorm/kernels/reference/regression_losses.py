r"""Losses of regression beside the squared error; form and signature are those of `losses`."""

from sknorm.kernels.reference.arrays import Array, array_namespace, per_member
from sknorm.kernels.reference.losses import write_weighted

__all__ = [
    "absolute_error",
    "gamma",
    "huber",
    "pinball",
    "poisson",
]


def absolute_error(
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
    r"""Absolute error, summed over o targets; its gradient at 0 is 0.

    .. math::
        \ell = \sum_o |t - y|, \qquad \nabla_t \ell = \mathrm{sign}(t - y)

    Parameters
    ----------
    y : array of T, shape (R, n, o)
        R is 1 or K.
    parameter : array of float64, shape (K, 0)
        Nothing.
    z, bias, weight, factor, value, dbias, out
        See :func:`~sknorm.kernels.reference.losses.squared_error`.
    """
    xp = array_namespace(z, bias, y)
    difference = z + bias[:, None, :] - y
    loss = xp.abs(difference)
    write_weighted(loss, xp.sign(difference), weight, factor, value, dbias, out)


def huber(
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
    r"""Squared error near 0, absolute error beyond, summed over o targets [1]_.

    .. math::
        \ell = \sum_o \begin{cases}
            (t - y)^2 / 2 & |t - y| \le \delta \\
            \delta (|t - y| - \delta / 2) & \text{otherwise}
        \end{cases}, \qquad
        \nabla_t \ell = \min(\max(t - y, -\delta), \delta)

    Parameters
    ----------
    y : array of T, shape (R, n, o)
        R is 1 or K.
    parameter : array of float64, shape (K, 1)
        Width :math:`\delta > 0` of the square.
    z, bias, weight, factor, value, dbias, out
        See :func:`~sknorm.kernels.reference.losses.squared_error`.

    References
    ----------
    .. [1] Huber (1964), Robust estimation of a location parameter, Ann. Math. Statist. 35,
       73-101.
    """
    xp = array_namespace(z, bias, y)
    difference = z + bias[:, None, :] - y
    delta, distance = per_member(parameter[:, 0], difference), xp.abs(difference)
    near = distance <= delta
    square = 0.5 * difference * difference
    loss = xp.where(near, square, delta * (distance - 0.5 * delta))
    gradient = xp.where(near, difference, delta * xp.sign(difference))
    write_weighted(loss, gradient, weight, factor, value, dbias, out)


def pinball(
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
    r"""Pinball loss of q levels for each of m targets, whose minima are the quantiles [1]_.

    .. math::
        \ell = \sum_{j, l} \max\big(\tau_l (y_j - t_{jl}), (\tau_l - 1) (y_j - t_{jl})\big), \qquad
        \nabla_t \ell = \begin{cases}
            -\tau & t < y \\ 0 & t = y \\ 1 - \tau & t > y
        \end{cases}

    Parameters
    ----------
    y : array of T, shape (R, n, m)
        R is 1 or K. Level l of target j is column ``j * q + l`` of the o = m q logits.
    parameter : array of float64, shape (K, q)
        Levels :math:`\tau` in (0, 1).
    z, bias, weight, factor, value, dbias, out
        See :func:`~sknorm.kernels.reference.losses.squared_error`.

    References
    ----------
    .. [1] Koenker and Bassett (1978), Regression quantiles, Econometrica 46, 33-50.
    """
    xp = array_namespace(z, bias, y)
    targets = xp.repeat(y, parameter.shape[1], axis=2)
    tau = xp.astype(xp.tile(parameter, (1, y.shape[2])), z.dtype)[:, None, :]
    difference = z + bias[:, None, :] - targets
    loss = xp.maximum(-tau * difference, (1.0 - tau) * difference)
    above = xp.where(difference > 0.0, 1.0 - tau, difference)  # 0 and NaN stay what they are
    gradient = xp.where(difference < 0.0, -tau, above)
    write_weighted(loss, gradient, weight, factor, value, dbias, out)


def poisson(
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
    r"""Half the Poisson deviance of the means exp(t), summed over o targets.

    .. math::
        \ell = \sum_o e^t - y t + (y \log y - y), \qquad \nabla_t \ell = e^t - y

    Parameters
    ----------
    y : array of T, shape (R, n, o)
        At least 0, where y log y is 0; R is 1 or K.
    parameter : array of float64, shape (K, 0)
        Nothing.
    z, bias, weight, factor, value, dbias, out
        See :func:`~sknorm.kernels.reference.losses.squared_error`.
    """
    xp = array_namespace(z, bias, y)
    logits = z + bias[:, None, :]
    mean = xp.exp(logits)
    entropy = y * xp.log(xp.where(y > 0.0, y, 1.0))
    loss = mean - y * logits + (entropy - y)
    write_weighted(loss, mean - y, weight, factor, value, dbias, out)


def gamma(
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
    r"""Half the gamma deviance of the means exp(t), summed over o targets.

    .. math::
        \ell = \sum_o t + y e^{-t} - \log y - 1, \qquad \nabla_t \ell = 1 - y e^{-t}

    Parameters
    ----------
    y : array of T, shape (R, n, o)
        Positive; R is 1 or K.
    parameter : array of float64, shape (K, 0)
        Nothing.
    z, bias, weight, factor, value, dbias, out
        See :func:`~sknorm.kernels.reference.losses.squared_error`.
    """
    xp = array_namespace(z, bias, y)
    logits = z + bias[:, None, :]
    share = y * xp.exp(-logits)
    loss = logits + share - xp.log(y) - 1.0
    write_weighted(loss, 1.0 - share, weight, factor, value, dbias, out)
