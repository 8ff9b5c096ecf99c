"""Sums over parts of one-dimensional arrays: blocks in their own precision, then float64."""

import numpy as np

from sknorm.kernels.cpu.compiler import reduction

U = np.uint64  # an unsigned index needs no check for counting from the end
BLOCK = 1024  # values that are summed in their own precision before float64


@reduction
def squares(values, begin, end):
    """Sum of the squares of ``values[begin:end]``."""
    total = 0.0
    for first in range(begin, end, BLOCK):
        part = values.dtype.type(0)
        for i in range(U(first), U(min(first + BLOCK, end))):
            part += values[i] * values[i]
        total += np.float64(part)
    if total < np.inf:
        return total
    total = 0.0  # float32 squares overflowed, or there is a NaN
    for i in range(begin, end):
        total += np.float64(values[i]) * np.float64(values[i])
    return total
