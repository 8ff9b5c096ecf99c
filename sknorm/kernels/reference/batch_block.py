r"""Batch and ghost normalization, activation and dropout, fused, behind a linear layer.

.. math::
    a = (z - \mu) \cdot \mathrm{gain} + \mathrm{shift}, \qquad
    \mathrm{gain} = \mathrm{scale} / \sqrt{\sigma^2 + \epsilon}, \qquad
    \mathrm{out} = \mathrm{dropout}(\mathrm{act}(a))

with the moments of each column over the rows of a group. Columns are independent.

References
----------
S. Ioffe and C. Szegedy (2015). Batch normalization: accelerating deep network training by
reducing internal covariate shift. ICML.

E. Hoffer, I. Hubara and D. Soudry (2017). Train longer, generalize better: closing the
generalization gap in large batch training of neural networks. NeurIPS.
"""

from itertools import pairwise

from sknorm.kernels.reference.activations import activate, derivative
from sknorm.kernels.reference.arrays import Array, array_namespace
from sknorm.kernels.reference.moments import column_sums, row_shares, weighted_moments
from sknorm.kernels.reference.random import drop


def batch_block_forward(
    z: Array,
    weight: Array,
    scale: Array,
    shift: Array,
    groups: Array,
    epsilon: float,
    activation: int,
    rate: Array,
    seed: Array,
    step: int,
    layer: int,
    mask: Array,
    start: int,
    stop: int,
    running: Array,
    momentum: Array,
    statistics: Array,
    accumulators: Array,
    out: Array,
) -> None:
    r"""Batch normalization (Ioffe & Szegedy, 2015), activation and dropout.

    With several groups of rows, each is normalized by its own moments: ghost batch
    normalization (Hoffer et al., 2017). Per group, with :math:`W = \sum_i w_i`,

    .. math::
        \mu = \frac{1}{W} \sum_i w_i z_i, \qquad
        \sigma^2 = \frac{1}{W} \sum_i w_i (z_i - \mu)^2,

    so that integer weights equal repeated rows, and weight 0 equals absence. A group without
    weight has :math:`\mu = \sigma^2 = 0`. The running moments take

    .. math::
        r \leftarrow r + m \left(\frac{\sum_g W_g b_g}{\sum_g W_g} - r\right), \qquad
        b_g \in \left\{\mu_g, \; \sigma_g^2 \frac{S_g}{S_g - 1}\right\}, \quad
        S_g = \max(W_g, 2),

    the unbiased variance for integer weights. Moments are computed in float64, and the mean is
    kept as two numbers of dtype T, so that :math:`z - \mu` keeps its digits where the mean is
    far larger than the standard deviation.

    Parameters
    ----------
    z : array of T, shape (K, n, d)
    weight : array of T, shape (R, n)
        Row weights; R is 1 or K.
    scale, shift : arrays of T, shape (K, d)
    groups : array of int64, shape (G + 1,)
        Boundaries of the groups: ``[0, n]`` for batch normalization. On the host.
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
    start, stop : int
        Columns to process; outputs are untouched elsewhere.
    running : array of float64, shape (K, 2, d)
        Running mean and variance, updated.
    momentum : array of float64, shape (K,)
        Weight m of this batch; 0 leaves ``running`` untouched.
    statistics : array of T, shape (K, G, 8, d)
        Written: :math:`T(\mu)`, :math:`T(\mu - T(\mu))`, :math:`1 / \sqrt{\sigma^2 + \epsilon}`
        and the gain; rows 4 to 7 are scratch.
    accumulators : array of float64, shape (K, 2, d)
        Scratch.
    out : array of T, shape (K, n, d)
    """
    xp = array_namespace(z, weight, scale, shift)
    columns, d = slice(start, stop), z.shape[2]
    a = xp.empty_like(z[:, :, columns])
    moments = []
    for g, rows in enumerate(_row_groups(groups)):
        mean, rest, variance = weighted_moments(z[:, rows, columns], weight[:, rows])
        moments.append((mean, variance))
        inverse = 1.0 / xp.sqrt(variance + epsilon)
        rounded = _round_statistics(mean, rest, inverse, scale[:, columns])
        statistics[:, g, :4, columns] = rounded
        _, scaled = _normalize(z[:, rows, columns], rounded)
        a[:, rows, :] = scaled + shift[:, None, columns]
    totals = _group_totals(weight, groups)
    running[:, :, columns] = _moved(running[:, :, columns], momentum, totals, moments)
    out[:, :, columns] = drop(activate(activation, a), rate, seed, step, layer, start, d)


def batch_block_backward(
    z: Array,
    weight: Array,
    scale: Array,
    shift: Array,
    groups: Array,
    activation: int,
    rate: Array,
    seed: Array,
    step: int,
    layer: int,
    mask: Array,
    start: int,
    stop: int,
    statistics: Array,
    accumulators: Array,
    dscale: Array,
    dshift: Array,
    dout: Array,
) -> None:
    r"""Gradients of :func:`batch_block_forward`.

    The pre-activation and the dropout mask are computed again:
    :math:`\mathrm{da} = \mathrm{dropout}(\mathrm{dout}) \cdot \mathrm{act}'(a)`.

    With :math:`\hat x = (z - \mu) / \sqrt{\sigma^2 + \epsilon}`, per group

    .. math::
        \mathrm{dz}_i = \mathrm{gain} \left(\mathrm{da}_i - \frac{w_i}{W} \left(
            \sum_j \mathrm{da}_j + \hat x_i \sum_j \mathrm{da}_j \hat x_j\right)\right)

    and over all groups :math:`\mathrm{dshift} = \sum_i \mathrm{da}_i` and
    :math:`\mathrm{dscale} = \sum_i \mathrm{da}_i \hat x_i`.

    Parameters
    ----------
    z, weight, scale, shift, groups, activation, rate, seed, step, layer, mask
        As the forward pass took and left them.
    start, stop, statistics
        Likewise.
    accumulators : array of float64, shape (K, 2, d)
        Scratch.
    dscale, dshift : arrays of T, shape (K, d)
    dout : array of T, shape (K, n, d)
        Gradient with respect to the block's output on entry, to z on return.
    """
    xp = array_namespace(z, weight, scale, shift)
    columns, d = slice(start, stop), z.shape[2]
    da = drop(dout[:, :, columns], rate, seed, step, layer, start, d)
    dscale[:, columns] = 0.0
    dshift[:, columns] = 0.0
    for g, rows in enumerate(_row_groups(groups)):
        xhat, centred = _normalize(z[:, rows, columns], statistics[:, g, :4, columns])
        da_g = da[:, rows, :] * derivative(activation, centred + shift[:, None, columns])
        sum_1, sum_2 = column_sums(da_g), column_sums(da_g * xhat)
        share = xp.astype(row_shares(weight[:, rows]), z.dtype)
        gain = statistics[:, g, 3, None, columns]
        dout[:, rows, columns] = gain * (da_g - share * (sum_1 + xhat * sum_2))
        dshift[:, columns] = dshift[:, columns] + sum_1[:, 0, :]
        dscale[:, columns] = dscale[:, columns] + sum_2[:, 0, :]


def _row_groups(groups: Array) -> list[slice]:
    bounds = [int(groups[g]) for g in range(groups.shape[0])]
    return [slice(begin, end) for begin, end in pairwise(bounds)]


def _group_totals(weight: Array, groups: Array) -> list[Array]:
    """Sum of the weights of each group's rows, (R, 1) float64."""
    xp = array_namespace(weight)
    wide = xp.astype(weight, xp.float64)
    return [xp.sum(wide[:, rows], axis=1, keepdims=True) for rows in _row_groups(groups)]


def _round_statistics(mean: Array, rest: Array, inverse_std: Array, scale: Array) -> Array:
    """One group's statistics in the dtype of ``scale``, the mean in two parts, as (K, 4, m)."""
    xp = array_namespace(mean, scale)
    head = xp.astype(xp.astype(mean, scale.dtype), xp.float64)
    gain = inverse_std * xp.astype(scale, xp.float64)
    rows = xp.stack([head, (mean - head) + rest, inverse_std, gain], axis=1)
    return xp.astype(rows, scale.dtype)


def _normalize(z: Array, statistics: Array) -> tuple[Array, Array]:
    """One group's z standardized, and times its scale, from statistics of shape (K, 4, m)."""
    centred = (z - statistics[:, 0, None, :]) - statistics[:, 1, None, :]
    return centred * statistics[:, 2, None, :], centred * statistics[:, 3, None, :]


def _moved(
    running: Array, momentum: Array, totals: list[Array], moments: list[tuple[Array, Array]]
) -> Array:
    """Running moments, (K, 2, m), moved towards those of the batch, where it has weight."""
    xp = array_namespace(running, momentum)
    total: Array = sum(totals)
    batch: Array = 0.0
    for w, (mean, variance) in zip(totals, moments, strict=True):
        share = w / xp.where(total == 0.0, 1.0, total)
        size = xp.maximum(w, 2.0)
        unbiased = variance * (size / (size - 1.0))
        batch = batch + share[:, :, None] * xp.stack([mean, unbiased], axis=1)
    m = momentum[:, None, None]
    moves = (m > 0.0) & (total[:, :, None] != 0.0)
    return xp.where(moves, running + m * (batch - running), running)
