"""What a fit hands from step to step: what it is given, prepared, and planned."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sknorm.backends import Backend
from sknorm.data.columns import Columns
from sknorm.data.dataset import TrainingData
from sknorm.data.rows import Rows
from sknorm.data.table import View
from sknorm.data.targets import Target
from sknorm.estimators import recipe
from sknorm.estimators.fitted import Fitted, fitted_attributes
from sknorm.estimators.members import select
from sknorm.network.network import Network
from sknorm.training.stacking import of_view
from sknorm.training.temperature import calibrated


class Given(NamedTuple):
    """What ``fit`` or ``partial_fit`` is given.

    Attributes
    ----------
    X, y, weight, groups : object
        X may be a View of a table that is checked.
    partial : bool
        Whether these are some of the rows only.
    classes : ndarray or None
        Of all rows, as ``partial_fit`` is told them.
    """

    X: Any
    y: Any
    weight: Any = None
    groups: Any = None
    partial: bool = False
    classes: np.ndarray | None = None


class HeldOut(NamedTuple):
    """Held-out rows that ``fit`` is given."""

    X: Any = None
    y: Any = None
    weight: Any = None


class Prepared(NamedTuple):
    """A table that is ready for training, before anything is drawn at random.

    Attributes
    ----------
    rows : Rows
    columns : Columns
    target : Target
    encoded : array of shape (n_samples, n_targets)
        Targets as the loss's kernel takes them.
    data : TrainingData
    backend : Backend
    dtype : dtype
        In which the networks compute.
    facts : Facts
        What ``"auto"`` depends on.
    header : dict
        The attributes about columns that scikit-learn sets.
    like : object
        An array of the library and on the device of what ``fit`` was given; None is NumPy's.
    """

    rows: Rows
    columns: Columns
    target: Target
    encoded: np.ndarray
    data: TrainingData
    backend: Backend
    dtype: Any
    facts: recipe.Facts
    header: dict[str, Any]
    like: Any


class Training(NamedTuple):
    """What is known of a fit before it is run.

    Attributes
    ----------
    prepared : Prepared
    model : estimator
        The one that is fitted, with values in the place of ``"auto"``.
    fitted : Fitted
        With the network that training starts from.
    continued : bool
        Whether it goes on from an earlier fit.
    held : pair of TrainingData and int64 array of shape (K, n), or None
        Rows held out by each member.
    """

    prepared: Prepared
    model: Any
    fitted: Fitted
    continued: bool
    held: tuple[TrainingData, np.ndarray] | None = None

    @property
    def calibrates(self) -> bool:
        """Whether held-out rows, if there are some, decide how sure the members are."""
        return recipe.calibrates(self.model)

    @property
    def selects(self) -> bool:
        """Whether they, which are the same for all members then, select some."""
        several = self.model.member_space is not None and self.model.n_members > 1
        return several and recipe.watches(self.model)

    def attributes(self, network: Network, *, selects: bool = False) -> dict[str, Any]:
        """What makes an estimator one that is fitted so far; members are selected at the end."""
        fitted, header = self.fitted.having(network), self.prepared.header
        if self.held is not None and (self.calibrates or (selects and self.selects)):
            data, rows = self._held_of_table()
            if self.calibrates:
                network = calibrated(network, fitted.target.loss, data, rows)
                fitted = replace(fitted, network=network, averages_raw=True)
            if selects and self.selects:
                fitted = fitted.chosen(select(fitted, data, rows[0]))
        return fitted_attributes(fitted, header, self.prepared.like)

    def _held_of_table(self) -> tuple[TrainingData, np.ndarray]:
        """The held-out rows as rows of the table, of which a search trains on a view."""
        assert self.held is not None
        (data, rows), view = self.held, self.prepared.rows.X
        if data is not self.prepared.data or not isinstance(view, View):
            return data, rows
        return of_view(self.prepared.backend, data, view.index), view.index[rows]
