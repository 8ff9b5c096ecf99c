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


@reduction
def magnitudes(values, begin, end):
    """Sums of the absolute values and of the squares of ``values[begin:end]``."""
    absolute, square = 0.0, 0.0
    for first in range(begin, end, BLOCK):
        a = b = values.dtype.type(0)
        for i in range(U(first), U(min(first + BLOCK, end))):
            a += abs(values[i])
            b += values[i] * values[i]
        absolute += np.float64(a)
        square += np.float64(b)
    return absolute, square


@reduction
def nonzeros(values, begin, end):
    """How many of ``values[begin:end]`` are not zero, as a float64."""
    total, t = 0.0, values.dtype.type
    for first in range(begin, end, BLOCK):
        part = t(0)
        for i in range(U(first), U(min(first + BLOCK, end))):
            part += t(1) if values[i] != 0 else t(0)
        total += np.float64(part)
    return total
