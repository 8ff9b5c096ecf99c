"""What all penalties have in common: optimality gaps at solutions, and what they declare."""

from typing import Any, get_args

import array_api_strict
import numpy as np
import pytest

import sknorm.penalties
from sknorm.kernels import codes
from sknorm.objective import penalties
from sknorm.objective.penalties import L0, ElasticNet, GroupLasso, NuclearNorm
from sknorm.objective.penalties.base import Penalty

PENALTIES = [ElasticNet(0.3, 0.7), L0(0.05), GroupLasso(0.3), NuclearNorm(0.5)]
each = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: p.name)


class LeastSquares:
    """``|X W - Y|^2 / (2 n)`` for a matrix W of 6 rows and 4 columns."""

    def __init__(self) -> None:
        rng = np.random.default_rng(2)
        self.X = rng.normal(size=(40, 6))
        signal = rng.normal(size=(6, 2)) @ rng.normal(size=(2, 4)) * (np.arange(6) < 4)[:, None]
        self.Y = self.X @ signal + 0.3 * rng.normal(size=(40, 4))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.X.T @ (self.X @ w - self.Y) / 40

    def value(self, w: np.ndarray) -> float:
        return float(((self.X @ w - self.Y) ** 2).sum() / 80)

    def solve(self, penalty: Penalty, step: Any, steps: int = 3000) -> np.ndarray:
        """Proximal gradient descent."""
        w = np.ones((6, 4))
        for _ in range(steps):
            w = penalty.prox(w - step * (self.gradient(w) + penalty.smooth_gradient(w)), step)
        return w


@each
@pytest.mark.parametrize("metric", ["constant", "diagonal"])
def test_gap_is_zero_at_solutions(penalty: Penalty, metric: str) -> None:
    problem, step = LeastSquares(), 0.3
    if metric == "diagonal":
        if not penalty.diagonal_metric:
            pytest.skip("the nuclear norm has no proximal operator in a diagonal metric")
        step = np.linspace(0.1, 0.3, 24).reshape(6, 4)
    w = problem.solve(penalty, step)
    gap = penalty.optimality_gap(w, problem.gradient(w))
    assert gap < 1e-10
    start = problem.solve(penalty, step, 3)
    assert penalty.optimality_gap(start, problem.gradient(start)) > 1e-2
    assert penalty.optimality_gap(1.1 * w, problem.gradient(1.1 * w)) > 1e-2
    singular = np.linalg.svd(w, compute_uv=False)
    sparse = np.sum(singular < 1e-12) if penalty.name == "nuclear" else np.sum(w == 0)
    assert 0 < sparse < w.size


@each
def test_solutions_are_minima(penalty: Penalty) -> None:
    """Of the objective, against random changes of all sizes; L0's are local."""
    problem, rng = LeastSquares(), np.random.default_rng(0)
    w = problem.solve(penalty, 0.3)
    best = problem.value(w) + penalty.value(w)
    for size in (1e-6, 1e-4, 1e-2):
        for _ in range(50):
            other = w + size * rng.normal(size=w.shape) * (rng.uniform(size=w.shape) < 0.3)
            assert problem.value(other) + penalty.value(other) >= best - 1e-12


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_array_library(penalty: Penalty, dtype: type) -> None:
    rng, xp = np.random.default_rng(1), array_api_strict
    w, g = rng.normal(size=(2, 5, 3)).astype(dtype)
    w[1] = 0.0
    step = rng.uniform(0.1, 1.0, (5, 3)).astype(dtype)
    strict_w, strict_g, strict_step = (xp.asarray(a) for a in (w, g, step))
    close = {"rtol": 1e-5 if dtype == np.float32 else 1e-12, "atol": 1e-6}
    steps = [(0.4, 0.4)] + [(step, strict_step)] * penalty.diagonal_metric
    for own, strict in steps:
        got = penalty.prox(strict_w, strict)
        assert got.dtype == strict_w.dtype and penalty.prox(w, own).dtype == dtype
        np.testing.assert_allclose(np.asarray(got), penalty.prox(w, own), **close)
    np.testing.assert_allclose(
        np.asarray(penalty.smooth_gradient(strict_w)), penalty.smooth_gradient(w), **close
    )
    assert penalty.value(strict_w) == pytest.approx(penalty.value(w), rel=1e-5)
    gap = penalty.optimality_gap(w, g)
    assert penalty.optimality_gap(strict_w, strict_g) == pytest.approx(gap, rel=1e-5)


@pytest.mark.parametrize("penalty", PENALTIES[1:], ids=lambda p: p.name)
def test_nothing_but_the_elastic_net_has_a_smooth_part(penalty: Penalty) -> None:
    w = np.ones((3, 2))
    np.testing.assert_array_equal(penalty.smooth_gradient(w), np.zeros((3, 2)))


@each
def test_matrices_alone_are_penalized(penalty: Penalty) -> None:
    assert penalty.applies_to(np.zeros((2, 3)), 0) and not penalty.applies_to(np.zeros(3), 0)
    assert penalty.applies_to(np.zeros((2, 3)), 1) == (penalty.name != "group_lasso")


@each
def test_declarations(penalty: Penalty) -> None:
    declared = {
        "elasticnet": (True, codes.ELASTIC_NET),
        "l0": (True, codes.L0),
        "group_lasso": (True, codes.UNPENALIZED),
        "nuclear": (False, codes.UNPENALIZED),
    }
    assert (penalty.diagonal_metric, penalty.code) == declared[penalty.name]


@pytest.mark.parametrize(
    ("penalty", "smooth"),
    [
        (ElasticNet(1.0, 0.0), True), (ElasticNet(0.0, 1.0), True), (ElasticNet(1.0, 0.1), False),
        (L0(0.0), True), (L0(0.1), False), (GroupLasso(0.0), True), (GroupLasso(0.1), False),
        (NuclearNorm(0.0), True), (NuclearNorm(0.1), False),
    ],
)  # fmt: skip
def test_smooth_penalties_have_no_prox(penalty: Penalty, smooth: bool) -> None:
    assert penalty.is_smooth == smooth
    w = np.array([[0.3, -0.2], [0.1, 0.4]])
    unchanged = np.allclose(penalty.prox(w, 1.0), w, rtol=1e-12, atol=0)
    assert unchanged == smooth


def test_members_of_a_stack_have_a_penalty_each() -> None:
    alpha, l1_ratio = np.array([0.0, 0.1, 0.2]), np.array([0.5, 0.0, 0.5])
    sums = np.arange(6.0).reshape(3, 2)
    for kind in penalties.PENALTIES.values():
        stack = kind.of(alpha, l1_ratio)
        alone = [kind.of(a, r) for a, r in zip(alpha, l1_ratio, strict=True)]
        assert list(stack.is_smooth) == [each.is_smooth for each in alone]
        totals = [each.total(sums[[k]])[0] for k, each in enumerate(alone)]
        np.testing.assert_array_equal(stack.total(sums), totals)


def test_names() -> None:
    assert get_args(penalties.PenaltyName) == tuple(penalties.PENALTIES)


def test_public_module() -> None:
    assert set(sknorm.penalties.__all__) == {type(p).__name__ for p in PENALTIES}
    assert all(getattr(sknorm.penalties, type(p).__name__) is type(p) for p in PENALTIES)
