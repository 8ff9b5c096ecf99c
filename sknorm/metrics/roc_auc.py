"""Scores of predictions, computed by the library and on the device that holds them."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import make_scorer
from sklearn.utils.multiclass import type_of_target

from sknorm._typing import Scorer
from sknorm._warnings import warn

_AVERAGES = ("macro", "micro", "weighted", None)
_MULTI_CLASS = ("raise", "ovr", "ovo")


@overload
def roc_auc_score(
    y_true: Any,
    y_score: Any,
    *,
    sample_weight: Any = ...,
    average: Literal["macro", "micro", "weighted"] = ...,
    multi_class: Literal["raise", "ovr", "ovo"] = ...,
) -> float: ...


@overload
def roc_auc_score(
    y_true: Any,
    y_score: Any,
    *,
    sample_weight: Any = ...,
    average: None,
    multi_class: Literal["raise", "ovr", "ovo"] = ...,
) -> float | np.ndarray: ...


def roc_auc_score(
    y_true: Any,
    y_score: Any,
    *,
    sample_weight: Any = None,
    average: Literal["macro", "micro", "weighted"] | None = "macro",
    multi_class: Literal["raise", "ovr", "ovo"] = "raise",
) -> float | np.ndarray:
    r"""Area under the ROC curve, for arrays of any array-API library on any device.

    For row weights :math:`w` and scores :math:`s` it is the weighted share of the pairs of a
    positive and a negative row that the scores put in order, a tie counting half,

    .. math::

        \frac{\sum_{i \in P} \sum_{j \in N} w_i w_j
              \left( [s_i > s_j] + \tfrac{1}{2} [s_i = s_j] \right)}
             {\sum_{i \in P} w_i \; \sum_{j \in N} w_j}.

    It equals :func:`sklearn.metrics.roc_auc_score` (which also has `max_fpr`, `labels` and an
    average over samples), but works where the scores are: one sort, one cumulative sum and two
    binary searches for each column of `y_score`, with sums in float64 where the device has it.
    Apart from the result, what the host reads is one flag for each check of the values, never an
    array.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_labels)
        Labels, or a label indicator of zeros and ones. Either in the library and on the device
        of `y_score`, or on the host (a NumPy array, a list, a column of a table; strings are
        fine), from where the encoded labels are uploaded once. Of two labels, the second in
        sorted order is the positive one.
    y_score : array of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_labels)
        Scores of the positive class; probabilities of all classes in sorted order, if there are
        more than two; or a column of scores for each label.
    sample_weight : array-like of shape (n_samples,), default=None
        Row weights, on the host or beside `y_score`. Not for ``multi_class="ovo"``.
    average : {"macro", "micro", "weighted"} or None, default="macro"
        How the areas of classes or labels become one: their mean, the area over all entries of
        the indicator, or their mean weighted by the positive rows. None returns all of them.
        ``multi_class="ovo"`` has "macro" and "weighted". Of no effect for two classes.
    multi_class : {"raise", "ovr", "ovo"}, default="raise"
        How more than two classes are taken: each against the rest, or in pairs [1]_.

    Returns
    -------
    float or ndarray of shape (n_classes,) or (n_labels,)
        The area; NaN where a side has no rows of positive weight.

    Raises
    ------
    ValueError
        If shapes or devices do not fit, scores are not finite, weights are negative or not
        finite or all zero, labels are no classes, or scores of more than two classes do not sum
        to one.
    TypeError
        If arrays are of different libraries, or `y_score` does not hold real numbers.
    NotImplementedError
        If `average` is None for ``multi_class="ovo"``.

    Warns
    -----
    UndefinedMetricWarning
        If one class only is present.

    References
    ----------
    .. [1] D. J. Hand and R. J. Till (2001). A simple generalisation of the area under the ROC
           curve for multiple class classification problems. Machine Learning 45(2), 171-186.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.metrics import roc_auc_score
    >>> roc_auc_score(["no", "no", "yes", "yes"], np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    _check_option("average", average, _AVERAGES)
    _check_option("multi_class", multi_class, _MULTI_CLASS)
    score = _check_scores(y_score)
    labels, classes = _check_labels(y_true, score)
    weight = _check_weights(sample_weight, score)
    if classes is None:
        _check_columns(score, labels.shape[1], "labels")
        return _over_columns(labels, score, weight, average)
    if classes > 2 or (score.ndim == 2 and score.shape[1] > 2):
        _check_multiclass(score, classes, multi_class, average)
        if multi_class == "ovo":
            return _over_pairs(labels, score, classes, sample_weight, average)
        xp = array_namespace(score)
        each = xp.arange(classes, dtype=labels.dtype, device=device(score))
        return _over_columns(labels[:, None] == each, score, weight, average)
    return _over_columns((labels == 1)[:, None], _one_column(score), weight, "macro")


roc_auc_scorer: Scorer = make_scorer(
    roc_auc_score, response_method=("predict_proba", "decision_function"), multi_class="ovr"
)
"""Scorer of :func:`roc_auc_score`, for `scoring` of searches and estimators.

Scores `predict_proba`, or `decision_function` of a classifier that lacks it, where they are
returned; more than two classes are taken each against the rest. The `classes_` of the classifier
have to be a NumPy array, as those of sknorm are.
"""


# Areas


class _Ranking(NamedTuple):
    """The order of a column, and for each place in it where its ties begin and end; each (n,)."""

    order: Any
    begin: Any
    end: Any


def _rank(score: Any) -> _Ranking:
    xp = array_namespace(score)
    order = xp.argsort(score)
    ordered = xp.take(score, order)
    # Searches give each row its ties in arrays of a fixed shape, which the host need not know.
    begin, end = (xp.searchsorted(ordered, ordered, side=side) for side in ("left", "right"))
    return _Ranking(order, begin, end)


def _area(ranking: _Ranking, positive: Any, negative: Any) -> Any:
    """The area for the weights (n,) of both sides, 0-d; NaN where a side weighs nothing.

    For whole weights, the sums are exact.
    """
    xp = array_namespace(positive)
    positive, negative = (xp.take(side, ranking.order) for side in (positive, negative))
    below = xp.cumulative_sum(negative, include_initial=True)
    wins = xp.take(below, ranking.begin) + xp.take(below, ranking.end)
    losers, winners = below[-1], xp.sum(positive)
    # Two quotients instead of a product of sums, which very large or small weights would leave.
    area = 0.5 * xp.sum(positive * (wins / _not_zero(losers))) / _not_zero(winners)
    return xp.where((losers > 0) & (winners > 0), area, xp.full_like(area, np.nan))


def _over_columns(indicator: Any, score: Any, weight: Any, average: str | None) -> Any:
    """Areas of the columns of a boolean indicator (n, k) against the scores (n, k), averaged."""
    xp = array_namespace(score)
    positive = xp.astype(indicator, weight.dtype)
    negative = (1.0 - positive) * weight[:, None]
    positive = positive * weight[:, None]
    if average == "micro":
        score, positive, negative = (xp.reshape(a, (-1, 1)) for a in (score, positive, negative))
    areas = [
        _area(_rank(score[:, k]), positive[:, k], negative[:, k]) for k in range(score.shape[1])
    ]
    return _averaged(areas, xp.sum(positive, axis=0) if average == "weighted" else None, average)


def _over_pairs(codes: Any, score: Any, classes: int, weight: Any, average: str | None) -> float:
    """The mean of the areas of all ordered pairs of classes (Hand and Till, 2001).

    The other classes' rows stay in, with weight zero, which is the same as leaving them out.
    """
    if weight is not None:
        raise ValueError("sample_weight must be None for multi_class='ovo'; use multi_class='ovr'.")
    xp = array_namespace(score)
    sides = [xp.astype(codes == k, _precision(score)) for k in range(classes)]
    rankings = [_rank(score[:, k]) for k in range(classes)]
    pairs = [(a, b) for a in range(classes) for b in range(classes) if a != b]
    areas = [_area(rankings[a], sides[a], sides[b]) for a, b in pairs]
    if average != "weighted":
        return _averaged(areas, None, average)
    counts = [xp.sum(side) for side in sides]
    return _averaged(areas, xp.stack([counts[a] + counts[b] for a, b in pairs]), average)


def _averaged(areas: list[Any], support: Any, average: str | None) -> Any:
    """Areas as a NumPy array, or their mean; columns without support do not count in it."""
    xp = array_namespace(areas[0])
    stacked = xp.stack(areas)
    undefined = xp.any(xp.isnan(stacked))
    if support is not None:  # without any, the mean is zero whatever the areas are
        undefined = undefined & xp.any(support > 0)
    if bool(undefined):
        warn(
            "Only one class is present in y_true, or in a column of it, among the rows of "
            "positive sample_weight. The area under the ROC curve is not defined then, and NaN.",
            UndefinedMetricWarning,
        )
    if average is None:
        return np.array([float(area) for area in areas])
    if support is None:
        return float(xp.mean(stacked))
    counted = xp.where(support > 0, stacked, xp.zeros_like(stacked))
    return float(xp.sum(counted * support) / _not_zero(xp.sum(support)))


def _not_zero(value: Any) -> Any:
    """A divisor that raises no warning."""
    xp = array_namespace(value)
    return xp.where(value > 0, value, xp.ones_like(value))


# Checks


def _check_option(name: str, value: Any, options: Sequence[Any]) -> None:
    if not (value is None or isinstance(value, str)) or value not in options:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, options))}.")


def _check_scores(y_score: Any) -> Any:
    """Finite real numbers of one or two dimensions, of the type that was given."""
    score = y_score if is_array_api_obj(y_score) else _from_host(y_score, "y_score")
    xp = array_namespace(score)
    if not xp.isdtype(score.dtype, ("bool", "integral", "real floating")):
        raise TypeError(f"y_score has dtype {score.dtype}; pass real numbers.")
    if score.ndim not in (1, 2) or 0 in score.shape:
        raise ValueError(
            f"y_score has shape {tuple(score.shape)}; pass (n_samples,) or (n_samples, n_classes), "
            "with at least one row."
        )
    if xp.isdtype(score.dtype, "bool"):
        return xp.astype(score, xp.uint8)
    if not bool(xp.all(xp.isfinite(score))):
        raise ValueError("y_score contains NaN or infinity; scores must be finite.")
    return score


def _check_labels(y_true: Any, score: Any) -> tuple[Any, int | None]:
    """Codes (n,) and the number of classes, or a boolean indicator (n, k) and None."""
    on_host = not is_array_api_obj(y_true) or isinstance(y_true, np.ndarray)
    labels = np.asarray(y_true) if on_host else _check_place(y_true, "y_true", score)
    if labels.ndim not in (1, 2) or labels.shape[0] != score.shape[0]:
        raise ValueError(
            f"y_true has shape {tuple(labels.shape)}, but y_score of shape {tuple(score.shape)} "
            f"needs {score.shape[0]} rows of labels, or of a label indicator."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    encoded, classes = _encode_on_host(labels) if on_host else _encode_in_place(labels)
    if on_host:
        encoded = array_namespace(score).asarray(encoded, device=device(score))
    return encoded, classes


def _encode_on_host(labels: np.ndarray) -> tuple[np.ndarray, int | None]:
    kind = type_of_target(labels, input_name="y_true")
    if labels.ndim == 2:
        indicator = kind == "multilabel-indicator" and bool(np.all((labels == 0) | (labels == 1)))
        _check_kind(indicator, labels.ndim)
        return labels == 1, None
    _check_kind(kind in ("binary", "multiclass"), labels.ndim)
    classes, codes = np.unique(labels, return_inverse=True)
    return codes, len(classes)


def _encode_in_place(labels: Any) -> tuple[Any, int | None]:
    xp = array_namespace(labels)
    if xp.isdtype(labels.dtype, "bool"):
        labels = xp.astype(labels, xp.uint8)
    if labels.ndim == 2:
        _check_kind(bool(xp.all((labels == 0) | (labels == 1))), labels.ndim)
        return labels == 1, None
    if not xp.isdtype(labels.dtype, "integral"):
        whole = xp.isfinite(labels) & (labels == xp.floor(labels))
        _check_kind(bool(xp.all(whole)), labels.ndim)
    classes = xp.sort(xp.unique_values(labels))
    return xp.searchsorted(classes, labels), classes.shape[0]


def _check_kind(valid: bool, ndim: int) -> None:
    if not valid and ndim == 1:
        raise ValueError("y_true does not hold classes; pass whole numbers, strings or booleans.")
    if not valid:
        raise ValueError("y_true has several columns, but is no indicator; pass zeros and ones.")


def _check_weights(sample_weight: Any, score: Any) -> Any:
    """Row weights (n,) in the precision of the sums; ones for None."""
    xp, rows, place = array_namespace(score), score.shape[0], device(score)
    if sample_weight is None:
        return xp.ones(rows, dtype=_precision(score), device=place)
    if not is_array_api_obj(sample_weight) or isinstance(sample_weight, np.ndarray):
        weight = _from_host(sample_weight, "sample_weight")
        weight = xp.asarray(weight, dtype=_precision(score), device=place)
    else:
        weight = _check_place(sample_weight, "sample_weight", score)
    if tuple(weight.shape) != (rows,):
        raise ValueError(
            f"sample_weight has shape {tuple(weight.shape)}, but y_score of shape "
            f"{tuple(score.shape)} needs one weight for each row, shape ({rows},)."
        )
    weight = xp.astype(weight, _precision(score))
    if not bool(xp.all(xp.isfinite(weight) & (weight >= 0)) & xp.any(weight > 0)):
        raise ValueError(
            "sample_weight holds a negative, NaN or infinite weight, or only zeros; weights must "
            "be finite, zero (the row is left out) or positive, at least one of them positive."
        )
    room = 2.0 * rows  # in another unit, their sum stays finite
    return weight / room if xp.max(weight) > float(xp.finfo(weight.dtype).max) / room else weight


def _check_columns(score: Any, columns: int, what: str) -> None:
    if score.ndim != 2 or score.shape[1] != columns:
        raise ValueError(
            f"y_score has shape {tuple(score.shape)}, but y_true has {columns} {what}; pass one "
            f"column for each, shape ({score.shape[0]}, {columns})."
        )


def _check_multiclass(score: Any, classes: int, multi_class: str, average: str | None) -> None:
    _check_columns(score, classes, "classes")
    if multi_class == "raise":
        raise ValueError("multi_class must be 'ovr' or 'ovo' for more than two classes.")
    if multi_class == "ovo" and average is None:
        raise NotImplementedError("average=None is not implemented for multi_class='ovo'.")
    if multi_class == "ovo" and average == "micro":
        raise ValueError("average='micro' needs multi_class='ovr'; 'ovo' has macro and weighted.")
    xp = array_namespace(score)
    excess = xp.abs(xp.sum(xp.astype(score, _precision(score)), axis=1) - 1.0)
    if not bool(xp.all(excess <= 1e-5)):
        raise ValueError(
            "y_score must hold probabilities, whose rows sum to one, for more than two classes."
        )


def _one_column(score: Any) -> Any:
    if score.ndim == 2 and score.shape[1] == 2:
        raise ValueError(
            f"y_score has shape {tuple(score.shape)}, but y_true is one column of two classes; "
            "pass the scores of the positive class, y_score[:, 1]."
        )
    return array_namespace(score).reshape(score, (-1, 1))


def _check_place(array: Any, name: str, score: Any) -> Any:
    """The array, if it is of the library and on the device of the scores."""
    try:
        array_namespace(score, array)
    except TypeError:
        raise TypeError(
            f"{name} is a {_kind(array)}, but y_score a {_kind(score)}; convert one to the "
            "library of the other."
        ) from None
    if device(array) != device(score):
        raise ValueError(
            f"{name} is on device {device(array)}, but y_score on {device(score)}; move one of "
            "them."
        )
    return array


def _from_host(values: Any, name: str) -> np.ndarray:
    """Numbers as a NumPy array of their own, which a library may share the memory of."""
    try:
        array = np.array(values)
        return array if array.dtype.kind in "biuf" else array.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} does not hold real numbers; pass a numeric array.") from None


def _precision(score: Any) -> Any:
    """The dtype of sums: float64, or float32 on a device without."""
    xp = array_namespace(score)
    known = xp.__array_namespace_info__().dtypes(device=device(score), kind="real floating")
    return known.get("float64", xp.float32)


def _kind(array: Any) -> str:
    return f"{type(array).__module__.partition('.')[0]} {type(array).__name__}"
