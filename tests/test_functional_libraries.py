"""Norms as functions on arrays of another library than NumPy."""

from collections.abc import Callable
from typing import Any

import array_api_strict
import numpy as np
import pytest

from sknorm import functional

CALLS: dict[str, tuple[Callable, Callable, tuple[int, ...], int, dict[str, Any]]] = {
    "batch": (functional.batch_norm, functional.batch_norm_backward, (9, 6), 6, {}),
    "maps": (
        functional.batch_norm, functional.batch_norm_backward, (3, 6, 4, 2), 6,
        {"channel_axis": 1, "sample_weight": [1.0, 0.0, 2.5]},
    ),
    "one channel": (functional.batch_norm, functional.batch_norm_backward, (11,), 1, {}),
    "layer": (functional.layer_norm, functional.layer_norm_backward, (3, 6, 4), 4, {}),
    "group": (
        functional.group_norm, functional.group_norm_backward, (3, 6, 4, 2), 6,
        {"groups": 3, "channel_axis": 1},
    ),
    "group of one channel": (
        functional.group_norm, functional.group_norm_backward, (11,), 1, {"groups": 1},
    ),
    "instance": (functional.instance_norm, functional.instance_norm_backward, (3, 6, 4), 4, {}),
}  # fmt: skip


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("device", ["CPU_DEVICE", "device1"])
@pytest.mark.parametrize("name", CALLS)
def test_strict_equals_numpy(name: str, device: str, dtype: type, affine: bool) -> None:
    forward, backward, shape, width, options = CALLS[name]
    target = array_api_strict.Device(device)
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, shape).astype(dtype)
    parameters = [rng.normal(1.0, 0.3, width).astype(dtype) for _ in range(2)] if affine else []
    dy = rng.normal(size=shape).astype(dtype)

    def convert(array: np.ndarray) -> Any:
        return array_api_strict.asarray(array.copy(), device=target)

    ours = dict(zip(("scale", "shift"), parameters, strict=False))
    theirs = {name: convert(p) for name, p in ours.items()}
    given = convert(x)
    y, cache = forward(given, **theirs, **options)
    got = [y, *backward(convert(dy), cache)]
    assert {(a.device, a.dtype) for a in got} == {(target, given.dtype)}
    np.testing.assert_array_equal(to_numpy(given), x)
    y, cache = forward(x, **ours, **options)
    tolerance = 50 * float(np.finfo(dtype).eps)
    for actual, want in zip(got, [y, *backward(dy, cache)], strict=True):
        np.testing.assert_allclose(to_numpy(actual), want, rtol=tolerance, atol=tolerance)


def test_integers_become_the_default_float() -> None:
    for device in ("CPU_DEVICE", "device1"):
        target = array_api_strict.Device(device)
        x = array_api_strict.asarray([[1, 2], [3, 4]], device=target)
        y, _ = functional.batch_norm(x, scale=[1, 2], eps=1e-8)
        assert (y.dtype, y.device) == (array_api_strict.float64, target)
        np.testing.assert_allclose(to_numpy(y), [[-1, -2], [1, 2]], rtol=1e-7)


def test_libraries_do_not_mix() -> None:
    x = array_api_strict.ones((4, 3))
    with pytest.raises(TypeError, match="scale is a numpy ndarray, but x is a array_api_strict"):
        functional.batch_norm(x, np.ones(3))
    _, cache = functional.batch_norm(x)
    with pytest.raises(TypeError, match="dy is a numpy ndarray"):
        functional.batch_norm_backward(np.ones((4, 3)), cache)


@pytest.mark.parametrize("device", ["CPU_DEVICE", "device1"])
def test_merging(device: str) -> None:
    target = array_api_strict.Device(device)
    means, variances, counts = (
        array_api_strict.asarray(a, device=target)
        for a in ([[1.0, 2.0], [3.0, np.nan]], [[1.0, 1.0], [2.0, np.nan]], [[2, 3], [2, 0]])
    )
    mean, variance, count = functional.merge_statistics(means, variances, counts)
    assert mean.device == variance.device == count.device == target
    np.testing.assert_allclose(to_numpy(mean), [2.0, 2.0])
    np.testing.assert_allclose(to_numpy(variance), [2.5, 1.0])
    np.testing.assert_array_equal(to_numpy(count), [4, 3])


def to_numpy(array: Any) -> np.ndarray:
    """Bring an array back, from the second device too."""
    return np.asarray(array_api_strict.asarray(array, device=array_api_strict.Device("CPU_DEVICE")))
