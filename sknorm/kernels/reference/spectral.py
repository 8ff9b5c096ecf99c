"""Singular values of weight matrices."""

from sknorm.kernels.reference.arrays import Array, array_namespace, per_member


def singular_value_threshold(weight: Array, threshold: Array, norms: Array) -> None:
    r"""Soft-threshold the singular values: the proximal operator of the nuclear norm.

    .. math:: W = U \Sigma V^\top \;\mapsto\; U \max(\Sigma - t, 0) V^\top

    Parameters
    ----------
    weight : array of T, shape (K, d_in, d_out)
        Changed in place where t is positive. Matrices that are not finite stay as they are:
        divergence must stay visible.
    threshold : array of float64, shape (K,)
    norms : array of float64, shape (K,)
        Sums of the new singular values; NaN where the matrix is not finite.

    References
    ----------
    J.-F. Cai, E. J. Candès and Z. Shen (2010). A singular value thresholding algorithm for matrix
    completion. SIAM Journal on Optimization 20(4), 1956-1982.
    """
    xp = array_namespace(weight, threshold)
    finite = xp.all(xp.isfinite(weight), axis=(1, 2))
    safe = xp.where(finite[:, None, None], weight, 0.0)
    left, values, right = xp.linalg.svd(safe, full_matrices=False)
    values = xp.maximum(values - per_member(threshold, values), 0.0)
    changed = (finite & (threshold > 0.0))[:, None, None]
    weight[...] = xp.where(changed, (left * values[:, None, :]) @ right, weight)
    norms[...] = xp.where(finite, xp.sum(xp.astype(values, xp.float64), axis=1), xp.nan)
