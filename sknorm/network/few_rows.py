"""Predictions for few rows, whose calls are put together once: for one row at a time, say."""

import math
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sknorm.backends import host
from sknorm.backends.program import Operation
from sknorm.data.columns import Columns
from sknorm.data.glance import MOST, Glimpse
from sknorm.data.scaling import Scaling
from sknorm.network import inference
from sknorm.network.folding import FoldedNetwork, folded
from sknorm.network.network import Network

_BEFORE = 2  # predictions of a number of rows that are made otherwise: few cost less so
_LARGEST = 1 << 16  # numbers of a row in a layer: products of more leave nothing to save
_ROOMS = 32  # that are kept: as many threads find buffers that are there


class FewRows:
    """Raw outputs of a folded stack for at most ``MOST`` dense rows, on the host.

    The same kernels and products compute them as in
    :meth:`sknorm.network.folding.FoldedNetwork.raw`, so that they have the same bits. Several
    threads may call it at once: each takes buffers of its own.

    Parameters
    ----------
    network : FoldedNetwork
        Of the NumPy backend.
    columns : Columns
        How it sees numbers. Places of categories come with the rows.
    """

    def __init__(self, network: FoldedNetwork, columns: Columns) -> None:
        self.network, self.columns = network, columns
        self._scaling = columns.scaling_of_numbers(network.backend)
        self._is_large = max(network.architecture.sizes) * len(network.weights[0]) > _LARGEST
        self._bias = network.biases[-1][:, None, :]
        self._rooms: deque[_Room] = deque(maxlen=_ROOMS)
        self._made: dict[tuple[int, bool], int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return FewRows, (self.network, self.columns)  # no buffers: programs know their addresses

    def raw(self, rows: Glimpse, *, counts: bool = False) -> np.ndarray | None:
        """Raw outputs (K, n, n_outputs); None where calls are not put together yet.

        ``counts`` says that the prediction is then made otherwise, and counted.
        """
        key = len(rows.numbers), rows.squashes
        if (made := self._made.get(key, 0)) < _BEFORE or self._is_large:
            self._made[key] = made + counts
            return None
        try:
            room = self._rooms.pop()
        except IndexError:
            room = _Room(self.network, self._scaling)
        program = room.program(*key)
        program.numbers[...] = rows.numbers
        if rows.places is not None:
            program.codes[...] = rows.places
        program.call()
        out: np.ndarray = program.out + self._bias
        self._rooms.append(room)
        return out


class _Program(NamedTuple):
    """What computes outputs, and where it reads its rows and writes them."""

    call: Callable[[], None]
    numbers: np.ndarray
    codes: np.ndarray
    out: np.ndarray


class _Room:
    """Buffers of one thread, and the programs that use them in turn."""

    def __init__(self, network: FoldedNetwork, scaling: Scaling) -> None:
        self.network, self.scaling = network, scaling
        self._programs: dict[tuple[int, bool], _Program] = {}
        self._buffers: dict[tuple, np.ndarray] = {}

    def program(self, rows: int, squashes: bool) -> _Program:
        """The program for so many rows."""
        found = self._programs.get((rows, squashes))
        if found is None:
            found = self._programs[rows, squashes] = self._write(rows, squashes)
        return found

    def _write(self, rows: int, squashes: bool) -> _Program:
        network, scaling = self.network, self.scaling
        categories = network.architecture.categories
        count = categories.count if categories else 0
        numbers = self.array("numbers", (1, rows, scaling.width), np.float64)[0]
        codes = self.array("codes", (1, rows, count), np.int32)
        if not squashes:
            scaling = scaling._replace(clip=None, fill=None)
        operations: list[Operation] = []
        out = inference.write(network, scaling, (numbers, codes), self.array, operations)
        members = len(network.weights[0])
        call = host().join(operations, members)
        return _Program(call, numbers, codes[0], out)

    def array(self, name: str, shape: tuple[int, int, int], dtype: Any) -> np.ndarray:
        """An array (k, rows, width) in a buffer that has room for the most rows."""
        members, _, width = shape
        key = name, members, width
        if key not in self._buffers:
            self._buffers[key] = np.zeros(members * MOST * width, dtype)
        return self._buffers[key][: math.prod(shape)].reshape(shape)


def few_rows(network: Network, columns: Columns) -> FewRows:
    """What predicts few rows of a table of these columns, made on first use."""
    made = folded(network, host())
    known: FewRows | None = made.few_rows
    if known is None or known.columns is not columns:
        known = made.few_rows = FewRows(made, columns)
    return known
