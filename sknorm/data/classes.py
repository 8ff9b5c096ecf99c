"""Class labels, one or several a row, as targets of the classifier."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sknorm.backends import in_kind, is_on_host, to_host
from sknorm.data import checks
from sknorm.data.labels import class_codes, classes_of
from sknorm.data.targets import Target
from sknorm.objective.losses import (
    BinaryLogLoss,
    Loss,
    MulticlassLogLoss,
    SoftMulticlassLogLoss,
)
from sknorm.objective.units import hold_weights, multiply_weights


@dataclass(frozen=True)
class ClassTarget(Target):
    """One label a row.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted.
    """

    classes: np.ndarray

    @classmethod
    def learn(cls, y: np.ndarray, classes: np.ndarray | None, *, soft: bool) -> "ClassTarget":
        """The classes of labels (n,), or those that are known; ``soft`` where labels are mixed.

        Raises
        ------
        ValueError
            If there is only one.
        """
        known = classes_of(y) if classes is None else classes
        if len(known) < 2:
            raise ValueError(
                f"MLPClassifier needs at least 2 classes, but y holds only the class "
                f"{known.tolist()[0]!r}, one class (rows of weight zero do not count)."
            )
        return cls(cls._loss(len(known), soft), known)

    @staticmethod
    def _loss(count: int, soft: bool) -> Loss:
        if count == 2:
            return BinaryLogLoss()
        return SoftMulticlassLogLoss(count) if soft else MulticlassLogLoss(count)

    @property
    def task(self) -> str:
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def n_outputs(self) -> int:
        return 1 if len(self.classes) == 2 else len(self.classes)

    def softened(self, soft: bool) -> "ClassTarget":
        """The same, with the loss for labels that are mixed, or are not."""
        return self.under(self._loss(len(self.classes), soft))

    def check_same_task(self, y: np.ndarray) -> None:
        if y.ndim == 1 and not np.array_equal(found := classes_of(y), self.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes}, `y` has {found}"
            )

    def encode(self, y: np.ndarray, dtype: Any, name: str = "y") -> np.ndarray:
        if y.ndim == 2:
            raise _mixed_kinds(name, "a label indicator matrix", "one label a row")
        codes = class_codes(y, self.classes, name)
        if len(self.classes) == 2:
            return codes[:, None].astype(dtype)
        if isinstance(self.loss, SoftMulticlassLogLoss):
            return np.eye(len(self.classes), dtype=dtype)[codes]
        return codes[:, None].astype(np.int64)

    def as_numbers(self, y: np.ndarray) -> np.ndarray:
        """A column of zeros and ones for each class, or one for two classes."""
        return self.softened(True).encode(y, np.float64)

    def stratify(self, y: np.ndarray, held: int) -> np.ndarray | None:
        """The labels, where every class has a row for each side."""
        counts = np.unique(y, return_counts=True)[1]
        possible = counts.min() >= 2 and min(held, len(y) - held) >= len(counts)
        return y if possible else None

    def probabilities(self, raw: Any) -> Any:
        """A column for each class, from the outputs (n, 1) of two of them, or as they are."""
        if raw.shape[1] > 1:
            return raw
        return array_namespace(raw).concat([1.0 - raw, raw], axis=1)

    def spread(self, std: Any) -> Any:
        """The same of deviations."""
        return std if std.shape[1] > 1 else array_namespace(std).concat([std, std], axis=1)

    def decode(self, probability: Any, like: Any) -> Any:
        """The most probable labels, an array of the library of ``like`` if they are numbers."""
        classes = self.classes
        if type(probability) is np.ndarray:  # which says it all sooner
            labels = classes[probability.argmax(axis=1)]
            return in_kind(labels, like) if labels.dtype.kind in "biuf" else labels
        xp = array_namespace(probability)
        index = xp.argmax(probability, axis=1)
        if is_on_host(index) or classes.dtype.kind not in "biuf":
            labels = classes[to_host(index)]  # on the host, as labels may be strings
            return in_kind(labels, like) if labels.dtype.kind in "biuf" else labels
        return in_kind(xp.take(in_kind(classes, probability), index), like)


@dataclass(frozen=True)
class IndicatorTarget(Target):
    """Several labels a row, as an indicator matrix.

    Attributes
    ----------
    classes : ndarray of shape (n_labels,)
    sparse : bool
        Whether the matrix was sparse, as predictions then are.
    """

    classes: np.ndarray
    sparse: bool

    @classmethod
    def learn(cls, y: np.ndarray, classes: np.ndarray | None, *, sparse: bool) -> "IndicatorTarget":
        """The labels of a matrix (n, n_labels), or those that are known."""
        known = np.arange(y.shape[1]) if classes is None else classes
        return cls(BinaryLogLoss(), known, sparse)

    @property
    def task(self) -> str:
        return "binary"

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    def softened(self, soft: bool) -> "IndicatorTarget":
        """The same: its loss takes targets between zero and one."""
        return self

    def check_same_task(self, y: np.ndarray) -> None:
        """Another kind of targets is refused where they are encoded."""

    def encode(self, y: np.ndarray, dtype: Any, name: str = "y") -> np.ndarray:
        if y.ndim == 1:
            raise _mixed_kinds(name, "one label a row", "a label indicator matrix")
        if y.shape[1] != self.n_outputs:
            raise ValueError(f"{name} has {y.shape[1]} labels, expected {self.n_outputs}.")
        return np.ascontiguousarray(y, dtype=dtype)

    def probabilities(self, raw: Any) -> Any:
        """Outputs as they are."""
        return raw

    def spread(self, std: Any) -> Any:
        """Deviations as they are."""
        return std

    def decode(self, probability: Any, like: Any) -> Any:
        """An indicator matrix of the labels whose probability is above one half."""
        xp = array_namespace(probability)
        labels = xp.astype(probability > 0.5, xp.int64)
        return sparse.csr_matrix(to_host(labels)) if self.sparse else in_kind(labels, like)


def check_classes(y: Any) -> np.ndarray:
    """Labels of a kind that a classifier learns, as an array, (n,) or (n, n_labels)."""
    if sparse.issparse(y):
        y = y.toarray()
    if isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "biuU":
        return y  # labels beyond doubt; a closer look takes longer than a training step
    checks.check_labels(np.asarray(y))
    if type_of_target(y, input_name="y").startswith("multilabel"):
        return _zeros_and_ones(np.asarray(y))
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    return y


def _zeros_and_ones(y: np.ndarray) -> np.ndarray:
    """Refuse a label indicator matrix of two other numbers, which scikit-learn takes for one."""
    other = (y != 0) & (y != 1)
    if other.any():
        row, column = (int(i[0]) for i in np.nonzero(other))
        raise ValueError(
            "A label indicator matrix holds zeros and ones, but y holds "
            f"{y[row, column].item()!r} at row {row} of column {column}. If the larger number "
            "says that a row has a label, pass (y == y.max()).astype(int)."
        )
    return y


def weigh_classes(
    class_weight: Any,
    y: np.ndarray,
    weight: np.ndarray | None,
    classes: np.ndarray | None,
    *,
    complete: bool,
) -> np.ndarray | None:
    """Row weights from class weights times ``weight``.

    A dict may name classes that are not there, as a fold or a chunk may lack one.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
    weight : ndarray of shape (n_samples,) or None
    classes : ndarray of shape (n_classes,) or None
        Sorted; None are those of y.
    complete : bool
        Whether these are all that y was given with: none of them fell to weights of zero.

    Raises
    ------
    ValueError
        If a weight is no weight, or if a class has none while another name is no class.
    """
    if class_weight is None:
        return weight
    if y.ndim == 2:
        raise ValueError(
            f"class_weight={class_weight!r} is ambiguous with multilabel targets, "
            "whose rows belong to several labels at once. Pass sample_weight instead."
        )
    known = classes_of(y) if classes is None else classes
    codes = class_codes(y, known, "y")
    if isinstance(class_weight, dict):
        factors = _named_factors(class_weight, known.tolist(), complete)
    else:
        factors = compute_class_weight(
            class_weight, classes=known, y=known[codes], sample_weight=weight
        )
    rows = factors[codes]
    return hold_weights(rows) if weight is None else multiply_weights(rows, weight)


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


def _mixed_kinds(name: str, found: str, before: str) -> ValueError:
    return ValueError(
        f"{name} holds {found}, but the model was given {before} before. Pass targets of one kind."
    )
