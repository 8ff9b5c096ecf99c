"""What to paste into a bug report."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import joblib
from threadpoolctl import threadpool_info

from sknorm._version import __version__

_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "llvmlite",
    "array-api-compat",
    "threadpoolctl",
    "joblib",
    "safetensors",
    "pandas",
    "polars",
    "pyarrow",
    "torch",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "skops",
    "cupy-cuda13x",
)


def show_versions() -> None:
    """Print what a bug report needs: versions of sknorm, Python and the libraries beneath.

    Also how many processors this process may use of those of the machine, and which BLAS and OpenMP
    libraries are loaded.

    Examples
    --------
    >>> import sknorm
    >>> sknorm.show_versions()  # doctest: +SKIP
    """
    import numpy  # noqa: F401  its BLAS is listed only once it is loaded

    print(f"sknorm: {__version__}")
    print(f"python: {sys.version.split()[0]} ({platform.platform()})")
    print(f"processors: {joblib.cpu_count()} of {os.cpu_count()}")
    for package in _PACKAGES:
        print(f"{package}: {_version(package)}")
    for library in threadpool_info():
        name = f"{library['user_api']}/{library['internal_api']}"
        kind = library.get("architecture", "unknown architecture")
        print(f"{name}: {library['version']}, {kind}, {library['num_threads']} threads")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
