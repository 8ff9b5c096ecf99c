"""Matrix products."""

import numpy as np


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Matrix product over the last two axes; the leading axis broadcasts."""
    if a.shape[-1] == 1:
        np.multiply(a, b, out)  # NumPy leaves outer products to a loop ten times slower
    else:
        np.matmul(a, b, out)
