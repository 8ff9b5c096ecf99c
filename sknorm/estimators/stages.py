"""What a fit hands from step to step: what it is given, prepared, and planned."""

from typing import Any, NamedTuple

import numpy as np

from sknorm.backends import Backend
from sknorm.data.columns import Columns
from sknorm.data.dataset import TrainingData
from sknorm.data.rows import Rows
from sknorm.data.targets import Target
from sknorm.estimators import recipe
from sknorm.estimators.fitted import Fitted, fitted_attributes
from sknorm.network.network import Network


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
    selecting : pair of TrainingData and int64 array of shape (n,), or None
        Rows held out by all members, by which members are to be selected.
    """

    prepared: Prepared
    model: Any
    fitted: Fitted
    continued: bool
    selecting: tuple[TrainingData, np.ndarray] | None = None

    def attributes(self, network: Network) -> dict[str, Any]:
        """What makes an estimator one that is fitted so far."""
        return self.attributes_of(self.fitted.having(network))

    def attributes_of(self, fitted: Fitted) -> dict[str, Any]:
        """The same of what is known at the end."""
        return fitted_attributes(fitted, self.prepared.header, self.prepared.like)
