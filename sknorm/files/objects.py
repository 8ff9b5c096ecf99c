"""Objects that parameters may be, and that are known by name and numbers."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path, PurePath
from typing import Any

from numpy.random import RandomState
from scipy import stats
from scipy.stats import rv_continuous, rv_discrete

from sknorm._pickling import StateError
from sknorm.objective import penalties

_SHARED = ("a", "b", "badvalue", "shapes", "xtol")  # what else a distribution may be made with


def write(writer: Any, value: Any, path: str) -> dict[str, Any] | None:
    """The node of an object; None if it has none."""
    if type(value) is RandomState:
        return _of_generator(writer, value, path)
    if isinstance(value, PurePath):
        return {"is": "path", "value": str(value)}
    if getattr(value, "dist", None) is not None:
        return _of_distribution(writer, value, path)
    if type(value) in penalties.PENALTIES.values():
        own = {f.name: writer.write(getattr(value, f.name), path) for f in fields(value)}
        return {"is": "penalty", "name": value.name, "values": own}
    return None


def _of_generator(writer: Any, value: RandomState, path: str) -> dict[str, Any] | None:
    state: dict[str, Any] = value.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        return None
    kept = {"key": state["state"]["key"], "pos": int(state["state"]["pos"])}
    kept |= {"has_gauss": int(state["has_gauss"]), "gauss": float(state["gauss"])}

    def make() -> dict[str, Any]:
        own = {name: writer.write(each, f"{path}.{name}") for name, each in kept.items()}
        return {"is": "RandomState", **own}

    return writer.once(value, path, make)


def _of_distribution(writer: Any, value: Any, path: str) -> dict[str, Any] | None:
    """Of a frozen distribution of SciPy's own, such as ``loguniform(1e-5, 1.0)``."""
    name, theirs = getattr(value.dist, "name", ""), None
    if isinstance(name, str):
        theirs = getattr(stats, name, None)
    same = type(theirs) is type(value.dist) and isinstance(theirs, rv_continuous | rv_discrete)
    if not same or any(_of(theirs, each) != _of(value.dist, each) for each in _SHARED):
        return None
    args = [writer.write(each, f"{path}.args") for each in value.args]
    named = {key: writer.write(each, f"{path}.{key}") for key, each in value.kwds.items()}
    return {"is": "distribution", "name": name, "args": args, "kwds": named}


def _of(distribution: Any, name: str) -> str:
    return repr(getattr(distribution, name, None))  # NaN equals itself


def _read_generator(reader: Any, node: dict[str, Any]) -> RandomState:
    names = "key", "pos", "has_gauss", "gauss"
    key, pos, has_gauss, gauss = (reader.read(node[name]) for name in names)
    made = RandomState(0)
    made.set_state(("MT19937", key, pos, has_gauss, gauss))
    return made


def _read_distribution(reader: Any, node: dict[str, Any]) -> Any:
    theirs = getattr(stats, node["name"], None)
    if not isinstance(theirs, rv_continuous | rv_discrete):
        raise StateError(f"SciPy has no distribution {node['name']!r}.")
    named = {key: reader.read(each) for key, each in node["kwds"].items()}
    return theirs(*reader.read(node["args"]), **named)


def _read_penalty(reader: Any, node: dict[str, Any]) -> Any:
    if (kind := penalties.PENALTIES.get(node["name"])) is None:
        raise StateError(f"there is no penalty {node['name']!r}.")
    return kind(**{key: reader.read(each) for key, each in node["values"].items()})


READERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "RandomState": _read_generator,
    "distribution": _read_distribution,
    "penalty": _read_penalty,
    "path": lambda _, node: Path(node["value"]),
}
