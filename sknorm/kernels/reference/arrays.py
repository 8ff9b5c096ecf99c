"""What every reference kernel needs to know of array libraries."""

from typing import Any

from array_api_compat import array_namespace

Array = Any
"""An array of any library that follows the array-API standard."""

__all__ = ["Array", "array_namespace", "per_member"]


def per_member(values: Array, like: Array) -> Array:
    """One value per member, (K,), in the dtype of ``like`` and broadcastable against it."""
    xp = array_namespace(values, like)
    return xp.reshape(xp.astype(values, like.dtype), (-1,) + (1,) * (like.ndim - 1))
