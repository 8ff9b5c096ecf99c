"""Shares of mixup: what they are a function of, whatever the block that they were drawn in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sknorm.training.augmentation import Augmentation

ALPHA = np.array([0.2, 0.0, 1.0, 3.0])


def shares(made: Any, augment: Augmentation, step: int) -> np.ndarray:
    """The shares of a step, read off rows of which only the first is not zero."""
    count = len(made.members)
    x, y = np.zeros((count, 2, 1)), np.zeros((count, 2, 1))
    x[:, 0] = 1.0
    augment(step, x, y, np.ones((count, 2)))
    np.testing.assert_allclose(x.sum(axis=1), 1.0)
    return x[:, 0, 0]


def expected(made: Any, step: int) -> list[float]:
    """Each from a generator of its own: the seed is its key, the step in its counter."""
    values = []
    for alpha, seed in zip(made.members.mixup, made.members.seed, strict=True):
        bits = np.random.Philox(key=int(seed), counter=[0, step, 0, 0])
        values.append(np.random.Generator(bits).beta(alpha, alpha) if alpha > 0 else 1.0)
    return values


@pytest.fixture
def made(problem: Callable) -> Any:
    given = problem(members=len(ALPHA))
    seed = np.array([0, 1, 7, 2**32 - 1], dtype=np.uint32)
    return replace(given, members=replace(given.members, mixup=ALPHA, seed=seed))


def test_shares_are_those_of_the_seed_and_the_step(made: Any) -> None:
    """In whatever order steps come, and on both sides of the ends of blocks."""
    augment = Augmentation(made.network.backend, made.members)
    found = []
    for step in (0, 1, 255, 256, 3, 511, 512, 10_000_019, 255):
        found.append(shares(made, augment, step))
        np.testing.assert_allclose(found[-1], expected(made, step), rtol=1e-12, atol=1e-15)
    assert len({tuple(row) for row in found}) == 8  # one step was asked for twice
    assert all(row[1] == 1.0 for row in found)


def test_shares_do_not_depend_on_the_stack(made: Any) -> None:
    whole = Augmentation(made.network.backend, made.members)
    alone = replace(made, members=made.members.take([2]))
    part = Augmentation(made.network.backend, alone.members)
    for step in (4, 300):
        assert shares(alone, part, step)[0] == shares(made, whole, step)[2]
