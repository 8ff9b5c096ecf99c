"""Fitted state as plain values: dicts, lists, numbers, strings and NumPy arrays.

What a pickle, joblib or skops file holds of an estimator beside its parameters names no class of
the engine, so that a loader needs to trust the estimators alone.
"""

from dataclasses import fields
from typing import Any

from sknorm._pickling import StateError
from sknorm.backends import is_on_host, resolve, to_host
from sknorm.data.bins import Bins
from sknorm.data.categories import Category
from sknorm.data.classes import ClassTarget, IndicatorTarget
from sknorm.data.coded import CodeColumn, CodedTable
from sknorm.data.columns import Columns
from sknorm.data.kinds import Kinds
from sknorm.data.numeric import NumericTarget
from sknorm.data.rows import Rows
from sknorm.data.statistics import Statistics
from sknorm.data.target_units import TargetUnits
from sknorm.estimators.fitted import Fitted
from sknorm.estimators.incremental import Progress
from sknorm.estimators.increments import Increments
from sknorm.network.architecture import Architecture, Categories, Embedding
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters
from sknorm.objective import losses

_KIND = "sknorm_kind"  # marks a dict that stands for an object
_LEARNED = (
    Columns,
    Kinds,
    Category,
    Bins,
    CodedTable,
    CodeColumn,
    Statistics,
    ClassTarget,
    IndicatorTarget,
    NumericTarget,
    TargetUnits,
    Rows,
)
_ENGINE = (
    Network,
    Parameters,
    Architecture,
    Categories,
    Embedding,
    *losses.LOSSES.values(),
    *losses.CLASSIFICATION,
)
_KINDS: dict[str, Any] = {
    kind.__name__: kind for kind in (Fitted, Increments, Progress, *_LEARNED, *_ENGINE)
}
_MADE_ANEW = ("backend", "_folded")  # fields of a network
_NAMED: dict[Any, tuple[str, ...]] = {  # of what is no dataclass of plain values alone
    Parameters: ("architecture", "members", "flat"),
    Progress: ("random_states", "seeds", "calls", "private", "arrays"),
}
# Fields that an older version may not know, whose defaults then mean what it did.
_LATER: dict[str, tuple[str, ...]] = {
    "Fitted": ("member_seeds", "weights", "drawn", "places", "averages_raw", "asked"),
    "Columns": ("categories", "bins"),
    "Kinds": ("categories", "empty"),
    "Architecture": ("residual", "embedding", "categories"),
    "Rows": ("sparse_y",),
    "Increments": ("waiting",),
}


def plain_state(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """An estimator's state as it is pickled: its parameters as they are, all else plain."""
    own = estimator.get_params(deep=False).keys()
    if run := state.get("_increments"):
        run.progress.settle(run.calls)
    return {name: value if name in own else to_plain(value) for name, value in state.items()}


def from_state(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """The state that :func:`plain_state` made plain values of."""
    own = estimator._get_param_names()
    return {name: value if name in own else from_plain(value) for name, value in state.items()}


def to_plain(value: Any) -> Any:
    """A fitted attribute as plain values, its arrays on the host."""
    name = type(value).__name__
    if _KINDS.get(name) is type(value):
        return {_KIND: name, **{key: to_plain(each) for key, each in _fields(value).items()}}
    if type(value) in (list, tuple):
        return type(value)(to_plain(each) for each in value)
    if type(value) is dict:
        return {key: to_plain(each) for key, each in value.items()}
    return value if is_on_host(value) else to_host(value)


def from_plain(value: Any) -> Any:
    """The attribute that :func:`to_plain` made plain values of.

    Raises
    ------
    StateError
        If another version made them, with other objects or fields.
    """
    if type(value) in (list, tuple):
        return type(value)(from_plain(each) for each in value)
    if type(value) is not dict:
        return value
    made = {key: from_plain(each) for key, each in value.items() if key != _KIND}
    if _KIND not in value:
        return made
    name = value[_KIND]
    _check_fields(name, made)
    return Network(resolve(None), **made) if name == "Network" else _KINDS[name](**made)


def _check_fields(name: str, found: dict[str, Any]) -> None:
    """Refuse what this version cannot make an object of."""
    if name not in _KINDS:
        raise StateError(f"it holds a {name!r}, which this version does not know.")
    known = _names(_KINDS[name])
    if missing := [each for each in known if each not in (*found, *_LATER.get(name, ()))]:
        raise StateError(f"the {name} in it lacks {', '.join(missing)}.")
    if unknown := [each for each in found if each not in known]:
        raise StateError(
            f"the {name} in it has {', '.join(unknown)}, which this version does not know."
        )


def _fields(value: Any) -> dict[str, Any]:
    kept = {name: getattr(value, name) for name in _names(type(value))}
    return kept | {"arrays": value.to_arrays()} if isinstance(value, Progress) else kept


def _names(kind: Any) -> tuple[str, ...]:
    """What makes up an object of a kind."""
    if kind in _NAMED:
        return _NAMED[kind]
    return tuple(each.name for each in fields(kind) if each.name not in _MADE_ANEW)
