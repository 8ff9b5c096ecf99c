"""The nuclear norm: prox against brute force, and the gap against the subdifferential."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from sknorm.objective.penalties import NuclearNorm

SHAPE = (3, 4)
finite = st.floats(-100.0, 100.0, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-6 else 0.0)
weights = arrays(np.float64, SHAPE, elements=finite)
strengths = st.floats(1e-3, 10.0)
steps = st.floats(1e-3, 10.0)


def norm(w: np.ndarray) -> float:
    return float(np.linalg.norm(w, "nuc"))


@pytest.mark.parametrize("seed", range(8))
def test_prox_minimizes_its_objective(seed: int) -> None:
    """A search from the result and from w finds nothing better."""
    rng = np.random.default_rng(seed)
    w, step, alpha = rng.normal(size=(2, 3)), rng.uniform(0.1, 2.0), rng.uniform(0.1, 1.0)

    def objective(u: np.ndarray) -> float:
        return step * alpha * norm(u.reshape(2, 3)) + 0.5 * ((u.reshape(2, 3) - w) ** 2).sum()

    best = objective(result := NuclearNorm(alpha).prox(w, step))
    for start in (result + 1e-2 * rng.normal(size=(2, 3)), w, np.full((2, 3), 1e-3)):
        search = minimize(objective, start.ravel(), method="Nelder-Mead",
                          options={"xatol": 1e-9, "fatol": 1e-12, "maxfev": 8000})  # fmt: skip
        assert best <= search.fun + 1e-9
        assert search.fun <= best + 0.1 * (1 + best)  # the search did search
    assert best <= objective(np.zeros(6)) + 1e-12


@given(weights, weights, strengths, steps)
def test_prox_does_not_move_points_apart(
    u: np.ndarray, v: np.ndarray, alpha: float, step: float
) -> None:
    penalty = NuclearNorm(alpha)
    moved = np.linalg.norm(penalty.prox(u, step) - penalty.prox(v, step))
    assert moved <= np.linalg.norm(u - v) * (1 + 1e-9) + 1e-9


@given(weights, strengths, steps, st.floats(0.1, 10.0))
def test_prox_moves_towards_zero_and_scales(
    w: np.ndarray, alpha: float, step: float, scale: float
) -> None:
    result = NuclearNorm(alpha).prox(w, step)
    old, new = np.linalg.svd(w, compute_uv=False), np.linalg.svd(result, compute_uv=False)
    np.testing.assert_allclose(new, np.maximum(old - alpha * step, 0), atol=1e-10)
    scaled = NuclearNorm(alpha * scale).prox(scale * w, step)
    np.testing.assert_allclose(scaled, scale * result, atol=1e-9)


@pytest.mark.parametrize("step", [np.ones(SHAPE), np.ones(1)])
def test_prox_takes_one_step_size(step: np.ndarray) -> None:
    with pytest.raises(ValueError, match="one step size"):
        NuclearNorm(1.0).prox(np.ones(SHAPE), step)


def test_prox_takes_a_number_of_an_array_library() -> None:
    w = np.arange(12.0).reshape(SHAPE)
    want = NuclearNorm(1.0).prox(w, 0.5)
    np.testing.assert_array_equal(NuclearNorm(1.0).prox(w, np.array(0.5)), want)


@given(weights, weights, strengths)
def test_gap_bounds_the_proximal_step(w: np.ndarray, gradient: np.ndarray, alpha: float) -> None:
    """A step of length one moves no further than the gap, and at all if it is not zero."""
    penalty = NuclearNorm(alpha)
    w = penalty.prox(w, 1.0)  # often of low rank
    gap = penalty.optimality_gap(w, gradient)
    moved = np.linalg.norm(penalty.prox(w - gradient, 1.0) - w)
    assert moved <= gap + 1e-6 * (1.0 + gap)
    if gap > 1e-3:
        assert moved > 0.0


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_gap_is_the_distance_to_the_subdifferential(rank: int, transposed: bool) -> None:
    """From points of it, along directions that are normal to it."""
    rng, alpha = np.random.default_rng(rank), 0.7
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in SHAPE)
    values = np.zeros(SHAPE)
    values[range(rank), range(rank)] = 1.0 + np.arange(rank)
    inner = np.zeros(SHAPE)
    inner[range(3), range(3)] = alpha * np.array([1.0] * rank + [1.0, 0.5, 0.2][: 3 - rank])
    beyond = np.zeros(SHAPE)
    if rank:
        beyond[0, 0], beyond[0, 3], beyond[2, 0] = 0.3, -0.4, 1.2
    if rank < 3:
        beyond[rank, rank] = 0.5
    w, inside, away = (left @ m @ right.T for m in (values, inner, beyond))
    if transposed:
        w, inside, away = w.T, inside.T, away.T
    penalty = NuclearNorm(alpha)
    assert penalty.optimality_gap(w, -inside) <= 1e-12
    assert penalty.optimality_gap(w, -inside - away) == pytest.approx(np.linalg.norm(beyond))
    below = away if rank == 3 else 0.0 * away
    assert penalty.optimality_gap(w, -inside + below) == pytest.approx(
        np.linalg.norm(below), abs=1e-12
    )


def test_value_is_the_sum_of_singular_values() -> None:
    assert NuclearNorm(0.5).value(np.array([[3.0, 0.0], [0.0, -4.0]])) == pytest.approx(3.5)
