"""How candidates and folds are gathered to units of work."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone

from sknorm.model_selection.evaluation import Context, Job, Unit
from sknorm.model_selection.inputs import Once, check_stackable, has_prefix, last_step
from sknorm.model_selection.work import prefix_inputs

# Parameters that the networks of a stack may differ in.
STACKED = {
    "alpha", "l1_ratio", "dropout", "input_dropout", "input_noise", "mixup_alpha",
    "label_smoothing", "learning_rate_init", "norm_momentum", "random_state", "class_weight",
    "verbose",
}  # fmt: skip
# Above this, the parameters and gradients of a stack leave a core's cache (measured).
_CACHE_BYTES = 1 << 21
_LEAST, _MOST = 4, 32


def units(
    context: Context, candidates: Sequence[dict[str, Any]], width: int, workers: int
) -> list[Unit]:
    """Jobs of all candidates in all folds, in units of what can be stacked.

    Parameters
    ----------
    context : Context
    candidates : sequence of dict
        Their parameters.
    width : int
        Columns of the table.
    workers : int
        How many units can be worked on at once.

    Raises
    ------
    TypeError
        If a candidate does not end in one of this library's networks.
    ValueError
        If a parameter does not exist.
    """
    models = [_model(context.estimator, parameters) for parameters in candidates]
    keys = [_keys(model) for model in models]
    groups: dict[tuple, list[Job]] = defaultdict(list)
    for split, (train, _) in enumerate(context.splits):
        for number, parameters in enumerate(candidates):
            prefix, network = keys[number]
            fold = (None, None) if prefix is None else (prefix, split)
            groups[fold, network, len(train)].append(Job(number, split, parameters))
    return _cut(groups, models, context, width, workers)


def _cut(
    groups: dict[tuple, list[Job]],
    models: list[Any],
    context: Context,
    width: int,
    workers: int,
) -> list[Unit]:
    """Units of the groups; those of one prefix in one fold share what it gives."""
    parts = {
        key: _parts(jobs, last_step(models[jobs[0].candidate]), width, workers)
        for key, jobs in groups.items()
    }
    shared: dict[tuple, Once] = {}
    planned = []
    for key, cut in parts.items():
        fold, model = key[0], models[cut[0][0].candidate]
        if fold[0] is not None and fold not in shared:
            compute = partial(prefix_inputs, context=context, split=fold[1], candidate=model)
            uses = sum(len(other) for same, other in parts.items() if same[0] == fold)
            shared[fold] = Once(compute, uses)
        planned += [Unit(jobs, last_step(model).max_iter, shared.get(fold)) for jobs in cut]
    return planned


def _model(estimator: Any, parameters: dict[str, Any]) -> Any:
    """A candidate, if it can be stacked."""
    model = clone(estimator).set_params(**clone(parameters, safe=False))
    check_stackable(model)
    return model


def _keys(model: Any) -> tuple[str | None, str]:
    """What identifies the steps before the network, and what its stack has in common."""
    network = last_step(model)
    own = {k: v for k, v in network.get_params(deep=False).items() if k not in STACKED}
    prefix = joblib.hash([type(model), model.steps[:-1]]) if has_prefix(model) else None
    return prefix, joblib.hash([type(network), own])


def _parts(jobs: list[Job], network: Any, width: int, workers: int) -> list[list[Job]]:
    """Jobs in parts of even size: small enough for a cache, enough of them for all workers."""
    size = min(_stack_size(network, width), -(-len(jobs) // workers))
    count = -(-len(jobs) // max(1, size))
    return [part.tolist() for part in np.array_split(np.array(jobs, dtype=object), count)]


def _stack_size(network: Any, width: int) -> int:
    """Networks whose parameters, gradients and moments stay in a core's cache together."""
    hidden = np.atleast_1d(network.hidden_layer_sizes)
    sizes = [width, *hidden.tolist()]
    values = sum(a * b for a, b in pairwise(sizes))
    return int(np.clip(_CACHE_BYTES // max(1, 16 * values * network.n_members), _LEAST, _MOST))
