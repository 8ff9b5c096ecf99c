"""Norms as functions: values and gradients against naive formulas, for every layout."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pytest

from sknorm import functional

EPS = 1e-5


@dataclass(frozen=True)
class Case:
    """One norm on one layout."""

    kind: str
    shape: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    groups: int = 0

    @property
    def channel(self) -> int:
        return self.options.get("channel_axis", -1)

    @property
    def parameters(self) -> tuple[int, ...]:
        """Shape of scale and shift."""
        if self.kind == "layer":
            axis = self.options.get("axis", -1)
            axes = {a % len(self.shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
            return tuple(self.shape[a] for a in sorted(axes))
        return (1,) if len(self.shape) == 1 else (self.shape[self.channel],)

    def forward(self, x: Any, *parameters: Any, **more: Any) -> tuple[Any, Any]:
        count = (self.groups,) if self.kind == "group" else ()
        function = getattr(functional, f"{self.kind}_norm")
        return function(x, *count, *parameters, **self.options, **more)

    def backward(self, dy: Any, cache: Any) -> tuple[Any, Any, Any]:
        return getattr(functional, f"{self.kind}_norm_backward")(dy, cache)

    def naive(self, x: np.ndarray, scale: Any = 1.0, shift: Any = 0.0) -> np.ndarray:
        """The norm, from its definition, in the dtype of x."""
        if self.kind == "layer":
            axes = self.options.get("axis", -1)
            shape = [1] * x.ndim
            for a, n in zip(
                sorted(np.arange(x.ndim)[np.ravel(axes)]), self.parameters, strict=True
            ):
                shape[a] = n
            scale, shift = (
                np.broadcast_to(p, self.parameters).reshape(shape) for p in (scale, shift)
            )
            return standardized(x, axes) * scale + shift
        # (n, places, c), whatever the layout was
        last = np.moveaxis(x, self.channel, -1) if x.ndim > 1 else x[None, :, None]
        table = last.reshape(last.shape[0], -1, last.shape[-1])
        if self.kind == "batch":
            out = standardized(table, (0, 1))
        else:
            count = self.groups if self.kind == "group" else table.shape[2]
            parts = np.split(table, count, axis=2)
            out = np.concatenate([standardized(part, (1, 2)) for part in parts], axis=2)
        out = (out * scale + shift).reshape(last.shape)
        return np.moveaxis(out, -1, self.channel) if x.ndim > 1 else out.reshape(x.shape)


def standardized(x: np.ndarray, axes: Any) -> np.ndarray:
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + EPS)


def every_case() -> Iterator[Case]:
    """All norms, ranks 1 to 4, and several axes."""
    shapes = [(11,), (9, 6), (4, 6, 5), (3, 6, 4, 2)]
    for shape in shapes:
        for axis in range(-1, len(shape) - 1):
            yield Case("batch", shape, {"channel_axis": axis})
    for shape in shapes[1:]:
        for axis in range(1, len(shape)):
            options = {"channel_axis": axis}
            yield Case("instance", shape, options)
            groups = 3 if shape[axis] % 3 == 0 else 1
            yield Case("group", shape, options, groups=groups)
            yield Case("group", shape, options, groups=shape[axis])
    yield Case("instance", (11,))
    yield Case("group", (11,), groups=1)
    for shape in shapes:
        yield Case("layer", shape)
    for shape, axes in product(shapes[2:], [(-2, -1), 1, 0, (2, 0), (0, 1, 2)]):
        yield Case("layer", shape, {"axis": axes})
    yield Case("layer", (2, 9000))  # longer than the kernels take
    yield Case("layer", (9000,))
    yield Case("batch", (3, 2, 5, 4), {"channel_axis": 1})  # fewer channels than they take


CASES = list(every_case())
over_cases = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture
def arrays() -> Callable[[Case], tuple[np.ndarray, ...]]:
    """x, scale, shift and dy of a case, in float64."""

    def build(case: Case) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(3)
        x = rng.normal(2.0, 3.0, size=case.shape)
        scale, shift = rng.uniform(0.5, 2.0, case.parameters), rng.normal(size=case.parameters)
        return x, scale, shift, rng.normal(size=case.shape)

    return build


def strided(x: np.ndarray) -> np.ndarray:
    return np.repeat(x, 2, axis=-1)[..., ::2]


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.setflags(write=False)
    return x


@over_cases
def test_values(case: Case, arrays: Callable) -> None:
    x, scale, shift, _ = arrays(case)
    y, _ = case.forward(x, scale, shift)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, case.naive(x, scale, shift), rtol=1e-12, atol=1e-12)


@over_cases
@pytest.mark.parametrize("memory", [np.copy, np.asfortranarray, strided, read_only])
def test_gradient_along_a_direction(case: Case, memory: Callable, arrays: Callable) -> None:
    given = tuple(memory(a) for a in arrays(case))
    x, scale, shift, dy = given
    before = [a.copy() for a in given]
    _, cache = case.forward(x, scale, shift)
    gradients = case.backward(dy, cache)
    again = case.backward(dy, cache)
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    for first, second in zip(gradients, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not any(np.shares_memory(g, dy) for g in gradients)
    assert [g.shape for g in gradients] == [x.shape, scale.shape, shift.shape]
    rng = np.random.default_rng(4)
    direction = [rng.normal(size=a.shape) for a in (x, scale, shift)]

    def objective(h: float) -> float:
        moved = (a + h * d for a, d in zip((x, scale, shift), direction, strict=True))
        return float(np.sum(dy * case.naive(*moved)))

    h = 1e-5
    along = sum(float(np.sum(g * d)) for g, d in zip(gradients, direction, strict=True))
    expected = (objective(h) - objective(-h)) / (2 * h)
    np.testing.assert_allclose(along, expected, rtol=1e-6, atol=1e-7 * np.abs(dy).sum())


@over_cases
def test_without_scale_and_shift(case: Case, arrays: Callable) -> None:
    """They are 1 and 0, and have gradients all the same."""
    x, scale, shift, dy = arrays(case)
    y, cache = case.forward(x)
    want, other = case.forward(x, np.ones_like(scale), np.zeros_like(shift))
    np.testing.assert_allclose(y, want, rtol=1e-15)
    for got, gradient in zip(case.backward(dy, cache), case.backward(dy, other), strict=True):
        np.testing.assert_allclose(got, gradient, rtol=1e-14, atol=1e-15)


@over_cases
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_dtypes(case: Case, dtype: type, arrays: Callable) -> None:
    """Results have x's dtype; integers are promoted."""
    x, scale, shift, dy = arrays(case)
    x = x.astype(dtype)
    y, cache = case.forward(x, scale, shift)
    result = np.float64 if dtype is np.int64 else dtype
    gradients = case.backward(dy, cache)
    assert {a.dtype for a in (y, *gradients)} == {np.dtype(result)}
    tolerance = 20 * float(np.finfo(result).eps)
    want = case.naive(x.astype(float), scale, shift)
    np.testing.assert_allclose(y, want, rtol=tolerance, atol=tolerance)
    wide = case.backward(dy, case.forward(x.astype(float), scale, shift)[1])
    for got, expected in zip(gradients, wide, strict=True):
        np.testing.assert_allclose(got, expected, atol=tolerance * np.abs(dy).sum() ** 0.5 * 10)


@over_cases
def test_y_is_the_callers(case: Case, arrays: Callable) -> None:
    """Writing into y does not change what the backward pass needs."""
    x, _, _, dy = arrays(case)
    y, cache = case.forward(x)
    want = [g.copy() for g in case.backward(dy, cache)]
    y[...] = np.nan
    for got, expected in zip(case.backward(dy, cache), want, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_documented_example() -> None:
    want = [-1.41421356, -0.70710678, 0.0, 0.70710678, 1.41421356]
    for x in ([1, 2, 3, 4, 5], np.arange(1.0, 6.0), np.arange(1, 6)):
        np.testing.assert_allclose(functional.batch_norm(x, eps=1e-8)[0], want, atol=1e-8)


def test_one_value_is_its_shift() -> None:
    x, shift = np.full((1, 5), 7.0), np.arange(5.0)
    np.testing.assert_array_equal(functional.batch_norm(x, None, shift)[0], [shift])
    np.testing.assert_array_equal(functional.instance_norm(x, None, shift)[0], [shift])
    np.testing.assert_array_equal(functional.layer_norm(x.T)[0], np.zeros((5, 1)))


def test_nan_stays_visible() -> None:
    for width in (1, 6):
        x = np.ones((9, width))
        x[2, 0] = np.nan
        assert np.isnan(functional.batch_norm(x)[0][:, 0]).all()


@pytest.mark.parametrize("width", [1, 6])
def test_what_is_not_finite_is_no_warning(width: int) -> None:
    """NumPy's warnings are errors here; kernels give none."""
    x, dy = np.ones((5, width)), np.full((5, width), np.inf)
    for value, eps in ((1.0, 0.0), (np.inf, 1e-5), (1e300, 1e-5)):
        x[1] = value
        _, cache = functional.batch_norm(x, eps=eps)
        assert not np.isfinite(functional.batch_norm_backward(dy, cache)[0]).any()


@pytest.mark.parametrize("shape", [(9,), (9, 1), (9, 6), (9, 6, 4), (9, 2, 3, 5)])
def test_integer_weights_are_repetitions(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    axis = 1 if len(shape) > 1 else 0
    x, weight = rng.normal(1.0, 2.0, shape), rng.integers(0, 4, shape[0])
    weight[0] = 0
    times = np.repeat(np.arange(shape[0]), weight)
    y, cache = functional.batch_norm(x, channel_axis=axis, sample_weight=weight)
    repeated, of_repeated = functional.batch_norm(x[times], channel_axis=axis)
    np.testing.assert_allclose(y[times], repeated, rtol=1e-12, atol=1e-13)
    # A gradient of the sum over the repeated rows is that of the weighted sum over the rows.
    dy = rng.normal(size=shape)
    factors = weight.reshape(-1, *[1] * (x.ndim - 1))
    got = functional.batch_norm_backward(dy * factors, cache)
    want = functional.batch_norm_backward(dy[times], of_repeated)
    folded = np.zeros_like(x)
    np.add.at(folded, times, want[0])
    for one, other in zip(got, (folded, *want[1:]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_weights_go_with_the_second_axis_where_channels_are_first() -> None:
    rng = np.random.default_rng(6)
    x, weight = rng.normal(size=(9, 4)), rng.uniform(0.5, 2.0, 9)
    want, _ = functional.batch_norm(x, sample_weight=weight)
    got, _ = functional.batch_norm(x.T, channel_axis=0, sample_weight=weight)
    np.testing.assert_allclose(got.T, want, rtol=1e-13, atol=1e-13)
