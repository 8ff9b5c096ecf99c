"""Inference: norms folded into the Linear before them, once, in float64."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from sknorm.backends import Backend
from sknorm.backends.program import run
from sknorm.data.scaling import Scaling
from sknorm.network import sparse
from sknorm.network.architecture import Architecture
from sknorm.network.batch import Inputs, standardized
from sknorm.network.layers import (
    Block,
    CategoryLayer,
    Layer,
    NumberLayer,
    categories,
    layers,
    numbers,
)
from sknorm.network.layers.categories import DROPPING
from sknorm.network.network import Network


@dataclass(frozen=True)
class Noise:
    """Dropout at prediction: one Monte-Carlo sample of the masks.

    Attributes
    ----------
    dropout, input_dropout : float64 arrays of shape (K,)
    seed : uint32 array of shape (K,)
    sample : int
        Number of the sample; each has its own masks.
    drops_inputs : bool
        Whether a member drops inputs.
    """

    dropout: Any
    input_dropout: Any
    seed: Any
    sample: int
    drops_inputs: bool

    @classmethod
    def none(cls, backend: Backend, members: int) -> "Noise":
        """No dropout."""
        xp, device = backend.xp, backend.device
        rate = xp.zeros(members, dtype=xp.float64, device=device)
        return cls(rate, rate, xp.zeros(members, dtype=xp.uint32, device=device), 0, False)

    def step(self, chunk: int) -> int:
        """Key of the masks of a chunk of rows: far from the steps of training."""
        return (1 << 31) + self.sample * (1 << 16) + chunk


@dataclass
class FoldedNetwork:
    """A stack ready for inference.

    Attributes
    ----------
    weights : list of arrays of shape (K, d_in, d_out)
    biases : list of arrays of shape (K, d_out)
        Under layer norm, which depends on the row and cannot be folded, the hidden entries
        are the norm's shifts and ``scales`` its scales.
    scales : list of arrays of shape (K, d_out)
        Empty unless under layer norm.
    table : array of shape (K, t), or None
        Vectors of the embedded categories.
    number_table : array of shape (K, t), or None
        Those of the embedded numbers.
    """

    backend: Backend
    architecture: Architecture
    weights: list[Any]
    biases: list[Any]
    scales: list[Any]
    table: Any = None
    number_table: Any = None
    few_rows: Any = field(default=None, init=False, repr=False)  # what predicts few rows, if made
    _origin: tuple[Any, Any, Any] | None = field(default=None, init=False, repr=False)

    def raw(self, X: Any, scaling: Scaling, noise: "Noise | None" = None) -> Any:
        """Raw outputs of shape (K, N, n_outputs) for a table of N rows.

        With ``noise``, units are dropped as in training.
        """
        backend, count = self.backend, X.shape[0]
        shape = (self.weights[0].shape[0], count, self.architecture.sizes[-1])
        out = backend.xp.zeros(shape, dtype=self.weights[0].dtype, device=backend.device)
        with backend.session():
            reading, rows = self._reading(X, scaling, noise)

            def chunk(start: int) -> None:
                stop = min(start + rows, count)
                out[:, start:stop, :] = self.forward(reading(start, stop), noise, start // rows)

            backend.run(chunk, [(start,) for start in range(0, count, rows)])
        return out

    def hidden_outputs(self, X: Any, scaling: Scaling) -> list[Any]:
        """Outputs of shape (K, N, d) of each hidden block for a table of N rows."""
        count, parts = X.shape[0], []
        with self.backend.session():
            reading, rows = self._reading(X, scaling, None)
            for start in range(0, count, rows):
                inputs = reading(start, min(start + rows, count))
                parts.append([*islice(self.outputs(inputs), 1, None)])
        return [self.backend.xp.concat(block, axis=1) for block in zip(*parts, strict=True)]

    def _reading(
        self, X: Any, scaling: Scaling, noise: "Noise | None"
    ) -> tuple[Callable[[int, int], Inputs], int]:
        """What gives the inputs of consecutive rows, and how many to take at once."""
        drops_inputs = noise is not None and noise.drops_inputs
        if drops_inputs or not sparse.stays_sparse(X, scaling):
            backend, dtype = self.backend, self.weights[0].dtype

            def standardize(start: int, stop: int) -> Inputs:
                return standardized(backend, X, slice(start, stop), scaling, dtype)

            return standardize, self._rows_at_once(self.architecture.sizes)
        origin = self._sparse_origin(scaling.offset, scaling.factor)

        def take(start: int, stop: int) -> Inputs:
            return Inputs(sparse.inputs(X, start, stop, scaling.factor[0], origin))

        # Masks are keyed by chunks, which must be those of a dense table.
        held = self.architecture.sizes[1:] if noise is None else self.architecture.sizes
        return take, self._rows_at_once(held)

    def _sparse_origin(self, offset: Any, factor: Any) -> Any:
        """The first product of a row without entries, kept: for one row it takes the longest."""
        known = self._origin
        if known is None or known[0] is not offset or known[1] is not factor:
            known = offset, factor, sparse.origin(self.weights[0], offset[0], factor[0])
            self._origin = known
        return known[2]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The hidden layers."""
        return layers(self.architecture)[0]

    @cached_property
    def _first(self) -> Layer:
        """The layer that multiplies the inputs."""
        blocks, head = layers(self.architecture)
        return blocks[0] if blocks else head

    @cached_property
    def _lookup(self) -> CategoryLayer | None:
        """The layer that looks categories up, if there are any."""
        return categories(self.architecture)

    @cached_property
    def _embedding(self) -> NumberLayer | None:
        """The layer that embeds numbers, if they are embedded."""
        return numbers(self.architecture)

    def forward(self, inputs: Inputs, noise: "Noise | None" = None, chunk: int = 0) -> Any:
        """Raw outputs (K, n, n_outputs) for inputs of any network (1, n, d), or of each.

        Numbers may be sparse where nothing but the first product needs them.
        """
        h = self.hidden(inputs, self.architecture.hidden, noise, chunk)
        return self.linear(h, self.weights[-1], noise) + self.biases[-1][:, None, :]

    def hidden(
        self, inputs: Inputs, count: int, noise: "Noise | None" = None, chunk: int = 0
    ) -> Any:
        """Output of the first ``count`` hidden blocks; for none, the inputs with embeddings."""
        return next(islice(self.outputs(inputs, noise, chunk), count, None))

    def outputs(
        self, inputs: Inputs, noise: "Noise | None" = None, chunk: int = 0
    ) -> Iterator[Any]:
        """The inputs with embeddings, then the output of each hidden block, (K, n, d)."""
        backend, members = self.backend, self.weights[0].shape[0]
        noise = Noise.none(backend, members) if noise is None else noise
        drop = noise.dropout, noise.seed, noise.step(chunk)
        h: Any = self._seen(inputs, noise, chunk)
        yield h
        for layer, block in enumerate(self.blocks):
            z = self.linear(h, self.weights[layer], noise)
            vectors = self.biases[layer], self.scales[layer] if self.scales else None
            out = block.infer(backend, z, vectors, drop)
            h = out + h if block.skips else out
            yield h

    def _seen(self, inputs: Inputs, noise: Noise, chunk: int) -> Inputs:
        """The inputs of each network, of which some are dropped, and with embeddings."""
        x, codes, bins = inputs
        xp, kernels = self.backend.xp, self.backend.kernels
        members, step, device = self.weights[0].shape[0], noise.step(chunk), self.backend.device
        if noise.drops_inputs:
            x = x + xp.zeros((members, 1, 1), dtype=x.dtype, device=device)
            kernels.dropout(noise.input_dropout, noise.seed, step, 0, x)
            if codes is not None:
                codes = codes + xp.zeros((members, 1, 1), dtype=codes.dtype, device=device)
                kernels.drop_codes(noise.input_dropout, noise.seed, step, DROPPING, codes)
        if self.table is None and self.number_table is None:
            return Inputs(x, codes)
        shape = members, x.shape[1], self.architecture.dense
        wide = xp.zeros(shape, dtype=x.dtype, device=device)
        if self._embedding is None:
            wide[:, :, : x.shape[2]] = x
        else:
            plan, table = self._embedding.own.plan, self.number_table
            sums = xp.empty_like(table)
            kernels.number_embedding_forward(*bins, plan, x, table, sums, wide)
        if self._lookup is not None and self.table is not None:
            rate, one = noise.input_dropout, xp.ones_like(noise.input_dropout)
            kernels.embedding_forward(codes, one, rate, self._lookup.plan, self.table, wide)
        return Inputs(wide, codes)

    def linear(self, h: Any, weight: Any, noise: Noise | None = None) -> Any:
        """Product of what enters a layer, the inputs or hidden units, with its weights."""
        if not isinstance(h, Inputs):
            return self._product(h, weight)
        x, codes, _ = h
        if isinstance(x, sparse.SparseInputs):
            return x.times(weight)
        first, backend = self._first, self.backend
        z = self._product(x, first.dense(weight))
        if not first.picks_rows:
            return z
        noise = Noise.none(backend, weight.shape[0]) if noise is None else noise
        own = first.rows_of_categories(backend, 0, weight.shape[2])
        one = backend.xp.ones_like(noise.input_dropout)
        arguments = {"codes": codes, "share": one, "rate": noise.input_dropout, "z": z}
        run([backend.bind("category_rows_forward", {**arguments, "weight": weight, **own})], 0)
        return z

    def _product(self, h: Any, weight: Any) -> Any:
        shape = (weight.shape[0], h.shape[1], weight.shape[2])
        z = self.backend.xp.empty(shape, dtype=weight.dtype, device=self.backend.device)
        self.backend.kernels.matmul(h, weight, z)
        return z

    def _rows_at_once(self, sizes: tuple[int, ...]) -> int:
        members, widest = self.weights[0].shape[0], max(sizes)
        itemsize = 4 if "32" in str(self.weights[0].dtype) else 8
        return max(64, self.backend.chunk_bytes // (members * widest * itemsize) // 64 * 64)


def folded(network: Network, backend: Backend) -> FoldedNetwork:
    """The folded form of a network in inference in a backend, made on first use."""
    if network._folded is None or network._folded.backend != backend:
        network._folded = fold(network.on(backend))
    return network._folded


def fold(network: Network) -> FoldedNetwork:
    """The stack with its norms folded into the linear maps, as each of its layers says."""
    blocks, head = layers(network.architecture)
    of, xp = network.parameters.of, network.backend.xp
    statistics = network.statistics or [None] * len(blocks)
    folded = [b.fold(of(b), kept, xp) for b, kept in zip(blocks, statistics, strict=True)]
    weight, bias = head.fold(of(head))
    tables = (network.parameters.get(name) for name in ("categories.table", "numbers.table"))
    table, number_table = (None if each is None else each + 0.0 for each in tables)
    return FoldedNetwork(
        network.backend,
        network.architecture,
        weights=[*(each[0] for each in folded), weight],
        biases=[*(each[1] for each in folded), bias],
        scales=[scale for _, _, scale in folded if scale is not None],
        table=table,
        number_table=number_table,
    )
