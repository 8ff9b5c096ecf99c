"""What callers of norms get wrong: the error names it, what was found and what to do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sknorm.functional import (
    batch_norm,
    batch_norm_backward,
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
    merge_statistics,
)

X = np.arange(24.0).reshape(4, 6)
MAPS = np.arange(48.0).reshape(2, 6, 4)


def grouped(x: Any, *args: Any, **options: Any) -> Any:
    return group_norm(x, 1, *args, **options)


@pytest.mark.parametrize("norm", [batch_norm, layer_norm, grouped, instance_norm])
@pytest.mark.parametrize(
    ("args", "options", "error", "match"),
    [
        ((X * 1j,), {}, TypeError, "x has dtype complex128; pass real"),
        ((np.array(["a", "b"]),), {}, TypeError, "x has dtype <U1"),
        ((np.float64(3.0),), {}, ValueError, r"x has shape \(\)"),
        ((np.ones((0, 6)),), {}, ValueError, r"x has shape \(0, 6\), so there is nothing"),
        ((np.ones((4, 0)),), {}, ValueError, r"x has shape \(4, 0\)"),
        ((X, np.ones(4)), {}, ValueError, r"scale has shape \(4,\).*needs scale of shape \(6,\)"),
        ((X, 2.0), {}, ValueError, r"scale has shape \(\)"),
        ((X, None, np.ones((1, 6))), {}, ValueError, r"shift has shape \(1, 6\)"),
        ((X, np.ones(6) * 1j), {}, TypeError, "scale has dtype complex128"),
        ((X,), {"eps": -1e-5}, ValueError, "eps=-1e-05 must be a finite number, not negative"),
        ((X,), {"eps": np.inf}, ValueError, "eps=inf"),
        ((X,), {"eps": "small"}, TypeError, "eps='small' is not a real number"),
    ],
)
def test_of_every_norm(norm: Callable, args: tuple, options: dict, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        norm(*args, **options)


@pytest.mark.parametrize("norm", [batch_norm, grouped, instance_norm])
def test_channel_axis(norm: Callable) -> None:
    with pytest.raises(ValueError, match=r"channel_axis=2 is out of range.*from -2 to 1"):
        norm(X, channel_axis=2)
    with pytest.raises(TypeError, match=r"channel_axis=1\.0 is not an integer"):
        norm(X, channel_axis=1.0)


@pytest.mark.parametrize("norm", [grouped, instance_norm])
def test_channels_are_not_the_samples(norm: Callable) -> None:
    for axis in (0, -3):
        with pytest.raises(ValueError, match=r"is the axis of the samples.*pass x\[None\]"):
            norm(MAPS, channel_axis=axis)


@pytest.mark.parametrize(
    ("axis", "error", "match"),
    [
        (3, ValueError, "axis=3 is out of range for x of 3 dimension"),
        ((0, -4), ValueError, "axis=-4 is out of range"),
        ((), ValueError, r"axis=\(\) must name at least one axis"),
        ((1, -2), ValueError, "none twice"),
        ("last", TypeError, "axis='last' is not an integer"),
    ],
)
def test_axis(axis: Any, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        layer_norm(MAPS, axis=axis)


@pytest.mark.parametrize(
    ("groups", "error", "match"),
    [
        (4, ValueError, r"groups=4 does not divide the 6 channel\(s\) of x; pass one of \[1, 2, 3"),
        (0, ValueError, "groups=0 does not divide"),
        (-2, ValueError, "groups=-2 does not divide"),
        (2.0, TypeError, r"groups=2\.0 is not an integer"),
    ],
)
def test_groups(groups: Any, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        group_norm(X, groups)


@pytest.mark.parametrize(
    ("weight", "error", "match"),
    [
        (np.ones(6), ValueError, r"sample_weight has shape \(6,\).*one weight for each sample"),
        (np.array([1.0, -1.0, 1.0, 1.0]), ValueError, "holds a negative or NaN weight"),
        (np.array([1.0, np.nan, 1.0, 1.0]), ValueError, "holds a negative or NaN weight"),
        (np.zeros(4), ValueError, "or only zeros"),
    ],
)
def test_sample_weight(weight: Any, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        batch_norm(X, sample_weight=weight)


@pytest.mark.parametrize(
    "backward",
    [batch_norm_backward, layer_norm_backward, group_norm_backward, instance_norm_backward],
)
def test_cache_of_another_norm(backward: Callable) -> None:
    other = layer_norm if backward is batch_norm_backward else batch_norm
    _, cache = other(X)
    name = backward.__name__.removesuffix("_backward")
    with pytest.raises(
        TypeError, match=f"cache is of {other.__name__}; pass the cache that {name}"
    ):
        backward(X, cache)
    with pytest.raises(TypeError, match="cache is ndarray; pass the cache"):
        backward(X, X)


def test_gradient_of_another_shape() -> None:
    _, cache = batch_norm(X)
    with pytest.raises(ValueError, match=r"dy has shape \(6, 4\), but x and y had shape \(4, 6\)"):
        batch_norm_backward(X.T, cache)


def test_masked_entries() -> None:
    """The number under a mask is not to be taken for an entry."""
    masked = np.ma.array(X, mask=X == 3.0)
    for norm in batch_norm, layer_norm, grouped, instance_norm:
        with pytest.raises(ValueError, match=r"x has masked entries, .* sample_weight of zero"):
            norm(masked)
        np.testing.assert_array_equal(norm(np.ma.array(X))[0], norm(X)[0])
    with pytest.raises(ValueError, match="sample_weight has masked entries"):
        batch_norm(X, sample_weight=np.ma.array(np.ones(4), mask=[1, 0, 0, 0]))
    with pytest.raises(ValueError, match="means has masked entries"):
        merge_statistics(masked, X, np.ones(4))
    with pytest.raises(ValueError, match="counts has masked entries"):
        merge_statistics(X, X, np.ma.array(np.ones(4), mask=[1, 0, 0, 0]))
    with pytest.raises(ValueError, match="dy has masked entries"):
        batch_norm_backward(masked, batch_norm(X)[1])
