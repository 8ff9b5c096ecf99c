"""The layers of a stack of networks, with their norms folded."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sknorm.export.onnx.activations import ACTIVATIONS
from sknorm.export.onnx.columns import Seen
from sknorm.export.onnx.graph import Graph
from sknorm.network.architecture import Architecture
from sknorm.network.folding import FoldedNetwork

_Norm = Callable[[Graph, str, FoldedNetwork, int], str]


class _Part(NamedTuple):
    """Some inputs of the first layer, and the weights (K, d, o) that they are multiplied with."""

    value: str
    weight: np.ndarray
    is_shared: bool  # by all networks: (n, d), else (K, n, d)


def raw_outputs(graph: Graph, network: FoldedNetwork, seen: Seen) -> str:
    """Raw outputs, (K, n, o), or (n, o) of a single network."""
    architecture = network.architecture
    activate = ACTIVATIONS[architecture.activation]
    norm = NORMS[architecture.normalization]
    dtype = network.weights[0].dtype.type
    h, z = "", _first_product(graph, network, seen)
    for layer, block in enumerate(network.blocks):
        if layer:
            z = _product(graph, h, network.weights[layer])
        out = activate(graph, norm(graph, z, network, layer), dtype)
        h = graph.add("Add", out, h) if block.skips else out
    if network.blocks:
        z = _product(graph, h, network.weights[-1])
    return graph.add("Add", z, _vector(network.biases[-1]))


def _shifted(graph: Graph, z: str, network: FoldedNetwork, layer: int) -> str:
    """Without a norm, or with one that is folded."""
    return graph.add("Add", z, _vector(network.biases[layer]))


def _normalized(graph: Graph, z: str, network: FoldedNetwork, layer: int) -> str:
    """Layer norm, with statistics in float64, as rows may lie far from zero."""
    scale, shift = network.scales[layer], network.biases[layer]
    wide, axis = graph.cast(z, "f8", scale.dtype), np.array([-1])
    share = np.float64(1.0 / scale.shape[1])

    def mean(values: str) -> str:
        return graph.add("Mul", graph.add("ReduceSum", values, axis, keepdims=1), share)

    centred = graph.add("Sub", wide, mean(wide))
    variance = mean(graph.add("Mul", centred, centred))
    epsilon = np.float64(network.architecture.norm_epsilon)
    deviation = graph.add("Sqrt", graph.add("Add", variance, epsilon))
    unit = graph.cast(graph.add("Div", centred, deviation), scale.dtype, "f8")
    return graph.add("Add", graph.add("Mul", unit, _vector(scale)), _vector(shift))


NORMS: dict[str | None, _Norm] = {
    None: _shifted,
    "batch": _shifted,
    "ghost": _shifted,
    "layer": _normalized,
}


def _first_product(graph: Graph, network: FoldedNetwork, seen: Seen) -> str:
    """The product of all inputs with the first weights.

    Nothing stands between the vectors of numbers and these weights, so that both are multiplied
    here: the graph multiplies the numbers and the bins themselves.
    """
    parts = [*_numbers(network, seen), *_flags(network, seen), *_vectors(graph, network, seen)]
    if network.weights[0].shape[0] == 1:
        parts = [part._replace(is_shared=True) for part in parts]
    products = []
    for is_shared in (True, False):
        own = [part for part in parts if part.is_shared == is_shared]
        if own:
            joined = graph.concat([part.value for part in own], -1)
            weight = np.concatenate([part.weight for part in own], axis=1)
            products.append(_product(graph, joined, weight))
    return products[0] if len(products) == 1 else graph.add("Add", *products)


def _numbers(network: FoldedNetwork, seen: Seen) -> list[_Part]:
    architecture, weight = network.architecture, network.weights[0]
    if architecture.embedding is None:
        return [_Part(seen.numbers, weight[:, : architecture.numbers], True)]
    slopes, bends = _embedded(architecture, network.number_table, weight)
    assert seen.bins is not None
    return [_Part(seen.numbers, slopes, True), _Part(seen.bins, bends, True)]


def _embedded(
    architecture: Architecture, table: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the numbers (K, d, o) and of their bins (K, B, o): vectors times first weights."""
    assert architecture.embedding is not None
    slopes, bends = [], [np.zeros((len(weight), 0, weight.shape[2]))]
    for first, width, begin, _, count in architecture.embedding.plan.tolist():
        if not width:
            slopes.append(weight[:, first : first + 1].astype(np.float64))
            continue
        vectors = table[:, begin : begin + (1 + count) * width]
        vectors = vectors.reshape(len(table), 1 + count, width).astype(np.float64)
        product = vectors @ weight[:, first : first + width].astype(np.float64)
        slopes.append(product[:, :1])
        bends.append(product[:, 1:])
    both = np.concatenate(slopes, axis=1), np.concatenate(bends, axis=1)
    return both[0].astype(weight.dtype), both[1].astype(weight.dtype)


def _flags(network: FoldedNetwork, seen: Seen) -> list[_Part]:
    weight, dense = network.weights[0], network.architecture.dense
    return [_Part(flag, weight[:, dense + rows], True) for flag, rows in seen.flags]


def _vectors(graph: Graph, network: FoldedNetwork, seen: Seen) -> list[_Part]:
    """Vectors of categories; that of place -1, the last one, is zero."""
    architecture, parts = network.architecture, []
    known, table = architecture.categories, network.table
    for column, first, width, begin, levels in (
        known.plan(architecture.numbers).tolist() if known else []
    ):
        vectors = table[:, begin : begin + levels * width].reshape(len(table), levels, width)
        vectors = np.concatenate([vectors, np.zeros_like(vectors[:, :1])], axis=1)
        own = vectors[0] if len(vectors) == 1 else vectors
        found = graph.add("Gather", own, seen.places[column], axis=own.ndim - 2)
        parts.append(_Part(found, network.weights[0][:, first : first + width], False))
    return parts


def _product(graph: Graph, h: str, weight: np.ndarray) -> str:
    return graph.add("MatMul", h, weight[0] if len(weight) == 1 else weight)


def _vector(values: np.ndarray) -> np.ndarray:
    """A vector (K, o) of each network, to be added to (K, n, o), or of a single one to (n, o)."""
    return values[0] if len(values) == 1 else values[:, None, :]
