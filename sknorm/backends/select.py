"""The one place that looks at array types."""

from functools import cache
from typing import Any

import numpy as np
from array_api_compat import (
    array_namespace,
    device,
    is_array_api_obj,
    is_cupy_array,
    is_jax_array,
    is_numpy_array,
    is_torch_array,
)

from sknorm.backends.base import Backend
from sknorm.backends.numpy import NumpyBackend
from sknorm.backends.portable import PortableBackend, to_host

NAMES = ("auto", "numpy", "cupy")


@cache
def _numpy() -> NumpyBackend:
    return NumpyBackend()


def resolve(X: Any, name: str = "auto") -> Backend:
    """The backend that computes for a table.

    Parameters
    ----------
    X : array of any library, or anything else that stands on the host
    name : {"auto", "numpy", "cupy"}
        "auto" computes where X is.

    Raises
    ------
    ImportError
        If CuPy is asked for and missing.
    RuntimeError
        If CuPy is there, but finds no device.
    """
    if name == "numpy" or (name == "auto" and is_on_host(X)):
        return _numpy()
    if name == "cupy" or is_cupy_array(X) or is_torch_array(X) or is_jax_array(X):
        cupy = _cupy()
        return PortableBackend(array_namespace(cupy.zeros(0)), cupy.cuda.Device())
    return PortableBackend(array_namespace(X), device(X))


def is_on_host(X: Any) -> bool:
    """Whether a table is not an array of a device: NumPy's, a data frame, sparse, a list."""
    if not is_array_api_obj(X) or is_numpy_array(X):
        return True
    if is_torch_array(X):
        return X.device.type == "cpu"
    if is_jax_array(X):
        return all(each.platform == "cpu" for each in X.devices())
    return False


def fetched(values: Any) -> Any:
    """``values`` themselves if they are on the host, else a NumPy array of them."""
    return values if is_on_host(values) else to_host(values)


def in_kind(values: Any, like: Any) -> Any:
    """``values`` of any backend as an array of the library and on the device of ``like``."""
    if is_on_host(like):
        return to_host(values)
    if is_torch_array(like) or is_jax_array(like):
        xp = array_namespace(like)
        return xp.from_dlpack(values)
    return resolve(like).asarray(values)


def take_rows(X: Any, rows: np.ndarray) -> Any:
    """Rows of a table by their indices, where the table is."""
    if is_on_host(X):
        return X[rows]
    backend = resolve(X)
    return backend.xp.take(X, backend.asarray(rows), axis=0)


def compiled_backend(array: Any) -> Backend | None:
    """The backend whose compiled kernels take arrays such as this one, if there is one."""
    if is_numpy_array(array) and array.dtype in (np.float32, np.float64):
        return _numpy()
    return None


def as_array(values: Any) -> Any:
    """``values`` itself if it is an array of any library, else a NumPy array of it."""
    return values if is_array_api_obj(values) else np.asarray(values)


def _cupy() -> Any:
    """CuPy, where it and a device are."""
    advice = 'Install it with pip install "sknorm[cuda13]", or set backend="numpy".'
    try:
        import cupy
    except ImportError as error:
        raise ImportError(f"backend='cupy' needs CuPy, which is not installed. {advice}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(
            f"backend='cupy' needs a CUDA device, and CuPy finds none ({error}). Set "
            'backend="numpy" to compute on the host.'
        ) from error
    if not count:
        raise RuntimeError(
            "backend='cupy' needs a CUDA device, and CuPy finds none. Set backend=\"numpy\" to "
            "compute on the host."
        )
    return cupy
