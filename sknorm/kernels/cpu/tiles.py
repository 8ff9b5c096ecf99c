"""Loops over a constant number of columns, which the compiler unrolls into vector code.

A loop over as many columns as there are begins with vectors of 64 values as a rule, so that of a
narrow layer the remainder is the whole. Columns are independent: results are the same to the bit.
"""

from collections.abc import Callable

import numpy as np

from sknorm.kernels.cpu.compiler import scalar

TILE = 32  # columns
U = np.uint64  # an unsigned index needs no check for counting from the end


def count_of(width: int | None) -> Callable:
    """What a loop makes of the number of columns that it is told: ``width``, if there is one."""
    if width is None:
        return scalar(lambda count: U(count))
    constant = U(width)
    return scalar(lambda count: constant)
