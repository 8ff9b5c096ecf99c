"""What a candidate's network is given in a fold, after the steps and transformers around it."""

import copy
import inspect
import threading
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from sknorm.data.table import View
from sknorm.ensembles.members import named, network_of
from sknorm.estimators.base import BaseMLP
from sknorm.estimators.preparing import prepare, view_table
from sknorm.estimators.stages import Given, HeldOut, Prepared
from sknorm.model_selection.context import Context, rows_of, table_key, taken
from sknorm.model_selection.once import Once

_HELD_OUT = ("X_val", "y_val", "sample_weight_val")


class Recorder(BaseEstimator):
    """Stands in for a network, keeps what its ``fit`` is given and predicts the table itself.

    Parameters
    ----------
    estimator : estimator
        Whose metadata requests it makes.
    """

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, **params: Any) -> "Recorder":
        """Keep the arguments."""
        self.given_ = (X, y, params)
        return self

    def predict(self, X: Any) -> Any:
        """The table that the network is asked about."""
        return X

    def get_metadata_routing(self) -> Any:
        """The requests of the estimator."""
        return self.estimator.get_metadata_routing()

    def __sklearn_is_fitted__(self) -> bool:
        return True


@dataclass
class Inputs:
    """What the network of a candidate is fitted to and scored on in one fold."""

    context: Context
    split: int
    fitted: Any  # the candidate after its fit, with a recorder in the place of its network
    params: dict[str, Any]  # of the network's ``fit``, beside X and y
    X: Any = None  # None are the fold's rows of the common table
    y: Any = None  # or of the common targets
    _views: Once = field(default_factory=Once, repr=False)
    _prepared: Once = field(default_factory=Once, repr=False)

    @cached_property
    def test(self) -> Any:
        """Held-out rows as the network is asked about them; None if the steps before it fail."""
        rows = taken(self.context.X, self.context.splits[self.split][1])
        try:
            return rows if self.X is None else _seen(self.fitted, rows)
        except Exception:  # to be told by the scorer of the whole Pipeline
            return None

    def held_out(self, network: Any) -> HeldOut:
        """Held-out rows that ``fit`` is given; arguments that it does not know are refused."""
        given = self._arguments(network)
        return HeldOut(*(given.get(name) for name in _HELD_OUT))

    def prepared(self, network: Any, key: Hashable) -> Prepared:
        """The training rows as a network sees them; networks of equal ``key`` see the same."""

        def make() -> Prepared:
            given, view, y = self._arguments(network), self._view(network), self.y
            if y is None:
                y = taken(self.context.y, self.context.splits[self.split][0])
            rows = Given(view, y, given.get("sample_weight"), given.get("groups"))
            return prepare(network, rows)

        return self._prepared.get(key, make)

    def asked(self, model: Any, network: Any, test: bool) -> tuple[Any, Any, Any]:
        """Who is scored on which rows and targets: the network, or the whole of its model."""
        rows = self.context.splits[self.split][1 if test else 0]
        y = taken(self.context.y, rows)
        # Training rows were transformed, or drawn, as the steps were fitted: later on they differ.
        anew = self.X is not None and (not test or self.test is None)
        if anew or not self.context.scores_networks:
            return assembled(model, self.fitted, network), taken(self.context.X, rows), y
        X = self.test if test else taken(self.context.X, rows)
        return without_steps(self.fitted, network), X, y

    def _arguments(self, network: Any) -> dict[str, Any]:
        return inspect.signature(network.fit).bind(None, None, **self.params).arguments

    def _view(self, network: Any) -> View:
        """The training rows, as rows of a table that many networks share."""
        if self.X is None:
            train = self.context.splits[self.split][0]
            try:
                return replace(self.context.view(network), index=train)  # not a copy of it
            except ValueError:  # of a row of another fold, which fails for it
                pass

        def make() -> View:
            X = taken(self.context.X, train) if self.X is None else self.X
            return view_table(network, X)

        return self._views.get(table_key(network), make)


class Fold:
    """A fold as candidates of equal steps see it, whose steps are fitted once, for ``uses``."""

    def __init__(self, split: int, model: Any) -> None:
        self.split, self.model, self.uses = split, model, 0
        self._lock = threading.Lock()
        self._opened: Any = None

    def open(self, context: Context) -> Inputs:
        """What networks are given, kept until its last use; an error is raised anew each time."""
        with self._lock:
            self.uses -= 1
            if self._opened is None:
                self._opened = self._tried(context)
            inputs, error, trace = self._opened
            if self.uses <= 0:
                self._opened = None
        if error is not None:
            raise error.with_traceback(trace)
        return inputs

    def _tried(self, context: Context) -> tuple[Inputs | None, Exception | None, Any]:
        try:
            return self._inputs(context), None, None
        except Exception as error:
            return None, error, error.__traceback__

    def _inputs(self, context: Context) -> Inputs:
        train = context.splits[self.split][0]
        params = rows_of(context.fit_params, train, context.count)
        if network_of(self.model) is self.model:
            return Inputs(context, self.split, self.model, params)
        own = has_steps(self.model)
        X = taken(context.X, train) if own else context.X  # which all that is there passes on
        fitted, (X, y, params) = recorded(self.model, X, taken(context.y, train), params)
        return Inputs(context, self.split, fitted, params, X if own else None, y)

    def __getstate__(self) -> dict[str, Any]:
        """In another process it is opened anew."""
        return {"split": self.split, "model": self.model, "uses": self.uses}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["split"], state["model"])  # type: ignore[misc]
        self.uses = state["uses"]


def around(model: Any) -> list[Any]:
    """The Pipelines and transformers of targets around a network, the outermost first."""
    if isinstance(model, Pipeline):
        return [model, *around(model.steps[-1][1])]
    if isinstance(model, TransformedTargetRegressor):
        return [model, *around(model.regressor)]
    return []


def has_steps(model: Any) -> bool:
    """Whether there is anything before the network that a table has to pass."""
    steps = [step for each in around(model) for _, step in getattr(each, "steps", [])[:-1]]
    return any(step is not None and step != "passthrough" for step in steps)


def check_stackable(model: Any) -> None:
    """Refuse what is not a network of this library, in Pipelines and transformers of targets.

    Raises
    ------
    TypeError
    """
    if not isinstance(network := network_of(model), BaseMLP):
        of_class = isinstance(network, type)
        raise TypeError(
            "A stacked search trains sknorm's MLPClassifier or MLPRegressor, alone or in Pipelines "
            f"that end in one and TransformedTargetRegressors; this estimator "
            f"{'ends in' if network is not model else 'is'} {named(network)}. "
            + ("Pass an instance." if of_class else "Use scikit-learn's search for it.")
        )


def recorded(model: Any, X: Any, y: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    """A model with all but its network fitted, and what that would be given."""
    fitted = _with_recorder(clone(model)).fit(X, y, **params)
    return fitted, network_of(fitted).given_


def assembled(model: Any, fitted: Any, network: Any) -> Any:
    """The fitted candidate: its network, in what was fitted around it."""
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        whole = clone(model)
        whole.steps = [*fitted.steps[:-1], (name, assembled(last, fitted.steps[-1][1], network))]
        return whole
    if isinstance(model, TransformedTargetRegressor):
        whole = copy.copy(fitted)
        whole.regressor = clone(model.regressor)
        whole.regressor_ = assembled(model.regressor, fitted.regressor_, network)
        return whole
    return network


def without_steps(fitted: Any, network: Any) -> Any:
    """The network in the transformers of targets alone, to be asked about what it is given."""
    if isinstance(fitted, Pipeline):
        return without_steps(fitted.steps[-1][1], network)
    if isinstance(fitted, TransformedTargetRegressor):
        whole = copy.copy(fitted)
        whole.regressor_ = without_steps(fitted.regressor_, network)
        return whole
    return network


def _with_recorder(model: Any) -> Any:
    """The model itself, with a recorder in the place of its network."""
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        model.steps[-1] = (name, _with_recorder(last))
    elif isinstance(model, TransformedTargetRegressor):
        model.regressor = _with_recorder(model.regressor)
    else:
        return Recorder(model)
    return model


def _seen(fitted: Any, X: Any) -> Any:
    """What a recorder is asked about for a table.

    Steps act by ``predict``, not by ``transform``: samplers, which act in fit only, have none.
    """
    if isinstance(fitted, TransformedTargetRegressor):
        return _seen(fitted.regressor_, X)
    if isinstance(fitted, Pipeline):
        before, (name, last) = copy.copy(fitted), fitted.steps[-1]
        before.steps = [*fitted.steps[:-1], (name, Recorder(last))]
        return _seen(last, before.predict(X))
    return X
