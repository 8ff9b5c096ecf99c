"""The columns of a table: what was learned of them, and how networks see them."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sknorm._warnings import warn
from sknorm.backends import Backend, resolve
from sknorm.data import bins, categories, statistics
from sknorm.data.bins import Bins
from sknorm.data.categories import Category
from sknorm.data.coded import MISSING, CodedTable, key_of
from sknorm.data.kinds import Kinds
from sknorm.data.quantiles import quartiles
from sknorm.data.resolution import Sample
from sknorm.data.scaling import Scaling
from sknorm.data.statistics import Statistics
from sknorm.data.table import (
    CodedRows,
    View,
    chunk,
    coded_columns,
    column,
    engine_table,
    gaps,
    materialize,
    numbers,
    whole,
)
from sknorm.kernels.codes import FAR

_CLIP = 1.0 / 3.0  # robust values stay between -3 and 3
_ROWS = 1 << 17
_ROUNDING = 1e-14  # of a constant, to itself


class Reading(NamedTuple):
    """How the columns of a table are to be learned.

    Attributes
    ----------
    scaling : {"robust", "standard"} or None
    min_frequency : int or float
        Rows, or share of rows, that a level needs for a place of its own.
    n_bins : int or Sample
        Most bins of a number, 0 for none; or what is known of the target, which decides.
    keeps_unused : bool
        Whether levels without rows are known, too: others may come with them.
    """

    scaling: str | None
    min_frequency: float = 1
    n_bins: int | Sample = 0
    keeps_unused: bool = False


class Learned(NamedTuple):
    """What is learned of the scale of numeric columns; see :class:`Columns`."""

    offset: np.ndarray
    factor: np.ndarray
    clip: np.ndarray
    fill: np.ndarray
    constant: np.ndarray

    def seen_of(self, values: np.ndarray, j: int) -> np.ndarray:
        """What networks see of values of column j."""
        with np.errstate(over="ignore"):  # what is infinite has the bound all the same
            z = (values - self.offset[j]) * self.factor[j]
        if self.clip[j] > 0.0:
            z = np.clip(z, -FAR / self.clip[j], FAR / self.clip[j])
        return z / np.sqrt(1.0 + (self.clip[j] * z) ** 2)


@dataclass(frozen=True)
class Columns:
    """What networks see of a table: numbers in their scale, and places of categories.

    A number x becomes z = (x - offset) * factor, and then z / sqrt(1 + (clip * z)^2).

    Attributes
    ----------
    offset, factor, clip, fill : float64 arrays of shape (n_numeric,)
        On the host; ``fill`` is what networks see in the place of a missing value.
    constant : bool array of shape (n_numeric,)
        Columns of which networks saw nothing but zeros in training.
    kinds : Kinds
        Which columns are categories.
    categories : tuple of Category
        What is known of the code columns, in the order of the table's.
    statistics : Statistics or None
        Of the rows seen; None where columns are not standardized.
    bins : Bins or None
        Of numbers, if they have any.
    """

    offset: np.ndarray
    factor: np.ndarray
    clip: np.ndarray
    fill: np.ndarray
    constant: np.ndarray
    kinds: Kinds
    categories: tuple[Category, ...] = ()
    statistics: Statistics | None = None
    bins: Bins | None = None

    @classmethod
    def learn(cls, X: Any, weight: np.ndarray | None, names: Any, how: Reading) -> "Columns":
        """The columns of a table under row weights (n,).

        Raises
        ------
        ValueError
            If values are too large to compute with.
        """
        kinds = Kinds.of(whole(X), names, X.index if isinstance(X, View) else None)
        known = _categories(X, weight, how)
        learned, seen = _scale(X, weight, column_labels(X, names), how.scaling)
        found = bins.learn(X, weight, how.n_bins, learned.seen_of) if how.n_bins else None
        return cls(*learned, kinds, known, seen, found)

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What others have made of the columns, to be used again."""
        return {}

    @cached_property
    def _rows(self) -> tuple[np.ndarray, ...]:
        """Offset, factor, clip and fill (1, n_numeric), the same arrays each time."""
        return self.offset[None], self.factor[None], self.clip[None], self.fill[None]

    @property
    def names(self) -> Any:
        """Of the columns of X, where it has names."""
        return self.kinds.names

    @property
    def features_of_groups(self) -> list[int]:
        """Which column of X each group of inputs is of, in the order of the groups; -1 for zeros.

        The groups are those of :attr:`sknorm.network.architecture.Architecture.groups`.
        """
        vectors = [each.feature for each in self.known if each.width]
        rows = [each.feature for each in self.known if each.rows]
        return [*(self.kinds.numeric or [-1]), *vectors, *rows]

    @property
    def are_inputs(self) -> bool:
        """Whether the inputs of a network are the columns of X, one by one."""
        return not (self.kinds.categories or self.known or self.bins)

    @property
    def is_linear(self) -> bool:
        """Whether all inputs of a network are numbers, scaled without a clip."""
        return not self.clips and not self.known and not self.bins

    @cached_property
    def clips(self) -> bool:
        """Whether numbers are squashed even where none is missing."""
        return bool(self.clip.any())

    def pooled(self, X: Any, weight: np.ndarray | None, names: Any) -> "Columns":
        """The columns of all rows so far and of another table's, whose categories are not new."""
        labels = column_labels(X, names)
        if self.statistics is None:
            if not self.clips:
                statistics.check_range(X, labels)
            return self.after(X)
        seen = self.statistics.merged(statistics.gather(X, weight, labels))
        return replace(self, **_standard(seen, labels)._asdict(), statistics=seen)

    def after(self, X: Any) -> "Columns":
        """The same after training on more rows, in which constant columns may vary."""
        constant, among = self.constant.copy(), np.flatnonzero(self.constant)
        constant[among] = ~_vary(X, among, self.offset[among])
        return replace(self, constant=constant)

    def scales_as(self, other: "Columns") -> bool:
        """Whether networks see the same numbers under both."""
        names = "offset", "factor", "clip"
        return all(np.array_equal(getattr(self, n), getattr(other, n)) for n in names)

    def fills_as(self, other: "Columns") -> bool:
        """Whether a missing number has the same value under both."""
        own, others = (each.offset + each.fill / each.factor for each in (self, other))
        return np.array_equal(own, others)

    def scaling_of_numbers(self, backend: Backend, squashes: bool = True) -> Scaling:
        """How kernels are to take the numbers of a table, which are squashed or not."""
        made = Scaling(*map(backend.asarray, self._rows[: 4 if squashes else 2]))
        if self.bins is None:
            return made
        low, gain = (backend.asarray(each[None]) for each in (self.bins.low, self.bins.gain))
        return made._replace(low=low, gain=gain)

    def squashes(self, X: Any) -> bool:
        """Whether numbers of a table are squashed, or have gaps that are filled."""
        return self.clips or bool(gaps(X))

    def scaling(self, backend: Backend, X: Any) -> Scaling:
        """How kernels are to take a table, as one view."""
        made = self.scaling_of_numbers(backend, self.squashes(X))
        if not self.known:
            return made
        there = {key_of(column): place for place, column in enumerate(coded_columns(X))}
        columns = [there.get(key_of(each), -1) for each in self.known]
        levels = [c.levels for c in coded_columns(X)]
        none = np.zeros(0)
        pairs = zip(self.known, columns, strict=True)
        found = [each.places(none if at < 0 else levels[at]) for each, at in pairs]
        starts = np.cumsum([0, *(len(each) for each in found)])[:-1]
        places = np.concatenate(found)[None]
        columns, starts, places = map(backend.asarray, (np.array(columns), starts, places))
        return made._replace(columns=columns, starts=starts, places=places)

    def places(self, X: Any) -> np.ndarray | None:
        """What the codes of a table on the host stand for in a network, (n, c); None without any.

        As kernels find them from :meth:`scaling`.
        """
        if not self.known:
            return None
        found = np.empty((X.shape[0], len(self.known)), dtype=np.int32)
        there = {key_of(column): place for place, column in enumerate(coded_columns(X))}
        for target, each in zip(found.T, self.known, strict=True):
            at = there.get(key_of(each))
            if at is None:
                target[:] = each.places(np.zeros(0))[0]
            else:
                target[:] = each.places(X.coded[at].levels)[X.codes[:, at]]
        return found

    def engine_table(self, backend: Backend, X: Any) -> Any:
        """A table as kernels take it."""
        self.check_sparse(X)
        table = engine_table(backend, X)
        if self.known and not isinstance(table, CodedRows):  # which says that nothing is missing
            none = np.zeros((X.shape[0], 1), dtype=np.int32)
            return CodedRows(table, backend.asarray(none))
        return table

    def check_sparse(self, X: Any) -> None:
        """Refuse a sparse table where networks have inputs that say which numbers are missing."""
        if not (sparse.issparse(X) and self.known):
            return
        column = min(each.feature for each in self.known)
        raise ValueError(
            f"X is sparse, but column {self._label(column)} missed values in fit, of which sparse "
            "tables have none. Pass a dense table, such as X.toarray()."
        )

    def _label(self, feature: int) -> str:
        """What messages call a column of X."""
        return str(feature) if self.names is None else repr(str(self.names[feature]))

    @cached_property
    def known(self) -> tuple[Category, ...]:
        """Those code columns that a network makes something of."""
        return tuple(each for each in self.categories if each.size)

    def warn_of_new_gaps(self, X: Any, name: str = "X") -> None:
        """Warn of columns in which values are missing, though no training row missed any."""
        if not coded_columns(X):
            return
        known = {each.feature for each in self.known if each.kind == MISSING}
        known.update(self.kinds.empty)
        found = [c.feature for c in coded_columns(X) if c.kind == MISSING]
        new = [feature for feature in found if feature not in known]
        if not new:
            return
        labels = [self._label(feature) for feature in new]
        several = len(new) > 1
        warn(
            f"Column{'s' * several} {', '.join(labels[:5])}{', ...' * (len(new) > 5)} of {name} "
            f"{'have' if several else 'has'} missing values, but no training row had any. They are "
            "treated as the middle of the column.",
        )


def _scale(
    X: Any, weight: np.ndarray | None, labels: Any, scaling: str | None
) -> tuple[Learned, Statistics | None]:
    """The scale of numeric columns, and the statistics that it follows from, if there are any."""
    if scaling == "robust":
        return _robust(quartiles(X, weight), labels), None
    if scaling is None:
        statistics.check_range(X, labels)
        width = int(numbers(X).shape[1])
        nothing, varying = np.zeros(width), np.zeros(width, dtype=bool)
        return Learned(nothing, np.ones(width), nothing, _means(X, weight), varying), None
    seen = statistics.gather(X, weight, labels)
    return _standard(seen, labels), seen


def _categories(X: Any, weight: np.ndarray | None, how: Reading) -> tuple[Category, ...]:
    if not coded_columns(X):
        return ()
    table = whole(X)
    codes = table.codes if table is X else table.codes[X.index]
    known = table.coded, codes, weight, how.min_frequency
    return categories.learn(*known, keeps_unused=how.keeps_unused)


def column_labels(X: Any, names: Any) -> Any:
    """What columns of numbers are called in messages: names, or positions if they tell more."""
    table = whole(X)
    if not isinstance(table, CodedTable):
        return names
    features = list(table.numeric)
    return features if names is None else [str(names[each]) for each in features]


def _standard(seen: Statistics, labels: Any) -> Learned:
    offset, factor = seen.scaling(labels)
    fill = (seen.mean - offset) * factor
    return Learned(offset, factor, np.zeros_like(offset), fill, seen.constant)


def _robust(found: np.ndarray, labels: Any) -> Learned:
    """Median, and reciprocal interquartile range; half the range where that is zero."""
    first, median, third, low, high = found
    with np.errstate(over="ignore"):
        spread = np.where(third > first, third - first, high / 2.0 - low / 2.0)
    tiny = spread < np.finfo(float).tiny
    statistics.warn_of_tiny(tiny & (low < high), spread, labels)
    usable = ~tiny & np.isfinite(spread)
    factor = 1.0 / np.where(usable, spread, 1.0)
    clip = np.full_like(median, _CLIP)
    return Learned(median, factor, clip, np.zeros_like(median), low == high)


def _vary(X: Any, among: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Which of some columns of numbers have values that are not the middle of their column."""
    near = _ROUNDING * np.abs(middle)
    if sparse.issparse(numbers(X)) and len(among):  # of which a column takes as long as all
        part = materialize(X)[:, among]
        edges = (part.min(axis=0), part.max(axis=0))
        return np.any([np.abs(each.toarray().ravel() - middle) > near for each in edges], axis=0)
    far = [(np.abs(column(X, j) - middle[k]) > near[k]).any() for k, j in enumerate(among.tolist())]
    return np.array(far, dtype=bool)


def _means(X: Any, weight: np.ndarray | None) -> np.ndarray:
    """Means of the columns under row weights (n,), without regard to what is missing."""
    table = numbers(X)
    total, count = np.zeros(int(table.shape[1])), np.zeros(int(table.shape[1]))
    if sparse.issparse(table):  # in which nothing is missing, now or later
        return total
    backend = resolve(table)
    own = None if weight is None else weight[:, None] / weight.max()
    for start in range(0, X.shape[0], _ROWS):
        stop = min(start + _ROWS, X.shape[0])
        values = backend.to_numpy(chunk(X, start, stop)).astype(np.float64)
        here = ~np.isnan(values)
        share = here if own is None else here * own[start:stop]
        total += (np.where(here, values, 0.0) * share).sum(axis=0)
        count += share.sum(axis=0)
    return total / np.where(count > 0.0, count, 1.0)
