"""The rows that a fit is about, and the engine's view of them."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sknorm import validation
from sknorm.backends import Backend, collect, fetched, is_on_host, readable, resolve, take_rows
from sknorm.network.batch import SparseRows
from sknorm.objective.units import weights_in_units
from sknorm.training.data import TrainingData


@dataclass(frozen=True)
class Scales:
    """Networks see ``(X - offset) * factor``: float64 arrays (n_features,), on the host."""

    offset: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True)
class Rows:
    """Checked inputs, targets, weights and groups of the rows that count.

    Attributes
    ----------
    X : array of shape (n_samples, n_features), or sparse in CSR format
        On the device where the user's X is, or on the host.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
    weight, groups : arrays of shape (n_samples,) or None
    positions : int array of shape (n_samples,) or None
        Where the rows stood in what ``fit`` was given; None if all count.
    total : int
        Number of rows that ``fit`` was given.
    given : object
        The table as ``fit`` was given it; None if that is X.
    """

    X: Any
    y: Any
    weight: np.ndarray | None
    groups: Any
    positions: np.ndarray | None
    total: int
    given: Any = None

    @property
    def like(self) -> Any:
        """An array of the library and on the device of what ``fit`` was given."""
        return self.X if self.given is None else self.given

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def weights(self) -> np.ndarray:
        """Row weights, (n_samples,); ones where there are none."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def weighted(self, weight: np.ndarray | None, at_least: int) -> "Rows":
        """The same rows under other weights; those of weight zero are left out."""
        kept = validation.positive_rows(weight, at_least)
        if kept is None or weight is None:
            return replace(self, weight=weight)
        return Rows(
            take_rows(self.X, kept),
            self.y[kept],
            weight[kept],
            None if self.groups is None else self.groups[kept],
            kept if self.positions is None else self.positions[kept],
            self.total,
            self.given,
        )


class Prepared(NamedTuple):
    """A table that is ready for training, before anything is drawn at random.

    Attributes
    ----------
    rows : Rows
    dtype : dtype
        In which the networks compute.
    target : array of shape (n_samples, n_targets)
        As the loss's kernel takes it.
    data : TrainingData
    """

    rows: Rows
    dtype: Any
    target: Any
    data: TrainingData


def brought(X: Any, backend: str) -> Any:
    """A table where it is checked: on its own device, unless told to compute on the host.

    As an array of a library that computes: NumPy's or CuPy's in place of PyTorch's or JAX's,
    without a copy. Half precision of a device becomes float32.
    """
    X = collect(X)
    if is_on_host(X) or backend == "numpy":
        return fetched(X)
    return readable(resolve(X).asarray(X))


def engine_table(backend: Backend, X: Any) -> Any:
    """A table as kernels take it: dense in C order, or the arrays of a sparse one."""
    if sparse.issparse(X):
        values, columns, starts = (backend.asarray(a) for a in (X.data, X.indices, X.indptr))
        return SparseRows(values, columns, starts, (int(X.shape[0]), int(X.shape[1])))
    return backend.asarray(X)


def training_data(
    backend: Backend,
    rows: Rows,
    target: np.ndarray,
    scales: Scales,
    dtype: Any,
) -> TrainingData:
    """The arrays that training reads, in the backend; X is not copied unless it must be."""
    X, offset, factor = rows.X, scales.offset, scales.factor
    if isinstance(X, np.ndarray) and not X.flags.c_contiguous:
        X = _standardized_copy(X, offset, factor, dtype)
        offset, factor = np.zeros_like(offset), np.ones_like(factor)
    weight = None if rows.weight is None else weights_in_units(rows.weight)[0]
    weight = np.ones(len(rows)) if weight is None else weight
    return TrainingData(
        X=engine_table(backend, X),
        y=backend.asarray(target),
        weight=backend.asarray(weight[None, :], dtype=dtype),
        offset=backend.asarray(offset[None, :]),
        factor=backend.asarray(factor[None, :]),
    )


def _standardized_copy(X: np.ndarray, offset: Any, factor: Any, dtype: Any) -> np.ndarray:
    """``(X - offset) * factor`` in C order and the compute dtype, without a large temporary."""
    copied = np.empty(X.shape, dtype=dtype)
    rows = max(1, (1 << 20) // max(1, X.shape[1]))
    for start in range(0, len(X), rows):
        copied[start : start + rows] = (X[start : start + rows] - offset) * factor
    return copied
