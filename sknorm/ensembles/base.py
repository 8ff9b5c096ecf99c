"""What ensembles of classifiers and of regressors share: members, weights and their mean."""

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sknorm._documentation_links import DocumentationLinks
from sknorm._inherited import EnsembleMethods, _fit_context
from sknorm._pickling import VersionedPickle
from sknorm._sklearn import _routing_enabled, check_same_namespace
from sknorm._typing import Estimator, Numbers
from sknorm.backends import collect, fetched, in_kind, keeps_kind
from sknorm.ensembles.members import named, network_of
from sknorm.ensembles.stacked_forward import stacked_forward, stacks
from sknorm.estimators.base import BaseMLP


class BaseEnsemble(EnsembleMethods, DocumentationLinks, VersionedPickle, ABC):
    """Members, their weights, and the mean of their answers."""

    _parameter_constraints: dict = {
        "estimators": [list, tuple],
        "weights": ["array-like", None],
    }
    _page_module = "sknorm.model_selection"
    _member: ClassVar[type[BaseMLP]]
    _method: ClassVar[str]  # whose answers are averaged
    _learned: ClassVar[tuple[str, ...]] = ("estimators_", "_shares")
    estimators: Sequence[Any]
    estimators_: list[Any]

    def __init__(self, estimators: Sequence[Estimator], weights: Numbers | None = None) -> None:
        self.estimators = estimators
        self.weights = weights

    @classmethod
    def from_fitted(cls, estimators: Sequence[Estimator], weights: Numbers | None = None) -> Self:
        """An ensemble of models as they are, fitted already.

        Parameters
        ----------
        estimators : sequence of fitted estimators, or fitted Pipelines that end in one
            They are neither copied nor changed.
        weights : array-like of shape (n_estimators,), default=None
            As the parameter of the class.

        Returns
        -------
        ensemble : object
            A fitted ensemble.

        Raises
        ------
        TypeError
            If a member is not of the ensemble's kind.
        ValueError
            If weights are malformed, or if members were fitted to different columns or targets.
        sklearn.exceptions.NotFittedError
            If a member with a positive weight is not fitted.
        """
        ensemble = cls(list(estimators), weights)
        ensemble._validate_params()
        members, shares = ensemble._weighted()
        for member in members:
            check_is_fitted(member)
        return ensemble._adopt(members, shares)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Numbers | None = None, **fit_params: Any) -> Self:
        """Fit clones of the members with positive weights to one table.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for the last step of members that are Pipelines.
        **fit_params
            Passed to every member's ``fit`` as they are.

        Returns
        -------
        self : object
            The ensemble of the new models, with the same weights.

        Raises
        ------
        TypeError
            If a member is not of the ensemble's kind.
        ValueError
            If weights are malformed, or for the reasons of the members' ``fit``.
        """
        members, shares = self._weighted()
        X, y, sample_weight = collect(X), collect(y), collect(sample_weight)
        fitted = []
        for member in members:
            given = {**fit_params, **_row_weights(member, sample_weight)}
            fitted.append(clone(member).fit(X, y, **given))
        return self._adopt(fitted, shares)

    @property
    def weights_(self) -> np.ndarray:
        """Weights of ``estimators_``, positive, with a sum of one."""
        check_is_fitted(self)
        return np.array(self._shares)

    @property
    def n_features_in_(self) -> int:
        """Number of columns that the members were fitted to."""
        return self.estimators_[0].n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns, if the members were fitted to a data frame."""
        return self.estimators_[0].feature_names_in_

    @property
    def n_outputs_(self) -> int:
        """Number of targets, or of columns of raw output for a classifier."""
        return network_of(self.estimators_[0]).n_outputs_

    @property
    def _input_mean(self) -> Any:
        """An array where the members compute; None if all of them decide that for themselves."""
        alone = (m for m in self.estimators_ if isinstance(m, BaseMLP) and m.backend == "auto")
        return getattr(next(alone, None), "input_mean_", None)

    @abstractmethod
    def _traits(self, model: Any) -> dict[str, Any]:
        """What a member knows of the targets, by the name that a message gives it."""

    @abstractmethod
    def _answer(self, model: Any, value: Any) -> Any:
        """What a member's method answers for the mean over its networks, (N, o)."""

    def _weighted(self) -> tuple[list[Any], list[float]]:
        """The members with positive weights, and weights that sum to one."""
        if len(self.estimators) == 0:
            raise ValueError("estimators is empty; pass at least one model.")
        for place, each in enumerate(self.estimators):
            if not isinstance(network_of(each), self._member):
                raise TypeError(
                    f"{type(self).__name__} takes sknorm's {self._member.__name__}s and Pipelines "
                    f"that end in one, but estimators[{place}] is {_described(each)}."
                )
        weights = _checked_weights(self.weights, len(self.estimators))
        pairs = [pair for pair in zip(self.estimators, weights, strict=True) if pair[1] > 0]
        return [member for member, _ in pairs], [float(share) for _, share in pairs]

    def _adopt(self, members: list[Any], shares: list[float]) -> Self:
        """Set the fitted attributes."""
        first, *others = [{**_columns(m), **self._traits(network_of(m))} for m in members]
        for other in others:
            for name, value in other.items():
                if value is not None and first[name] is not None and value != first[name]:
                    raise ValueError(
                        f"The members of an ensemble must be models of one task, but their {name} "
                        f"differ: {reprlib.repr(first[name])} and {reprlib.repr(value)}."
                    )
        self.estimators_ = members
        self._shares = shares
        return self

    def _average(self, X: Any, method: str) -> Any:
        """The weighted mean of the members' answers, of the library and on the device of X.

        ``method`` is what was asked for, for messages.
        """
        check_is_fitted(self)
        X = collect(X)
        if self._input_mean is not None:
            table = X if keeps_kind(X) else fetched(X)
            check_same_namespace(table, self, attribute="_input_mean", method=method)
        total: Any = 0.0
        for places in stacks(self.estimators_):
            members = [self.estimators_[k] for k in places]
            if len(members) == 1:
                total = total + self._shares[places[0]] * getattr(members[0], self._method)(X)
                continue
            values = zip(places, members, stacked_forward(members, X, self._method), strict=True)
            part = sum(self._shares[k] * self._answer(m, value) for k, m, value in values)
            total = total + in_kind(part, X)
        return total

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        given = self.estimators if isinstance(self.estimators, list | tuple) else []
        members = [get_tags(each) for each in given if hasattr(each, "__sklearn_tags__")]
        tags.input_tags.sparse = all(each.input_tags.sparse for each in members)
        tags.input_tags.allow_nan = all(each.input_tags.allow_nan for each in members)
        tags.array_api_support = all(each.array_api_support for each in members)
        return tags


def _columns(member: Any) -> dict[str, Any]:
    """What a member knows of the columns; None for what it does not."""
    names = getattr(member, "feature_names_in_", None)
    return {
        "n_features_in_": getattr(member, "n_features_in_", None),
        "feature_names_in_": None if names is None else names.tolist(),
    }


def _checked_weights(weights: Any, count: int) -> np.ndarray:
    """Weights that sum to one, (count,)."""
    if weights is None:
        return np.full(count, 1.0 / count)
    values = np.asarray(fetched(weights), dtype=np.float64)
    if values.shape != (count,):
        raise ValueError(
            f"weights must hold one number for each of the {count} estimators, but its shape is "
            f"{values.shape}."
        )
    if not np.all(np.isfinite(values) & (values >= 0)) or not values.any():
        raise ValueError(
            "weights must be finite and not negative, with at least one that is positive, but "
            f"are {reprlib.repr(values.tolist())}."
        )
    values = values / values.max()  # whose sum does not overflow
    return values / values.sum()


def _row_weights(member: Any, sample_weight: Any) -> dict[str, Any]:
    """``sample_weight`` under the name by which a member's ``fit`` takes it."""
    if sample_weight is None:
        return {}
    prefix = ""
    while isinstance(member, Pipeline | TransformedTargetRegressor) and not _routing_enabled():
        if isinstance(member, Pipeline):
            name, member = member.steps[-1]
            prefix += f"{name}__"
        else:
            member = member.regressor
    return {f"{prefix}sample_weight": sample_weight}


def _described(member: Any) -> str:
    name = named(network_of(member))
    return f"a Pipeline that ends in {name}" if isinstance(member, Pipeline) else name
