"""What a fitted estimator knows, as one value, and how an estimator comes to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from sknorm.backends import in_kind
from sknorm.data.columns import Columns
from sknorm.data.targets import Target
from sknorm.network.network import Network

_MAYBE = ("feature_names_in_", "_increments")  # attributes that not every fit has


@dataclass(frozen=True)
class Fitted:
    """All that predictions need.

    Attributes
    ----------
    network : Network
    columns : Columns
    target : Target
    dropout, input_dropout : float or tuple of K float
        Rates of training, for Monte-Carlo samples.
    mask_seeds : tuple of K int
        Keys of the dropout masks.
    member_seeds : tuple of K int
        Seeds with which each member alone would become the same; empty for a single one.
    resolved : dict
        Values of the parameters that may be ``"auto"``.
    weights : tuple of K float
        Shares of the members in predictions; empty if they are equal.
    drawn : dict of str to tuple of K float
        Values of the parameters in which the members differ.
    places : tuple of K int
        Which of the trained members these are; empty if they are all.
    averages_raw : bool
        Whether predictions are of the members' mean raw outputs, rather than means of predictions.
    asked : dict
        What curves are read by, as it was in fit: the scoring as messages show it, the solver and
        the share of averaged epochs. Empty in models of earlier versions.
    """

    network: Network
    columns: Columns
    target: Target
    dropout: Any
    input_dropout: Any
    mask_seeds: tuple[int, ...]
    member_seeds: tuple[int, ...] = ()
    resolved: dict[str, Any] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    drawn: dict[str, tuple[float, ...]] = field(default_factory=dict)
    places: tuple[int, ...] = ()
    averages_raw: bool = False
    asked: dict[str, Any] = field(default_factory=dict)

    def chosen(self, weights: np.ndarray) -> "Fitted":
        """The members of positive weight (K,), which they have in predictions."""
        places = np.flatnonzero(weights).tolist()

        def of(values: Any) -> Any:
            return (
                tuple(values[k] for k in places) if isinstance(values, tuple) and values else values
            )

        return replace(
            self,
            network=self.network.take(places),
            dropout=of(self.dropout),
            input_dropout=of(self.input_dropout),
            mask_seeds=of(self.mask_seeds),
            member_seeds=of(self.member_seeds),
            weights=tuple(weights[places].tolist()),
            drawn={name: of(values) for name, values in self.drawn.items()},
            places=tuple(places),
        )

    def having(self, network: Network) -> "Fitted":
        """The same with another network."""
        return replace(self, network=network)

    @property
    def dtype(self) -> Any:
        """In which the network computes, of NumPy."""
        return np.float64 if "64" in str(self.network.parameters.flat.dtype) else np.float32


def fitted_of(estimator: Any) -> Fitted:
    """What a fitted estimator knows.

    Raises
    ------
    NotFittedError
        Which is an AttributeError, too.
    """
    fitted: Fitted | None = getattr(estimator, "_fitted", None)
    if fitted is None:
        raise NotFittedError(
            f"This {type(estimator).__name__} instance is not fitted yet. Call 'fit' with "
            "appropriate arguments before using this estimator."
        )
    return fitted


def without_network(estimator: Any) -> Any:
    """A shallow copy of a fitted estimator that cannot predict, and takes no memory."""
    new: Any = shallow_copy(estimator)
    new._fitted = replace(new._fitted, network=None)
    return new


def fitted_attributes(fitted: Fitted, header: dict[str, Any], like: Any) -> dict[str, Any]:
    """What an estimator holds of a fit, beside curves; arrays are of the library of ``like``.

    ``header`` are the attributes about columns that scikit-learn has set.
    """
    columns = fitted.columns
    return {
        **header,
        "_fitted": fitted,
        "input_mean_": in_kind(_by_feature(columns, columns.offset), like),
        "input_scale_": in_kind(_by_feature(columns, 1.0 / columns.factor), like),
        **fitted.target.attributes(like),
    }


def _by_feature(columns: Columns, values: np.ndarray) -> np.ndarray:
    """What is known of numeric columns as one of all columns, NaN for categories."""
    kinds = columns.kinds
    if not kinds.categories:
        return values
    found = np.full(kinds.n_features, np.nan)
    found[kinds.numeric] = values[: len(kinds.numeric)]
    return found


def shallow_copy(estimator: Any, **learned: Any) -> Any:
    """A copy whose arrays stay where they are, unlike those of a pickle, as another fit leaves it.

    What a method reads of it belongs together, whatever fits of other threads change meanwhile.
    """
    kind: Any = type(estimator)
    new = kind.__new__(kind)
    new.__dict__ = _knowing(vars(estimator), learned) if learned else vars(estimator).copy()
    return new


def adopt(estimator: Any, learned: dict[str, Any]) -> dict[str, Any]:
    """Give an estimator what was learned; returns the attributes that it had.

    All attributes change at once, so that a thread that predicts meanwhile sees either the old
    model or the new one.
    """
    own = estimator.__dict__
    estimator.__dict__ = _knowing(own, learned)
    return own


def _knowing(own: dict[str, Any], learned: dict[str, Any]) -> dict[str, Any]:
    """Attributes after a fit, without those of the last fit that this one has not."""
    gone = [name for name in _MAYBE if name not in learned]
    return {name: value for name, value in own.items() if name not in gone} | learned


@contextmanager
def adopted(estimator: Any, learned: dict[str, Any]) -> Iterator[None]:
    """Give an estimator what was learned; an error in the block takes it back."""
    own = adopt(estimator, learned)
    try:
        yield
    except BaseException:
        estimator.__dict__ = own
        raise
