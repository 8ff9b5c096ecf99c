"""The one place that looks at array types."""

from functools import cache
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj, is_numpy_array

from sknorm.backends.base import Backend
from sknorm.backends.numpy import NumpyBackend


@cache
def _numpy() -> NumpyBackend:
    return NumpyBackend()


def resolve(X: Any) -> Backend:
    """The backend that computes where ``X`` is."""
    del X
    return _numpy()


def compiled_backend(array: Any) -> Backend | None:
    """The backend whose compiled kernels take arrays such as this one, if there is one."""
    if is_numpy_array(array) and array.dtype in (np.float32, np.float64):
        return _numpy()
    return None


def as_array(values: Any) -> Any:
    """``values`` itself if it is an array of any library, else a NumPy array of it."""
    return values if is_array_api_obj(values) else np.asarray(values)
