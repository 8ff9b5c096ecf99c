r"""Kernels on numbers: their embeddings, which are linear between the edges of bins.

A number z of a column with T bins, from :math:`l_t` on and of width :math:`1 / g_t`, fills them to

.. math:: e_t(z) = \min(\max((z - l_t) g_t, 0), 1)

and has the embedding :math:`u z + \sum_t e_t(z) w_t` [1]_, with vectors u and w that are learned.
It has no offset, as the first layer's norm would cancel it, and without a norm that layer's bias
does the same. As all bins below its own are full, and those above it empty, it takes the sum of the
vectors below, which is made once for all rows, and a share of one: its cost does not depend on T.

References
----------
.. [1] Gorishniy et al. (2022), On embeddings for numerical features in tabular deep learning,
   NeurIPS.
"""

from typing import Any

from sknorm.kernels.reference.arrays import Array, array_namespace
from sknorm.kernels.reference.rows import under_view


def number_embedding_forward(
    rows: Array,
    count: int,
    low: Array,
    gain: Array,
    plan: Any,
    numbers: Array,
    table: Array,
    sums: Array,
    x: Array,
) -> None:
    r"""Write the embeddings of a batch's numbers into the input.

    Parameters
    ----------
    rows : array of int64, shape (R, n) or (R, 1)
        Indices of the batch's rows, see :func:`gather`, of which the first tells their view v.
    count : int
        Rows N of the table.
    low, gain : arrays of float64, shape (V, B)
        Lower ends of the bins of all columns, and reciprocals of their widths. Those of a column
        ascend, and each ends where the next begins; where a view has fewer of them, the rest are
        infinite, with a gain of 0.
    plan : array of int64, shape (d, 5)
        On the host. For each column of numbers: the first of its columns of x, the width of its
        vectors, 0 if the number itself is its only input, where its vectors u and w begin in the
        table, where its bins begin, and their number, which is not 0 where it has vectors.
    numbers : array of T, shape (R, n, d)
        Finite numbers z, as networks see them; R is 1 or K.
    table : array of T, shape (K, t)
    sums : array of T, shape (K, t)
        Scratch, which may be written.
    x : array of T, shape (K, n, m)
        Written: the columns in the plan.
    """
    xp = array_namespace(rows, low, gain, numbers, table, x)
    for column, (first, width, begin, start, bins) in enumerate(plan.tolist()):
        z = numbers[:, :, column]
        if width == 0:
            x[:, :, first] = z + xp.zeros_like(x[:, :, first])
            continue
        size = (1 + bins) * width
        vectors = xp.reshape(table[:, begin : begin + size], (-1, 1 + bins, width))
        filled = _filled(rows, count, low, gain, z, start, bins)
        inputs = xp.concat([z[:, :, None], filled], axis=2)
        x[:, :, first : first + width] = xp.matmul(inputs, vectors)


def number_embedding_backward(
    rows: Array,
    count: int,
    low: Array,
    gain: Array,
    plan: Any,
    numbers: Array,
    dx: Array,
    sums: Array,
    dtable: Array,
) -> None:
    r"""Write the gradient of the vectors that embeddings of numbers are made of.

    Parameters
    ----------
    rows, count, low, gain, plan, numbers
        See :func:`number_embedding_forward`.
    dx : array of T, shape (K, n, m)
        Gradient of the columns of x, of which the plan tells.
    sums : array of T, shape (K, t)
        Scratch, which may be written.
    dtable : array of T, shape (K, t)
    """
    xp = array_namespace(rows, low, gain, numbers, dx)
    for column, (first, width, begin, start, bins) in enumerate(plan.tolist()):
        if width == 0:
            continue
        z = numbers[:, :, column]
        filled = _filled(rows, count, low, gain, z, start, bins)
        inputs = xp.concat([z[:, :, None], filled], axis=2)
        gradient = xp.matmul(inputs.mT, dx[:, :, first : first + width])
        size = (1 + bins) * width
        dtable[:, begin : begin + size] = xp.reshape(gradient, (-1, size))


def _filled(
    rows: Array, count: int, low: Array, gain: Array, z: Array, start: int, bins: int
) -> Array:
    """What numbers (R, n) fill of the bins of their column, (R, n, bins)."""
    xp = array_namespace(rows, low, gain, z)
    parts = []
    for r in range(z.shape[0]):
        _, lower, slope = under_view(rows[r, :], count, low, gain)
        lower, slope = lower[:, start : start + bins], slope[:, start : start + bins]
        value = xp.astype(z[r, :, None], xp.float64)
        below = value < lower  # also where there is no such bin
        share = (value - xp.where(below, 0.0 * slope, lower)) * slope
        share = xp.where(below, xp.zeros_like(share), xp.minimum(share, xp.ones_like(share)))
        parts.append(xp.astype(share, z.dtype))
    return xp.stack(parts)
