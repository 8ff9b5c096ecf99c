"""Bias, activation and dropout, fused: the block behind a linear layer without normalization."""

from sknorm.kernels.reference.activations import activate, derivative
from sknorm.kernels.reference.arrays import Array
from sknorm.kernels.reference.moments import column_sums
from sknorm.kernels.reference.random import drop


def affine_block_forward(
    z: Array,
    shift: Array,
    activation: int,
    rate: Array,
    seed: Array,
    step: int,
    layer: int,
    mask: Array,
    start: int,
    stop: int,
    out: Array,
) -> None:
    r"""Bias, activation and dropout: a block without normalization.

    .. math:: \mathrm{out} = \mathrm{dropout}(\mathrm{act}(z + \mathrm{shift}))

    Parameters
    ----------
    z : array of T, shape (K, n, d)
    shift : array of T, shape (K, d)
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
    start, stop : int
        Columns to process; ``out`` is untouched elsewhere.
    out : array of T, shape (K, n, d)
        May be z itself.
    """
    columns, d = slice(start, stop), z.shape[2]
    h = activate(activation, z[:, :, columns] + shift[:, None, columns])
    out[:, :, columns] = drop(h, rate, seed, step, layer, start, d)


def affine_block_backward(
    z: Array,
    shift: Array,
    activation: int,
    rate: Array,
    seed: Array,
    step: int,
    layer: int,
    mask: Array,
    start: int,
    stop: int,
    accumulators: Array,
    dshift: Array,
    dout: Array,
) -> None:
    r"""Gradients of :func:`affine_block_forward`.

    The pre-activation and the dropout mask are computed again:
    :math:`\mathrm{da} = \mathrm{dropout}(\mathrm{dout}) \cdot \mathrm{act}'(a)`.

    .. math:: \mathrm{dz} = \mathrm{da}, \qquad \mathrm{dshift} = \sum_i \mathrm{da}_i

    Parameters
    ----------
    z, shift, activation, rate, seed, step, layer, mask, start, stop
        As the forward pass took them.
    accumulators : array of float64, shape (K, 2, d)
        Scratch.
    dshift : array of T, shape (K, d)
    dout : array of T, shape (K, n, d)
        Gradient with respect to the block's output on entry, to z on return.
    """
    columns, d = slice(start, stop), z.shape[2]
    a = z[:, :, columns] + shift[:, None, columns]
    da = drop(dout[:, :, columns], rate, seed, step, layer, start, d) * derivative(activation, a)
    dshift[:, columns] = column_sums(da)[:, 0, :]
    dout[:, :, columns] = da
