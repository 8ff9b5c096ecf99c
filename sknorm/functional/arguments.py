"""Checks of what callers pass; each error names the parameter, what was found and what to do."""

import math
import operator
from numbers import Real
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from sknorm.backends import as_array
from sknorm.functional.layout import Shape
from sknorm.functional.precision import working_dtype

_LIGHTEST = 2.0**-60  # weight of a row, beside the largest


def floating(values: Any, name: str) -> Any:
    """An array of real floating dtype; integers become the library's default float."""
    array = as_array(_unmasked(values, name))
    xp = array_namespace(array)
    if not xp.isdtype(array.dtype, "real floating"):
        if not xp.isdtype(array.dtype, ("integral", "bool")):
            raise TypeError(
                f"{name} has dtype {array.dtype}; pass real numbers, floating or integer."
            )
        default = xp.__array_namespace_info__().default_dtypes()["real floating"]
        array = xp.astype(array, default)
    return array


def _unmasked(values: Any, name: str) -> Any:
    """Refuse masked entries, under which any number may stand."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{name} has masked entries, which are no numbers. Fill them, with values.filled(...), "
            "or leave rows out of batch_norm with a sample_weight of zero."
        )
    return values


def normalizable(x: Any) -> Any:
    """The input of a norm: at least one dimension, and no empty one."""
    x = floating(x, "x")
    if x.ndim == 0 or 0 in x.shape:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, so there is nothing to normalize; pass an array of "
            "at least one dimension, with no axis of length 0."
        )
    return x


def parameter(values: Any, name: str, shape: Shape, x: Any) -> Any:
    """Scale or shift beside ``x``, in its dtype; None stays None."""
    if values is None:
        return None
    array = beside(values, name, x)
    if tuple(array.shape) != shape:
        raise ValueError(
            f"{name} has shape {tuple(array.shape)}, but x of shape {tuple(x.shape)} needs "
            f"{name} of shape {shape}: one value for each place that is scaled on its own."
        )
    return array


def sample_weights(values: Any, count: int, x: Any) -> Any:
    """Weights of the rows, in the working dtype of ``x``, the largest near one; None stays None.

    Only their ratios matter. A power of two is taken out of them before they are cast, so that
    weights of any size keep their digits.
    """
    if values is None:
        return None
    weight = floating(alike(values, "sample_weight", x), "sample_weight")
    if tuple(weight.shape) != (count,):
        raise ValueError(
            f"sample_weight has shape {tuple(weight.shape)}, but x of shape {tuple(x.shape)} "
            f"needs one weight for each sample, shape ({count},)."
        )
    xp = array_namespace(weight)
    if not bool(xp.all(weight >= 0.0)) or not bool(xp.any(weight > 0.0)):
        raise ValueError(
            "sample_weight holds a negative or NaN weight, or only zeros; weights must be zero "
            "(the row is left out) or positive, at least one of them positive."
        )
    largest = float(xp.max(weight))
    if math.isinf(largest):
        raise ValueError("sample_weight holds an infinite weight; weights must be finite.")
    positive = weight > 0.0  # before the scaling, which may underflow
    _, exponent = math.frexp(largest)
    for half in (exponent // 2, exponent - exponent // 2):  # 2^1074 is beyond float64
        weight = weight * 2.0**-half
    weight = xp.astype(weight, working_dtype(x), copy=False)
    # None that is positive may become zero in a narrower dtype, which would be absence.
    return xp.where(positive, xp.maximum(weight, _LIGHTEST), xp.zeros_like(weight))


def beside(values: Any, name: str, x: Any) -> Any:
    """``values`` as an array of the library and the working dtype of ``x``."""
    array = floating(alike(values, name, x), name)
    return array_namespace(x).astype(array, working_dtype(x), copy=False)


def alike(values: Any, name: str, x: Any) -> Any:
    """``values`` as an array of the library of ``x``, on its device if it was of no library."""
    array = as_array(_unmasked(values, name))
    if array is not values:
        return array_namespace(x).asarray(array.tolist(), device=device(x))
    try:
        array_namespace(x, array)
    except TypeError:
        raise TypeError(
            f"{name} is a {_kind(array)}, but x is a {_kind(x)}; convert one to the library of "
            "the other."
        ) from None
    return array


def one_axis(axis: Any, name: str, ndim: int) -> int:
    """A non-negative axis of an array of ``ndim`` dimensions."""
    try:
        index = operator.index(axis)
    except TypeError:
        raise TypeError(f"{name}={axis!r} is not an integer; pass the number of an axis.") from None
    if not -ndim <= index < ndim:
        raise ValueError(
            f"{name}={index} is out of range for x of {ndim} dimension(s); pass an axis from "
            f"{-ndim} to {ndim - 1}."
        )
    return index % ndim


def several_axes(axis: Any, name: str, ndim: int) -> Shape:
    """Sorted non-negative axes, from one axis or a sequence of them."""
    given = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    axes = tuple(sorted(one_axis(a, name, ndim) for a in given))
    if not axes or len(set(axes)) < len(axes):
        raise ValueError(f"{name}={axis!r} must name at least one axis, and none twice.")
    return axes


def channel_beside_samples(channel_axis: Any, ndim: int) -> int:
    """The channel axis of a norm whose first axis holds samples."""
    channel = one_axis(channel_axis, "channel_axis", ndim)
    if channel == 0 and ndim > 1:
        raise ValueError(
            f"channel_axis={channel_axis} is the axis of the samples, which is always the first; "
            "pass x[None] with channel_axis=1 if x is a single sample."
        )
    return channel


def group_count(groups: Any, channels: int) -> int:
    """A number of groups that divides the number of channels."""
    try:
        count = operator.index(groups)
    except TypeError:
        raise TypeError(
            f"groups={groups!r} is not an integer; pass the number of groups."
        ) from None
    if count < 1 or channels % count:
        divisors = [g for g in range(1, channels + 1) if channels % g == 0]
        raise ValueError(
            f"groups={groups} does not divide the {channels} channel(s) of x; pass one of "
            f"{divisors}."
        )
    return count


def epsilon(eps: Any) -> float:
    """What is added to the variance: finite, not negative."""
    if not isinstance(eps, Real):
        raise TypeError(f"eps={eps!r} is not a real number; pass for example 1e-5.")
    value = float(eps)
    if not 0.0 <= value < math.inf:
        raise ValueError(f"eps={eps!r} must be a finite number, not negative; the usual is 1e-5.")
    return value


def _kind(array: Any) -> str:
    return f"{type(array).__module__.partition('.')[0]} {type(array).__name__}"
