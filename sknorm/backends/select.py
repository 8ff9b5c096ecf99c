"""The one place that looks at array types."""

from functools import cache
from typing import Any

from sknorm.backends.base import Backend
from sknorm.backends.numpy import NumpyBackend


@cache
def _numpy() -> NumpyBackend:
    return NumpyBackend()


def resolve(X: Any) -> Backend:
    """The backend that computes where ``X`` is."""
    del X
    return _numpy()
