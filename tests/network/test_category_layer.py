"""Networks with categories, against dense inputs in which each level is a column."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sknorm.network.architecture import Architecture, Categories
from sknorm.network.folding import Noise, fold
from sknorm.network.layers import all_layers, categories, draw
from sknorm.network.network import revive
from sknorm.network.population import set_population_statistics

BOTH = Categories(4, ((0, 2), (2, 4)), ((1, 5, 2), (3, 4, 3)))
ROWS = Categories(2, ((0, 1), (1, 5)), ())
SHAPE = {"both": (BOTH, (14, 7, 6, 2)), "rows": (ROWS, (9, 7, 2)), "no layers": (BOTH, (14, 2))}


def dense_inputs(problem: Any, member: int) -> np.ndarray:
    """All inputs of a member, (n, d_in): numbers, embeddings, indicators."""
    network, (numbers, codes), scaling = problem.network, problem.data.X, problem.data.scaling
    known = network.architecture.categories
    z = (numbers - scaling.offset) * scaling.factor
    z = np.where(np.isnan(z), scaling.fill, z / np.sqrt(1.0 + (scaling.clip * z) ** 2))
    places = scaling.places[0][scaling.starts + codes]
    parts, begin = [z], 0
    for column, levels, width in known.embeddings:
        vectors = network["categories.table"][member, begin : begin + levels * width]
        begin += levels * width
        parts.append(indicators(places[:, column], levels) @ vectors.reshape(levels, width))
    return np.hstack([*parts, sum(indicators(places[:, c], known.rows) for c, _ in known.columns)])


def indicators(places: np.ndarray, count: int) -> np.ndarray:
    return (places[:, None] == np.arange(count)).astype(float)


def outputs(problem: Any, member: int) -> np.ndarray:
    """Raw outputs of one network with batch norms, layer by layer."""
    h, network = dense_inputs(problem, member), problem.network
    parameters = network.parameters
    for layer, statistics in enumerate(network.statistics):
        mean, variance = statistics[member]
        z = h @ parameters.weights[layer][member]
        z = (z - mean) / np.sqrt(variance + network.architecture.norm_epsilon)
        scale, shift = (parameters[f"blocks.{layer}.{kind}"] for kind in ("scale", "shift"))
        h = np.tanh(z * scale[member] + shift[member])
    return h @ parameters.weights[-1][member] + parameters["head.bias"][member]


@pytest.mark.parametrize("name", SHAPE)
@pytest.mark.parametrize("members", [1, 3])
def test_predictions(problem: Callable, name: str, members: int) -> None:
    known, sizes = SHAPE[name]
    made = problem(sizes, categories=known, members=members)
    got = fold(made.network).raw(made.data.X, made.data.scaling)
    for member in range(members):
        np.testing.assert_allclose(got[member], outputs(made, member), rtol=1e-10, atol=1e-12)


def test_population_statistics(problem: Callable) -> None:
    made = problem(SHAPE["both"][1], categories=BOTH, members=2)
    rows = made.rows[:, :37]
    set_population_statistics(made.network, made.data, rows)
    for member in range(2):
        z = dense_inputs(made, member)[rows[member]] @ made.network["blocks.0.weight"][member]
        weight = made.data.weight[0, rows[member]]
        mean = np.average(z, axis=0, weights=weight)
        variance = np.average((z - mean) ** 2, axis=0, weights=weight)
        got = made.network.statistics[0][member]
        np.testing.assert_allclose(got, [mean, variance], rtol=1e-9, atol=1e-12)


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
    assert (np.abs(np.mean(every, axis=0) - outputs(made, 0)) < 5.0 * error).all()


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
