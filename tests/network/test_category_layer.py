"""Networks with categories, against dense inputs in which each level is a column."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layers_case import check_population_statistics, looked_up, outputs

from sknorm.network.architecture import Architecture, Categories
from sknorm.network.folding import Noise, fold
from sknorm.network.layers import all_layers, categories, draw
from sknorm.network.network import revive

BOTH = Categories(4, ((0, 2), (2, 4)), ((1, 5, 2), (3, 4, 3)))
ROWS = Categories(2, ((0, 1), (1, 5)), ())
SHAPE = {"both": (BOTH, (14, 7, 6, 2)), "rows": (ROWS, (9, 7, 2)), "no layers": (BOTH, (14, 2))}


def dense_inputs(problem: Any, member: int) -> np.ndarray:
    """All inputs of a member, (n, d_in): numbers, embeddings, indicators."""
    (numbers, codes), scaling = problem.data.X, problem.data.scaling
    z = (numbers - scaling.offset) * scaling.factor
    z = np.where(np.isnan(z), scaling.fill, z / np.sqrt(1.0 + (scaling.clip * z) ** 2))
    return np.hstack([z, *looked_up(problem, codes, member)])


@pytest.mark.parametrize("name", SHAPE)
@pytest.mark.parametrize("members", [1, 3])
def test_predictions(problem: Callable, name: str, members: int) -> None:
    known, sizes = SHAPE[name]
    made = problem(sizes, categories=known, members=members)
    got = fold(made.network).raw(made.data.X, made.data.scaling)
    for member in range(members):
        np.testing.assert_allclose(
            got[member], outputs(made, member, dense_inputs(made, member)), rtol=1e-10, atol=1e-12
        )


def test_population_statistics(problem: Callable) -> None:
    made = problem(SHAPE["both"][1], categories=BOTH, members=2)
    check_population_statistics(made, dense_inputs)


def test_dropped_inputs_at_prediction(problem: Callable) -> None:
    """Of a linear map, the mean over masks is the map; categories are dropped as a whole."""
    made = problem(SHAPE["no layers"][1], categories=BOTH, members=1)
    inference, rate = fold(made.network), np.full(1, 0.3)
    every = []
    for sample in range(3000):
        noise = Noise(np.zeros(1), rate, np.array([5], np.uint32), sample, True)
        every.append(inference.raw(made.data.X, made.data.scaling, noise)[0])
    error = np.std(every, axis=0) / np.sqrt(len(every))
    assert (error > 0).all()
    assert (
        np.abs(np.mean(every, axis=0) - outputs(made, 0, dense_inputs(made, 0))) < 5.0 * error
    ).all()


def test_plan_of_embeddings() -> None:
    want = [[1, 3, 2, 0, 5], [3, 5, 3, 10, 4]]
    np.testing.assert_array_equal(BOTH.plan(3), want)
    assert BOTH.width == 5 and BOTH.table_size == 22
    assert ROWS.plan(3).shape == (0, 5)


@pytest.mark.parametrize(
    ("known", "sizes", "groups"),
    [
        (None, (3, 4, 1), [0, 1, 2, 3]),
        (BOTH, (14, 7, 1), [0, 1, 2, 3, 5, 8, 10, 14]),
        (ROWS, (9, 1), [0, 1, 2, 3, 4, 9]),
        (Categories(2, (), ((0, 9, 2), (1, 9, 2))), (4, 3, 1), [0, 2, 4]),
        (Categories(1, ((0, 3),), ()), (4, 3, 1), [0, 1, 4]),  # one input in place of no number
    ],
)
def test_inputs_of_one_column_are_a_group(
    known: Categories | None, sizes: tuple, groups: list[int]
) -> None:
    found = Architecture(sizes, "relu", None, 0.0, False, 0, categories=known).groups
    assert found.dtype == np.int64 and found.tolist() == groups


@pytest.mark.parametrize("members", [1, 3])
def test_columns_that_are_off_are_revived_as_a_whole(problem: Callable, members: int) -> None:
    """Rows of zeros beside others that are not belong to a column that is on."""
    network = problem(SHAPE["both"][1], categories=BOTH, members=members).network
    weight = network["blocks.0.weight"]
    weight[:, [1, 3, 4]] = 0.0  # a number, and a column with vectors
    weight[:, [6, 8, 11]] = 0.0  # parts of columns
    before, states = weight.copy(), [np.random.RandomState(k) for k in range(members)]
    revive(network, states)
    off = np.isin(np.arange(14), [1, 3, 4])
    assert weight[:, off].all()
    np.testing.assert_array_equal(weight[:, ~off], before[:, ~off])
    for member in range(members):
        drawn = draw(network.architecture, np.random.RandomState(member))["blocks.0.weight"]
        np.testing.assert_array_equal(weight[member, off], drawn[off])


def test_layers_in_order(problem: Callable) -> None:
    architecture = problem(SHAPE["both"][1], categories=BOTH).network.architecture
    assert (architecture.numbers, architecture.dense) == (3, 8)
    names = [layer.name for layer in all_layers(architecture)]
    assert names == ["categories", "blocks.0", "blocks.1", "head"]
    assert categories(problem().network.architecture) is None


def test_vectors_start_on_the_scale_of_numbers(problem: Callable) -> None:
    known = Categories(1, (), ((0, 400, 5),))
    architecture = problem((8, 4, 1), categories=known).network.architecture
    layer = categories(architecture)
    assert layer is not None
    drawn = layer.draw(np.random.RandomState(0))["table"]
    assert drawn.shape == (2000,)
    assert abs(drawn.mean()) < 0.1 and abs(drawn.std() - 1.0) < 0.1
