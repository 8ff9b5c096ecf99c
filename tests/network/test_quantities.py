"""What varies from step to step: each step reads its row of one table, on any backend."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import array_api_compat.numpy as compat_numpy
import numpy as np
import pytest

from sknorm.backends.executors import Loop
from sknorm.backends.numpy import NumpyBackend
from sknorm.backends.portable import PortableBackend
from sknorm.backends.program import Program, run
from sknorm.network.quantities import NAMES, Quantities
from sknorm.objective.losses import SquaredError

STEPS, SIZE = 3, 20
VALUES = np.linspace(0.1, 0.4, 2 * STEPS).reshape(STEPS, 2)


def test_a_table_holds_what_varies_and_what_is_as_usual(problem: Callable) -> None:
    members = problem(dropout=0.3).members
    quantities = Quantities(NumpyBackend(), members)
    table = quantities.table(STEPS, learning_rate=VALUES, correction=VALUES[:, :1])
    assert table.shape == (STEPS, len(NAMES), 2)
    np.testing.assert_array_equal(table[:, NAMES.index("learning_rate")], VALUES)
    np.testing.assert_array_equal(table[:, NAMES.index("correction")], VALUES[:, [0, 0]])
    np.testing.assert_array_equal(table[:, NAMES.index("dropout")], [members.dropout] * STEPS)
    np.testing.assert_array_equal(table[:, NAMES.index("share")], 1.0)


@pytest.mark.parametrize("backend", [NumpyBackend(), PortableBackend(compat_numpy, "cpu")])
@pytest.mark.parametrize("name", ["dropout", "norm_momentum", "input_noise", "input_dropout"])
def test_any_quantity_may_follow_a_schedule(problem: Callable, backend: Any, name: str) -> None:
    """A step of an epoch does what it does alone with the numbers that it has there."""
    made = problem(members=2, dropout=0.2, input_dropout=0.1)
    members = replace(made.members, input_noise=np.full(2, 0.1))
    made = replace(made, network=made.network.on(backend).copy(), members=members)
    order, found = made.rows[:, : STEPS * SIZE], {}
    for way in ("epoch", "alone"):
        own = replace(made, network=made.network.copy())
        compute, gradient, value = own.batch_gradient(SquaredError(), SIZE)
        table = compute.quantities.table(STEPS, **{name: VALUES})
        if way == "epoch":
            edges = [(SIZE * i, SIZE * (i + 1)) for i in range(STEPS)]
            numbers = compute.quantities.numbers
            program = Program({SIZE: compute.operations}, {SIZE: compute.rows}, numbers, [])
            Loop(backend, edges).epoch(program, order, table, 7)
        else:
            for i in range(STEPS):
                compute.quantities[name][...] = VALUES[i]
                compute.rows[...] = order[:, SIZE * i : SIZE * (i + 1)]
                run(compute.operations, 7 + i)
        found[way] = gradient.flat, value, *own.network.statistics
    for one, other in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(one, other)
