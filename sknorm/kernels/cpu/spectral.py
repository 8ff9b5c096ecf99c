"""Singular values of weight matrices, by LAPACK."""

import numpy as np


def singular_value_threshold(weight: np.ndarray, threshold: np.ndarray, norms: np.ndarray) -> None:
    """Soft-threshold the singular values of each member's matrix."""
    for k, matrix in enumerate(weight):
        if not np.isfinite(matrix).all():
            norms[k] = np.nan
        elif threshold[k] > 0.0:
            norms[k] = _shrink(matrix, threshold[k])
        else:
            norms[k] = np.linalg.svd(matrix, compute_uv=False).sum(dtype=np.float64)


def _shrink(matrix: np.ndarray, threshold: float) -> float:
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    kept = values[values > threshold] - matrix.dtype.type(threshold)
    rank = kept.size  # singular values come in descending order
    np.matmul(left[:, :rank] * kept, right[:rank], out=matrix)
    return float(kept.sum(dtype=np.float64))
