"""Greedy selection of an ensemble from the predictions of many candidates."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from sknorm.backends import to_host

_ROUNDING = 1e-12  # of a score: a mean of equal predictions scores this close to each of them
_NONE_USABLE = "No ensemble can be selected: none of the candidates"


def forward_selection(
    predictions: Sequence[Any],
    score: Callable[[Any], float],
    *,
    max_rounds: int = 50,
    patience: int = 10,
) -> np.ndarray:
    r"""Weights of the ensemble that greedy forward selection with replacement finds.

    Starting from the best candidate, each round adds the one whose addition to the mean scores
    best, those that are in it already included: with n additions so far and their sum S of
    predictions, the candidate

    .. math:: c_{n+1} = \operatorname{arg\,max}_c \;
        \mathrm{score}\left( \frac{S + P_c}{n + 1} \right).

    The weights are the shares of the additions up to the mean that scored best along the way,
    which is never worse than the best candidate on these rows.

    Parameters
    ----------
    predictions : sequence of n_candidates arrays of shape (n_samples,) or (n_samples, n_outputs)
        Of rows that each candidate was not trained on: probabilities or numbers, of one array
        library, on one device. Rows that are NaN for every candidate are taken to be in no test
        fold. A candidate with any other NaN or infinite value has failed, and is left out.
    score : callable
        ``score(prediction) -> float`` of a float64 array of the same shape; higher is better.
        The rows that are in no test fold are still there, as NaN.
    max_rounds : int, default=50
        Additions at most, repetitions included: weights are multiples of one over a number no
        larger than this.
    patience : int, default=10
        Additions in a row without a better score after which the selection ends.

    Returns
    -------
    float64 ndarray of shape (n_candidates,)
        Not negative, with a sum of one; zero for candidates that are not in the ensemble.

    Raises
    ------
    ValueError
        If there are no candidates, if none has finite predictions and a score, if shapes
        differ, or if `max_rounds` or `patience` is less than one.

    Notes
    -----
    Coarse scores such as the accuracy tie often. Of additions that score the same, one that is
    in the ensemble already comes first, then the first in the sequence; of means that score the
    same, the earliest is kept. Both choose smaller ensembles. The score is computed at most
    ``max_rounds * n_candidates`` times. Beside the predictions, their sum and one mean are held.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew and Ksikes (2004), Ensemble selection from libraries of
    models, ICML.

    Examples
    --------
    Two candidates that err in opposite directions, and one that is far off:

    >>> import numpy as np
    >>> from sknorm.training.forward_selection import forward_selection
    >>> y = np.array([1.0, 2.0, 3.0])
    >>> candidates = [y + 0.1, y - 0.2, y + 3.0]
    >>> forward_selection(candidates, lambda mean: -np.mean((mean - y) ** 2)).round(3).tolist()
    [0.667, 0.333, 0.0]
    """
    _check(predictions, max_rounds, patience)
    usable = _usable(predictions)
    total = _zeros_like(predictions[0])
    counts = np.zeros(len(predictions), dtype=np.int64)
    weights, best, stale = np.zeros(len(predictions)), -np.inf, 0
    for size in range(1, max_rounds + 1):
        scores = np.array([_number(score((total + predictions[c]) / size)) for c in usable])
        place = _first_of_best(scores, counts[usable])
        chosen, reached = usable[place], scores[place]
        total = total + predictions[chosen]
        counts[chosen] += 1
        if reached > best + _tolerance(best):
            weights, best, stale = counts / size, reached, 0
        elif size == 1:
            raise ValueError(f"{_NONE_USABLE} has a score: it is NaN or -inf for all of them.")
        else:
            stale += 1
        if stale == patience:
            break
    return weights


def _first_of_best(scores: np.ndarray, counts: np.ndarray) -> int:
    """Of the scores that tie for the best, one that was chosen before, then the first."""
    highest = scores.max()
    tied = scores >= highest - _tolerance(highest)
    again = tied & (counts > 0)
    return int(np.argmax(again if again.any() else tied))


def _tolerance(score: float) -> float:
    return _ROUNDING * abs(score) if np.isfinite(score) else 0.0


def _number(score: Any) -> float:
    """A score that compares: NaN, which a metric may give, is the worst."""
    value = float(score)
    return -np.inf if np.isnan(value) else value


def _zeros_like(prediction: Any) -> Any:
    xp = array_namespace(prediction)
    return xp.zeros(prediction.shape, dtype=xp.float64, device=device(prediction))


def _usable(predictions: Sequence[Any]) -> list[int]:
    """Candidates whose predictions are finite in all rows that are in a test fold."""
    xp = array_namespace(predictions[0])
    flat = [xp.reshape(each, (each.shape[0], -1)) for each in predictions]
    absent = xp.all(xp.isnan(flat[0]), axis=1)
    for each in flat[1:]:
        absent = absent & xp.all(xp.isnan(each), axis=1)
    finite = [xp.all(xp.all(xp.isfinite(each), axis=1) | absent) for each in flat]
    flags = to_host(xp.stack([*finite, xp.all(absent)]))
    if flags[-1] or not flags.any():
        raise ValueError(
            f"{_NONE_USABLE} has finite predictions in all test folds: all of them failed or "
            "diverged. Look at the warnings of the fits, or lower learning_rate_init."
        )
    return np.flatnonzero(flags[:-1]).tolist()


def _check(predictions: Sequence[Any], max_rounds: int, patience: int) -> None:
    for name, value in (("max_rounds", max_rounds), ("patience", patience)):
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    if len(predictions) == 0:
        raise ValueError("predictions is empty; pass an array for each candidate.")
    shapes = [tuple(each.shape) for each in predictions]
    wrong = next((c for c, shape in enumerate(shapes) if shape != shapes[0]), None)
    if wrong is not None:
        raise ValueError(
            f"Predictions of all candidates must have one shape, but those of candidate {wrong} "
            f"have {shapes[wrong]}, and those of candidate 0 {shapes[0]}."
        )
