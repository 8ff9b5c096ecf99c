"""Arrays that begin where a line of the cache does, as products and vector code like them best."""

import math
from typing import Any

import numpy as np

_LINE = 64  # bytes


def aligned(shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
    """Zeros in C order."""
    shape, kind = (shape,) if isinstance(shape, int) else shape, np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    raw = np.zeros(size + _LINE, dtype=np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + size].view(kind).reshape(shape)


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """The same values in C order."""
    made = aligned(array.shape, array.dtype)
    made[...] = array
    return made
