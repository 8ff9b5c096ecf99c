"""Networks with embedded numbers, against dense inputs that are made of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layers_case import check_population_statistics, looked_up, outputs

from sknorm.data.table import CodedRows
from sknorm.network.architecture import Architecture, Categories, Embedding
from sknorm.network.batch import gathered
from sknorm.network.folding import fold
from sknorm.network.layers import all_layers, draw, numbers
from sknorm.network.network import revive
from sknorm.objective.losses import SquaredError

BINS = Embedding((3, 0, 1), 2)
LOOKED_UP = Categories(4, ((0, 2), (2, 4)), ((1, 5, 2), (3, 4, 3)))
SHAPE: dict[str, tuple] = {
    "numbers": (None, (5, 7, 6, 2)),
    "categories": (LOOKED_UP, (16, 7, 6, 2)),
    "no layers": (None, (5, 2)),
}


def dense_inputs(problem: Any, member: int, view: int = 0) -> np.ndarray:
    """All inputs of a member, (n, d_in): embeddings and numbers, vectors and indicators."""
    network, scaling = problem.network, problem.data.scaling
    coded = isinstance(problem.data.X, CodedRows)
    X, codes = problem.data.X if coded else (problem.data.X, None)
    z = (X - scaling.offset[view]) * scaling.factor[view]
    if scaling.clip is not None:
        squashed = z / np.sqrt(1.0 + (scaling.clip[view] * z) ** 2)
        z = np.where(np.isnan(z), scaling.fill[view], squashed)
    own, table = network.architecture.embedding, network["numbers.table"][member]
    parts, begin, start = [], 0, 0
    for column, count in enumerate(own.bins):
        value = z[:, column]
        if count == 0:
            parts.append(value[:, None])
            continue
        size = (1 + count) * own.width
        slope, *bends = table[begin : begin + size].reshape(-1, own.width)
        part = value[:, None] * slope
        for bend in bends:
            filled = (value - scaling.low[view, start]) * scaling.gain[view, start]
            part += np.clip(filled, 0.0, 1.0)[:, None] * bend
            start += 1
        parts.append(part)
        begin += size
    return np.hstack([*parts, *looked_up(problem, codes, member)])


@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize("name", SHAPE)
@pytest.mark.parametrize("members", [1, 3])
def test_predictions(
    problem: Callable, name: str, members: int, normalization: str | None
) -> None:  # fmt: skip
    known, sizes = SHAPE[name]
    how = {"members": members, "normalization": normalization}
    made = problem(sizes, embedding=BINS, categories=known, **how)
    got = fold(made.network).raw(made.data.X, made.data.scaling)
    for member in range(members):
        want = outputs(made, member, dense_inputs(made, member))
        np.testing.assert_allclose(got[member], want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("members", [1, 3])
def test_predictions_for_no_rows(problem: Callable, members: int) -> None:
    made = problem(SHAPE["numbers"][1], embedding=BINS, members=members)
    got = fold(made.network).raw(made.data.X[:0], made.data.scaling)
    assert got.shape == (members, 0, 2)


def test_population_statistics(problem: Callable) -> None:
    known, sizes = SHAPE["categories"]
    made = problem(sizes, embedding=BINS, categories=known, members=2)
    check_population_statistics(made, dense_inputs)


def of_views(made: Any) -> Any:
    """The problem with the rows of each member under a view of its own, of three."""
    data, rng = made.data, np.random.default_rng(3)
    names = ("offset", "factor", "low", "gain")
    first = data.scaling
    views = {name: np.repeat(getattr(first, name), 3, axis=0) for name in names}
    views["low"] += 0.5 * np.arange(3)[:, None]
    views["gain"] *= rng.uniform(1.0, 2.0, (3, 1))
    views["offset"] += rng.normal(size=(3, 1))
    changed = {"scaling": first._replace(**views), "y": np.tile(data.y, (3, 1))}
    changed["weight"] = np.tile(data.weight, (1, 3))
    rows = made.rows + len(data.X) * np.array([[2], [0], [1]])
    return type(made)(made.network, made.members, type(data)(data.X, **changed), rows)


def test_each_member_has_the_bins_of_its_view(problem: Callable) -> None:
    sizes, how = SHAPE["numbers"][1], {"normalization": "layer", "members": 3}
    made = of_views(problem(sizes, embedding=BINS, **how))
    count = len(made.data.X)
    inputs, _, _ = gathered(made.network, made.data, made.rows)
    got = fold(made.network).forward(inputs)
    compute, _, _ = made.batch_gradient(SquaredError(), made.rows.shape[1])
    compute(made.rows, 0)
    for member in range(3):
        view, rows = made.rows[member, 0] // count, made.rows[member] % count
        want = dense_inputs(made, member, view)[rows]
        np.testing.assert_allclose(compute.x[member], want, rtol=1e-10, atol=1e-12)
        want = outputs(made, member, want)
        np.testing.assert_allclose(got[member], want, rtol=1e-10, atol=1e-12)


def test_plan_of_embeddings() -> None:
    np.testing.assert_array_equal(BINS.plan, [[0, 2, 0, 0, 3], [2, 0, 8, 3, 0], [3, 2, 8, 3, 1]])
    assert BINS.widths == [2, 1, 2] and BINS.table_size == 12


@pytest.mark.parametrize(
    ("embedding", "known", "sizes", "groups"),
    [
        (BINS, None, (5, 4, 1), [0, 2, 3, 5]),
        (BINS, LOOKED_UP, (16, 7, 1), [0, 2, 3, 5, 7, 10, 12, 16]),
        (Embedding((4,), 3), Categories(1, ((0, 3),), ()), (6, 1), [0, 3, 6]),
    ],
)
def test_inputs_of_one_column_are_a_group(
    embedding: Embedding, known: Categories | None, sizes: tuple, groups: list[int]
) -> None:
    made = Architecture(
        sizes, "relu", None, 0.0, False, 0, embedding=embedding, categories=known
    )  # fmt: skip
    assert made.groups.dtype == np.int64 and made.groups.tolist() == groups
    assert made.groups.tolist() == groups  # asked for once more


@pytest.mark.parametrize("members", [1, 3])
def test_columns_that_are_off_are_revived_as_a_whole(problem: Callable, members: int) -> None:
    """Rows of zeros beside others that are not belong to a number that is on."""
    network = problem(SHAPE["numbers"][1], embedding=BINS, members=members).network
    weight = network["blocks.0.weight"]
    weight[:, [0, 1, 2]] = 0.0  # an embedded number, and one that is an input
    weight[:, 3] = 0.0  # a part of the third
    before, states = weight.copy(), [np.random.RandomState(k) for k in range(members)]
    revive(network, states)
    off = np.isin(np.arange(5), [0, 1, 2])
    assert weight[:, off].all()
    np.testing.assert_array_equal(weight[:, ~off], before[:, ~off])
    for member in range(members):
        drawn = draw(network.architecture, np.random.RandomState(member))["blocks.0.weight"]
        np.testing.assert_array_equal(weight[member, off], drawn[off])


def test_layers_in_order(problem: Callable) -> None:
    known, sizes = SHAPE["categories"]
    architecture = problem(sizes, embedding=BINS, categories=known).network.architecture
    assert (architecture.numbers, architecture.dense) == (5, 10)
    names = [layer.name for layer in all_layers(architecture)]
    assert names == ["numbers", "categories", "blocks.0", "blocks.1", "head"]
    assert numbers(problem().network.architecture) is None


def test_embeddings_start_as_lines() -> None:
    """Of slopes in [-1, 1], with no bends."""
    embedding = Embedding((9, 0, 9), 1000)
    architecture = Architecture((2001, 4, 1), "tanh", "batch", 1e-5, True, 0, embedding=embedding)
    layer = numbers(architecture)
    assert layer is not None
    drawn = layer.draw(np.random.RandomState(0))["table"]
    assert drawn.shape == (20_000,)
    for slope, *bends in drawn.reshape(2, 10, 1000):
        np.testing.assert_array_equal(bends, 0.0)
        assert -1.0 <= slope.min() < -0.98 and 0.98 < slope.max() <= 1.0
        assert abs(slope.mean()) < 0.1 and abs(slope.var() - 1.0 / 3.0) < 0.05
    again = layer.draw(np.random.RandomState(1))["table"]
    assert not np.array_equal(again, drawn)
