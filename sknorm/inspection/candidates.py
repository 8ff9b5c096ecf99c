"""The candidates of a search by the values of one or two parameters."""

import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from sknorm.inspection.style import plain

# Whether a model is simpler the larger or the smaller a parameter is.
_LARGER = "larger"
_SMALLER = "smaller"
SIMPLER = {
    **dict.fromkeys(
        ("alpha", "dropout", "input_dropout", "input_noise", "l1_ratio", "mixup_alpha"), _LARGER
    ),
    **dict.fromkeys(("label_smoothing", "min_frequency", "min_samples_leaf"), _LARGER),
    **dict.fromkeys(("n_neighbors", "ccp_alpha"), _LARGER),
    **dict.fromkeys(("hidden_layer_sizes", "n_members", "max_iter", "n_bins"), _SMALLER),
    **dict.fromkeys(("C", "max_depth", "n_estimators", "n_components", "degree"), _SMALLER),
}
_SPREAD = 50.0  # ratio of the largest and the smallest value from which values may be log spaced


class Axis(NamedTuple):
    """The values of a parameter that a search tried.

    Attributes
    ----------
    name : str
    values : list
        Numbers in their order, and others after them in the order in which they were tried.
    labels : list of str
    is_numeric : bool
        Whether all are finite numbers, so that they have places on a scale.
    is_log : bool
        Whether they are positive numbers that are spaced by their logarithms.
    """

    name: str
    values: list[Any]
    labels: list[str]
    is_numeric: bool
    is_log: bool

    @property
    def places(self) -> np.ndarray:
        """Where values stand: at themselves if they are numbers, else one after the other."""
        count = len(self.values)
        return np.array(self.values if self.is_numeric else range(count), dtype=np.float64)


class Cells(NamedTuple):
    """The best candidate of each pair of values; of shape (n_y, n_x).

    Attributes
    ----------
    candidates : int64 array
        Positions in ``cv_results_``, -1 where no candidate has the values.
    scores, standard_errors : float64 array
        NaN where no candidate has the values, or all its fits failed.
    folds : int64 array
        In how many folds the candidate has a score: fewer if it left a race.
    """

    candidates: np.ndarray
    scores: np.ndarray
    standard_errors: np.ndarray
    folds: np.ndarray

    @property
    def failed(self) -> np.ndarray:
        """Whether there were candidates, and none of them has a score."""
        return (self.candidates >= 0) & ~np.isfinite(self.scores)


def varying(params: Sequence[Mapping[str, Any]]) -> list[str]:
    """Parameters of which more than one value was tried."""
    names = list(dict.fromkeys(name for each in params for name in each))
    return [n for n in names if len({key(each[n]) for each in params if n in each}) > 1]


def axis_of(name: str, params: Sequence[Mapping[str, Any]]) -> Axis:
    """The values of a parameter."""
    found = {key(each[name]): each[name] for each in params if name in each}
    numbers = sorted((v for v in found.values() if _is_number(v)), key=float)
    others = [v for v in found.values() if not _is_number(v)]
    values = [*numbers, *others]
    scale = np.array(numbers, dtype=np.float64)
    is_numeric = not others and len(numbers) > 1 and bool(np.isfinite(scale).all())
    is_log = is_numeric and _is_log_spaced(scale)
    return Axis(name, values, [label(each) for each in values], is_numeric, is_log)


def cells_of(
    x: Axis, y: Axis | None, params: Sequence[Mapping[str, Any]], table: Mapping[str, Any], by: str
) -> Cells:
    """The best candidates, by their ranks under the scorer ``by``, with means and their errors."""
    rank = np.asarray(table[f"rank_test_{by}"])
    mean = np.asarray(table[f"mean_test_{by}"], dtype=np.float64)
    errors, folds = _standard_errors(table, by)
    places = [{key(v): k for k, v in enumerate(axis.values)} for axis in (y, x) if axis]
    names = [axis.name for axis in (y, x) if axis]
    shape = (len(y.values) if y else 1, len(x.values))
    candidates = np.full(shape, -1, dtype=np.int64)
    order = np.lexsort((rank, ~np.isfinite(mean)))  # failed ones last
    for number in order.tolist():
        own = params[number]
        if any(name not in own for name in names):
            continue
        at = [known[key(own[name])] for known, name in zip(places, names, strict=True)]
        where = (at[0], at[1]) if y else (0, at[0])
        if candidates[where] < 0:
            candidates[where] = number
    known = candidates >= 0
    return Cells(
        candidates,
        np.where(known, mean[candidates], np.nan),
        np.where(known, errors[candidates], np.nan),
        np.where(known, folds[candidates], 0),
    )


def simplest(axes: Sequence[Axis], near: np.ndarray, scores: np.ndarray, rule: Mapping) -> Any:
    """The simplest of the cells ``near`` the best; None if no axis says what is simpler."""
    total, ordered = np.zeros(near.shape), False
    for number, axis in enumerate(axes):
        rank = _ranks(axis, rule)
        if rank is not None:
            ordered = True
            total = total + (rank[None, :] if number == 0 else rank[:, None])
    if not ordered or not near.any():
        return None
    least = near & (total == total[near].min())
    found = np.argmax(np.where(least, scores, -np.inf))
    return tuple(int(k) for k in np.unravel_index(found, near.shape))


def key(value: Any) -> Any:
    """What tells values apart, also those that cannot be hashed."""
    if _is_number(value):
        return float(value)
    if isinstance(value, bool | np.bool_):  # which equal 0 and 1
        return bool, bool(value)
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value if isinstance(value, str | tuple | type(None)) else repr(value)


def label(value: Any) -> str:
    """A value as an axis names it: numbers in three digits, estimators by their class."""
    if _is_number(value):
        return re.sub(r"e([+-])0*", lambda found: "e" + found[1].strip("+"), f"{value:.3g}")
    if callable(getattr(value, "get_params", None)):
        return type(value).__name__
    return plain(value if isinstance(value, str) else _listed(value), 22)


def _listed(value: Any) -> str:
    if isinstance(value, tuple | list) and all(_is_number(each) for each in value):
        return ", ".join(f"{each:g}" for each in value) or "()"
    return str(value)


def _is_number(value: Any) -> bool:
    if value is True or value is False:
        return False
    return isinstance(value, Real) and value == value


def _is_log_spaced(values: np.ndarray) -> bool:
    """Whether gaps of logarithms are more alike than those of the values."""
    if values[0] <= 0 or values[-1] < _SPREAD * values[0]:
        return False
    if len(values) < 3:
        return True
    gaps, plain_gaps = np.diff(np.log(values)), np.diff(values)
    return bool(gaps.std() / gaps.mean() < plain_gaps.std() / plain_gaps.mean())


def _standard_errors(table: Mapping[str, Any], by: str) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean over the folds that have a score, NaN for fewer than two; and how many have."""
    names = [n for n in table if n.startswith("split") and n.endswith(f"_test_{by}")]
    names = [n for n in names if n[5 : -len(f"_test_{by}")].isdigit()]
    folds = np.array([np.asarray(table[n], dtype=np.float64) for n in names])
    if len(folds) == 0:
        nothing = np.full(len(table["params"]), np.nan)
        return nothing, np.zeros(len(nothing), dtype=np.int64)
    finite = np.isfinite(folds)
    count = finite.sum(axis=0)
    mean = np.where(finite, folds, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(finite, folds - mean, 0.0) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.sqrt(squares.sum(axis=0) / (count - 1) / count)
    return np.where(count > 1, errors, np.nan), count


def _ranks(axis: Axis, rule: Mapping[str, str]) -> np.ndarray | None:
    """How far values are from the simplest one, (n,); None where that cannot be said."""
    way = rule.get(axis.name) or rule.get(axis.name.rpartition("__")[2])
    sizes = [_size(each) for each in axis.values]
    if way is None or any(each is None for each in sizes):
        return None
    order = np.unique(np.array(sizes, dtype=np.float64), return_inverse=True)[1]
    return order.max() - order if way == _LARGER else order


def _size(value: Any) -> float | None:
    """How large a value is: a number, or the sum of several."""
    if isinstance(value, tuple | list) and all(_is_number(each) for each in value):
        return float(sum(value))
    return float(value) if _is_number(value) else None
