"""Kernels on the rows of a batch: taking them, their moments, dropout, and products."""

from array_api_compat import device

from sknorm.kernels.codes import FAR
from sknorm.kernels.reference.arrays import Array, array_namespace
from sknorm.kernels.reference.moments import weighted_moments
from sknorm.kernels.reference.random import drop


def add(x: Array, out: Array) -> None:
    """Add an array to another one of its shape and dtype."""
    out += x


def copy(x: Array, out: Array) -> None:
    """Write an array into another one of its shape and dtype."""
    out[...] = x


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

    .. math:: x_{rij} = (X_{\rho(r, i) \bmod N, j} - o_{vj}) f_{vj},
        \qquad v = \lfloor \rho(r, 1) / N \rfloor

    A table may have several views, each with targets, weights and a standardization of its own,
    such as the folds of a cross-validation: row i under view v has index v N + i. The rows of
    one batch belong to one view. The difference is taken in float64: float32 columns with a
    large mean keep their digits.

    Parameters
    ----------
    X : array of float32 or float64, shape (N, d)
    y : array of T or int64, shape (V * N, o)
        Targets under each of V views, or class indices with o = 1.
    weight : array of T, shape (M, V * N)
        Row weights of each member, M = K, or of all, M = 1.
    rows : array of int64, shape (R, n)
        Indices of the batch's rows; R is 1 or K.
    offset, factor : arrays of float64, shape (V, d)
    x_out : array of T, shape (R, n, m)
        Of which the first d columns are written.
    y_out : array, dtype of y, shape (R, n, o)
    weight_out : array of T, shape (max(R, M), n)
    """
    xp = array_namespace(X, y, weight, rows)
    for r in range(rows.shape[0]):
        index, shift, scale = under_view(rows[r, :], X.shape[0], offset, factor)
        taken = xp.astype(xp.take(X, index, axis=0), xp.float64)
        x_out[r, :, : X.shape[1]] = xp.astype((taken - shift) * scale, x_out.dtype)
    _take_targets(y, weight, rows, y_out, weight_out)


def begin_step(
    order: Array, table: Array, clock: Array, rows: Array, numbers: Array, step: Array
) -> None:
    r"""Put what the next step of an epoch needs where its recorded launches read it.

    Step i of the S of an epoch takes the rows from :math:`\lfloor i N / S \rfloor` on, and row i
    of the table.

    Parameters
    ----------
    order : array of int64, shape (R, N)
        Rows of the epoch in their order.
    table : array of float64, shape (S, Q)
        What changes from step to step.
    clock : array of int64, shape (2,)
        Index i of the step, which is counted up, and the number of the epoch's first step.
    rows : array of int64, shape (R, n)
        Written: the rows of the batch.
    numbers : array of float64, shape (Q,)
        Written: the step's row of the table.
    step : array of uint32, shape (1,)
        Written: the step's number modulo 2**32.
    """
    xp = array_namespace(order, table)
    index, first = clock[:1], clock[1:]
    start = index * order.shape[1] // table.shape[0]
    places = start + xp.arange(rows.shape[1], dtype=xp.int64, device=device(order))
    rows[...] = xp.take(order, places, axis=1)
    numbers[...] = xp.take(table, index, axis=0)[0, :]
    step[...] = xp.astype((first + index) % 2**32, xp.uint32)
    clock[:1] = index + 1


def gather_sparse(
    values: Array,
    columns: Array,
    starts: Array,
    y: Array,
    weight: Array,
    rows: Array,
    offset: Array,
    factor: Array,
    x_out: Array,
    y_out: Array,
    weight_out: Array,
) -> None:
    r"""Take a batch of rows of a sparse table: :func:`gather` for the dense table it stands for.

    .. math:: x_{rij} = (X_{\rho(r, i) \bmod N, j} - o_{vj}) f_{vj},

    which is :math:`-o_{vj} f_{vj}` where nothing is stored. The table is in CSR format: entries
    ``starts[i]`` to ``starts[i + 1]`` belong to row i, in any order, none of them twice.

    Parameters
    ----------
    values : array of float32 or float64, shape (n_stored,)
    columns : array of int32 or int64, shape (n_stored,)
    starts : array of int32 or int64, shape (N + 1,)
    y, weight, rows, offset, factor, x_out, y_out, weight_out
        See :func:`gather`.
    """
    xp = array_namespace(values, y, weight, rows)
    for r in range(rows.shape[0]):
        index, shift, scale = under_view(rows[r, :], starts.shape[0] - 1, offset, factor)
        dense = _dense_rows(values, columns, starts, index, offset.shape[1])
        x_out[r, ...] = xp.astype((dense - shift) * scale, x_out.dtype)
    _take_targets(y, weight, rows, y_out, weight_out)


def squash(rows: Array, count: int, clip: Array, fill: Array, x: Array) -> None:
    r"""Fill gaps in standardized columns, and pull far values in smoothly.

    .. math:: x \leftarrow \frac{x}{\sqrt{1 + (c_{vj} x)^2}},

    which stays below :math:`1 / c_{vj}`; a clip of 0 leaves a column as it is [1]_. Values whose
    square may overflow, infinite ones too, become the bound, and NaN the fill of its column.

    Parameters
    ----------
    rows : array of int64, shape (R, n)
        Indices of the batch's rows, see :func:`gather`, which tell their view v.
    count : int
        Rows N of the table.
    clip, fill : arrays of float64, shape (V, d)
    x : array of T, shape (R, n, m)
        Changed in place: the first d columns.

    References
    ----------
    .. [1] Holzmueller et al. (2024), Better by default: strong pre-tuned MLPs and boosted trees
       on tabular data, NeurIPS (the smooth clipping of RealMLP).
    """
    xp = array_namespace(rows, clip, fill, x)
    d = clip.shape[1]
    for r in range(rows.shape[0]):
        _, own, gap = under_view(rows[r, :], count, clip, fill)
        z, own, gap = x[r, :, :d], xp.astype(own, x.dtype), xp.astype(gap, x.dtype)
        most = FAR / xp.where(own > 0.0, own, xp.ones_like(own))
        far = (own > 0.0) & (xp.abs(z) > most)
        near = xp.where(far, xp.sign(z) * most, z)
        x[r, :, :d] = xp.where(xp.isnan(z), gap, near / xp.sqrt(1.0 + (own * near) ** 2))


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


def column_extremes(z: Array, extremes: Array) -> None:
    """Widen the least and largest value of each column by those of the rows.

    Parameters
    ----------
    z : array of T, shape (K, n, d)
        Without NaN.
    extremes : array of float64, shape (K, 2, d)
        Least and largest value so far; infinite before the first rows.
    """
    xp = array_namespace(z, extremes)
    wide = xp.astype(z, xp.float64)
    extremes[:, 0, :] = xp.minimum(extremes[:, 0, :], xp.min(wide, axis=1))
    extremes[:, 1, :] = xp.maximum(extremes[:, 1, :], xp.max(wide, axis=1))


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


def under_view(rows: Array, count: int, *of_views: Array) -> tuple:
    """Rows of a table of ``count`` rows, and the part (1, ...) of their view of each array."""
    if of_views[0].shape[0] == 1:
        return rows, *of_views
    xp = array_namespace(rows, *of_views)
    view = rows[:1] // count
    return rows - view * count, *(xp.take(each, view, axis=0) for each in of_views)


def _take_targets(y: Array, weight: Array, rows: Array, y_out: Array, weight_out: Array) -> None:
    xp = array_namespace(y, weight, rows)
    for r in range(rows.shape[0]):
        y_out[r, ...] = xp.take(y, rows[r, :], axis=0)
    for m in range(weight_out.shape[0]):
        index = rows[m % rows.shape[0], :]
        weight_out[m, ...] = xp.take(weight[m % weight.shape[0], :], index, axis=0)


def _dense_rows(values: Array, columns: Array, starts: Array, rows: Array, d: int) -> Array:
    """Rows of a sparse table as a dense float64 array, (n, d).

    The standard has no scatter: each cell looks itself up among the sorted cells that are stored.
    """
    xp = array_namespace(values, columns, starts, rows)
    n, place = rows.shape[0], device(values)
    first = xp.astype(xp.take(starts, rows), xp.int64)
    last = xp.astype(xp.take(starts, rows + 1), xp.int64)
    ends = xp.cumulative_sum(last - first)
    entry = xp.arange(int(ends[-1]), dtype=xp.int64, device=place)
    row = xp.searchsorted(ends, entry, side="right")
    position = entry + xp.take(last - ends, row)
    cells = row * d + xp.astype(xp.take(columns, position), xp.int64)
    stored = xp.astype(xp.take(values, position), xp.float64)
    # One more cell after all others, so that every search ends at a cell.
    cells = xp.concat([cells, xp.full((1,), n * d, dtype=xp.int64, device=place)])
    stored = xp.concat([stored, xp.zeros((1,), dtype=xp.float64, device=place)])
    order = xp.argsort(cells)
    cells, stored = xp.take(cells, order), xp.take(stored, order)
    wanted = xp.arange(n * d, dtype=xp.int64, device=place)
    found = xp.searchsorted(cells, wanted)
    dense = xp.where(xp.take(cells, found) == wanted, xp.take(stored, found), 0.0)
    return xp.reshape(dense, (n, d))
