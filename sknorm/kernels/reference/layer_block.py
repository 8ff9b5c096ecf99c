"""Layer normalization, activation and dropout, fused, behind a linear layer.

References
----------
J. L. Ba, J. R. Kiros and G. E. Hinton (2016). Layer normalization. arXiv:1607.06450.
"""

from sknorm.kernels.reference.activations import activate, derivative
from sknorm.kernels.reference.arrays import Array, array_namespace
from sknorm.kernels.reference.moments import column_sums
from sknorm.kernels.reference.random import drop


def layer_block_forward(
    z: Array,
    scale: Array,
    shift: Array,
    epsilon: float,
    activation: int,
    rate: Array,
    seed: Array,
    step: int,
    layer: int,
    mask: Array,
    inverse_std: Array,
    out: Array,
) -> None:
    r"""Layer normalization (Ba et al., 2016), activation and dropout.

    .. math::
        \mu_i = \frac{1}{d} \sum_j z_{ij}, \qquad
        \sigma_i^2 = \frac{1}{d} \sum_j (z_{ij} - \mu_i)^2, \qquad
        a = \hat x \cdot \mathrm{scale} + \mathrm{shift}, \quad
        \hat x = \frac{z - \mu}{\sqrt{\sigma^2 + \epsilon}}

    Parameters
    ----------
    z : array of T, shape (K, n, d)
        Overwritten by :math:`\hat x`.
    scale, shift : arrays of T, shape (K, d)
    epsilon : float
    activation : int
        One of :mod:`sknorm.kernels.codes`.
    rate : array of float64, shape (K,)
        Dropout rate in [0, 1).
    seed : array of uint32, shape (K,)
    step, layer : int
        With the seed, the key of the dropout mask.
    mask : array of uint8, shape (K, n, d) or (K, 0, 0)
        Where there is room, compiled kernels note here what members that drop values keep, and
        the backward pass of the same kernels reads it. Others compute it again.
    inverse_std : array of T, shape (K, n)
        Written: :math:`1 / \sqrt{\sigma^2 + \epsilon}`.
    out : array of T, shape (K, n, d)
    """
    xp = array_namespace(z, scale, shift)
    values = xp.astype(z, xp.float64)
    centred = values - xp.mean(values, axis=2, keepdims=True)
    # Centred once more: the first mean is rounded, and z may be far from zero.
    centred = centred - xp.mean(centred, axis=2, keepdims=True)
    variance = xp.mean(centred * centred, axis=2, keepdims=True)
    inverse = 1.0 / xp.sqrt(variance + epsilon)
    inverse_std[...] = xp.astype(inverse[:, :, 0], inverse_std.dtype)
    z[...] = xp.astype(centred * inverse, z.dtype)
    a = z * scale[:, None, :] + shift[:, None, :]
    out[...] = drop(activate(activation, a), rate, seed, step, layer)


def layer_block_backward(
    z: Array,
    inverse_std: Array,
    scale: Array,
    shift: Array,
    activation: int,
    rate: Array,
    seed: Array,
    step: int,
    layer: int,
    mask: Array,
    accumulators: Array,
    dscale: Array,
    dshift: Array,
    dout: Array,
) -> None:
    r"""Gradients of :func:`layer_block_forward`.

    The pre-activation and the dropout mask are computed again:
    :math:`\mathrm{da} = \mathrm{dropout}(\mathrm{dout}) \cdot \mathrm{act}'(a)`.

    With :math:`g = \mathrm{da} \cdot \mathrm{scale}` and means over the columns of a row,

    .. math::
        \mathrm{dz} = \frac{1}{\sqrt{\sigma^2 + \epsilon}}
            \left(g - \overline{g} - \hat x \, \overline{g \hat x}\right), \qquad
        \mathrm{dshift} = \sum_i \mathrm{da}_i, \quad
        \mathrm{dscale} = \sum_i \mathrm{da}_i \hat x_i

    Parameters
    ----------
    z : array of T, shape (K, n, d)
        :math:`\hat x`, as the forward pass left it.
    inverse_std, scale, shift, activation, rate, seed, step, layer, mask
        As the forward pass took and left them.
    accumulators : array of float64, shape (K, 2, d)
        Scratch.
    dscale, dshift : arrays of T, shape (K, d)
    dout : array of T, shape (K, n, d)
        Gradient with respect to the block's output on entry, to z on return.
    """
    a = z * scale[:, None, :] + shift[:, None, :]
    da = drop(dout, rate, seed, step, layer) * derivative(activation, a)
    dshift[...] = column_sums(da)[:, 0, :]
    dscale[...] = column_sums(da * z)[:, 0, :]
    g = da * scale[:, None, :]
    dout[...] = inverse_std[:, :, None] * (g - _row_means(g) - z * _row_means(g * z))


def _row_means(x: Array) -> Array:
    """Means over the columns in float64, as (K, n, 1) of the dtype of x."""
    xp = array_namespace(x)
    return xp.astype(xp.mean(xp.astype(x, xp.float64), axis=2, keepdims=True), x.dtype)
