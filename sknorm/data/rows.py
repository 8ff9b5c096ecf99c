"""The rows that a fit is about: checked, and without those of weight zero."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from sknorm.backends import resolve, to_host
from sknorm.data import checks
from sknorm.data.coded import CodedTable, stacked
from sknorm.data.table import take


@dataclass(frozen=True)
class Rows:
    """Checked inputs, targets, weights and groups of the rows that count.

    Attributes
    ----------
    X : array of shape (n_samples, n_features), sparse in CSR format, or a View of either
        On the device where the user's X is, or on the host; None once nobody needs it.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
    weight, groups : arrays of shape (n_samples,) or None
    positions : int array of shape (n_samples,) or None
        Where the rows stood in what ``fit`` was given; None if all count.
    total : int
        Number of rows that ``fit`` was given.
    names : sequence of n_features names, or None
        Of the columns.
    sparse_y : bool
        Whether the targets were given as a sparse matrix.
    """

    X: Any
    y: Any
    weight: np.ndarray | None
    groups: Any
    positions: np.ndarray | None
    total: int
    names: Any = None
    sparse_y: bool = False

    def __len__(self) -> int:
        return len(self.y)

    def weights(self) -> np.ndarray:
        """Row weights, (n_samples,); ones where there are none."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def weighted(self, weight: np.ndarray | None, at_least: int) -> "Rows":
        """The same rows under other weights; those of weight zero are left out."""
        kept = checks.positive_rows(weight, at_least)
        if kept is None or weight is None:
            return replace(self, weight=weight)
        return replace(
            self,
            X=take(self.X, kept),
            y=self.y[kept],
            weight=weight[kept],
            groups=None if self.groups is None else self.groups[kept],
            positions=kept if self.positions is None else self.positions[kept],
        )

    def copied(self) -> "Rows":
        """The same on the host, in arrays of their own."""
        X: Any
        if isinstance(self.X, CodedTable):
            X = self.X.take(np.arange(len(self)))
            X = replace(X, numbers=to_host(X.numbers))
        else:
            X = self.X.toarray() if sparse.issparse(self.X) else to_host(self.X).copy()
        weight = None if self.weight is None else self.weight.copy()
        return replace(self, X=X, y=self.y.copy(), weight=weight)

    def after(self, first: "Rows | None") -> "Rows":
        """These rows, with others before them that were copied to the host."""
        if first is None or first.y.shape[1:] != self.y.shape[1:]:  # which is refused later on
            return self
        if isinstance(self.X, CodedTable) or isinstance(first.X, CodedTable):
            X = stacked(first.X, self.X)
        elif sparse.issparse(self.X):
            own = sparse.csr_array(first.X, dtype=self.X.dtype)
            X = sparse.vstack([own, self.X], format="csr")
        else:
            backend = resolve(self.X)
            own = backend.asarray(first.X, dtype=self.X.dtype)
            X = backend.xp.concat([own, backend.asarray(self.X)], axis=0)
        weight = None
        if first.weight is not None or self.weight is not None:
            weight = np.concatenate([first.weights(), self.weights()])
        y = np.concatenate([first.y, self.y])
        return replace(self, X=X, y=y, weight=weight, total=len(y))
