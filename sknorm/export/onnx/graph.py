"""A graph of ONNX operators, as plain values: what makes a file of it comes later."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

ML = "ai.onnx.ml"  # the domain of operators on labels and text
TEXT = np.dtype(object)  # strings

# Numbers of element types in the standard, onnx.TensorProto.DataType.
_KINDS = ("f4", "u1", "i1", "u2", "i2", "i4", "i8", "O", "?", "f2", "f8", "u4", "u8")
ELEMENTS = {np.dtype(kind): number for number, kind in enumerate(_KINDS, 1)}
_LEAST = -125  # exponent of the smallest normal number of float32
_SMALL = 64  # entries of constants that are looked for among those that the graph has


class Node(NamedTuple):
    """One operator, by the names of what it reads and writes."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str
    attributes: dict[str, Any]


class Graph:
    """Nodes in the order in which they compute, and constants.

    Parameters
    ----------
    name : callable
        Makes a name that nothing else has, from what a name is to begin with.

    Attributes
    ----------
    nodes : list of Node
    constants : dict of str to array
    name : callable
    """

    def __init__(self, name: Callable[[str], str]) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.name = name
        self._small: dict[tuple[Any, ...], str] = {}

    def add(self, operator: str, *inputs: Any, domain: str = "", **attributes: Any) -> str:
        """The name of what an operator computes of names and constants."""
        output = self.name(operator.lower())
        self.write(output, operator, *inputs, domain=domain, **attributes)
        return output

    def write(
        self, output: str, operator: str, *inputs: Any, domain: str = "", **attributes: Any
    ) -> None:
        """The same under a name that is already chosen."""
        operator, inputs = self._kept(operator, inputs)
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        self.nodes.append(Node(operator, tuple(names), (output,), domain, attributes))

    def _kept(self, operator: str, inputs: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        """The same in steps, where onnxruntime would take an operator for one that does nothing.

        It drops those that add a single zero or multiply by a single one, but looks at the number
        in float32, in which others are zero or one, too. Powers of two round nothing.
        """
        *others, last = inputs
        if isinstance(last, str) or np.size(last) != 1 or np.asarray(last).dtype != np.float64:
            return operator, inputs
        value = np.asarray(last).item()
        seen = float(np.float32(value)) if abs(value) < 2.0 else value
        if operator == "Mul" and seen == 1.0 != value:
            return "Mul", (self.add("Mul", *others, last * 0.5), np.float64(2.0))
        if operator in ("Add", "Sub") and seen == 0.0 != value:
            unit = np.ldexp(1.0, _LEAST - math.frexp(value)[1])
            scaled = self.add("Mul", *others, unit)
            return "Mul", (self.add(operator, scaled, last * unit), 1.0 / unit)
        return operator, inputs

    def cast(self, value: str, dtype: Any, now: Any = None) -> str:
        """A value in a dtype; itself if it has it ``now``."""
        if now is not None and np.dtype(now) == np.dtype(dtype):
            return value
        return self.add("Cast", value, to=ELEMENTS[np.dtype(dtype)])

    def concat(self, values: list[Any], axis: int) -> str:
        """Values side by side; a single one as it is."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=axis)

    def sort(self, value: str, count: int) -> str:
        """Values in ascending order along their last axis, of ``count`` of them."""
        ordered, places = self.name("sorted"), self.name("places")
        inputs = value, self._constant(np.array([count]))
        attributes = {"axis": -1, "largest": 0, "sorted": 1}
        self.nodes.append(Node("TopK", inputs, (ordered, places), "", attributes))
        return ordered

    def _constant(self, values: Any) -> str:
        """The name of an array in C order."""
        values = np.asarray(values, order="C")
        key: Any = None
        if values.size <= _SMALL and values.dtype != TEXT:
            key = values.dtype, values.shape, values.tobytes()
            if key in self._small:
                return self._small[key]
        name = self.name("constant")
        self.constants[name] = values
        if key is not None:
            self._small[key] = name
        return name


def numbered(taken: Iterable[str]) -> Callable[[str], str]:
    """What makes names that are not among those ``taken``, by numbers behind them."""
    used, counts = set(taken), dict[str, int]()

    def name(start: str) -> str:
        made = start
        while made in used:
            counts[start] = counts.get(start, 0) + 1
            made = f"{start}{counts[start]}"
        used.add(made)
        return made

    return name
