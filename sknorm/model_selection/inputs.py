"""What a candidate's network is given in a fold: rows of one table, or of a Pipeline's output."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from sknorm._sklearn import _make_indexable, _num_samples, _safe_indexing
from sknorm.backends import is_on_host, take_rows
from sknorm.estimators.base import BaseMLP


class Recorder(BaseEstimator):
    """Stands in for the last step of a Pipeline, keeps what its ``fit`` is given and predicts it.

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
        """The table that the last step is asked about."""
        return X

    def get_metadata_routing(self) -> Any:
        """The requests of the estimator."""
        return self.estimator.get_metadata_routing()


@dataclass
class Inputs:
    """What the last step of a candidate is fitted on and scored on in one fold.

    Attributes
    ----------
    params : dict
        Of its ``fit``, beside table and targets.
    steps : list of (str, fitted transformer)
        The steps before it.
    train : callable
        Gives the table and the targets that it is fitted to; steps that sample change the rows.
    make_test : callable
        Makes ``test``.
    """

    params: dict[str, Any]
    steps: list[tuple[str, Any]]
    train: Callable[[], tuple[Any, Any]]
    make_test: Callable[[], tuple[Any, Any]]

    @cached_property
    def test(self) -> tuple[Any, Any]:
        """Held-out rows after those steps, None if they fail there, and their targets."""
        return self.make_test()


@dataclass(frozen=True)
class Fold:
    """Rows that a candidate is trained on and those it is tested on, and what ``fit`` is given.

    Attributes
    ----------
    train, test : int64 arrays
    fit_params : dict
        Of all rows.
    """

    train: np.ndarray
    test: np.ndarray
    fit_params: dict[str, Any]

    def plain(self, X: Any, y: Any, model: Any) -> Inputs:
        """Inputs of a candidate without anything to fit before the network."""
        params = rows_of(self.fit_params, self.train, _num_samples(X))
        steps = []
        if last_step(model) is not model:  # a Pipeline knows whose its parameters are
            pipeline, (*_, params) = recorded(model, X, y, params)
            steps = pipeline.steps[:-1]
        return Inputs(
            params,
            steps,
            lambda: (taken(X, self.train), taken(y, self.train)),
            lambda: (taken(X, self.test), taken(y, self.test)),
        )

    def prepared(self, X: Any, y: Any, model: Any) -> Inputs:
        """Inputs after the steps before the network, which are fitted to the training rows."""
        params = rows_of(self.fit_params, self.train, _num_samples(X))
        pipeline, given = recorded(model, taken(X, self.train), taken(y, self.train), params)
        Xt, yt, own = given

        def test() -> tuple[Any, Any]:
            rows, targets = taken(X, self.test), taken(y, self.test)
            try:  # not by ``transform``: samplers, which act in fit only, have none
                return pipeline.predict(rows), targets
            except Exception:  # to be told by the scorer of the whole Pipeline
                return None, targets

        return Inputs(own, pipeline.steps[:-1], lambda: (Xt, yt), test)


def last_step(estimator: Any) -> Any:
    """The network of an estimator: itself, or the last step of a Pipeline."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def has_prefix(estimator: Any) -> bool:
    """Whether there is anything to fit before the network."""
    steps = estimator.steps[:-1] if isinstance(estimator, Pipeline) else []
    return any(step is not None and step != "passthrough" for _, step in steps)


def check_stackable(estimator: Any) -> None:
    """Refuse what is not a network of this library, alone or at the end of a Pipeline.

    Raises
    ------
    TypeError
    """
    if not isinstance(network := last_step(estimator), BaseMLP):
        where = "ends in" if isinstance(estimator, Pipeline) else "is"
        raise TypeError(
            "A stacked search trains sknorm's MLPClassifier or MLPRegressor, alone or as the last "
            f"step of a Pipeline; this estimator {where} {type(network).__name__}. Use "
            "scikit-learn's search for it."
        )


def recorded(estimator: Any, X: Any, y: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    """A Pipeline with all steps but the last fitted, and what the last would be given."""
    pipeline = clone(estimator)
    name, network = pipeline.steps[-1]
    pipeline.steps[-1] = (name, recorder := Recorder(network))
    pipeline.fit(X, y, **params)
    return pipeline, recorder.given_


def assembled(estimator: Any, steps: list[tuple[str, Any]], network: Any) -> Any:
    """The fitted candidate: its network, after the fitted steps of its Pipeline."""
    if not isinstance(estimator, Pipeline):
        return network
    whole = clone(estimator)
    whole.steps = [*steps, (estimator.steps[-1][0], network)]
    return whole


@dataclass
class Once:
    """What a function of the data gives, computed when first asked for, dropped after its last use.

    Attributes
    ----------
    compute : callable
    uses : int
        How often it will be asked for.
    """

    compute: Callable[[Any, Any], Any]
    uses: int
    _lock: Any = field(default_factory=threading.Lock, repr=False)
    _value: Any = None

    def __call__(self, X: Any, y: Any) -> Any:
        """The value for the data; an exception is raised anew each time."""
        with self._lock:
            self.uses -= 1
            if self._value is None:
                self._value = self._computed(X, y)
            value, fault, trace = self._value
            if self.uses <= 0:
                self._value = None
        if fault is not None:
            raise fault.with_traceback(trace)
        return value

    def _computed(self, X: Any, y: Any) -> tuple[Any, Exception | None, Any]:
        try:
            return self.compute(X, y), None, None
        except Exception as error:
            return None, error, error.__traceback__

    def __getstate__(self) -> dict[str, Any]:
        """In another process it is computed anew."""
        return {"compute": self.compute, "uses": self.uses}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def taken(values: Any, rows: np.ndarray) -> Any:
    """Rows of a table, of targets or of anything else that has one entry a row."""
    if values is None:
        return None
    return _safe_indexing(values, rows) if is_on_host(values) else take_rows(values, rows)


def rows_of(params: dict[str, Any], rows: np.ndarray, count: int) -> dict[str, Any]:
    """Those of ``params`` that have one entry for each of ``count`` rows, at some rows."""

    def of(value: Any) -> Any:
        each = hasattr(value, "__len__") or hasattr(value, "shape")
        if not each or isinstance(value, str | dict) or _num_samples(value) != count:
            return value
        return taken(_make_indexable(value), rows)

    return {name: of(value) for name, value in params.items()}
