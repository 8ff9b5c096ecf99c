"""How candidates and folds are gathered to units of work."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any

import joblib
import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, clone

from sknorm._sklearn import _num_features, has_callbacks
from sknorm.backends import is_on_host
from sknorm.ensembles.members import all_parameters, has_own_code, network_of
from sknorm.estimators import recipe
from sknorm.estimators.combinations import check_parameters, hidden_sizes
from sknorm.estimators.parameters import PARAMETERS, PREPARING
from sknorm.model_selection.context import Context
from sknorm.model_selection.folds import Fold, around, check_stackable, has_steps

# Parameters that the networks of a stack may differ in.
STACKED = [name for name, each in PARAMETERS.items() if each.differs]
_LATER = PARAMETERS.keys() - PREPARING  # that the preparation of a table does not depend on
# Of a stack on the host, which shares the work at the end of an epoch out; more gain nothing.
_MOST = 64
_STACK_BYTES = 1 << 28  # of parameters, kept copies, gradients and moments, where they are large


@dataclass(frozen=True)
class Candidate:
    """A candidate, not fitted, and what its jobs need to know of it."""

    number: int
    parameters: dict[str, Any]
    model: Any
    network: Any  # the model's own, if it is not the model
    before: Hashable = None  # identifies all that is fitted before the network,
    stack: Hashable = None  # the parameters that networks of one stack have in common,
    preparation: Hashable = None  # and those that the preparation of a table depends on
    fault: Exception | None = None  # why it cannot be fitted
    alone: str = ""  # what of its own it has to be fitted by its own ``fit``, one by one

    @property
    def epochs(self) -> int:
        """Largest number of epochs of its training in a fold, on a table of usual size."""
        return 0 if self.fault is not None else _count(self._resolved, "max_iter")

    @property
    def work(self) -> int:
        """The same of all its networks, by which time is shared out."""
        return 0 if self.fault is not None else self.epochs * _count(self._resolved, "n_members")

    @property
    def _resolved(self) -> Any:
        # One with methods of its own may have any parameters.
        return self.network if self.alone else recipe.resolved(self.network)


Candidates = Sequence[Candidate]


@dataclass(frozen=True)
class Job:
    """One candidate in one fold."""

    candidate: Candidate
    fold: Fold

    @property
    def key(self) -> tuple[int, int]:
        """The numbers of the candidate and the fold."""
        return self.candidate.number, self.fold.split


def candidates_of(estimator: Any, parameters: Sequence[dict[str, Any]]) -> list[Candidate]:
    """The candidates of a search.

    Raises
    ------
    TypeError
        If the network of one is not one of this library's.
    ValueError
        If a parameter does not exist.
    """
    return [_candidate(estimator, *each) for each in enumerate(parameters)]


def plan(
    context: Context, candidates: Candidates, splits: Sequence[int], workers: int
) -> list[list[Job]]:
    """Jobs of candidates in folds, in units of what can be stacked, for so many workers."""
    groups: dict[tuple, list[Job]] = defaultdict(list)
    folds: dict[tuple, Fold] = {}
    for split in splits:
        rows = len(context.splits[split][0])
        for candidate in candidates:
            before = candidate.before
            own = before is not None and has_steps(candidate.model)
            key = before, candidate.stack if before is None else None, split
            fold = folds.setdefault(key, Fold(split, candidate.model))
            group = before, split if own else None, candidate.stack, rows
            groups[group].append(Job(candidate, fold))
    units = [unit for jobs in groups.values() for unit in _parts(jobs, workers, context)]
    for unit in units:
        for fold in {job.fold for job in unit}:
            fold.uses += 1
    return units


def _candidate(estimator: Any, number: int, parameters: dict[str, Any]) -> Candidate:
    """A candidate with its parameters checked; what is wrong with them is for its jobs to say."""
    model = clone(estimator).set_params(**clone(parameters, safe=False))
    check_stackable(model)
    known = number, parameters, model, network_of(model)
    network, outer = known[-1], around(model)
    for each in (*outer, network):
        if has_own_code(each) or has_callbacks(each):
            alone = "methods of its own" if has_own_code(each) else "callbacks"
            return Candidate(*known, stack=number, alone=alone)
    try:
        own = all_parameters(network)
        check_parameters(network)
    except Exception as error:
        return Candidate(*known, fault=error)
    common = [type(network), _requests(model), {k: v for k, v in own.items() if k not in STACKED}]
    fitted = has_steps(model) or any(not hasattr(each, "steps") for each in outer)
    return Candidate(
        *known,
        before=_fingerprint([_before(each) for each in outer]) if fitted else None,
        stack=_fingerprint(common),
        preparation=_fingerprint({k: v for k, v in own.items() if k not in _LATER}),
    )


def _count(network: Any, name: str) -> int:
    """A parameter that is a number from one on; one where it is anything else."""
    value = getattr(network, name, 1)
    return max(1, int(value)) if isinstance(value, Integral) else 1


def _before(model: Any) -> list[Any]:
    """What decides what a Pipeline, or a transformer of targets, gives to what it ends in."""
    own = {name: each for name, each in vars(model).items() if name not in ("steps", "regressor")}
    return [own, getattr(model, "steps", [])[:-1], _requests(model)]


def _requests(model: Any) -> str:
    """Who is to get which metadata, where scikit-learn routes them."""
    return str(model.get_metadata_routing()) if get_config()["enable_metadata_routing"] else ""


def _fingerprint(value: Any) -> Hashable:
    """What equal parameters have in common; of what cannot be compared, the object itself."""
    if value is None or isinstance(value, str | int | float):
        return type(value), value
    if isinstance(value, dict):
        return tuple((key, _fingerprint(value[key])) for key in sorted(value, key=repr))
    if isinstance(value, list | tuple):
        return type(value), *(_fingerprint(each) for each in value)
    if isinstance(value, BaseEstimator):
        return type(value), _fingerprint(vars(value))  # one that is frozen has more than parameters
    try:
        return joblib.hash(value)
    except Exception:  # a function of no name, or what holds a lock
        return id(value)


def _parts(jobs: list[Job], workers: int, context: Context) -> list[list[Job]]:
    """Jobs in parts of even size, enough of them for all workers; on the host, small enough.

    All jobs of a unit hold their initial weights and the order of their rows from the start: of
    the memory that stacks may take, a quarter at most is for that.
    """
    if jobs[0].candidate.fault is not None:
        return [jobs]
    if jobs[0].candidate.alone:
        return [[job] for job in jobs]
    network, size = recipe.resolved(jobs[0].candidate.network), -(-len(jobs) // workers)
    weights = _weights(network, context.X)
    if network.backend == "numpy" or (network.backend == "auto" and is_on_host(context.X)):
        size = min(size, _stack_size(max(1, weights) * int(network.n_members)))
    if context.max_stack_bytes is not None:
        held = len(context.splits[jobs[0].fold.split][0]) + weights
        held *= 8 * int(network.n_members)
        size = min(size, int(context.max_stack_bytes) // (4 * workers * held))
    count = -(-len(jobs) // max(1, size))
    return [part.tolist() for part in np.array_split(np.array(jobs, dtype=object), count)]


def _stack_size(values: int) -> int:
    """Networks of so many values each that are trained in one stack on the host."""
    return int(np.clip(_STACK_BYTES // (24 * values), 1, _MOST))


def _weights(network: Any, X: Any) -> int:
    """Weights of the hidden layers."""
    try:
        width = int(_num_features(X))
    except TypeError:  # what a Pipeline is yet to make columns of, such as text
        width = 1
    return sum(a * b for a, b in pairwise([width, *hidden_sizes(network.hidden_layer_sizes)]))
