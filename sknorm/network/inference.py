"""The forward pass of a folded stack as operations on fixed arrays, on the host."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.backends.program import Operation
from sknorm.data.scaling import Scaling
from sknorm.network.folding import FoldedNetwork, Noise

Allocate = Callable[[str, tuple[int, int, int], Any], np.ndarray]


def write(
    network: FoldedNetwork,
    scaling: Scaling,
    rows: tuple[np.ndarray, np.ndarray],
    allocate: Allocate,
    operations: list[Operation],
) -> np.ndarray:
    """Write what computes outputs as :meth:`FoldedNetwork.forward` does, but for the last bias.

    Parameters
    ----------
    network : FoldedNetwork
        Of the NumPy backend.
    scaling : Scaling
        Without a clip where numbers are not squashed.
    rows : pair of arrays (n, d) and (1, n, c)
        Where numbers and places of categories will stand.
    allocate : callable
        Makes an array of a name, a shape and a dtype.
    operations : list
        Written: they take part by part of the members, if need be one after another.

    Returns
    -------
    array of shape (K, n, n_outputs)
        Where the outputs will stand.
    """
    return _Forward(network, scaling, *rows, allocate, operations).write()


@dataclass(frozen=True)
class _Forward:
    """What is written, of what, and where to; see :func:`write`."""

    network: FoldedNetwork
    scaling: Scaling
    numbers: np.ndarray
    codes: np.ndarray
    allocate: Allocate
    operations: list[Operation]

    def write(self) -> np.ndarray:
        """Write all of it; returns where the outputs will stand."""
        network, x = self.network, self._inputs()
        recording = _Recording(network.backend, self.operations)
        none = Noise.none(network.backend, len(network.weights[0]))
        drop = none.dropout, none.seed, none.step(0)
        for layer, block in enumerate(network.blocks):
            z = self._product(layer, x)
            scale = network.scales[layer] if network.scales else None
            out = block.infer(recording, z, (network.biases[layer], scale), drop)  # type: ignore[arg-type]
            if block.skips:
                recording.kernels.add(x, out)
            x = out
        return self._product(len(network.weights) - 1, x)

    def _inputs(self) -> np.ndarray:
        """What the first product takes: (1, n, d), or (K, n, d) with embeddings, which differ."""
        network, scaling, X = self.network, self.scaling, self.numbers
        members, dtype = len(network.weights[0]), network.weights[0].dtype
        n, d = X.shape
        kernels = network.backend.kernels
        number_table, table = network.number_table, network.table
        has_vectors = number_table is not None or table is not None
        wide = self.allocate("wide", (members, n, network.architecture.dense), dtype)
        if has_vectors and number_table is None:
            x, views = wide[:, :, :d], members  # numbers are inputs themselves
        else:
            x, views = self.allocate("x", (1, n, d), dtype), 1
        places = np.tile(np.arange(n, dtype=np.int64), (views, 1))
        beside = np.zeros((n, 0), dtype), np.zeros((1, n), dtype)  # neither targets nor weights
        taken = np.zeros((views, n, 0), dtype), np.zeros((views, n), dtype)
        given: tuple[Any, ...] = (X, *beside, places, scaling.offset, scaling.factor, x, *taken)
        self._add(kernels.gather, given)
        if scaling.clip is not None:
            self._add(kernels.squash, (places, n, scaling.clip, scaling.fill, x))
        if number_table is not None and network._embedding is not None:
            plan, sums = network._embedding.own.plan, np.empty_like(number_table)
            given = (places, n, scaling.low, scaling.gain, plan, x, number_table, sums, wide)
            self._add(kernels.number_embedding_forward, given)
        if table is not None and network._lookup is not None:
            given = (self.codes, *_undropped(members), network._lookup.plan, table, wide)
            self._add(kernels.embedding_forward, given)
        return wide if has_vectors else x

    def _product(self, layer: int, x: np.ndarray) -> np.ndarray:
        """The product of what enters a layer with its weights; layers take turns with buffers."""
        network = self.network
        weight, first = network.weights[layer], network._first
        shape = len(weight), x.shape[1], weight.shape[2]
        z = self.allocate(f"z{layer % 2}", shape, weight.dtype)
        dense = first.dense(weight) if layer == 0 else weight
        self._add(network.backend.kernels.matmul, (x, dense, z))
        if layer == 0 and first.picks_rows:
            share, rate = _undropped(len(weight))
            given = {"codes": self.codes, "share": share, "rate": rate, "z": z, "weight": weight}
            given |= first.rows_of_categories(network.backend, 0, weight.shape[2])
            self.operations.append(network.backend.bind("category_rows_forward", given))
        return z

    def _add(self, kernel: Any, arguments: tuple[Any, ...]) -> None:
        self.operations.append(Operation(kernel, arguments))


def _undropped(members: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of a row itself in a mix, and rates of dropout, (K,)."""
    return np.ones(members), np.zeros(members)


class _Recording:
    """In place of a backend whose kernels are called now: notes what they are called with."""

    xp, device = np, "cpu"

    def __init__(self, backend: Backend, operations: list[Operation]) -> None:
        def noting(kernel: Any) -> Callable[..., None]:
            return lambda *arguments: operations.append(Operation(kernel, arguments))

        self.kernels = SimpleNamespace(
            **{name: noting(kernel) for name, kernel in vars(backend.kernels).items()}
        )
