"""The inputs of a graph: the columns of a raw table, and how the graph reads them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sknorm.data.kinds import Kinds
from sknorm.export.onnx.graph import TEXT, Graph


class Input(NamedTuple):
    """An input of a graph, of shape (n, width).

    Attributes
    ----------
    name : str
    dtype : dtype
        ``TEXT`` for strings.
    width : int
        Columns of X in it.
    """

    name: str
    dtype: np.dtype
    width: int


def places_of(inputs: Sequence[Input], kinds: Kinds) -> list[tuple[int, int]]:
    """Which input each column of X is in, and which of its columns it is.

    Raises
    ------
    ValueError
        If the inputs have not as many columns as X.
    """
    places = [(at, own) for at, each in enumerate(inputs) for own in range(each.width)]
    if len(places) != kinds.n_features:
        raise ValueError(
            f"The inputs of the graph have {len(places)} columns, but the model was fitted to "
            f"{kinds.n_features}."
        )
    return places


class Table:
    """The inputs side by side, as one table.

    Parameters
    ----------
    graph : Graph
    inputs : sequence of Input
        The columns of X, in their order.
    kinds : Kinds
        Of a model that they are for; names of columns in messages are from there.

    Raises
    ------
    ValueError
        If they have not as many columns as X.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Input], kinds: Kinds) -> None:
        self.graph, self.inputs, self._kinds = graph, inputs, kinds
        self._places = places_of(inputs, kinds)

    def column(self, feature: int) -> tuple[str, np.dtype]:
        """One column, (n, 1), and its dtype."""
        at, own = self._places[feature]
        each = self.inputs[at]
        if each.width == 1:
            return each.name, each.dtype
        return self.graph.add("Gather", each.name, np.array([own]), axis=1), each.dtype

    def numbers(self, features: Sequence[int]) -> str:
        """Numeric columns (n, d) in float64; a column of zeros if there are none."""
        if not features:
            return self.zeros()
        parts: dict[int, list[int]] = {}
        for feature in features:
            parts.setdefault(self._places[feature][0], []).append(feature)
        groups: dict[np.dtype, list[tuple[str, list[int]]]] = {}
        for at, own in parts.items():
            groups.setdefault(self.inputs[at].dtype, []).append((self._several(at, own), own))
        made: list[str] = []
        order: list[int] = []
        for dtype, members in groups.items():
            order += [feature for _, own in members for feature in own]
            self._refuse_text(dtype, order[-1])
            joined = self.graph.concat([name for name, _ in members], 1)
            made.append(self.graph.cast(joined, "f8", dtype))
        numbers = self.graph.concat(made, 1)
        if order == list(features):
            return numbers
        places = np.array([order.index(feature) for feature in features])
        return self.graph.add("Gather", numbers, places, axis=1)

    def zeros(self) -> str:
        """A column of zeros, (n, 1)."""
        shape = self.graph.add("Shape", self.inputs[0].name)
        rows = self.graph.add("Gather", shape, np.array([0]), axis=0)
        return self.graph.add(
            "Expand", np.zeros((1, 1)), self.graph.concat([rows, np.array([1])], 0)
        )

    def label(self, feature: int) -> str:
        """What messages call a column."""
        names = self._kinds.names
        return str(feature) if names is None else repr(str(names[feature]))

    def _several(self, at: int, features: list[int]) -> str:
        own = [self._places[feature][1] for feature in features]
        each = self.inputs[at]
        if own == list(range(each.width)):
            return each.name
        return self.graph.add("Gather", each.name, np.array(own), axis=1)

    def _refuse_text(self, dtype: np.dtype, feature: int) -> None:
        if dtype == TEXT:
            raise ValueError(
                f"Column {self.label(feature)} was numeric in fit, but is text in the graph. Give "
                "its input a numeric type."
            )
