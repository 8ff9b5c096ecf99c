"""What happened in each epoch of each member, as arrays, and the epoch whose weights are kept."""

from typing import Any, NamedTuple

import numpy as np

from sknorm.estimators.fitted import fitted_of
from sknorm.estimators.scoring import scoring_name


class Curves(NamedTuple):
    """Training curves of K networks over E epochs; NaN where nothing is known.

    Attributes
    ----------
    loss : float64 array of shape (E, K)
        J, with its penalty.
    penalty : float64 array of shape (E, K)
    validation : float64 array of shape (E, K)
        Scores on the held-out rows; NaN without any.
    chosen : float64 array of shape (K,)
        Epochs, counted from 1, whose weights the model has; NaN where it has an average of some.
    """

    loss: np.ndarray
    penalty: np.ndarray
    validation: np.ndarray
    chosen: np.ndarray


def asked(estimator: Any) -> dict[str, Any]:
    """What curves are read by, as the parameters have it now."""
    return {
        "scoring": scoring_name(estimator.scoring),
        "solver": estimator.solver,
        "swa_fraction": float(estimator.swa_fraction),
    }


def asked_in_fit(estimator: Any) -> dict[str, Any]:
    """The same as it was in fit: parameters that were set since change no curve."""
    return fitted_of(estimator).asked or asked(estimator)


def curves_of(estimator: Any) -> Curves:
    """The training curves of a fitted estimator."""
    history, members = estimator.history_, fitted_of(estimator).network.members
    if "loss" not in history:  # L-BFGS found nothing to do
        nothing = np.empty((0, members))
        return Curves(nothing, nothing, nothing, np.full(members, np.nan))
    loss = as_array(history["loss"])
    nothing = np.full(loss.shape, np.nan)
    penalty, validation = (
        as_array(history[name]) if name in history else nothing
        for name in ("penalty", "validation")
    )
    return Curves(loss, penalty, validation, _chosen(estimator, loss, validation))


def mean_of(values: np.ndarray) -> np.ndarray:
    """Mean (E,) over members (E, K), of which one that has left counts with its last value.

    Without that, a mean would jump where a member leaves. NaN until a member has a value.
    """
    finite = np.isfinite(values)
    at = np.maximum.accumulate(np.where(finite, np.arange(len(values))[:, None], 0), axis=0)
    carried = np.take_along_axis(np.where(finite, values, np.nan), at, axis=0)
    known = np.isfinite(carried)
    total = np.where(known, carried, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def as_array(rows: list[Any]) -> np.ndarray:
    """Epochs of one network, or of several, as (E, K).

    A fit may go on with those members only that an earlier one has selected.
    """
    each = [np.atleast_1d(np.asarray(row, dtype=np.float64)) for row in rows]
    values = np.full((len(each), max(map(len, each))), np.nan)
    for own, row in zip(values, each, strict=True):
        own[: len(row)] = row
    return values


def _chosen(estimator: Any, loss: np.ndarray, validation: np.ndarray) -> np.ndarray:
    """Epochs (K,) whose weights training has kept, of the last fit."""
    first = max(0, len(loss) - estimator.n_iter_)  # a warm start goes on with earlier curves
    scores, losses = validation[first:], loss[first:]
    watched = np.isfinite(scores).any(axis=0) & (estimator.best_loss_ is None)
    best = np.argmax(np.where(np.isfinite(scores), scores, -np.inf), axis=0)
    last = len(losses) - 1 - np.argmax(np.isfinite(losses)[::-1], axis=0)
    chosen = 1.0 + first + np.where(watched, best, last)
    highest = np.where(np.isfinite(scores), scores, -np.inf).max(axis=0, initial=-np.inf)
    if asked_in_fit(estimator)["swa_fraction"] and not (
        watched.all() and _was_best(estimator, highest)
    ):
        chosen[:] = np.nan
    return chosen


def _was_best(estimator: Any, highest: np.ndarray) -> bool:
    """Whether no average of weights scored better than the members' best epochs (K,)."""
    return bool(np.isclose(estimator.best_validation_score_, highest.mean(), rtol=1e-9, atol=0.0))
