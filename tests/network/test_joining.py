"""Stacks put together: networks and hyperparameters of several in one."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from sknorm.network.members import Members, join_members
from sknorm.network.network import join_networks


@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize("affine", [True, False])
def test_networks_are_joined_in_order(
    problem: Callable, normalization: str | None, affine: bool
) -> None:
    made = [
        problem(normalization=normalization, affine=affine, members=count, seed=count).network
        for count in (1, 3, 2)
    ]
    whole = join_networks(made)
    assert whole.members == 6 and whole.architecture == made[0].architecture
    assert whole.backend is made[0].backend
    for start, part in zip((0, 1, 4), made, strict=True):
        taken = whole.take(range(start, start + part.members))
        np.testing.assert_array_equal(taken.parameters.flat, part.parameters.flat)
        assert len(taken.statistics) == len(part.statistics)
        for ours, theirs in zip(taken.statistics, part.statistics, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_joined_networks_are_copies(problem: Callable) -> None:
    made = [problem(members=1, seed=seed).network for seed in range(2)]
    whole = join_networks(made)
    whole.parameters.flat[...] = 0.0
    whole.statistics[0][...] = 5.0
    assert all(part.parameters.flat.any() for part in made)
    assert all((part.statistics[0] != 5.0).all() for part in made)


def test_members_are_joined_field_by_field(problem: Callable) -> None:
    made = [problem(members=count, dropout=0.4, seed=count).members for count in (2, 1)]
    whole = join_members(made)
    assert len(whole) == 3
    for each in fields(Members):
        joined = getattr(whole, each.name)
        parts = [getattr(part, each.name) for part in made]
        assert joined.dtype == parts[0].dtype
        np.testing.assert_array_equal(joined, [*parts[0], *parts[1]])
    assert len(set(whole.dropout.tolist())) == 2  # members differ
