"""Class labels: which there are, where each stands among them, and what each weighs."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

# Whole numbers in a range of so many, and no wider than the labels are many, are looked up in a
# table: a tenth of the time of sorting and searching.
_WIDEST = 1 << 16
_FEW = 1 << 10  # labels, which are sorted as fast


def classes_of(y: np.ndarray) -> np.ndarray:
    """The sorted distinct labels, as :func:`numpy.unique` has them."""
    span = _span(y)
    if span is None:
        return np.unique(y)
    low, _ = span
    return (np.flatnonzero(np.bincount(y.astype(np.int64) - low)) + low).astype(y.dtype)


def class_codes(y: np.ndarray, classes: np.ndarray, name: str) -> np.ndarray:
    """Positions of labels among the sorted classes, int64.

    Raises
    ------
    ValueError
        If a label is not among them; ``name`` is what the message calls y.
    """
    codes = _looked_up(y, classes)
    if codes is None:
        codes = _searched(y, classes)
    if codes is None:
        raise ValueError(
            f"`{name}` has classes not in `self.classes_`. `self.classes_` has {classes}. "
            f"'{name}' has {np.unique(y)}. All classes must be known from the first call on."
        )
    return codes


def class_weights(
    class_weight: Any,
    classes: np.ndarray,
    codes: np.ndarray,
    weight: np.ndarray | None,
    *,
    complete: bool = True,
) -> np.ndarray | None:
    """Row weights from class weights (dict or "balanced") times ``weight``.

    A dict may name classes that are not there, as a fold or a chunk may lack one.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (n_classes,)
        Sorted.
    codes : int64 array of shape (n_samples,)
        Positions of the rows' labels among the classes.
    weight : ndarray of shape (n_samples,) or None
    complete : bool
        Whether ``classes`` are all that y was given with: none of them fell to weights of zero.

    Raises
    ------
    ValueError
        If a weight is no weight, or if a class has none while another name is no class.
    """
    if class_weight is None:
        return weight
    if isinstance(class_weight, dict):
        factors = _named_factors(class_weight, classes.tolist(), complete)
    else:
        factors = compute_class_weight(
            class_weight, classes=classes, y=classes[codes], sample_weight=weight
        )
    rows = factors[codes]
    return rows if weight is None else rows * weight


def _named_factors(class_weight: dict, labels: list[Any], complete: bool) -> np.ndarray:
    """The weight of each label, one where the dict has none."""
    for label, value in class_weight.items():
        if not isinstance(value, Real) or not 0 <= float(value) < np.inf:
            raise ValueError(
                f"class_weight of class {label!r} is {value!r}; class weights must be zero or "
                "positive, finite numbers."
            )
    missing = [label for label in labels if label not in class_weight]
    unknown = [label for label in class_weight if label not in labels]
    if missing and unknown and complete:  # the one is likely meant to be the other
        raise ValueError(
            f"class_weight names the class {unknown[0]!r}, which y does not hold, and has no "
            f"weight for {missing[0]!r}, which it does; its classes are {labels}. Correct the "
            "name, or name all classes."
        )
    return np.array([float(class_weight.get(label, 1.0)) for label in labels])


def _span(y: np.ndarray) -> tuple[int, int] | None:
    """The least and the largest of labels that are whole numbers and close together."""
    if y.dtype.kind not in "iu" or y.size < _FEW:
        return None
    low, high = int(y.min()), int(y.max())
    return (low, high) if high - low < min(_WIDEST, y.size) and high < 1 << 62 else None


def _looked_up(y: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """Positions of labels among classes, if a table has them all."""
    if classes.dtype.kind not in "iu" or (span := _span(y)) is None:
        return None
    low, high = span
    near = np.flatnonzero((classes >= low) & (classes <= high))
    table = np.full(high - low + 1, -1)
    table[classes[near].astype(np.int64) - low] = near
    codes = table[y.astype(np.int64) - low]
    return codes if codes.min() >= 0 else None


def _searched(y: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """The same of labels of any kind."""
    try:
        codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
        return codes if np.all(classes[codes] == y) else None
    except TypeError:  # labels that do not compare, such as text and numbers
        return None
