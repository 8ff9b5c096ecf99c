"""Steps under the L0 penalty: exact zeros, plain steps without it, and where they rest."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sknorm.kernels import codes, cpu, reference

KERNELS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
STEPS = ["sgd", "nesterov", "adam", "adamw"]


def build(cases: Any, step: str, dtype: type) -> Any:
    if step in ("sgd", "nesterov"):
        return cases.sgd(3, dtype, 0.9, step == "nesterov")
    return cases.adam(3, dtype, step == "adamw")


def penalize(case: Any, code: int) -> Any:
    """The same step with all segments under one penalty."""
    segments = case.arguments["segments"].copy()
    segments[:, 2] = code
    return case._replace(arguments=case.arguments | {"segments": segments})


@KERNELS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("step", STEPS)
def test_strength_zero_is_the_plain_step(
    cases: Any, kernels: ModuleType, step: str, dtype: type
) -> None:
    case = build(cases, step, dtype)
    case.arguments["alpha"][...] = 0.0
    case.arguments["parameters"][::7] = 1e-30  # whose square is zero in float32
    got = penalize(case, codes.L0).run(kernels)
    want = penalize(case, codes.UNPENALIZED).run(kernels)
    for name in {"parameters", "velocity", "first", "second"} & set(got):
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


@KERNELS
@pytest.mark.parametrize("step", STEPS)
def test_weights_are_zero_or_those_of_the_plain_step(
    cases: Any, kernels: ModuleType, step: str
) -> None:
    """Without momentum, which restarts at the zeros of Nesterov's."""
    case = build(cases, step, np.float64)
    if "velocity" in case.arguments:
        case.arguments["momentum"] = 0.0
    got = penalize(case, codes.L0).run(kernels)["parameters"]
    plain = penalize(case, codes.UNPENALIZED).run(kernels)["parameters"]
    zero = got == 0.0
    np.testing.assert_allclose(got[~zero], plain[~zero], rtol=1e-13)
    assert 0.1 < zero.mean() < 0.9
    if step in ("sgd", "nesterov"):
        limit = np.sqrt(2 * case.arguments["alpha"] * case.arguments["rate"])
        for offset, size, _ in case.arguments["segments"]:
            span = slice(offset, offset + 3 * size)
            rows, dead = plain[span].reshape(3, -1), zero[span].reshape(3, -1)
            np.testing.assert_array_equal(dead, np.abs(rows) <= limit[:, None])


@KERNELS
@pytest.mark.parametrize("step", STEPS)
def test_nan_stays_visible(cases: Any, kernels: ModuleType, step: str) -> None:
    case = penalize(build(cases, step, np.float32), codes.L0)
    case.arguments["gradient"][3] = np.nan
    got = case.run(kernels)["parameters"]
    assert np.isnan(got[3]) and np.isnan(got).sum() == 1


class Sparse:
    """L0-penalized quadratics 1/2 w'Aw - b'w of a stack of two."""

    def __init__(self, size: int = 8) -> None:
        rng = np.random.default_rng(5)
        root = rng.normal(size=(2, size, size)) / np.sqrt(size)
        self.A = root @ root.transpose(0, 2, 1) + 0.5 * np.eye(size)
        self.b = rng.normal(size=(2, size))
        self.alpha, self.none = np.array([0.05, 0.1]), np.zeros(2)
        self.segments = np.array([[0, size, codes.L0]])

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return (np.einsum("kij,kj->ki", self.A, w.reshape(self.b.shape)) - self.b).ravel()

    def sgd(self, kernels: ModuleType, momentum: float, nesterov: bool) -> tuple:
        w, velocity = np.ones(self.b.size), np.zeros(self.b.size)
        for _ in range(1500):
            kernels.sgd_step(
                w, self.gradient(w), velocity, self.segments, np.array([0.1, 0.15]), self.alpha,
                self.none, momentum, nesterov, 1, np.zeros((2, 3)),
            )  # fmt: skip
        return w, velocity

    def check(self, w: np.ndarray, tolerance: float) -> None:
        """Stationary on the support, which is neither empty nor full."""
        assert np.max(np.abs(self.gradient(w)[w != 0])) < tolerance
        for member in w.reshape(self.b.shape):
            assert 0 < np.sum(member == 0) < member.size


@KERNELS
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_rests_at_a_local_solution(
    kernels: ModuleType, momentum: float, nesterov: bool
) -> None:
    problem = Sparse()
    w, velocity = problem.sgd(kernels, momentum, nesterov)
    problem.check(w, 1e-12)
    assert np.max(np.abs(velocity)) < 1e-12


@KERNELS
@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_rests_at_a_local_solution(kernels: ModuleType, decoupled: bool) -> None:
    """In a metric that stands still, for the threshold grows as the second moments vanish."""
    problem = Sparse()
    w, first, second = np.ones(16), np.zeros(16), np.linspace(0.5, 1.5, 16)
    for _ in range(3000):
        kernels.adam_step(
            w, problem.gradient(w), first, second, problem.segments, np.full(2, 0.1),
            problem.alpha, problem.none, 0.9, 1.0, 1e-8, np.ones(2), decoupled, 1, np.zeros((2, 3)),
        )  # fmt: skip
    problem.check(w, 1e-12)
