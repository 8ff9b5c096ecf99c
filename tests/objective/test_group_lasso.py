"""The group lasso: prox against brute force, in any metric, and the optimality gap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from sknorm.objective.penalties import GroupLasso

SHAPE = (3, 4)
WIDTH = 2.0  # root of the number of columns
finite = st.floats(-100.0, 100.0, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-9 else 0.0)
weights = arrays(np.float64, SHAPE, elements=finite)
strengths = st.floats(1e-3, 10.0)
steps = st.floats(1e-3, 10.0)
metrics = arrays(np.float64, SHAPE, elements=st.floats(-3.0, 1.0)).map(lambda x: 10.0**x)


def objective(u: np.ndarray, w: np.ndarray, strength: float, step: np.ndarray) -> float:
    """Of the proximal operator, summed over the rows."""
    return strength * np.linalg.norm(u, axis=-1).sum() + 0.5 * ((u - w) ** 2 / step).sum()


@pytest.mark.parametrize("seed", range(20))
def test_prox_minimizes_its_objective(seed: int) -> None:
    """A search from the result, from w and from zero finds nothing better."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=SHAPE) * 10.0 ** rng.uniform(-2, 1, (3, 1))
    step = 10.0 ** rng.uniform(-2, 1, SHAPE) if seed % 2 else np.full(SHAPE, rng.uniform(0.1, 3))
    strength = rng.uniform(0.1, 2.0)
    result = GroupLasso(strength / WIDTH).prox(w, step)
    for row, found, s in zip(w, result, step, strict=True):
        best = objective(found, row, strength, s)
        for start in (found + 1e-3, row, np.full(4, 1e-6)):
            search = minimize(objective, start, (row, strength, s), method="Nelder-Mead",
                              options={"xatol": 1e-9, "fatol": 1e-12, "maxfev": 4000})  # fmt: skip
            assert best <= search.fun + 1e-9
        assert best <= objective(np.zeros(4), row, strength, s) + 1e-12


@given(weights, strengths, metrics)
def test_prox_is_optimal_in_any_metric(w: np.ndarray, alpha: float, step: np.ndarray) -> None:
    """Rows solve ``(w - u) / step = strength * u / |u|``, or stay inside the ball at zero."""
    strength, result = alpha * WIDTH, GroupLasso(alpha).prox(w, step)
    slope = (w - result) / step
    for u, g in zip(result, slope, strict=True):
        if np.any(u):
            scale = strength + np.abs(g).max()
            want = strength * u / np.linalg.norm(u)
            np.testing.assert_allclose(g, want, atol=1e-9 * scale)
        else:
            assert np.linalg.norm(g) <= strength * (1 + 1e-12)


@given(weights, strengths, steps)
def test_equal_steps_are_the_closed_form(w: np.ndarray, alpha: float, step: float) -> None:
    penalty = GroupLasso(alpha)
    want, got = penalty.prox(w, step), penalty.prox(w, np.full(SHAPE, step))
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    norms = np.linalg.norm(w, axis=1, keepdims=True)
    share = np.maximum(1 - step * alpha * WIDTH / np.where(norms, norms, 1), 0)
    np.testing.assert_allclose(want, w * share, rtol=1e-9, atol=1e-12)


@given(weights, weights, strengths, metrics)
def test_prox_does_not_move_points_apart(
    u: np.ndarray, v: np.ndarray, alpha: float, step: np.ndarray
) -> None:
    """In the metric of the steps, in which it is a projection's kin."""
    penalty, root = GroupLasso(alpha), np.sqrt(step)
    moved = np.linalg.norm((penalty.prox(u, step) - penalty.prox(v, step)) / root)
    assert moved <= np.linalg.norm((u - v) / root) * (1 + 1e-9) + 1e-9


@given(weights, strengths, metrics, st.floats(0.1, 10.0))
def test_prox_moves_towards_zero_and_scales(
    w: np.ndarray, alpha: float, step: np.ndarray, scale: float
) -> None:
    result = GroupLasso(alpha).prox(w, step)
    assert np.all(result * w >= 0) and np.all(np.abs(result) <= np.abs(w))
    scaled = GroupLasso(alpha * scale).prox(scale * w, step)
    np.testing.assert_allclose(scaled, scale * result, rtol=1e-9, atol=1e-9)


@given(weights, weights, strengths)
def test_gap_bounds_the_proximal_step(w: np.ndarray, gradient: np.ndarray, alpha: float) -> None:
    """A step of length one moves no row further than the gap, and some if it is not zero."""
    penalty = GroupLasso(alpha)
    gap = penalty.optimality_gap(w, gradient)
    moved = np.linalg.norm(penalty.prox(w - gradient, 1.0) - w, axis=1).max()
    assert moved <= gap + 1e-9 * (1.0 + gap)
    if gap > 1e-6:
        assert moved > 0.0


def test_strength_zero_shrinks_nothing() -> None:
    w = np.arange(12.0).reshape(SHAPE)
    for step in (0.5, np.full(SHAPE, 0.5), np.linspace(0.1, 1.0, 12).reshape(SHAPE)):
        np.testing.assert_array_equal(GroupLasso(0.0).prox(w, step), w)


@pytest.mark.parametrize("step", [1.0, np.ones(SHAPE)])
def test_nan_stays_visible(step: float | np.ndarray) -> None:
    w = np.ones(SHAPE)
    w[1, 2] = np.nan
    result = GroupLasso(0.1).prox(w, step)
    assert np.isnan(result[1]).all() and np.isfinite(result[[0, 2]]).all()


def test_value_is_the_formula() -> None:
    w = np.array([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    assert GroupLasso(0.5).value(w) == pytest.approx(0.5 * 2.0 * 7.0)


# Of (6, 4): groups of 1, 3 and 2 rows.
GROUPS = np.array([0, 1, 4, 6])
PLACES = [slice(0, 1), slice(1, 4), slice(4, 6)]
tall = arrays(np.float64, (6, 4), elements=finite)
tall_metrics = arrays(np.float64, (6, 4), elements=st.floats(-3.0, 1.0)).map(lambda x: 10.0**x)


def test_value_of_groups_is_the_formula() -> None:
    w = np.random.default_rng(0).normal(size=(6, 4))
    norms = [np.sqrt(4 * (p.stop - p.start)) * np.linalg.norm(w[p]) for p in PLACES]
    assert GroupLasso(0.5).value(w, GROUPS) == pytest.approx(0.5 * sum(norms))


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_groups_of_one_row_are_rows(alpha: float) -> None:
    rng, penalty, groups = np.random.default_rng(0), GroupLasso(alpha), range(7)
    w, gradient, step = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.uniform(1, 2, (6, 4))
    assert penalty.value(w, groups) == pytest.approx(penalty.value(w))
    for each in (0.5, step, step[:, :1]):
        np.testing.assert_allclose(penalty.prox(w, each, groups), penalty.prox(w, each), rtol=1e-12)
    gaps = [penalty.optimality_gap(w, gradient, each) for each in (groups, None)]
    assert gaps[0] == pytest.approx(gaps[1])


@given(tall, strengths, tall_metrics | steps)
def test_prox_of_groups_is_optimal(w: np.ndarray, alpha: float, step: float | np.ndarray) -> None:
    result = GroupLasso(alpha).prox(w, step, GROUPS)
    slope = (w - result) / step
    for place in PLACES:
        u, g = result[place], slope[place]
        strength = alpha * np.sqrt(u.size)
        if np.any(u):
            want = strength * u / np.linalg.norm(u)
            np.testing.assert_allclose(g, want, atol=1e-9 * (strength + np.abs(g).max()))
        else:
            assert np.linalg.norm(g) <= strength * (1 + 1e-12)


@given(tall, tall, strengths)
def test_gap_of_groups_bounds_the_proximal_step(
    w: np.ndarray, gradient: np.ndarray, alpha: float
) -> None:
    penalty = GroupLasso(alpha)
    gap = penalty.optimality_gap(w, gradient, GROUPS)
    moved = penalty.prox(w - gradient, 1.0, GROUPS) - w
    most = max(np.linalg.norm(moved[place]) for place in PLACES)
    assert most <= gap + 1e-9 * (1.0 + gap)
    if gap > 1e-6:
        assert most > 0.0


def test_only_the_first_matrix_is_penalized() -> None:
    penalty = GroupLasso(1.0)
    assert penalty.applies_to(np.zeros((2, 3)), 0)
    assert not penalty.applies_to(np.zeros((2, 3)), 1)
    assert not penalty.applies_to(np.zeros(3), 0)
