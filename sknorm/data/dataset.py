"""The training data as the engine reads it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sknorm.backends import Backend
from sknorm.data.columns import Columns
from sknorm.data.rows import Rows
from sknorm.data.scaling import Scaling
from sknorm.data.table import View
from sknorm.objective.units import weights_in_units


@dataclass(frozen=True)
class TrainingData:
    """Arrays of one backend, shared by all members of a stack.

    The table may have V views, such as the folds of a cross-validation: row i under view v is
    row ``v * N + i`` of the data. All rows of a member belong to one view.

    Attributes
    ----------
    X : float array of shape (N, n_features)
        As the user passed it, or copied where its layout or dtype required it.
    y : array of shape (V * N, n_targets)
        Targets in the compute dtype, or int64 class indices.
    weight : array of shape (1, V * N)
        Row weights in the compute dtype, in the unit of the least one: their sum counts rows.
    scaling : Scaling
        What the networks see of it.
    """

    X: Any
    y: Any
    weight: Any
    scaling: Scaling

    @classmethod
    def encode(
        cls, backend: Backend, rows: Rows, y: np.ndarray, columns: Columns, dtype: Any
    ) -> "TrainingData":
        """The arrays that training reads; X is not copied unless it must be.

        Parameters
        ----------
        backend : Backend
        rows : Rows
        y : array of shape (n_samples, n_targets)
            Encoded targets.
        columns : Columns
        dtype : dtype
            In which the networks compute.
        """
        X, scaling = rows.X, columns.scaling(backend, rows.X)
        if isinstance(X, View):
            return cls._on(backend, X.engine, rows, y, scaling, dtype)
        if isinstance(X, np.ndarray) and not X.flags.c_contiguous:
            X = _standardized_copy(X, columns.offset, columns.factor, dtype)
            nothing, one = (np.full((1, X.shape[1]), value) for value in (0.0, 1.0))
            scaling = scaling._replace(offset=backend.asarray(nothing), factor=backend.asarray(one))
        return cls._on(backend, columns.engine_table(backend, X), rows, y, scaling, dtype)

    @classmethod
    def _on(
        cls, backend: Backend, X: Any, rows: Rows, y: np.ndarray, scaling: Scaling, dtype: Any
    ) -> "TrainingData":
        """The arrays beside a table that kernels take."""
        weight = None if rows.weight is None else weights_in_units(rows.weight)[0]
        weight = np.ones(len(rows)) if weight is None else weight
        weight = backend.asarray(weight[None, :], dtype=dtype)
        return cls(X, backend.asarray(y), weight, scaling)


def _standardized_copy(X: np.ndarray, offset: Any, factor: Any, dtype: Any) -> np.ndarray:
    """``(X - offset) * factor`` in C order and the compute dtype, without a large temporary."""
    copied = np.empty(X.shape, dtype=dtype)
    rows = max(1, (1 << 20) // max(1, X.shape[1]))
    with np.errstate(over="ignore"):  # of values that are squashed
        for start in range(0, len(X), rows):
            copied[start : start + rows] = (X[start : start + rows] - offset) * factor
    return copied
