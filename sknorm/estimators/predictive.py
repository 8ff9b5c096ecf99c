"""Predictions and their spread over the members of a stack and over dropout masks."""

import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknorm._sklearn import check_same_namespace
from sknorm._typing import Integer
from sknorm.backends import Backend, collect, fetched, host, keeps_kind
from sknorm.data import checks
from sknorm.data.coded import CodedTable
from sknorm.data.glance import Glimpse, glimpse, glimpse_of_checked
from sknorm.data.table import move_table
from sknorm.estimators.fitted import Fitted
from sknorm.network.few_rows import few_rows
from sknorm.network.folding import Noise, folded


class Predictive(NamedTuple):
    """Mean and standard deviation over networks, (n_samples, n_outputs); None if one only."""

    mean: Any
    std: Any


def check_table(estimator: Any, X: Any, method: str) -> Any:
    """X to predict for, checked; ``method`` is what was asked for, for messages."""
    check_is_fitted(estimator)
    X = collect(X)
    if estimator.backend == "auto":
        table = X if keeps_kind(X) else fetched(X)
        check_same_namespace(table, estimator, attribute="input_mean_", method=method)
    columns = estimator._fitted.columns
    X = move_table(X, estimator.backend)
    checked = (
        X if isinstance(X, CodedTable) else checks.check_features(estimator, X, known=columns.kinds)
    )
    columns.warn_of_new_gaps(checked)
    return checked


def predict_few(estimator: Any, X: Any) -> Any:
    """The mean over all members (n_samples, n_outputs) for a few rows that are plainly good.

    None where :func:`check_table` has to look at X, or :func:`predictive` to compute.
    """
    own = vars(estimator)
    fitted: Fitted | None = own.get("_fitted")
    if (
        fitted is None
        or own.get("backend") == "cupy"
        or type(own.get("input_mean_")) is not np.ndarray
    ):
        return None
    if type(X) is np.ndarray and "feature_names_in_" in own:
        return None  # scikit-learn warns
    rows = glimpse(fitted.columns, X)
    mean = None if rows is None else _mean_of_few(fitted, rows, rows.numbers.dtype)
    if mean is None or math.isfinite(sum(map(sum, mean.tolist()))):  # of few values the soonest
        return mean
    return None  # what overflows is looked into


def _mean_of_few(fitted: Fitted, rows: Glimpse, dtype: Any, *, counts: bool = False) -> Any:
    """The same, or None; ``counts`` says that it is computed otherwise then."""
    raw = few_rows(fitted.network, fitted.columns).raw(rows, counts=counts)
    if raw is None:
        return None
    return average(fitted, raw.astype(dtype, copy=False), host(), host().lean)


def predictive(
    fitted: Fitted, backend: Backend, X: Any, n_samples: Integer | None, with_std: bool
) -> Predictive:
    """Predictions over all members, and over ``n_samples`` dropout masks of each.

    Parameters
    ----------
    fitted : Fitted
    backend : Backend
        Where to compute.
    X : checked table of shape (n_samples, n_features)
    n_samples : int or None
        Monte-Carlo samples with dropout as in training (Gal and Ghahramani, 2016, Dropout as a
        Bayesian approximation); None predicts without dropout.
    with_std : bool
        Whether the spread is asked for.

    Returns
    -------
    Predictive
        Before targets get their units, in X's float dtype.

    Raises
    ------
    ValueError
        If the spread of a single network without dropout is asked for.
    """
    _check(fitted, n_samples, with_std)
    loss, xp, columns = fitted.target.loss, backend.xp, fitted.columns
    if n_samples is None and not with_std and backend is host():
        rows = glimpse_of_checked(columns, X)
        mean = None if rows is None else _mean_of_few(fitted, rows, X.dtype, counts=True)
        if mean is not None:
            return Predictive(mean, None)
    inference, table = folded(fitted.network, backend), columns.engine_table(backend, X)
    scaling = columns.scaling(backend, X)
    dtype = backend.dtype(X.dtype)
    count = 0.0
    mean = 0.0
    total: Any = 0.0
    spread: Any = None
    for sample in range(n_samples or 1):
        noise = None if n_samples is None else _noise(fitted, backend, sample)
        raw = xp.astype(inference.raw(table, scaling, noise), dtype, copy=False)
        if n_samples is None and not with_std:
            return Predictive(average(fitted, raw, backend, xp), None)
        if fitted.averages_raw:
            total = total + _mean(raw, fitted.weights, backend)
        values = loss.inverse_link(raw, xp)
        for member in range(values.shape[0]):  # West's update: few arrays are held at once
            value = values[member, ...]
            weight = fitted.weights[member] if fitted.weights else 1.0
            count += weight
            delta = value - mean
            mean = mean + delta * (weight / count)
            apart = xp.abs(delta) * math.sqrt(weight * (1.0 - weight / count))
            spread = apart if spread is None else xp.hypot(spread, apart)  # squares may overflow
    if fitted.averages_raw:
        mean = loss.inverse_link(total / (n_samples or 1), xp)
    return Predictive(mean, spread / math.sqrt(count) if with_std else None)


def average(fitted: Fitted, raw: Any, backend: Backend, xp: Any) -> Any:
    """Predictions (n, o) of the members' raw outputs (K, n, o), before targets get their units."""
    link = fitted.target.loss.inverse_link
    if fitted.averages_raw:
        return link(_mean(raw, fitted.weights, backend), xp)
    return _mean(link(raw, xp), fitted.weights, backend)


def _mean(values: Any, weights: tuple[float, ...], backend: Backend) -> Any:
    """The mean over members, whose shares may differ."""
    if values.shape[0] == 1:
        return values[0, ...]
    if not weights:
        return backend.xp.mean(values, axis=0)
    shares = backend.asarray(np.array(weights), dtype=values.dtype)
    return backend.xp.tensordot(shares, values, axes=1)


def _noise(fitted: Fitted, backend: Backend, sample: int) -> Noise:
    one, given = np.ones(fitted.network.members), (fitted.dropout, fitted.input_dropout)
    dropout, input_dropout = (backend.asarray(np.asarray(rate) * one) for rate in given)
    seed = backend.asarray(np.array(fitted.mask_seeds, dtype=np.uint32))
    return Noise(dropout, input_dropout, seed, sample, bool(np.any(fitted.input_dropout)))


def _check(fitted: Fitted, n_samples: Integer | None, with_std: bool) -> None:
    if n_samples is not None:
        if not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ValueError(f"n_samples must be a positive integer or None, got {n_samples!r}.")
        if not (np.any(fitted.dropout) or np.any(fitted.input_dropout)):
            raise ValueError(
                f"n_samples={n_samples} asks for predictions under dropout, but the model was "
                "trained without. Set dropout or input_dropout and fit it anew, or use n_members "
                "for an ensemble."
            )
    elif with_std and fitted.network.members == 1:
        raise ValueError(
            "return_std=True needs more than one network: set n_members > 1, or train with "
            "dropout and pass n_samples."
        )
