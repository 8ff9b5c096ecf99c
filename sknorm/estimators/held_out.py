"""Held-out rows for early stopping: how they are drawn, and how scorers see them."""

import copy
import inspect
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from sknorm.network.network import Network
from sknorm.training.loop import Score


def size(count: int, fraction: float) -> int:
    """Rows held out of ``count``.

    Raises
    ------
    ValueError
        If fewer than two rows remain on either side.
    """
    held = int(np.ceil(fraction * count))
    if held < 2 or count - held < 2:
        raise ValueError(
            f"The validation set is too small: validation_fraction={fraction} of {count} rows "
            f"leaves {count - held} for training and {held} for validation; each needs at least "
            "2. Change validation_fraction or set early_stopping=False."
        )
    return held


def split(
    count: int, fraction: float, stratify: Any, random_states: list[RandomState]
) -> tuple[np.ndarray, np.ndarray]:
    """Training rows (K, n) and held-out rows (K, m), each member's own as scikit-learn draws."""
    rows = np.arange(count, dtype=np.int64)
    parts = [
        train_test_split(rows, random_state=state, test_size=fraction, stratify=stratify)
        for state in random_states
    ]
    training, held = zip(*parts, strict=True)
    return np.stack(training), np.stack(held)


def scorer_function(
    estimator: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, rows: np.ndarray
) -> Score:
    """Scores of a stack by the estimator's ``scoring``, member by member on its own rows."""
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    weight = weight if _takes_weights(estimator.scoring) else None
    tables = [(X[held], y[held], None if weight is None else weight[held]) for held in rows]

    def score(stack: Network, active: list[int]) -> np.ndarray:
        values = []
        for k, member in enumerate(active):
            table, target, weights = tables[member]
            extra = {} if weights is None else {"sample_weight": weights}
            values.append(scorer(_view(estimator, stack.take([k])), table, target, **extra))
        return np.array(values, dtype=np.float64)

    return score


def _view(estimator: Any, network: Network) -> Any:
    """The estimator with another network, without the names of columns that tables lack."""
    view = copy.copy(estimator)
    view.network_ = network
    view.__dict__.pop("feature_names_in_", None)
    return view


def _takes_weights(scoring: Any) -> bool:
    """Whether a scorer accepts ``sample_weight``; scikit-learn's do."""
    if not inspect.isfunction(scoring):
        return True
    parameters = inspect.signature(scoring).parameters.values()
    return any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters)
