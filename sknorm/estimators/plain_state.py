"""Fitted state as plain values: dicts, lists, numbers, strings and NumPy arrays.

What a pickle, joblib or skops file holds of an estimator beside its parameters names no class of
the engine, so that a loader needs to trust the estimators alone.
"""

from dataclasses import fields, is_dataclass
from typing import Any

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
    """The attribute that :func:`to_plain` made plain values of."""
    if type(value) in (list, tuple):
        return type(value)(from_plain(each) for each in value)
    if type(value) is not dict:
        return value
    made = {key: from_plain(each) for key, each in value.items() if key != _KIND}
    if _KIND not in value:
        return made
    if value[_KIND] == "Network":
        return Network(resolve(None), **made)
    return _KINDS[value[_KIND]](**made)


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, Parameters):
        architecture = value.architecture
        return {"architecture": architecture, "members": value.members, "flat": to_host(value.flat)}
    if isinstance(value, Progress):
        names = ("random_states", "seeds", "calls", "private")
        kept = {name: getattr(value, name) for name in names}
        return {**kept, "arrays": value.to_arrays()}
    assert is_dataclass(value)
    return {f.name: getattr(value, f.name) for f in fields(value) if f.name not in _MADE_ANEW}
