"""How candidates and folds are gathered to units of work."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import joblib
import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, clone

from sknorm._sklearn import _num_features
from sknorm.backends import is_on_host
from sknorm.ensembles.members import all_parameters, has_own_code
from sknorm.estimators.combinations import check_combination, hidden_sizes
from sknorm.estimators.parameters import PARAMETERS, PREPARING
from sknorm.model_selection.evaluation import Candidate, Context, Job, Unit
from sknorm.model_selection.inputs import Once, check_stackable, has_prefix, last_step

# Parameters that the networks of a stack may differ in.
STACKED = {name for name, each in PARAMETERS.items() if each.differs}
_LATER = PARAMETERS.keys() - PREPARING  # that the preparation of a table does not depend on
# Above this, the parameters and gradients of a stack leave the caches. Well below it, the kernels
# of stacks that are trained on several threads are so short that they wait for the interpreter.
_CACHE_BYTES = 1 << 23
_LEAST, _MOST = 4, 64


def candidates_of(estimator: Any, parameters: Sequence[dict[str, Any]]) -> list[Candidate]:
    """The candidates of a search.

    Raises
    ------
    TypeError
        If one does not end in one of this library's networks.
    ValueError
        If a parameter does not exist.
    """
    return [_candidate(estimator, *each) for each in enumerate(parameters)]


def units(
    context: Context,
    candidates: Sequence[Candidate],
    splits: Sequence[int],
    X: Any,
    workers: int,
) -> list[Unit]:
    """Jobs of candidates in folds, in units of what can be stacked.

    Parameters
    ----------
    context : Context
    candidates : sequence of Candidate
    splits : sequence of int
        The folds.
    X : table
    workers : int
        How many units can be worked on at once.
    """
    groups: dict[tuple, list[Job]] = defaultdict(list)
    for split in splits:
        rows = len(context.splits[split][0])
        for candidate in candidates:
            fold = (None, None) if candidate.prefix is None else (candidate.prefix, split)
            groups[fold, candidate.stack, rows].append(Job(candidate, split))
    parts = {key: _parts(jobs, X, workers, context) for key, jobs in groups.items()}
    prefixes = _prefixes(parts, context)
    return [
        Unit(jobs, jobs[0].candidate.epochs, prefixes.get(key[0]))
        for key, cut in parts.items()
        for jobs in cut
    ]


def _prefixes(parts: dict[tuple, list[list[Job]]], context: Context) -> dict[tuple, Once]:
    """What the units of each prefix in each fold share."""
    prefixes: dict[tuple, Once] = {}
    for (fold, *_), cut in parts.items():
        if fold[0] is not None and fold not in prefixes:
            uses = sum(len(other) for (same, *_), other in parts.items() if same == fold)
            model = cut[0][0].candidate.model
            prefixes[fold] = Once(partial(context.fold(fold[1]).prepared, model=model), uses)
    return prefixes


def _candidate(estimator: Any, number: int, parameters: dict[str, Any]) -> Candidate:
    """A candidate with its parameters checked; what is wrong with them is for its jobs to say."""
    model = clone(estimator).set_params(**clone(parameters, safe=False))
    check_stackable(model)
    network = last_step(model)
    if has_own_code(model) or has_own_code(network):
        return Candidate(
            number, parameters, model, network, frozenset(),
            prefix=None, stack=number, preparation=None, fault=None, alone=True,
        )  # fmt: skip
    try:
        own = all_parameters(network)
        network._validate_params()
        check_combination(network)
        hidden_sizes(network.hidden_layer_sizes)
    except Exception as error:
        return Candidate(
            number, parameters, model, network, frozenset(),
            prefix=None, stack=None, preparation=None, fault=error, alone=False,
        )  # fmt: skip
    common = [type(network), _requests(model), {k: v for k, v in own.items() if k not in STACKED}]
    return Candidate(
        number, parameters, model, network, frozenset(own),
        prefix=_fingerprint(_before(model)) if has_prefix(model) else None,
        stack=_fingerprint(common),
        preparation=_fingerprint({k: v for k, v in own.items() if k not in _LATER}),
        fault=None, alone=False,
    )  # fmt: skip


def _before(model: Any) -> list[Any]:
    """What decides what a Pipeline gives its network."""
    own = {name: value for name, value in vars(model).items() if name != "steps"}
    return [own, model.steps[:-1], _requests(model)]


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


def _parts(jobs: list[Job], X: Any, workers: int, context: Context) -> list[list[Job]]:
    """Jobs in parts of even size, enough of them for all workers; on the host, small enough.

    All jobs of a unit hold their initial weights and the order of their rows from the start: of
    the memory that stacks may take, a quarter at most is for that.
    """
    if jobs[0].candidate.fault is not None:
        return [jobs]
    if jobs[0].candidate.alone:
        return [[job] for job in jobs]
    network, size = jobs[0].candidate.network, -(-len(jobs) // workers)
    if network.backend == "numpy" or (network.backend == "auto" and is_on_host(X)):
        size = min(size, _stack_size(network, _width(X)))
    if context.max_stack_bytes is not None:
        held = len(context.splits[jobs[0].split][0]) + _weights(network, _width(X))
        held *= 8 * int(network.n_members)
        size = min(size, int(context.max_stack_bytes) // (4 * workers * held))
    count = -(-len(jobs) // max(1, size))
    return [part.tolist() for part in np.array_split(np.array(jobs, dtype=object), count)]


def _stack_size(network: Any, width: int) -> int:
    """Networks whose parameters, gradients and moments stay in the caches together."""
    values = max(1, _weights(network, width)) * int(network.n_members)
    return int(np.clip(_CACHE_BYTES // (16 * values), _LEAST, _MOST))


def _weights(network: Any, width: int) -> int:
    """Weights of the hidden layers."""
    sizes = [width, *hidden_sizes(network.hidden_layer_sizes)]
    return sum(a * b for a, b in pairwise(sizes))


def _width(X: Any) -> int:
    """Columns of a table; 1 of what a Pipeline is yet to make columns of, such as text."""
    try:
        return int(_num_features(X))
    except TypeError:
        return 1
