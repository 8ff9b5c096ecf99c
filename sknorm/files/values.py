"""Plain values as JSON and tensors, and back: exactly what they were.

None, booleans, whole numbers, finite floats, strings and lists are JSON as they are. All else is an
object ``{"is": kind, ...}``. Arrays, texts in arrays, and long lists of floats are tensors.
"""

import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from sknorm._pickling import StateError
from sknorm.files import objects

_LONG = 32  # floats in a list, from where on they are a tensor
_NUMBERS = re.compile(r"[<>]?(b1|[iu][1248]|f[248])")
_DATES = re.compile(r"[<>]?[mM]8(\[\w+\])?")
_TEXTS = re.compile(r"[<>]?U\d+|O")
_LENGTHS = ".lengths"  # of texts, beside the tensor of their letters

Node = Any
Tensors = dict[str, np.ndarray]


class NoPlainFormError(Exception):
    """A value that no file can hold.

    Parameters
    ----------
    path : str
        Where it stands, such as ``member_space['alpha']``.
    value : object

    Attributes
    ----------
    owner : (estimator, str)
        Whose value it is, and the name of the parameter or attribute.
    """

    owner: Any = None

    def __init__(self, path: str, value: Any) -> None:
        super().__init__(path)
        self.path, self.value = path, value


class Writer:
    """Makes JSON of values, and keeps their tensors by the place of the value.

    Parameters
    ----------
    others : callable
        Makes a node of a value that is not plain, given this writer, the value and its path; None
        if it cannot.
    """

    def __init__(self, others: Callable[["Writer", Any, str], Node | None]) -> None:
        self.tensors: Tensors = {}
        self._others = others
        self._numbers: dict[int, int | None] = {}
        self._seen: list[Any] = []  # so that no other object takes the place of one in memory

    def write(self, value: Any, path: str) -> Node:
        """The node of a value that stands at ``path``."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            finite = math.isfinite(value)
            return value if finite else {"is": "float", "value": str(value)}
        if kind is list:
            return self._list(value, path)
        if kind is tuple:
            return {"is": "tuple", "items": self._items(value, path)}
        if kind is dict:
            pairs = [[self.write(k, path), self.write(v, at(path, k))] for k, v in value.items()]
            return {"is": "dict", "items": pairs}
        if kind is np.ndarray:
            return self._array(value, path)
        if isinstance(value, np.generic):
            return self._scalar(value, path)
        node = objects.write(self, value, path) or self._others(self, value, path)
        if node is None:
            raise NoPlainFormError(path, value)
        return node

    def once(self, value: Any, path: str, make: Callable[[], dict[str, Any]]) -> Node:
        """The node of an object that may stand in several places, and is then the same in all."""
        if id(value) in self._numbers:
            if (number := self._numbers[id(value)]) is None:  # within itself
                raise NoPlainFormError(path, value)
            return {"is": "same", "number": number}
        number, self._numbers[id(value)] = len(self._seen), None
        self._seen.append(value)
        node = make()
        self._numbers[id(value)] = number
        return {**node, "number": number}

    def _items(self, values: Any, path: str) -> list[Node]:
        return [self.write(each, f"{path}[{place}]") for place, each in enumerate(values)]

    def _list(self, values: list, path: str) -> Node:
        if len(values) >= _LONG and all(type(each) is float for each in values):
            return {"is": "floats", "tensor": self._keep(np.array(values), path)}
        if len(values) > 1 and all(type(each) is np.ndarray for each in values):
            first = values[0]
            alike = all((e.shape, e.dtype) == (first.shape, first.dtype) for e in values)
            if alike and _name(first.dtype) and all(e.flags.c_contiguous for e in values):
                return {"is": "arrays", "of": self._array(np.stack(values), path)}
        return self._items(values, path)

    def _scalar(self, value: np.generic, path: str) -> Node:
        name = "U" if type(value) is np.str_ else _name(value.dtype)
        if name is None:
            raise NoPlainFormError(path, value)
        if value.dtype.kind in "mM":
            return {"is": "date", "of": self._array(np.asarray(value), path)}
        return {"is": "number", "dtype": name, "value": self.write(value.item(), path)}

    def _array(self, array: np.ndarray, path: str) -> Node:
        if (name := _name(array.dtype)) is not None:
            columns = array.flags.f_contiguous and not array.flags.c_contiguous
            stored = array.T if columns else array
            if array.dtype.kind in "mM":
                stored = stored.astype(stored.dtype.newbyteorder("=")).view(np.int64)
            made = {"is": "array", "tensor": self._keep(stored, path), "dtype": name}
            return {**made, "order": "F"} if columns else made
        items, shape = array.ravel().tolist(), list(array.shape)
        if array.dtype.kind in "UO" and all(type(each) is str for each in items):
            letters = [each.encode("utf-8", "surrogatepass") for each in items]
            tensor = self._keep(np.frombuffer(b"".join(letters), dtype=np.uint8), path)
            self._keep(np.array([len(each) for each in letters], np.int64), tensor + _LENGTHS)
            name = _byte_order(array.dtype).lstrip("|")
            return {"is": "text", "tensor": tensor, "dtype": name, "shape": shape}
        if array.dtype.kind == "O":
            return {"is": "objects", "items": self._items(items, path), "shape": shape}
        raise NoPlainFormError(path, array)

    def _keep(self, array: np.ndarray, path: str) -> str:
        """The name of the tensor that now holds an array."""
        name, count = path, 1
        while name in self.tensors or name + _LENGTHS in self.tensors or name == "__metadata__":
            count += 1
            name = f"{path}.{count}"
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        self.tensors[name] = np.ascontiguousarray(native).reshape(native.shape)
        return name


class Reader:
    """Makes values of JSON and tensors.

    Parameters
    ----------
    tensors : dict of str to ndarray
    others : dict of str to callable
        Makes a value, given this reader and a node, by the kind of the node.
    """

    def __init__(
        self, tensors: Tensors, others: dict[str, Callable[["Reader", dict[str, Any]], Any]]
    ) -> None:
        self._tensors = tensors
        self._kinds = _READERS | objects.READERS | others
        self.shared: dict[int, Any] = {}  # by number

    def read(self, node: Node) -> Any:
        """The value of a node.

        Raises
        ------
        StateError
            If there is no such kind.
        """
        if isinstance(node, list):
            return [self.read(each) for each in node]
        if not isinstance(node, dict):
            return node
        if (make := self._kinds.get(node["is"])) is None:
            raise StateError(f"it holds a value of the unknown kind {node['is']!r}.")
        value = make(self, node)
        if "number" in node:
            self.shared[node["number"]] = value
        return value

    def tensor(self, name: str) -> np.ndarray:
        """An array of its own."""
        return self._tensors[name].copy()


def at(path: str, key: Any) -> str:
    """The path of what a dict has by a key."""
    if not (isinstance(key, str) and key.isidentifier()):
        return f"{path}[{key!r}]"
    return f"{path}.{key}" if path else key


def _name(dtype: np.dtype) -> str | None:
    """The name of a dtype that a tensor can hold, without a byte order if it is the machine's."""
    name = _byte_order(dtype)
    return name if _NUMBERS.fullmatch(name) or _DATES.fullmatch(name) else None


def _byte_order(dtype: np.dtype) -> str:
    return dtype.str[1:] if dtype.isnative else dtype.str


def _dtype(name: str, kinds: re.Pattern[str]) -> np.dtype:
    if not kinds.fullmatch(name):
        raise StateError(f"it holds an array of the unknown dtype {name!r}.")
    return np.dtype(name)


def _read_array(reader: Reader, node: dict[str, Any]) -> np.ndarray:
    array, name = reader.tensor(node["tensor"]), node["dtype"]
    dtype = _dtype(name, _DATES if "8" in name and name.lstrip("<>")[0] in "mM" else _NUMBERS)
    native = dtype.newbyteorder("=")
    array = array.view(native) if dtype.kind in "mM" else array
    if array.dtype != native:
        raise StateError(f"its tensor {node['tensor']!r} is not of the dtype {name}.")
    array = array.astype(dtype, copy=False)
    return array.T if node.get("order") == "F" else array


def _read_text(reader: Reader, node: dict[str, Any]) -> np.ndarray:
    letters = reader.tensor(node["tensor"]).tobytes()
    ends = np.cumsum([0, *reader.tensor(node["tensor"] + _LENGTHS).tolist()]).tolist()
    texts = [letters[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(ends)]
    made = np.empty(len(texts), dtype=_dtype(node["dtype"], _TEXTS))
    made[:] = texts
    return made.reshape(node["shape"])


def _read_objects(reader: Reader, node: dict[str, Any]) -> np.ndarray:
    made = np.empty(len(node["items"]), dtype=object)
    for place, each in enumerate(node["items"]):
        made[place] = reader.read(each)
    return made.reshape(node["shape"])


def _read_number(reader: Reader, node: dict[str, Any]) -> Any:
    value = reader.read(node["value"])
    return np.str_(value) if node["dtype"] == "U" else _dtype(node["dtype"], _NUMBERS).type(value)


_READERS: dict[str, Callable[[Reader, dict[str, Any]], Any]] = {
    "float": lambda _, node: float(node["value"]),
    "tuple": lambda reader, node: tuple(reader.read(node["items"])),
    "dict": lambda reader, node: {reader.read(k): reader.read(v) for k, v in node["items"]},
    "floats": lambda reader, node: reader.tensor(node["tensor"]).tolist(),
    "arrays": lambda reader, node: [each.copy() for each in reader.read(node["of"])],
    "date": lambda reader, node: reader.read(node["of"])[()],
    "number": _read_number,
    "array": _read_array,
    "text": _read_text,
    "objects": _read_objects,
    "same": lambda reader, node: reader.shared[node["number"]],
}
