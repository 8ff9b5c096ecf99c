"""Inference on folded weights equals the network with its norms spelled out."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sknorm.network.folding import fold, folded
from sknorm.network.layers import layers

NORMS = ["batch", "ghost", "layer", None]


def explicit(problem: Any, X: np.ndarray, member: int) -> np.ndarray:
    """Raw outputs of one tanh network, norm by norm."""
    network, data = problem.network, problem.data
    parameters, architecture = network.parameters, network.architecture
    h = (X - data.scaling.offset) * data.scaling.factor
    for layer in range(architecture.hidden):
        z = h @ parameters.weights[layer][member]
        if architecture.keeps_statistics:
            mean, variance = network.statistics[layer][member]
            z = (z - mean) / np.sqrt(variance + architecture.norm_epsilon)
        elif architecture.normalization == "layer":
            centred = z - z.mean(axis=1, keepdims=True)
            variance = (centred**2).mean(axis=1, keepdims=True)
            z = centred / np.sqrt(variance + architecture.norm_epsilon)
        if (scale := parameters.get(f"blocks.{layer}.scale")) is not None:
            z = z * scale[member]
        if (shift := parameters.get(f"blocks.{layer}.shift")) is not None:
            z = z + shift[member]
        h = (
            np.tanh(z) + h
            if architecture.residual and layer > 0 and h.shape == z.shape
            else np.tanh(z)
        )
    return h @ parameters.weights[-1][member] + parameters["head.bias"][member]


def raw(problem: Any, X: np.ndarray) -> np.ndarray:
    return fold(problem.network).raw(X, problem.data.scaling)


@pytest.mark.parametrize("normalization", NORMS)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("members", [1, 3])
def test_folded_network_equals_the_explicit_one(
    problem: Callable, normalization: str | None, affine: bool, members: int
) -> None:
    made = problem(normalization=normalization, affine=affine, members=members)
    result = raw(made, made.data.X)
    assert result.shape == (members, 60, 2)
    for member in range(members):
        np.testing.assert_allclose(
            result[member], explicit(made, made.data.X, member), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("normalization", NORMS)
@pytest.mark.parametrize("sizes", [(5, 6, 6, 6, 2), (6, 6, 6, 4, 4, 2)], ids=str)
def test_folded_residual_network_equals_the_explicit_one(
    problem: Callable, normalization: str | None, sizes: tuple
) -> None:
    made = problem(sizes, normalization=normalization, residual=True)
    result, plain = (
        raw(made, made.data.X),
        raw(problem(sizes, normalization=normalization), made.data.X),
    )
    for member in range(2):
        np.testing.assert_allclose(
            result[member], explicit(made, made.data.X, member), rtol=1e-10, atol=1e-12
        )
    assert np.all(result != plain)


def test_the_table_itself_is_never_added(problem: Callable) -> None:
    """Nor is an input of another width than the output."""
    sizes = (6, 6, 4, 3, 2)
    made = problem(sizes, residual=True)
    np.testing.assert_array_equal(raw(made, made.data.X), raw(problem(sizes), made.data.X))
    assert not any(block.skips for block in layers(made.network.architecture)[0])


@pytest.mark.parametrize("normalization", NORMS)
def test_many_rows_are_taken_in_chunks_that_do_not_matter(
    problem: Callable, normalization: str | None
) -> None:
    """Rows of different chunks, and odd numbers of them, are treated alike."""
    made = problem((5, 200, 2), normalization=normalization)
    X = np.random.default_rng(0).normal(size=(2501, 5))
    result = raw(made, X)
    np.testing.assert_allclose(result[1], explicit(made, X, 1), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(raw(made, X[2000:2003]), result[:, 2000:2003], rtol=1e-12)
    assert raw(made, X[:1]).shape == (2, 1, 2)


@pytest.mark.parametrize("normalization", NORMS)
@pytest.mark.parametrize("convert", [np.asfortranarray, lambda a: a[::-1][::-1], np.float32])
def test_layout_and_dtype_of_the_rows_do_not_matter(
    problem: Callable, normalization: str | None, convert: Callable
) -> None:
    made = problem(normalization=normalization)
    X = made.data.X.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(raw(made, convert(X)), raw(made, X), rtol=1e-12)


def test_large_means_fold_without_loss(problem: Callable) -> None:
    """Statistics are kept in float64: a mean may be large beside its deviation."""
    made = problem((5, 6, 1))
    for moments in made.network.statistics:
        moments[:, 0, :] = 1e6
        moments[:, 1, :] = 1e4
    result = raw(made, made.data.X)
    np.testing.assert_allclose(result[0], explicit(made, made.data.X, 0), rtol=1e-9)


def test_network_is_folded_once_and_not_pickled_folded(problem: Callable) -> None:
    network = problem().network
    first = folded(network, network.backend)
    assert folded(network, network.backend) is first
    restored = pickle.loads(pickle.dumps(network))
    assert len(pickle.dumps(network)) == len(pickle.dumps(restored))
    for ours, theirs in zip(folded(restored, network.backend).weights, first.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_folding_leaves_the_network_as_it_is(problem: Callable) -> None:
    network = problem().network
    before = network.parameters.flat.copy(), [m.copy() for m in network.statistics]
    fold(network)
    np.testing.assert_array_equal(network.parameters.flat, before[0])
    for now, then in zip(network.statistics, before[1], strict=True):
        np.testing.assert_array_equal(now, then)
