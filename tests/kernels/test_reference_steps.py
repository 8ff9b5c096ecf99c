"""Optimizer steps: formulas coordinate by coordinate, and where they come to rest."""

from typing import Any

import numpy as np
import pytest

from sknorm.kernels import codes, reference

SIZE = 6
SEGMENTS = np.array([[0, SIZE, codes.ELASTIC_NET]])


def soft(w: float, threshold: float) -> float:
    return float(np.sign(w) * max(abs(w) - threshold, 0.0))


def hard(w: float, threshold: float) -> float:
    return w if w**2 > 2 * threshold or threshold == 0 else 0.0


def naive_sgd(a: dict[str, Any], i: int, k: int, prox: Any, l1: float, l2: float) -> dict:
    w, v, rate, momentum = a["parameters"][i], a["velocity"][i], a["rate"][k], a["momentum"]
    g = a["gradient"][i] + l2 * w
    v = momentum * v - rate * g
    if not a["nesterov"]:
        new = prox(w + v, rate * l1)
        return {"parameters": new, "velocity": new - w}
    x = prox(w - rate * g, rate * l1)
    v += x - (w - rate * g)
    if l1 > 0 and x == 0:
        return {"parameters": 0.0, "velocity": 0.0}
    return {"parameters": x + momentum * v, "velocity": v}


def naive_adam(a: dict[str, Any], i: int, k: int, prox: Any, l1: float, l2: float) -> dict:
    w, g, rate = a["parameters"][i], a["gradient"][i], a["rate"][k]
    g += 0.0 if a["decoupled"] else l2 * w
    m = a["beta_1"] * a["first"][i] + (1 - a["beta_1"]) * g
    v = a["beta_2"] * a["second"][i] + (1 - a["beta_2"]) * g**2
    eta = rate * a["correction"][k] / (np.sqrt(v) + a["epsilon"])
    if a["decoupled"]:
        new = prox(w * (1 - rate * l2) - eta * m, rate * l1)
    else:
        new = prox(w - eta * m, eta * l1)
    return {"parameters": new, "first": m, "second": v}


def check_step(case: Any, naive: Any) -> None:
    """Compare with the naive step, and the monitor with plain sums."""
    a, got = case.arguments, case.run(reference)
    K = a["rate"].size
    monitor = np.zeros((K, 3))
    for offset, size, code in a["segments"]:
        for i in range(offset, offset + K * size):
            k = (i - offset) // size
            w, alpha, ratio = a["parameters"][i], a["alpha"][k], a["l1_ratio"][k]
            prox, strength, l2, watched = {
                codes.UNPENALIZED: (soft, 0.0, 0.0, (0.0, 0.0)),
                codes.ELASTIC_NET: (soft, alpha * ratio, alpha * (1 - ratio), (abs(w), w * w)),
                codes.L0: (hard, alpha, 0.0, (float(w != 0), 0.0)),
            }[code]
            for name, want in naive(a, i, k, prox, strength, l2).items():
                np.testing.assert_allclose(got[name][i], want, rtol=1e-10, atol=1e-14)
            monitor[k] += a["gradient"][i] ** 2, *watched
    monitor[:, 0] = np.sqrt(monitor[:, 0])
    np.testing.assert_allclose(got["monitor"], a["monitor"] + a["batch_size"] * monitor)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_formula(cases: Any, momentum: float, nesterov: bool) -> None:
    check_step(cases.sgd(3, np.float64, momentum, nesterov), naive_sgd)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_formula(cases: Any, decoupled: bool) -> None:
    check_step(cases.adam(3, np.float64, decoupled), naive_adam)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_without_penalty_is_the_usual_one(cases: Any, nesterov: bool) -> None:
    case = cases.sgd(3, np.float64, 0.9, nesterov)
    a = case.arguments
    a["alpha"][...] = 0.0
    size = a["segments"][0, 1]
    rate, first = np.repeat(a["rate"], size), slice(0, 3 * size)
    w, v, g = (a[name][first] for name in ("parameters", "velocity", "gradient"))
    v = 0.9 * v - rate * g
    want = w + 0.9 * v - rate * g if nesterov else w + v
    got = case.run(reference)
    np.testing.assert_allclose(got["parameters"][first], want, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(got["velocity"][first], v, rtol=1e-12, atol=1e-15)


class Quadratic:
    """Elastic nets of a two-member stack on 1/2 w'Aw - b'w, with zeros in the solution."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        root = rng.normal(size=(2, SIZE, SIZE)) / np.sqrt(SIZE)
        self.A = root @ root.transpose(0, 2, 1) + 0.5 * np.eye(SIZE)
        self.b = rng.normal(size=(2, SIZE))
        self.alpha, self.l1_ratio = np.array([0.5, 0.8]), np.array([0.6, 0.9])
        self.l1 = (self.alpha * self.l1_ratio)[:, None]
        self.l2 = (self.alpha * (1 - self.l1_ratio))[:, None]

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return np.einsum("kij,kj->ki", self.A, w.reshape(2, SIZE)) - self.b

    def optimality_gap(self, w: np.ndarray) -> float:
        """Distance of 0 from the subdifferential."""
        w = w.reshape(2, SIZE)
        smooth = self.gradient(w) + self.l2 * w
        at_zero = np.maximum(np.abs(smooth) - self.l1, 0.0)
        return float(np.max(np.where(w == 0, at_zero, np.abs(smooth + self.l1 * np.sign(w)))))

    def sgd(self, steps: int, w: np.ndarray, momentum: float, nesterov: bool) -> tuple:
        velocity, rate = np.zeros(2 * SIZE), np.array([0.1, 0.15])
        for _ in range(steps):
            reference.sgd_step(
                w, self.gradient(w).ravel(), velocity, SEGMENTS, rate, self.alpha, self.l1_ratio,
                momentum, nesterov, 1, np.zeros((2, 3)),
            )  # fmt: skip
        return w, velocity


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_rests_at_the_elastic_net(momentum: float, nesterov: bool) -> None:
    problem = Quadratic()
    w, velocity = problem.sgd(800, np.ones(2 * SIZE), momentum, nesterov)
    assert problem.optimality_gap(w) < 1e-12
    assert np.max(np.abs(velocity)) < 1e-12
    for member in w.reshape(2, SIZE):
        assert 0 < np.sum(member == 0) < SIZE


def test_adam_rests_at_the_elastic_net() -> None:
    problem = Quadratic()
    solution, _ = problem.sgd(500, np.ones(2 * SIZE), 0.5, False)
    gradient = problem.gradient(solution) + problem.l2 * solution.reshape(2, SIZE)
    w, first, second = solution.copy(), gradient.ravel().copy(), gradient.ravel() ** 2
    for _ in range(20):
        adam_step(problem, w, first, second, 1e-3, 1e-8, False)
    np.testing.assert_allclose(w, solution, atol=1e-13)
    assert problem.optimality_gap(w) < 1e-12
    adam_step(problem, w := solution * 1.1, first, second, 1e-3, 1e-8, False)
    assert np.max(np.abs(w - solution * 1.1)) > 1e-5


def test_adam_converges_to_the_elastic_net() -> None:
    problem = Quadratic()
    w, first, second = np.ones(2 * SIZE), np.zeros(2 * SIZE), np.zeros(2 * SIZE)
    for step in range(2000):
        adam_step(problem, w, first, second, 0.02 * 0.997**step, 1e-8, False)
    assert problem.optimality_gap(w) < 1e-3
    assert 0 < np.sum(w == 0) < 2 * SIZE


def test_adamw_rests_where_its_penalty_balances_the_scaled_gradient() -> None:
    problem = Quadratic()
    w = np.array([0.3, -0.2, 0.0, 0.1, 0.0, -0.5] * 2).reshape(2, SIZE)
    # Solve m / (|m| + epsilon) = u for the gradient m; u lies within l1 where w is zero.
    u = -(problem.l2 * w + problem.l1 * np.where(w == 0, 0.5, np.sign(w)))
    g = 0.7 * u / (1 - np.abs(u))
    moved, first = w.ravel().copy(), g.ravel().copy()
    adam_step(problem, moved, first, g.ravel() ** 2, 0.1, 0.7, True, g.ravel())
    np.testing.assert_allclose(moved, w.ravel(), atol=1e-15)


@pytest.mark.parametrize("kernel", ["sgd", "nesterov", "adam", "adamw"])
def test_nan_stays_visible(cases: Any, kernel: str) -> None:
    if kernel in ("sgd", "nesterov"):
        case = cases.sgd(1, np.float64, 0.9, kernel == "nesterov")
    else:
        case = cases.adam(1, np.float64, kernel == "adamw")
    case.arguments["gradient"][3] = np.nan
    got = case.run(reference)
    assert np.isnan(got["parameters"][3])
    assert np.isnan(got["parameters"]).sum() == 1
    assert np.isnan(got["monitor"][0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_gradient(cases: Any, dtype: type) -> None:
    case = cases.clip(3, dtype, 15.0)
    a = case.arguments
    a["gradient"] *= 0.1
    spans = [(o, s) for o, s, _ in a["segments"]]

    def member(buffer: np.ndarray, k: int) -> np.ndarray:
        return np.concatenate([buffer[o + k * s : o + (k + 1) * s] for o, s in spans])

    for o, s in spans:
        a["gradient"][o + s : o + 2 * s] *= 100.0
    a["gradient"][spans[0][0] + 2 * spans[0][1]] = np.inf
    got = case.run(reference)["gradient"]
    np.testing.assert_array_equal(member(got, 0), member(a["gradient"], 0))
    clipped = member(a["gradient"], 1)
    want = clipped * (15.0 / np.linalg.norm(clipped.astype(np.float64)))
    np.testing.assert_allclose(member(got, 1), want, rtol=1e-6)
    np.testing.assert_array_equal(member(got, 2), member(a["gradient"], 2))


def test_clip_of_a_zero_gradient(cases: Any) -> None:
    case = cases.clip(2, np.float64, 1.0)
    case.arguments["gradient"][...] = 0.0
    assert np.all(case.run(reference)["gradient"] == 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_restore_norms(cases: Any, dtype: type) -> None:
    case = cases.norms(3, dtype)
    weight, got = case.arguments["weight"], case.run(reference)["weight"]
    np.testing.assert_array_equal(got[1], weight[1])
    want = np.where(np.arange(5) == 2, 0.0, 1.7)
    for k in (0, 2):
        np.testing.assert_allclose(np.linalg.norm(got[k], axis=0), want, rtol=1e-6)
    direction = weight[0, :, 0] / np.linalg.norm(weight[0, :, 0])
    np.testing.assert_allclose(got[0, :, 0] / dtype(1.7), direction, rtol=1e-6)


def adam_step(
    problem: Quadratic, w: np.ndarray, first: np.ndarray, second: np.ndarray, rate: float,
    epsilon: float, decoupled: bool, gradient: np.ndarray | None = None,
) -> None:  # fmt: skip
    """One step at the problem's own gradient unless another is given."""
    g = problem.gradient(w).ravel() if gradient is None else gradient
    reference.adam_step(
        w, g, first, second, SEGMENTS, np.full(2, rate), problem.alpha, problem.l1_ratio,
        0.9, 0.99, epsilon, np.ones(2), decoupled, 1, np.zeros((2, 3)),
    )  # fmt: skip
