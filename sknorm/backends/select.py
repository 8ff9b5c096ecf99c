"""The one place that looks at array types."""

from functools import cache
from typing import Any

import numpy as np
from array_api_compat import (
    array_namespace,
    device,
    is_array_api_obj,
    is_cupy_array,
    is_dask_array,
    is_jax_array,
    is_numpy_array,
    is_numpy_namespace,
    is_pydata_sparse_array,
    is_torch_array,
    to_device,
)
from sklearn import get_config

from sknorm.backends.base import Backend
from sknorm.backends.cupy import MATH_MODES, CupyBackend
from sknorm.backends.numpy import NumpyBackend
from sknorm.backends.portable import PortableBackend, to_host

NAMES = ("auto", "numpy", "cupy")
PRECISIONS = tuple(MATH_MODES)


@cache
def _numpy() -> NumpyBackend:
    return NumpyBackend()


def host() -> NumpyBackend:
    """The backend of NumPy arrays."""
    return _numpy()


def resolve(X: Any, name: str = "auto", matmul_precision: str = "highest") -> Backend:
    """The backend that computes for a table.

    Parameters
    ----------
    X : array of any library, or anything else that stands on the host
    name : {"auto", "numpy", "cupy"}
        "auto" computes where X is. Tensors of PyTorch and JAX on a CUDA device are computed
        with by CuPy.
    matmul_precision : {"highest", "high"}
        Precision of CuPy's products of float32 matrices; no other library has a choice.

    Raises
    ------
    ImportError
        If CuPy is needed and missing.
    RuntimeError
        If CuPy is there, but finds no device.
    ValueError
        If X is a tensor on a device of another kind.
    """
    if name == "numpy" or (name == "auto" and is_on_host(X)):
        return _numpy()
    if name == "cupy" or is_cupy_array(X):
        return CupyBackend(_cupy("backend='cupy'"), matmul_precision)
    if _is_tensor(X):
        _check_cuda(X)
        return CupyBackend(_cupy("A table of PyTorch or JAX on a GPU"), matmul_precision)
    return PortableBackend(array_namespace(X), device(X))


def is_on_host(X: Any) -> bool:
    """Whether NumPy computes for a table: its own arrays, data frames, sparse tables, lists.

    And arrays of any library that NumPy can read, but nothing can train with: those that are
    evaluated late or are never written to.
    """
    # These are known at a glance: the others would be looked for in nine places.
    if type(X) is np.ndarray or _is_frame(type(X)) or not is_array_api_obj(X) or is_numpy_array(X):
        return True
    if is_torch_array(X):
        return X.device.type == "cpu"
    if is_jax_array(X):
        return all(each.platform == "cpu" for each in X.devices())
    return not (is_cupy_array(X) or _takes_part_in_training(X))


def is_pandas_frame(X: Any) -> bool:
    """Whether a table is pandas' own frame, without loading pandas."""
    return _is_frame(type(X))


def _is_frame(kind: Any) -> bool:
    return kind.__name__ == "DataFrame" and kind.__module__.startswith("pandas")


def _takes_part_in_training(X: Any) -> bool:
    """Whether an array of some library is on a device, evaluated at once and written in place."""
    if is_dask_array(X) or is_pydata_sparse_array(X) or not hasattr(X, "__setitem__"):
        return False
    if not hasattr(X, "device") or is_numpy_namespace(xp := array_namespace(X)):
        return False
    try:
        able = xp.__array_namespace_info__().capabilities()
    except AttributeError:  # not the standard's, whatever it is
        return False
    return bool(able["boolean indexing"] and able["data-dependent shapes"])


def collect(values: Any) -> Any:
    """What a collection of Dask stands for, computed now; anything else as it is.

    Dask's arrays do not know their length before, and each look at them would compute them anew.
    """
    if type(values) is np.ndarray or _is_frame(type(values)):
        return values
    graph = getattr(values, "__dask_graph__", None)
    if graph is None or isinstance(values, type) or graph() is None:
        return values
    return values.compute()


def fetched(values: Any) -> Any:
    """``values`` themselves if NumPy knows them, else a NumPy array of them.

    One of a tensor on the host shares its memory.
    """
    if type(values) is np.ndarray or _is_frame(type(values)):
        return values
    values = collect(values)
    if _is_tensor(values) or not is_on_host(values):
        return to_host(values)
    if is_numpy_array(values):
        return values
    if is_array_api_obj(values):  # which scikit-learn would compute with where it dispatches
        return np.asarray(values)
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        return np.from_dlpack(values)
    return values


def keeps_kind(X: Any) -> bool:
    """Whether a table is answered with arrays of its own library, which is not NumPy's.

    Tensors of the host are where scikit-learn dispatches, as its own estimators answer them.
    """
    return not is_on_host(X) or (_is_tensor(X) and get_config()["array_api_dispatch"])


def in_kind(values: Any, like: Any) -> Any:
    """``values`` of any backend as an array of the library and on the device of ``like``.

    Where that is NumPy's, a NumPy array.
    """
    if type(values) is np.ndarray and (type(like) is np.ndarray or _is_frame(type(like))):
        return values
    if not keeps_kind(like):
        return to_host(values)
    there = device(like)
    if not _is_tensor(like):
        return to_device(resolve(like).asarray(values), there)
    xp = array_namespace(like)
    if is_numpy_array(values):  # a copy: PyTorch warns of arrays that are not to be written to
        return xp.asarray(np.array(values), device=there)
    return to_device(xp.from_dlpack(values), there)


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


def _is_tensor(X: Any) -> bool:
    """Whether an array is PyTorch's or JAX's, which compute nothing here."""
    if type(X) is np.ndarray or _is_frame(type(X)):
        return False
    return bool(is_torch_array(X) or is_jax_array(X))


def _check_cuda(X: Any) -> None:
    places = [X.device.type] if is_torch_array(X) else [each.platform for each in X.devices()]
    if not {"cuda", "gpu"}.issuperset(places):
        raise ValueError(
            f"A table of PyTorch or JAX is on {places[0]!r}, but sknorm computes on the host and "
            "on CUDA devices. Bring it there, or set backend='numpy'."
        )


def _cupy(asked_by: str) -> Any:
    """CuPy, where it and a device are."""
    advice = 'Install it with pip install "sknorm[cuda13]", or set backend="numpy".'
    try:
        import cupy
    except ImportError as error:
        raise ImportError(
            f"{asked_by} needs CuPy, which does not load ({error}). {advice}"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(
            f"{asked_by} needs a CUDA device, and CuPy finds none ({error}). Set "
            'backend="numpy" to compute on the host.'
        ) from error
    if not count:
        raise RuntimeError(
            f'{asked_by} needs a CUDA device, and CuPy finds none. Set backend="numpy" to '
            "compute on the host."
        )
    return cupy
