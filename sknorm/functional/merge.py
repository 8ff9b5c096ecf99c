"""Statistics of a whole from statistics of its parts."""

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from array_api_compat import array_namespace

from sknorm._typing import Array
from sknorm.functional import arguments
from sknorm.functional.precision import sum_dtype


@overload
def merge_statistics(
    means: np.ndarray | Sequence[Any], variances: Any, counts: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


@overload
def merge_statistics(means: Array, variances: Any, counts: Any) -> tuple[Array, Array, Array]: ...


def merge_statistics(means: Any, variances: Any, counts: Any) -> tuple[Any, Any, Any]:
    r"""Mean and variance of all rows, from those of shards of them.

    .. math::
        n = \sum_s n_s, \qquad
        \mu = \sum_s \frac{n_s}{n} \mu_s, \qquad
        \sigma^2 = \sum_s \frac{n_s}{n} \left(\sigma_s^2 + (\mu_s - \mu)^2\right),

    exact up to rounding: the result is that of one pass over all rows. What it returns can be
    merged again.

    Parameters
    ----------
    means, variances : array of shape (n_shards, ...)
        Means and biased variances (divided by the number of rows). Real floating; integers
        become the library's default float. A list becomes a NumPy array.
    counts : array of shape (n_shards,), or broadcastable to that of ``means``
        Rows of each shard, or sums of their weights. A shard of count 0 does not count, whatever
        its mean and variance are, NaN for example.

    Returns
    -------
    mean, variance : array of shape (...), of the dtype of ``means``
        NaN where no shard has any rows.
    count : array
        The sum of ``counts`` over the shards.

    Raises
    ------
    TypeError
        If one of them is of no real dtype, or they are of different libraries.
    ValueError
        If ``means`` has no axis of shards, ``variances`` has another shape, ``counts`` does not
        broadcast, or a count is negative, infinite or NaN.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque (1979). Updating formulae and a pairwise algorithm
    for computing sample variances. Technical report STAN-CS-79-773, Stanford University.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import merge_statistics
    >>> shards = np.array([1.0, 2.0]), np.array([3.0, 4.0, 8.0])
    >>> means, variances = [s.mean() for s in shards], [s.var() for s in shards]
    >>> mean, variance, count = merge_statistics(means, variances, [2, 3])
    >>> float(mean), round(float(variance), 10), int(count)
    (3.6, 5.84, 5)
    """
    means = arguments.floating(means, "means")
    variances = arguments.floating(arguments.alike(variances, "variances", means), "variances")
    counts = arguments.alike(counts, "counts", means)
    _check(means, variances, counts)
    with np.errstate(all="ignore"):
        return _merged(means, variances, counts)


def _merged(means: Any, variances: Any, counts: Any) -> tuple[Any, Any, Any]:
    """What is merged of arrays that are checked."""
    xp, wide = array_namespace(means), sum_dtype(means)
    dtype = xp.result_type(means.dtype, variances.dtype)
    weight = _by_shard(counts, means)
    counted, share = weight > 0, xp.astype(weight, wide)
    largest = xp.max(share, axis=0)  # so that no sum leaves the dtype
    share = share / xp.where(largest > 0, largest, xp.ones_like(largest))
    total = xp.sum(share, axis=0)
    share = share / xp.where(total > 0, total, xp.ones_like(total))
    zero = xp.zeros_like(means, dtype=wide)
    means = xp.where(counted, xp.astype(means, wide), zero)
    variances = xp.where(counted, xp.astype(variances, wide), zero)
    first = xp.sum(share * means, axis=0)
    deviation = xp.where(counted, means - first, zero)
    # The first mean is rounded; the deviations from it are not (see the norms' moments).
    correction = xp.sum(share * deviation, axis=0)
    variance = xp.sum(share * (variances + deviation * deviation), axis=0)
    variance = variance - correction * correction
    known = xp.where(total > 0, xp.zeros_like(total), xp.full_like(total, xp.nan))
    results = (xp.astype(v + known, dtype) for v in (first + correction, variance))
    return *results, _total_count(counts, weight)


def _check(means: Any, variances: Any, counts: Any) -> None:
    xp, shape, found = array_namespace(means), tuple(means.shape), tuple(counts.shape)
    if not shape or shape[0] == 0:
        raise ValueError(
            f"means has shape {shape}; pass the means of one shard or more, along the first axis."
        )
    if tuple(variances.shape) != shape:
        raise ValueError(
            f"variances has shape {tuple(variances.shape)} and means {shape}; pass one variance "
            "for each mean."
        )
    expected = shape[:1] if len(found) <= 1 else shape
    if len(found) > len(expected) or any(
        n not in (1, m) for n, m in zip(found, expected, strict=False)
    ):
        raise ValueError(
            f"counts has shape {found} and means {shape}; pass one count for each shard, shape "
            f"{shape[:1]}, or one for each mean."
        )
    if not xp.isdtype(counts.dtype, ("integral", "real floating")):
        raise TypeError(f"counts has dtype {counts.dtype}; pass numbers of rows.")
    if not bool(xp.all(counts >= 0)) or float(xp.max(counts)) == math.inf:
        raise ValueError("counts holds a negative number, infinity or NaN; pass numbers of rows.")


def _by_shard(counts: Any, means: Any) -> Any:
    """Counts that broadcast against the means; with one axis, it is that of the shards."""
    xp, shape = array_namespace(means), means.shape
    if counts.ndim > 1:
        return xp.broadcast_to(counts, shape)
    trailing = (1,) * (means.ndim - 1)
    return xp.broadcast_to(xp.reshape(counts, (-1, *trailing)), (shape[0], *trailing))


def _total_count(counts: Any, weight: Any) -> Any:
    xp = array_namespace(counts)
    total = xp.sum(weight, axis=0)
    return xp.reshape(total, ()) if counts.ndim <= 1 else total
