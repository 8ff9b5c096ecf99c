"""When members stop improving, and which weights are remembered."""

import numpy as np
import pytest

from sknorm.training.stopping import Stopping


def stopping(by_score: bool, tol: float = 0.1, patience: float = 2) -> Stopping:
    """Two members before their first epoch."""
    return Stopping(2, tol, patience, by_score)


def observe(state: Stopping, active: list[int], *values: float) -> list[int]:
    """Take in an epoch that ends with finite weights."""
    return state.observe(active, np.array(values), np.ones(len(active), dtype=bool))


@pytest.mark.parametrize("by_score", [True, False])
def test_improvement_by_less_than_tol_waits(by_score: bool) -> None:
    state = stopping(by_score)
    sign = 1.0 if by_score else -1.0
    expected = [(0, [0, 0]), (0.05, [1, 1]), (0.2, [0, 0]), (0.15, [1, 1]), (0.25, [2, 2])]
    for value, waiting in expected:
        observe(state, [0, 1], sign * value, sign * value)
        assert state.waiting.tolist() == waiting
    assert state.best.tolist() == [sign * 0.25] * 2
    assert not state.has_converged(0)
    observe(state, [0, 1], sign * 0.25, sign * 0.25)
    assert state.has_converged(0) and state.has_converged(1)


def test_members_wait_each_for_itself() -> None:
    state = stopping(by_score=True)
    for epoch in range(4):
        observe(state, [0, 1], epoch, 0.0)
    assert not state.has_converged(0) and state.has_converged(1)
    observe(state, [0], 9.0)
    assert state.best.tolist() == [9.0, 0.0]


def test_small_improvements_count_as_the_best_too() -> None:
    state = stopping(by_score=True)
    assert observe(state, [0, 1], 1.0, -1.0) == [0, 1]
    assert observe(state, [0, 1], 1.01, -1.01) == [0]
    assert observe(state, [1], -0.5) == [0]
    assert state.best.tolist() == [1.01, -0.5]


@pytest.mark.parametrize(
    ("by_score", "bad"),
    [(True, np.nan), (True, -np.inf), (True, np.inf), (False, np.nan), (False, np.inf)],
)
def test_value_that_is_not_finite_never_counts_as_best(by_score: bool, bad: float) -> None:
    """Nor does it raise a warning of its own."""
    state = stopping(by_score)
    assert observe(state, [0, 1], bad, bad) == observe(state, [0, 1], bad, bad) == []
    assert state.waiting.tolist() == [2, 2]


def test_weights_that_are_not_finite_are_never_the_best() -> None:
    state = stopping(by_score=False)
    assert state.observe([0, 1], np.array([1.0, 1.0]), np.array([True, False])) == [0]
    assert state.best.tolist() == [1.0, np.inf]


def test_patience_without_end() -> None:
    state = stopping(by_score=True, patience=np.inf)
    for _ in range(50):
        observe(state, [0, 1], 0.0, 0.0)
    assert not state.has_converged(0)


def test_a_loss_may_leave_the_end_to_others() -> None:
    """Until there are scores, which then decide."""
    state = Stopping(1, 0.1, 2, True, by_loss=False)
    for _ in range(9):
        state.observe([0], np.array([np.nan]), np.array([True]), np.array([1.0]))
    assert state.waiting[0] > 2 and not state.has_converged(0)
    for _ in range(4):
        observe(state, [0], 0.5)
    assert state.has_converged(0)
