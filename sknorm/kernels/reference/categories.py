r"""Kernels on categories: the codes of a batch, rows of weights, and embeddings.

A code column of a table holds whole numbers, 0 or more. What a network makes of them is said by
*places*: row numbers of a matrix of weights, or positions in a table of embeddings. A place below
zero is that of a category that the network knows nothing of, and which adds nothing.

With the share :math:`\lambda` of mixup and the rate p of input dropout, a column has the matrix

.. math:: A_{il} = \frac{\lambda [c_i = l] + (1 - \lambda) [c_{n - 1 - i} = l]}{1 - p}

of the places l of the rows i of a batch. It has at most two entries a row, and is never formed
by the compiled kernels.
"""

from typing import Any

from array_api_compat import device

from sknorm.kernels.reference.arrays import Array, array_namespace
from sknorm.kernels.reference.random import keep_mask
from sknorm.kernels.reference.rows import under_view


def take_codes(
    codes: Array, columns: Array, rows: Array, starts: Array, places: Array, out: Array
) -> None:
    r"""Take the codes of a batch of rows, and write their places.

    .. math:: p_{ric} = P_{v, s_c + C_{\rho(r, i) \bmod N, k_c}},
        \qquad v = \lfloor \rho(r, 1) / N \rfloor

    Parameters
    ----------
    codes : array of int32, shape (N, m)
    columns : array of int64, shape (c,)
        Which columns k of the table to take; a column below 0 has the code 0 everywhere.
    rows : array of int64, shape (R, n)
        Indices of the batch's rows, see :func:`gather`.
    starts : array of int64, shape (c,)
        Where the places of each column begin.
    places : array of int32, shape (V, P)
        Of all columns one after another, under each of V views; below 0 for none.
    out : array of int32, shape (R, n, c)
    """
    xp = array_namespace(codes, rows, starts, places)
    none = xp.zeros((rows.shape[1], 1), dtype=codes.dtype, device=device(codes))
    for r in range(rows.shape[0]):
        index, own = under_view(rows[r, :], codes.shape[0], places)
        taken = xp.concat([none, xp.take(codes, index, axis=0)], axis=1)
        taken = xp.take(taken, xp.where(columns < 0, columns * 0, columns + 1), axis=1)
        index = xp.astype(taken, xp.int64) + starts
        found = xp.take(own[0, :], xp.reshape(index, (-1,)))
        out[r, ...] = xp.reshape(found, index.shape)


def drop_codes(rate: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    """Drop places at random: they become -1.

    Parameters
    ----------
    rate : array of float64, shape (K,)
        Probability p in [0, 1) of dropping a place; 0 leaves the member untouched.
    seed : array of uint32, shape (K,)
    step, layer : int
    out : array of int32, shape (K, n, c)
        Changed in place.
    """
    xp = array_namespace(rate, seed, out)
    n, c = out.shape[1:]
    keep = keep_mask(rate, seed, step, layer, n, 0, c, c)
    out[...] = xp.where(keep, out, xp.asarray(-1, dtype=out.dtype, device=device(out)))


def category_rows_forward(
    codes: Array,
    columns: Array,
    share: Array,
    rate: Array,
    weight: Array,
    first: int,
    start: int,
    stop: int,
    z: Array,
) -> None:
    r"""Add the rows of the weights that the categories have, :math:`z + \sum_c A_c W`.

    Parameters
    ----------
    codes : array of int32, shape (R, n, c)
        Places: row numbers of the weights, counted from row ``first``; R is 1 or K.
    columns : array of int64, shape (h,)
        The code columns c that have rows of weights.
    share : array of float64, shape (K,)
        Share of a row in its mixture, see :func:`mixup`; 1 where nothing is mixed.
    rate : array of float64, shape (K,)
        Rate of input dropout.
    weight : array of T, shape (K, m, d)
    first : int
        The first of the weights' rows that categories have.
    start, stop : int
        The columns of z to compute.
    z : array of T, shape (K, n, d)
        Changed in place.
    """
    xp = array_namespace(codes, weight, z)
    rows = weight[:, first:, start:stop]
    entries = _entries(codes, columns, share, rate, rows.shape[1], z)
    z[:, :, start:stop] = z[:, :, start:stop] + xp.matmul(entries, rows)


def category_rows_backward(
    codes: Array,
    columns: Array,
    share: Array,
    rate: Array,
    dz: Array,
    first: int,
    start: int,
    stop: int,
    dweight: Array,
) -> None:
    r"""Write the gradient of the categories' rows of weights, :math:`\sum_c A_c^T \, dz`.

    The terms of a row are added in the order of the batch.

    Parameters
    ----------
    codes, columns, share, rate, first, start, stop
        See :func:`category_rows_forward`.
    dz : array of T, shape (K, n, d)
    dweight : array of T, shape (K, m, d)
        Written: rows from ``first`` on, columns from ``start`` to ``stop``.
    """
    xp = array_namespace(codes, dz, dweight)
    count = dweight.shape[1] - first
    entries = _entries(codes, columns, share, rate, count, dz)
    dweight[:, first:, start:stop] = xp.matmul(entries.mT, dz[:, :, start:stop])


def embedding_forward(
    codes: Array, share: Array, rate: Array, plan: Any, table: Array, x: Array
) -> None:
    r"""Write the embeddings of categories into columns of the input, :math:`x_c = A_c T_c`.

    Parameters
    ----------
    codes : array of int32, shape (R, n, c)
        Places: where a level's vector begins among the vectors of its column, in numbers of
        vectors; R is 1 or K.
    share, rate
        See :func:`category_rows_forward`.
    plan : array of int64, shape (e, 5)
        On the host. For each embedded column: the code column, the first of its columns of x, the
        width of its vectors, where they begin in the table, and their number.
    table : array of T, shape (K, t)
        The vectors of all columns, one after another.
    x : array of T, shape (K, n, m)
        Written: the columns in the plan.
    """
    xp = array_namespace(codes, table, x)
    for column, first, width, begin, levels in plan.tolist():
        vectors = xp.reshape(table[:, begin : begin + levels * width], (-1, levels, width))
        one = xp.asarray([column], dtype=xp.int64, device=device(codes))
        entries = _entries(codes, one, share, rate, levels, x)
        x[:, :, first : first + width] = xp.matmul(entries, vectors)


def embedding_backward(
    codes: Array, share: Array, rate: Array, plan: Any, first: int, dx: Array, dtable: Array
) -> None:
    r"""Write the gradient of embeddings, :math:`dT_c = A_c^T \, dx_c`.

    The terms of a vector are added in the order of the batch.

    Parameters
    ----------
    codes, share, rate, plan
        See :func:`embedding_forward`.
    first : int
        The column of x at which ``dx`` begins.
    dx : array of T, shape (K, n, w)
        Gradient of the embedded columns of x.
    dtable : array of T, shape (K, t)
    """
    xp = array_namespace(codes, dx, dtable)
    for column, place, width, begin, levels in plan.tolist():
        one = xp.asarray([column], dtype=xp.int64, device=device(codes))
        entries = _entries(codes, one, share, rate, levels, dx)
        part = dx[:, :, place - first : place - first + width]
        gradient = xp.matmul(entries.mT, part)
        size = levels * width
        dtable[:, begin : begin + size] = xp.reshape(gradient, (-1, size))


def _entries(
    codes: Array, columns: Array, share: Array, rate: Array, count: int, like: Array
) -> Array:
    """The matrix A of some code columns together, (K, n, count), in the dtype of ``like``."""
    xp = array_namespace(codes, share, rate, like)
    place = device(codes)
    taken = xp.take(codes, columns, axis=2)
    levels = xp.arange(count, dtype=codes.dtype, device=place)
    hits = xp.astype(taken[..., None] == levels, xp.float64)
    own = xp.sum(hits, axis=2)
    share, gain = share[:, None, None], (1.0 / (1.0 - rate))[:, None, None]
    mixed = gain * share * own + gain * (1.0 - share) * xp.flip(own, axis=1)
    return xp.astype(mixed, like.dtype)
