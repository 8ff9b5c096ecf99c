"""Steps of the group lasso: the proximal operator by brute force, and where both steps rest."""

from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kernel_case import Case
from scipy.optimize import brentq

from sknorm.kernels import codes, cpu, reference

KERNELS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
INPUTS, OUTPUTS = 5, 3
GROUPS = pytest.mark.parametrize("groups", [range(INPUTS + 1), (0, 2, 3, 5)], ids=["rows", "more"])


def naive_prox(p: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Of a group, ``a`` the strength times the steps, with the norm found by bisection."""
    if np.sum((p / a) ** 2) <= 1:
        return np.zeros_like(p)
    top = 1.1 * np.linalg.norm(p)
    r = brentq(lambda r: np.sum((p / (r + a)) ** 2) - 1, 0, top, xtol=1e-300, rtol=1e-14)
    return p * r / (r + a)


def members_and_groups(case: Case) -> list[tuple[int, slice, float]]:
    """Each member's groups, as rows, with the roots of their numbers."""
    groups = case.arguments["groups"]
    assert set(np.diff(groups)) >= {1, 3, 17}
    return [
        (k, slice(begin, end), np.sqrt(end - begin))
        for k in range(len(case.arguments["weight"]))
        for begin, end in pairwise(groups)
    ]


@KERNELS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_group_norms(cases: Any, kernels: ModuleType, dtype: type) -> None:
    case = cases.group_norms(3, 40, 5, dtype)
    monitor, got = case.arguments["monitor"], case.run(kernels)["monitor"]
    norms, weight = np.zeros(3), case.arguments["weight"].astype(np.float64)
    for k, rows, root in members_and_groups(case):
        norms[k] += root * np.linalg.norm(weight[k, rows])
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(got[:, 1], monitor[:, 1] + 17 * 1.3 * norms, rtol=tolerance)
    np.testing.assert_array_equal(got[:, [0, 2]], monitor[:, [0, 2]])


TOLERANCES = {np.float32: (1e-5, 1e-6), np.float64: (1e-12, 1e-14)}


@KERNELS
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_formula(cases: Any, kernels: ModuleType, dtype: type, nesterov: bool) -> None:
    case = cases.sgd_group(3, 40, 5, dtype, nesterov)
    a, got, zeros = case.arguments, case.run(kernels), 0
    rtol, atol = TOLERANCES[dtype]
    for k, rows, root in members_and_groups(case):
        w, v = (a[name][k, rows].astype(np.float64) for name in ("weight", "velocity"))
        limit = a["rate"][k] * a["strength"][k] * root
        if limit > 0:
            p = w - 0.9 * v if nesterov else w
            x = p * max(0.0, 1 - limit / np.linalg.norm(p)) if np.any(p) else p
            v = v + x - p
            w = x + 0.9 * v if nesterov else x
            if nesterov and not np.any(x):
                w, v = np.zeros_like(w), np.zeros_like(v)
            zeros += not np.any(x)
        np.testing.assert_allclose(got["weight"][k, rows], w, rtol=rtol, atol=atol)
        np.testing.assert_allclose(got["velocity"][k, rows], v, rtol=rtol, atol=atol)
    assert 12 < zeros < 40


@KERNELS
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("decades", [0.0, 1.0, 6.0])
def test_adam_formula(
    cases: Any, kernels: ModuleType, dtype: type, decoupled: bool, decades: float
) -> None:
    case = cases.adam_group(3, 40, 5, dtype, decoupled, decades)
    a, got, zeros = case.arguments, case.run(kernels)["weight"], 0
    np.testing.assert_array_equal(got[1], a["weight"][1])
    for k, rows, root in members_and_groups(case):
        limit = a["rate"][k] * a["strength"][k] * root
        if limit > 0:
            adaptive = a["correction"][k] / (np.sqrt(a["second"][k, rows].astype(float)) + 1e-8)
            p = a["weight"][k, rows].astype(float)
            want = naive_prox(p, limit * (np.ones_like(p) if decoupled else adaptive))
            rtol, atol = TOLERANCES[dtype]
            np.testing.assert_allclose(got[k, rows], want, rtol=rtol, atol=atol * 1e-3)
            zeros += not np.any(got[k, rows])
    assert 2 < zeros < 50


@KERNELS
def test_norms_at_the_border_of_zero(kernels: ModuleType) -> None:
    """Rows that barely stay, or barely go, end close to zero and never turn round."""
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        second = (10.0 ** rng.uniform(-6, 0, (1, 60, 33))).astype(dtype)
        a = 0.1 * 0.5 / (np.sqrt(second.astype(np.float64)) + 1e-8)
        p = rng.normal(size=a.shape) * a
        p *= (1 + np.linspace(-4, 4, 60)[:, None] * np.finfo(dtype).eps) / np.sqrt(
            np.sum((p / a) ** 2, axis=2, keepdims=True)
        )
        weight = p.astype(dtype)
        kernels.adam_group_step(
            weight, second, np.arange(61), np.array([0.1]), np.array([0.5]), np.ones(1), 1e-8,
            False, np.empty((1, 33), dtype),
        )  # fmt: skip
        assert np.all(weight * p >= 0)
        assert np.all(np.abs(weight) <= 1e3 * np.finfo(dtype).eps * np.abs(p))


@KERNELS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strength_zero_changes_nothing(cases: Any, kernels: ModuleType, dtype: type) -> None:
    size = (3, INPUTS, OUTPUTS, dtype)
    for flag in (False, True):
        for case in (cases.sgd_group(*size, flag), cases.adam_group(*size, flag)):
            case.arguments["strength"][...] = 0.0
            got = case.run(kernels)
            for name in {"weight", "velocity"} & set(got):
                np.testing.assert_array_equal(got[name], case.arguments[name])


class Groups:
    """Group lassos of a stack of two on 1/2 |C W - B|^2 for matrices W.

    Groups are of one row each, or of one and of several.
    """

    def __init__(self, groups: Sequence[int]) -> None:
        rng, self.groups = np.random.default_rng(4), np.array(groups)
        self.C, self.B = rng.normal(size=(2, 9, INPUTS)) / 3, rng.normal(size=(2, 9, OUTPUTS))
        alone = len(groups) > INPUTS
        self.strength, self.none = np.array([0.9, 1.0] if alone else [1.2, 1.5]), np.zeros(2)
        self.segments = np.array([[0, INPUTS * OUTPUTS, codes.UNPENALIZED]])

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.C.transpose(0, 2, 1) @ (self.C @ w - self.B)

    def optimality_gap(self, w: np.ndarray) -> float:
        """Distance of 0 from the subdifferential."""
        gaps, gradient = [], self.gradient(w)
        for k, strength in enumerate(self.strength):
            for begin, end in pairwise(self.groups):
                x, g = w[k, begin:end], gradient[k, begin:end]
                limit, norm = strength * np.sqrt(end - begin), np.linalg.norm(x)
                at_zero = max(0.0, np.linalg.norm(g) - limit)
                gaps.append(np.linalg.norm(g + limit * x / norm) if norm > 0 else at_zero)
        return float(np.max(gaps))

    def norms(self, w: np.ndarray) -> np.ndarray:
        """Of the groups, (K, groups)."""
        return np.sqrt(np.add.reduceat(np.sum(w**2, axis=2), self.groups[:-1], axis=1))

    def check(self, w: np.ndarray, tolerance: float) -> None:
        """A stationary point with some zero groups."""
        assert self.optimality_gap(w) < tolerance
        for norms in self.norms(w):
            assert 0 < np.sum(norms == 0) < len(norms)

    def sgd(self, kernels: ModuleType, momentum: float, nesterov: bool) -> tuple:
        w, velocity = np.ones((2, INPUTS, OUTPUTS)), np.zeros((2, INPUTS, OUTPUTS))
        rate = np.array([0.1, 0.15])
        for _ in range(1000):
            kernels.sgd_step(
                w.reshape(-1), self.gradient(w).reshape(-1), velocity.reshape(-1), self.segments,
                rate, self.none, self.none, momentum, nesterov, 1, np.zeros((2, 3)),
            )  # fmt: skip
            kernels.sgd_group_step(
                w, velocity, self.groups, rate, self.strength, momentum, nesterov
            )
        return w, velocity

    def adam(
        self, kernels: ModuleType, w: np.ndarray, first: np.ndarray, second: np.ndarray,
        rate: float, decoupled: bool, epsilon: float = 1e-8, gradient: Any = None,
    ) -> None:  # fmt: skip
        """One step of both kernels, at the problem's own gradient unless another is given."""
        g = self.gradient(w) if gradient is None else gradient
        rates, ones = np.full(2, rate), np.ones(2)
        kernels.adam_step(
            w.reshape(-1), g.reshape(-1), first.reshape(-1), second.reshape(-1), self.segments,
            rates, self.none, self.none, 0.9, 0.99, epsilon, ones, decoupled, 1, np.zeros((2, 3)),
        )  # fmt: skip
        kernels.adam_group_step(
            w,
            second,
            self.groups,
            rates,
            self.strength,
            ones,
            epsilon,
            decoupled,
            np.empty((2, INPUTS * OUTPUTS)),
        )


@KERNELS
@GROUPS
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_rests_at_the_group_lasso(
    kernels: ModuleType, groups: Sequence[int], momentum: float, nesterov: bool
) -> None:
    problem = Groups(groups)
    w, velocity = problem.sgd(kernels, momentum, nesterov)
    problem.check(w, 1e-12)
    assert np.max(np.abs(velocity)) < 1e-12


@KERNELS
@GROUPS
def test_adam_rests_at_the_group_lasso(kernels: ModuleType, groups: Sequence[int]) -> None:
    problem = Groups(groups)
    solution, _ = problem.sgd(kernels, 0.5, False)
    gradient = problem.gradient(solution)
    w, first, second = solution.copy(), gradient.copy(), gradient**2
    for _ in range(20):
        problem.adam(kernels, w, first, second, 1e-3, False)
    np.testing.assert_allclose(w, solution, atol=1e-12)
    problem.check(w, 1e-11)
    problem.adam(kernels, w := solution * 1.1, first, second, 1e-3, False)
    assert np.max(np.abs(w - solution * 1.1)) > 1e-6


@KERNELS
@GROUPS
def test_adam_converges_to_the_group_lasso(kernels: ModuleType, groups: Sequence[int]) -> None:
    problem = Groups(groups)
    w, first, second = (np.full((2, INPUTS, OUTPUTS), x) for x in (1.0, 0.0, 0.0))
    for step in range(3000):
        problem.adam(kernels, w, first, second, 0.02 * 0.997**step, False)
    problem.check(w, 1e-2)


@KERNELS
@GROUPS
def test_adamw_rests_where_its_penalty_balances_the_scaled_gradient(
    kernels: ModuleType, groups: Sequence[int]
) -> None:
    problem, rng = Groups(groups), np.random.default_rng(1)
    problem.strength = np.array([0.5, 0.6])
    w = rng.normal(size=(2, INPUTS, OUTPUTS))
    sizes = np.diff(groups)
    w[:, np.repeat(np.arange(len(sizes)) % 2 == 1, sizes)] = 0.0
    # Solve m / (|m| + epsilon) = u for the gradient m; |u| is below the strength in zero groups.
    norm = np.repeat(problem.norms(w) / np.sqrt(sizes), sizes, axis=1)[:, :, None]
    u = -problem.strength[:, None, None] * np.where(norm == 0, 0.3, w / np.where(norm, norm, 1))
    g = 0.7 * u / (1 - np.abs(u))
    moved, first = w.copy(), g.copy()
    problem.adam(kernels, moved, first, g**2, 0.1, True, 0.7, g)
    np.testing.assert_allclose(moved, w, atol=1e-15)
