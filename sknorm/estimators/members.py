"""Members that differ: hyperparameters drawn for each, and the choice of those that predict."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.random import RandomState
from scipy import stats
from sklearn.base import is_classifier

from sknorm._sklearn import validate_parameter_constraints
from sknorm.data.dataset import TrainingData
from sknorm.estimators.fitted import Fitted
from sknorm.estimators.parameters import PARAMETERS
from sknorm.network.members import Members
from sknorm.training.forward_selection import forward_selection
from sknorm.training.validation_loss import outputs

DIFFERING = [each.name for each in fields(Members) if each.name != "seed"]
_SAMPLES = 10  # of the held-out rows
_ROUNDS, _PATIENCE = 30, 5  # of a selection by one of them


def space_of(estimator: Any) -> Mapping[str, Any]:
    """Distributions by the names of parameters, of a resolved estimator."""
    space = estimator.member_space
    if space is None:
        return {}
    if space == "default":
        rate = float(estimator.learning_rate_init)
        return {
            "alpha": stats.loguniform(1e-6, 1e-3),
            "dropout": stats.uniform(0.0, 0.2 if not is_classifier(estimator) else 0.4),
            "learning_rate_init": stats.loguniform(rate / 2.0, 2.0 * rate),
        }
    return dict(space)


def check_space(estimator: Any) -> None:
    """Raise a ValueError if members cannot differ as ``member_space`` says."""
    space = estimator.member_space
    if space is None or space == "default":
        return
    taken = [name for name in DIFFERING if hasattr(estimator, name)]
    for name, values in space.items():
        if name not in taken:
            raise ValueError(
                f"member_space names {name!r}, in which members of one stack cannot differ. They "
                f"can in {', '.join(taken)}."
            )
        if not hasattr(values, "rvs") and (not np.iterable(values) or len(list(values)) == 0):
            raise ValueError(
                f"member_space[{name!r}] must be a distribution of scipy.stats or a list of "
                f"values, got {values!r}."
            )


def draw(estimator: Any, seeds: np.ndarray) -> dict[str, np.ndarray]:
    """Values (K,) of the parameters in which members differ, each from its own seed alone.

    Raises
    ------
    ValueError
        If a value is out of the range of its parameter.
    """
    space = space_of(estimator)
    drawn = {name: np.empty(len(seeds)) for name in space}
    for k, seed in enumerate(seeds.tolist()):
        random_state = RandomState(seed)
        for name in sorted(space):
            drawn[name][k] = _draw(name, space[name], random_state, estimator)
    return drawn


def _draw(name: str, values: Any, random_state: RandomState, estimator: Any) -> float:
    if hasattr(values, "rvs"):
        value = values.rvs(random_state=random_state)
    else:
        values = list(values)
        value = values[random_state.randint(len(values))]
    constraints = {name: PARAMETERS[name].constraints}
    where = f"{type(estimator).__name__} (drawn from member_space)"
    validate_parameter_constraints(constraints, {name: value}, caller_name=where)
    return float(value)


def select(fitted: Fitted, data: TrainingData, rows: np.ndarray) -> np.ndarray:
    """Weights (K,) of the members whose mean has little loss on rows (n,) held out by all.

    By greedy forward selection with replacement (Caruana et al., 2004, Ensemble selection from
    libraries of models), averaged over selections by bootstrap samples of the rows: a single one
    takes what is best on few rows by chance.
    """
    loss, is_raw = fitted.target.loss, fitted.averages_raw
    predictions, y, weight = _predictions(fitted, data, rows)
    total, random_state = np.zeros(len(predictions)), RandomState(0)
    for _ in range(_SAMPLES):
        taken = np.sort(random_state.choice(len(y), len(y)))
        targets, own = y[taken], weight[taken]

        def score(mean: np.ndarray, y: np.ndarray = targets, weight: np.ndarray = own) -> float:
            raw = mean if is_raw else loss.link(mean)
            return -loss.value_and_gradient(raw, y, weight)[0]

        parts = [each[taken] for each in predictions]
        total += forward_selection(parts, score, max_rounds=_ROUNDS, patience=_PATIENCE)
    return total / _SAMPLES


def _predictions(
    fitted: Fitted, data: TrainingData, rows: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """What is averaged of each member, targets and weights, on the host."""
    network, loss = fitted.network, fitted.target.loss
    xp, to_numpy = network.backend.xp, network.backend.to_numpy
    made, targets, weights = [], [], []
    for raw, y, weight in outputs(network, data, rows[None, :]):
        raw = xp.astype(raw, xp.float64)
        made.append(to_numpy(raw if fitted.averages_raw else loss.inverse_link(raw, xp)))
        targets.append(to_numpy(y)[0])
        weights.append(to_numpy(weight)[0])
    values = np.concatenate(made, axis=1)
    return list(values), np.concatenate(targets), np.concatenate(weights).astype(np.float64)
