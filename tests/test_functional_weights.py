"""Weights of rows: zero is absence, whatever the row holds, and only ratios matter."""

from typing import Any

import array_api_strict
import numpy as np
import pytest

from sknorm.functional import batch_norm, batch_norm_backward, merge_statistics

# Shapes with the axis of the channels and that of the weights.
LAYOUTS = [
    ((9,), 0, 0), ((9, 1), 1, 0), ((9, 6), 1, 0), ((6, 9), 0, 1), ((9, 6, 4), 1, 0),
    ((9, 4, 6), 2, 0), ((9, 2, 3, 5), 1, 0), ((6, 9, 3), 0, 1),
]  # fmt: skip
each_layout = pytest.mark.parametrize(("shape", "channel", "rows"), LAYOUTS, ids=str)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each_library = pytest.mark.parametrize("convert", [np.array, array_api_strict.asarray])
WEIGHT = np.array([1.0, 0.0, 2.0, 3.0, 0.0, 1.0, 1.0, 2.0, 0.0])
PRESENT = WEIGHT > 0


def results(convert: Any, x: Any, dy: Any, scale: Any, weight: Any, channel: int) -> list[Any]:
    """The norm, and its gradients."""
    weight = None if weight is None else convert(weight)
    y, cache = batch_norm(
        convert(x), convert(scale), convert(-scale), channel_axis=channel, sample_weight=weight
    )
    return [np.asarray(a) for a in (y, *batch_norm_backward(convert(dy), cache))]


@each_layout
@each_dtype
@each_library
@pytest.mark.parametrize("fill", [0.0, -1e30, np.inf, np.nan])
def test_rows_of_weight_zero_are_absent_whatever_they_hold(
    shape: tuple[int, ...], channel: int, rows: int, dtype: Any, convert: Any, fill: float
) -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.normal(3.0, 2.0, shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    scale = rng.normal(size=shape[channel] if len(shape) > 1 else 1).astype(dtype)
    kept, padded = (
        tuple([slice(None)] * rows + [mask]) for mask in (PRESENT, ~PRESENT)
    )  # fmt: skip
    want = results(convert, x[kept], dy[kept], scale, WEIGHT[PRESENT], channel)
    x[padded] = dy[padded] = fill
    got = results(convert, x, dy, scale, WEIGHT, channel)
    tolerance = 50 * float(np.finfo(dtype).eps)
    for mine, theirs in zip([got[0][kept], got[1][kept], *got[2:]], want, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    assert not got[0][padded].any() and not got[1][padded].any()


@each_library
def test_gradients_are_those_of_the_norm_with_padding(convert: Any) -> None:
    """Along a random direction, which moves rows of weight zero too."""
    rng = np.random.default_rng(1)
    x, dy, direction = rng.normal(size=(3, 9, 4))
    scale, step = rng.normal(size=4), 1e-6
    dx = results(convert, x, dy, scale, WEIGHT, 1)[1]
    above, below = (
        results(convert, x + sign * step * direction, dy, scale, WEIGHT, 1)[0] for sign in (1, -1)
    )
    numeric = np.sum((above - below) * dy) / (2 * step)
    assert np.sum(dx * direction) == pytest.approx(numeric, rel=1e-7)


@each_dtype
@each_library
@pytest.mark.parametrize("factor", [5e-324, 1e-300, 1e-7, 1 / 9, 1e300])
def test_common_factor_of_the_weights_does_not_matter(
    dtype: Any, convert: Any, factor: float
) -> None:
    rng = np.random.default_rng(2)
    x, dy = rng.normal(3.0, 2.0, (2, 9, 4)).astype(dtype)
    scale, tolerance = np.ones(4, dtype), 50 * float(np.finfo(dtype).eps)
    got = results(convert, x, dy, scale, WEIGHT * factor, 1)
    for mine, theirs in zip(got, results(convert, x, dy, scale, WEIGHT, 1), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    equal, none = (results(convert, x, dy, scale, w, 1) for w in (np.full(9, factor), None))
    for mine, theirs in zip(equal, none, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


@each_dtype
def test_weight_that_the_dtype_does_not_hold_is_no_absence(dtype: Any) -> None:
    x = np.arange(4.0, dtype=dtype)[:, None]
    y, _ = batch_norm(x, sample_weight=[1.0, 1.0, 1.0, 1e-300])
    wanted = (x[:, 0] - 1.0) / np.sqrt(2 / 3 + 1e-5)
    np.testing.assert_allclose(y[:, 0], wanted, rtol=1e-6, atol=1e-12)


@each_library
def test_weights_far_apart_are_no_absence(convert: Any) -> None:
    x = np.array([[1.0], [2.0]], dtype=np.float32)
    weight = np.array([1e30, 1e-30], dtype=np.float32)
    y, _ = batch_norm(convert(x), sample_weight=convert(weight))
    np.testing.assert_allclose(np.asarray(y)[:, 0], [0.0, 1.0 / np.sqrt(1e-5)], 1e-5, 1e-12)


def test_infinite_weight() -> None:
    with pytest.raises(ValueError, match="sample_weight holds an infinite weight"):
        batch_norm(np.ones((2, 3)), sample_weight=[1.0, np.inf])
    with pytest.raises(ValueError, match=r"counts holds .*infinity"):
        merge_statistics([1.0, 2.0], [1.0, 1.0], [1.0, np.inf])


@each_library
@pytest.mark.parametrize("factor", [1e-310, 1e-300, 1e300])
def test_common_factor_of_the_counts_does_not_matter(convert: Any, factor: float) -> None:
    means, variances, counts = np.array([[1.0, 2.0, 4.0], [0.5, 0.0, 1.0], [3.0, 1.0, 2.0]])
    moments = convert(means), convert(variances)
    want = merge_statistics(*moments, convert(counts))
    *got, count = merge_statistics(*moments, convert(counts * factor))
    for mine, theirs in zip(got, want, strict=False):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), rtol=1e-12)
    assert float(count) == pytest.approx(6.0 * factor)
