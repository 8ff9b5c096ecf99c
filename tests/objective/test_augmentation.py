"""Shares of mixup: what they are a function of, whichever steps they are drawn for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sknorm.training.augmentation import shares

ALPHA = np.array([0.2, 0.0, 1.0, 3.0])


def expected(made: Any, step: int) -> list[float]:
    """Each from a generator of its own: the seed is its key, the step in its counter."""
    values = []
    for alpha, seed in zip(made.members.mixup_alpha, made.members.seed, strict=True):
        bits = np.random.Philox(key=int(seed), counter=[0, step, 0, 0])
        values.append(np.random.Generator(bits).beta(alpha, alpha) if alpha > 0 else 1.0)
    return values


@pytest.fixture
def made(problem: Callable) -> Any:
    given = problem(members=len(ALPHA))
    seed = np.array([0, 1, 7, 2**32 - 1], dtype=np.uint32)
    return replace(given, members=replace(given.members, mixup_alpha=ALPHA, seed=seed))


def test_shares_are_those_of_the_seed_and_the_step(made: Any) -> None:
    """In whatever order steps come."""
    found = []
    for step in (0, 1, 255, 256, 3, 511, 512, 10_000_019, 255):
        found.append(shares(made.members, range(step, step + 1))[0])
        np.testing.assert_allclose(found[-1], expected(made, step), rtol=1e-12, atol=1e-15)
    assert len({tuple(row) for row in found}) == 8  # one step was asked for twice
    assert all(row[1] == 1.0 for row in found)
    np.testing.assert_array_equal(shares(made.members, range(255, 257)), found[2:4])


def test_shares_do_not_depend_on_the_stack(made: Any) -> None:
    steps = range(4, 7)
    alone = shares(made.members.take([2]), steps)
    np.testing.assert_array_equal(alone[:, 0], shares(made.members, steps)[:, 2])
