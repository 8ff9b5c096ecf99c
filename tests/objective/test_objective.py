"""The gradient of a batch against central differences, and how batches add up."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import special

from sknorm.network.architecture import Categories, Embedding
from sknorm.objective.losses import BinaryLogLoss, MulticlassLogLoss, SquaredError

ACTIVATIONS = [
    "identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish",
]  # fmt: skip
NORMS = ["batch", "ghost", "layer", None]
LOSSES = [(SquaredError(), 0, 2), (BinaryLogLoss(), 2, 1), (MulticlassLogLoss(), 4, 4)]


def losses(problem: Any, loss: Any, rows: np.ndarray, step: int) -> np.ndarray:
    """Mean weighted loss of each member on a batch."""
    compute, _, value = problem.batch_gradient(loss, rows.shape[1])
    compute(rows, step)
    weight = problem.data.weight[0]
    return value / (rows.shape[1] * np.array([weight[r].mean() for r in problem.rows]))


def assert_directional_derivative(problem: Any, loss: Any, rows: np.ndarray, step: int = 3) -> None:
    """Central differences along one random direction, for each member."""
    compute, gradient, _ = problem.batch_gradient(loss, rows.shape[1])
    compute(rows, step)
    parameters = problem.network.parameters
    start, epsilon = parameters.flat.copy(), 1e-6
    direction = np.random.default_rng(1).normal(size=start.shape)
    moved = []
    for sign in (1.0, -1.0):
        parameters.flat[...] = start + sign * epsilon * direction
        moved.append(losses(problem, loss, rows, step))
    parameters.flat[...] = direction
    slopes = sum(
        (g * d).reshape(len(g), -1).sum(axis=1)
        for g, d in zip(gradient.views, parameters.views, strict=True)
    )
    parameters.flat[...] = start
    assert np.all(np.abs(slopes) > 1e-3)
    np.testing.assert_allclose((moved[0] - moved[1]) / (2 * epsilon), slopes, rtol=2e-6, atol=2e-8)


# Under a norm, two in whose derivatives kernels differ; the losses below are taken with a third.
@pytest.mark.parametrize(
    ("normalization", "activation"),
    [
        *((None, activation) for activation in ACTIVATIONS), ("batch", "relu"), ("batch", "gelu"),
        ("ghost", "relu"), ("ghost", "gelu"), ("layer", "relu"), ("layer", "silu"),
    ],
)  # fmt: skip
def test_gradient_of_each_activation(
    problem: Callable, normalization: str | None, activation: str
) -> None:
    made = problem(activation=activation, normalization=normalization)
    assert_directional_derivative(made, SquaredError(), made.rows[:, :40])


@pytest.mark.parametrize("normalization", NORMS)
@pytest.mark.parametrize(("loss", "classes", "outputs"), LOSSES, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("affine", [True, False])
def test_gradient_of_each_loss(
    problem: Callable, normalization: str | None, loss: Any, classes: int, outputs: int,
    dropout: float, affine: bool,
) -> None:  # fmt: skip
    made = problem(
        (5, 8, 6, outputs), classes=classes, normalization=normalization, affine=affine,
        dropout=dropout, input_dropout=dropout,
    )  # fmt: skip
    assert_directional_derivative(made, loss, made.rows[:, :40])


CATEGORIES = {
    "rows": Categories(3, ((0, 2), (2, 4)), ()),
    "vectors": Categories(3, (), ((1, 5, 2), (2, 4, 3))),
    "both": Categories(4, ((0, 2), (2, 4)), ((1, 5, 2), (3, 4, 3))),
}


@pytest.mark.parametrize("normalization", NORMS)
@pytest.mark.parametrize("name", CATEGORIES)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradient_with_categories(
    problem: Callable, normalization: str | None, name: str, dropout: float
) -> None:
    """Rows of weights and vectors, among them some of levels without a place."""
    known = CATEGORIES[name]
    sizes = (3 + known.width + known.rows, 7, 6, 2)
    how = {"normalization": normalization, "dropout": dropout, "input_dropout": dropout}
    made = problem(sizes, categories=known, **how)
    assert made.network.architecture.numbers == 3
    assert_directional_derivative(made, SquaredError(), made.rows[:, :40])


@pytest.mark.parametrize("sizes", [(14, 1), (14, 160, 144, 1)], ids=str)
def test_gradient_with_categories_in_other_shapes(problem: Callable, sizes: tuple) -> None:
    """Straight to the outputs, and in layers that are cut into pieces."""
    made = problem(sizes, categories=CATEGORIES["both"], n=3000, members=1)
    assert_directional_derivative(made, SquaredError(), made.rows[:, :2900])


BINS = Embedding((3, 0, 1), 2)  # of three numbers, of which one is an input itself


@pytest.mark.parametrize("normalization", NORMS)
@pytest.mark.parametrize("name", [None, *CATEGORIES])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradient_with_embedded_numbers(
    problem: Callable, normalization: str | None, name: str | None, members: int, dropout: float
) -> None:
    """Alone, and beside rows of weights and vectors of categories."""
    known = None if name is None else CATEGORIES[name]
    sizes = (5 + (known.width + known.rows if known else 0), 7, 6, 2)
    how = {"normalization": normalization, "members": members, "dropout": dropout}
    made = problem(sizes, embedding=BINS, categories=known, **how)
    assert made.network.architecture.numbers == 5
    assert_directional_derivative(made, SquaredError(), made.rows[:, :40])


@pytest.mark.parametrize("sizes", [(5, 1), (5, 160, 144, 1)], ids=str)
def test_gradient_with_embedded_numbers_in_other_shapes(problem: Callable, sizes: tuple) -> None:
    """Straight to the outputs, and in layers that are cut into pieces."""
    made = problem(sizes, embedding=BINS, n=3000, members=1)
    assert_directional_derivative(made, SquaredError(), made.rows[:, :2900])


@pytest.mark.parametrize("normalization", NORMS)
def test_gradient_of_layers_cut_into_pieces(problem: Callable, normalization: str | None) -> None:
    made = problem((64, 160, 144, 1), normalization=normalization, n=1100, members=1)
    assert_directional_derivative(made, SquaredError(), made.rows[:, :1024])


@pytest.mark.parametrize("sizes", [(5, 1), (5, 4, 1), (5, 4, 3, 2, 1)], ids=str)
@pytest.mark.parametrize("members", [1, 3])
def test_gradient_at_any_depth(problem: Callable, sizes: tuple, members: int) -> None:
    made = problem(sizes, members=members)
    assert_directional_derivative(made, SquaredError(), made.rows)


@pytest.mark.parametrize("normalization", NORMS)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("sizes", [(5, 6, 6, 2), (6, 6, 6, 6, 4, 4, 1)], ids=str)
def test_gradient_past_residual_blocks(
    problem: Callable, normalization: str | None, dropout: float, sizes: tuple
) -> None:
    """Of several in a row, and of those between blocks that add nothing."""
    made = problem(
        sizes, normalization=normalization, residual=True, dropout=dropout, input_dropout=dropout
    )
    assert_directional_derivative(made, SquaredError(), made.rows[:, :40])
    plain = problem(sizes, normalization=normalization, dropout=dropout, input_dropout=dropout)
    assert np.all(losses(plain, SquaredError(), plain.rows, 0)
                  != losses(made, SquaredError(), made.rows, 0))  # fmt: skip


@pytest.mark.parametrize("normalization", NORMS)
def test_gradient_past_residual_blocks_cut_into_pieces(
    problem: Callable, normalization: str | None
) -> None:
    sizes = (64, 160, 160, 160, 1)
    made = problem(sizes, normalization=normalization, n=1100, members=1, residual=True)
    assert_directional_derivative(made, SquaredError(), made.rows[:, :1024])


@pytest.mark.parametrize("normalization", ["layer", None])
def test_gradients_of_batches_average_to_the_full_gradient(
    problem: Callable, normalization: str | None
) -> None:
    """With unequal row weights, and batches weighed by their rows."""
    made = problem(normalization=normalization)
    count = made.rows.shape[1]
    compute, full, value = made.batch_gradient(SquaredError(), count)
    compute(made.rows, 0)
    total, loss = np.zeros_like(full.flat), np.zeros_like(value)
    for start, stop in pairwise([0, 10, 25, 41, count]):
        compute, gradient, part = made.batch_gradient(SquaredError(), stop - start)
        compute(made.rows[:, start:stop], 0)
        total += (stop - start) / count * gradient.flat
        loss += part
    np.testing.assert_allclose(total, full.flat, atol=1e-14)
    np.testing.assert_allclose(loss, value, rtol=1e-12)


def test_value_is_the_sum_of_weighted_losses(problem: Callable) -> None:
    """Of a linear model, for the three losses."""
    for loss, classes, outputs in LOSSES:
        made = problem((5, outputs), classes=classes)
        compute, _, value = made.batch_gradient(loss, 60)
        compute(made.rows, 0)
        data, parameters = made.data, made.network.parameters
        x = (data.X - data.scaling.offset) * data.scaling.factor
        for k in range(2):
            raw = x @ parameters.weights[0][k] + parameters["head.bias"][k]
            if classes == 0:
                each = 0.5 * ((raw - data.y) ** 2).sum(axis=1)
            elif classes == 2:
                each = (np.logaddexp(0.0, raw) - data.y * raw).sum(axis=1)
            else:
                each = special.logsumexp(raw, axis=1) - raw[np.arange(60), data.y[:, 0]]
            np.testing.assert_allclose(value[k], data.weight[0] @ each, rtol=1e-12)


@pytest.mark.parametrize("normalization", NORMS)
def test_gradient_of_a_member_does_not_depend_on_its_stack(
    problem: Callable, normalization: str | None
) -> None:
    made = problem(normalization=normalization, dropout=0.3, members=3)
    compute, stacked, _ = made.batch_gradient(SquaredError(), 40)
    compute(made.rows[:, :40], 5)
    for k in range(3):
        alone = type(made)(
            made.network.take([k]), made.members.take([k]), made.data, made.rows[[k]]
        )
        compute, gradient, _ = alone.batch_gradient(SquaredError(), 40)
        compute(alone.rows[:, :40], 5)
        for ours, theirs in zip(stacked.views, gradient.views, strict=True):
            np.testing.assert_array_equal(ours[k], theirs[0])


def test_dropout_masks_change_with_the_step_and_the_seed(problem: Callable) -> None:
    made = problem(dropout=0.5)
    values = [losses(made, SquaredError(), made.rows, step).tolist() for step in (0, 1, 0)]
    assert values[0] == values[2]
    assert values[0] != values[1]
