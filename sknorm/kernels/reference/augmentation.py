"""Changes of a batch in training, beside dropout: normal noise and mixup."""

from sknorm.kernels.reference.arrays import Array, array_namespace, per_member
from sknorm.kernels.reference.random import standard_normal


def noise(deviation: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    r"""Add normal noise, :math:`x + \sigma g`.

    The noise is a function of its key alone, see
    :func:`~sknorm.kernels.reference.random.standard_normal`.

    Parameters
    ----------
    deviation : array of float64, shape (K,)
        Standard deviation :math:`\sigma` of the noise; 0 leaves the member untouched.
    seed : array of uint32, shape (K,)
    step, layer : int
    out : array of T, shape (K, n, d)
        Changed in place.
    """
    xp = array_namespace(deviation, seed, out)
    normal = standard_normal(seed, step, layer, *out.shape[1:])
    out[...] = out + per_member(deviation, out) * xp.astype(normal, out.dtype)


def mixup(share: Array, x: Array, y: Array, weight: Array) -> None:
    r"""Replace each row, its targets and its weight by a mixture with another row's [1]_.

    .. math:: x_i \leftarrow \lambda x_i + (1 - \lambda) x_{n - 1 - i}

    The rows of a batch come in random order, so its last row is a random partner of its first.

    Parameters
    ----------
    share : array of float64, shape (K,)
        Share :math:`\lambda` in [0, 1] of a row in its mixture; 1 leaves the member untouched.
    x : array of T, shape (K, n, d)
        Changed in place, as are the others.
    y : array of T, shape (K, n, o)
    weight : array of T, shape (K, n)

    References
    ----------
    .. [1] Zhang et al. (2018), mixup: Beyond empirical risk minimization, ICLR.
    """
    xp = array_namespace(share, x, y, weight)
    for rows in (x, y, weight):
        # In this form columns of one value keep it exactly.
        mixed = rows + per_member(1.0 - share, rows) * (xp.flip(rows, axis=1) - rows)
        rows[...] = xp.where(per_member(share, xp.astype(rows, xp.float64)) < 1.0, mixed, rows)
