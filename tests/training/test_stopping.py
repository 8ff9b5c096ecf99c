"""When members stop improving, and which weights are remembered."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sknorm.training.stopping import Stopping


def stopping(problem: Callable, by_score: bool, tol: float = 0.1, patience: float = 2) -> Any:
    """A fresh state and the network it watches."""
    network = problem(members=2).network
    return Stopping(tol, patience, by_score, network.take([0, 1])), network


def observe(state: Stopping, active: list[int], values: np.ndarray, network: Any) -> None:
    """Take in an epoch, with a look at the weights."""
    state.observe(active, values, network, network.is_finite())


@pytest.mark.parametrize("by_score", [True, False])
def test_improvement_by_less_than_tol_waits(problem: Callable, by_score: bool) -> None:
    state, network = stopping(problem, by_score)
    sign = 1.0 if by_score else -1.0
    expected = [(0, [0, 0]), (0.05, [1, 1]), (0.2, [0, 0]), (0.15, [1, 1]), (0.25, [2, 2])]
    for value, waiting in expected:
        observe(state, [0, 1], np.full(2, sign * value), network)
        assert state.waiting.tolist() == waiting
    assert state.best.tolist() == [sign * 0.25] * 2
    assert not state.has_converged(0)
    observe(state, [0, 1], np.full(2, sign * 0.25), network)
    assert state.has_converged(0) and state.has_converged(1)


def test_members_wait_each_for_itself(problem: Callable) -> None:
    state, network = stopping(problem, by_score=True)
    for epoch in range(4):
        observe(state, [0, 1], np.array([epoch, 0.0]), network)
    assert not state.has_converged(0) and state.has_converged(1)
    observe(state, [0], np.array([9.0]), network.take([0]))
    assert state.best.tolist() == [9.0, 0.0]


def test_best_weights_are_remembered_also_for_small_improvements(problem: Callable) -> None:
    state, network = stopping(problem, by_score=True)
    kept = []
    for value in (1.0, 1.01, 0.5):
        network.parameters.flat[...] += 1.0
        for moments in network.statistics:
            moments[...] += 1.0
        observe(state, [0, 1], np.array([value, -value]), network)
        kept.append(network.take([0, 1]))
    for member, best in ((0, 1), (1, 2)):
        for ours, theirs in zip(
            state.network.parameters.views, kept[best].parameters.views, strict=True
        ):
            np.testing.assert_array_equal(ours[member], theirs[member])
        np.testing.assert_array_equal(
            state.network.statistics[0][member], kept[best].statistics[0][member]
        )


@pytest.mark.parametrize(
    ("by_score", "bad"),
    [(True, np.nan), (True, -np.inf), (True, np.inf), (False, np.nan), (False, np.inf)],
)
def test_value_that_is_not_finite_never_counts_as_best(
    problem: Callable, by_score: bool, bad: float
) -> None:
    """Nor does it raise a warning of its own."""
    state, network = stopping(problem, by_score)
    before = network.parameters.flat.copy()
    for value in (bad, bad):
        network.parameters.flat[...] += 1.0
        observe(state, [0, 1], np.array([value, value]), network)
    np.testing.assert_array_equal(state.network.parameters.flat, before)
    if bad != np.inf or not by_score:
        assert state.waiting.tolist() == [2, 2]


def test_weights_that_are_not_finite_are_never_kept(problem: Callable) -> None:
    state, network = stopping(problem, by_score=False)
    before = network.take([0, 1])
    network.parameters.weights[0][1, 0, 0] = np.nan
    observe(state, [0, 1], np.array([1.0, 1.0]), network)
    assert np.isfinite(state.network.parameters.flat).all()
    np.testing.assert_array_equal(
        state.network.parameters.weights[0][1], before.parameters.weights[0][1]
    )


def test_patience_without_end(problem: Callable) -> None:
    state, network = stopping(problem, by_score=True, patience=np.inf)
    for _ in range(50):
        observe(state, [0, 1], np.zeros(2), network)
    assert not state.has_converged(0)
