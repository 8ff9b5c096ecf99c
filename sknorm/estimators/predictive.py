"""Predictions and their spread over the members of a stack and over dropout masks."""

from typing import Any, NamedTuple

import numpy as np

from sknorm.estimators.rows import engine_table
from sknorm.network.folding import Noise, folded


class Predictive(NamedTuple):
    """Mean and standard deviation over networks, (n_samples, n_outputs); None if one only."""

    mean: np.ndarray
    std: np.ndarray | None


def predictive(
    estimator: Any, X: Any, n_samples: int | None, with_std: bool, unit: np.ndarray | float = 1.0
) -> Predictive:
    """Predictions over all members, and over ``n_samples`` dropout masks of each.

    Parameters
    ----------
    estimator : fitted estimator
    X : checked table of shape (n_samples, n_features)
    n_samples : int or None
        Monte-Carlo samples with dropout as in training (Gal and Ghahramani, 2016, Dropout as a
        Bayesian approximation); None predicts without dropout.
    with_std : bool
        Whether the spread is asked for.
    unit : array or float
        What predictions are multiplied by, so that the spread is in the targets' units.

    Raises
    ------
    ValueError
        If the spread of a single network without dropout is asked for.
    """
    _check(estimator, n_samples, with_std)
    network, loss = estimator.network_, estimator._loss()
    inference, table = folded(network), engine_table(network.backend, X)
    offset, factor = estimator.input_mean_, estimator._input_factor
    count = 0
    mean: Any = 0.0
    squares: Any = 0.0
    for sample in range(n_samples or 1):
        noise = None if n_samples is None else _noise(estimator, sample)
        raw = inference.raw(table, offset, factor, noise)
        values = loss.inverse_link(raw.astype(X.dtype, copy=False), np)
        if not with_std and n_samples is None:
            return Predictive(values[0] if len(values) == 1 else values.mean(axis=0), None)
        for value in values * unit:  # Welford's update, so that few arrays are held at once
            count += 1
            delta = value - mean
            mean = mean + delta / count
            squares = squares + delta * (value - mean)
    std = np.sqrt(squares / count) if with_std else None
    return Predictive(mean / unit, std)


def _noise(estimator: Any, sample: int) -> Noise:
    backend, members = estimator.network_.backend, estimator.network_.members
    rates = (np.full(members, float(rate)) for rate in (estimator.dropout, estimator.input_dropout))
    dropout, input_dropout = (backend.asarray(rate) for rate in rates)
    seed = backend.asarray(estimator._dropout_seeds)
    return Noise(dropout, input_dropout, seed, sample, estimator.input_dropout > 0)


def _check(estimator: Any, n_samples: int | None, with_std: bool) -> None:
    if n_samples is not None:
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ValueError(f"n_samples must be a positive integer or None, got {n_samples!r}.")
        if estimator.dropout == 0 and estimator.input_dropout == 0:
            raise ValueError(
                f"n_samples={n_samples} asks for predictions under dropout, but the model was "
                "trained without. Set dropout or input_dropout, or use n_members for an ensemble."
            )
    elif with_std and estimator.network_.members == 1:
        raise ValueError(
            "return_std=True needs more than one network: set n_members > 1, or train with "
            "dropout and pass n_samples."
        )
