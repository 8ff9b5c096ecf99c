"""A stacked search beside scikit-learn's over the same estimator, and what must be equal."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.ma import MaskedArray
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import StackedGridSearchCV, StackedRandomizedSearchCV

ROWS = 90
PAIRS = {
    "grid": (StackedGridSearchCV, GridSearchCV),
    "randomized": (StackedRandomizedSearchCV, RandomizedSearchCV),
}


def _tables() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    X, codes = make_classification(
        ROWS, 6, n_informative=4, n_redundant=0, n_classes=3, class_sep=1.0, random_state=0
    )
    signal = 10.0 * X[:, 0] - 5.0 * X[:, 1] + rng.normal(size=ROWS) + 3.0
    return {
        "X": X,
        "binary": (codes > 0).astype(int),
        "multiclass": codes,
        "words": np.array(["ant", "bee", "cow"])[codes],
        "multilabel": (X[:, :3] > 0.3).astype(int),
        "number": signal,
        "numbers": np.column_stack([signal, X[:, 2]]),
        "counts": rng.poisson(np.exp(0.5 * X[:, 0])).astype(float),
        "weight": rng.integers(0, 3, ROWS).astype(float),
        "groups": rng.integers(0, 7, ROWS),
    }


T = _tables()
for _array in T.values():
    _array.setflags(write=False)

FRAME = pd.DataFrame(T["X"], columns=list("abcdef"))
A: dict[str, Any] = {"alpha": [1e-4, 1.0]}
PA: dict[str, Any] = {"mlp__alpha": [1e-4, 1.0]}
LOSS: dict[str, Any] = {"scoring": "neg_log_loss"}
ERROR: dict[str, Any] = {"scoring": "neg_mean_squared_error"}
# Members converge after different numbers of epochs, most before the last.
STOPS: dict[str, Any] = {
    "early_stopping": True, "n_iter_no_change": 2, "tol": 0.05, "max_iter": 12,
    "validation_fraction": 0.3,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0, "learning_rate_init": 0.03,
    "batch_size": 20,
}  # fmt: skip


def classifier(**changed: Any) -> MLPClassifier:
    """A classifier that trains in milliseconds."""
    return MLPClassifier(**{**SMALL, **changed}, preset="sklearn")


def regressor(**changed: Any) -> MLPRegressor:
    """A regressor that trains in milliseconds."""
    return MLPRegressor(**{**SMALL, **changed}, preset="sklearn")


def piped(model: Any, *steps: Any) -> Pipeline:
    """A Pipeline of steps s0, s1, ... and the network, mlp."""
    named = [(f"s{k}", step) for k, step in enumerate(steps)]
    return Pipeline([*named, ("mlp", model)])


def grid(model: Any = None, values: Any = None, **settings: Any) -> StackedGridSearchCV:
    """A search over two folds."""
    model = classifier() if model is None else model
    return StackedGridSearchCV(model, A if values is None else values, **{"cv": 2, **settings})


@dataclass
class Case:
    """A search to do twice.

    Attributes
    ----------
    name : str
    model : estimator
    grid : dict or list of dict
    target : str
        Its name in the tables.
    search : dict
        Parameters of the search.
    fit : dict
        Arguments of ``fit``.
    X : object
        The table; None is the common one.
    kind : {"grid", "randomized"}
    """

    name: str
    model: Any
    grid: Any
    target: str = "multiclass"
    search: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    X: Any = None
    kind: str = "grid"

    @property
    def data(self) -> tuple[Any, Any]:
        """X and y."""
        return T["X"] if self.X is None else self.X, T[self.target]

    def stacked(self, **search: Any) -> Any:
        """Our search, fitted."""
        return self._fitted(0, search)

    def plain(self, **search: Any) -> Any:
        """scikit-learn's, fitted."""
        return self._fitted(1, search)

    def _fitted(self, which: int, search: dict[str, Any]) -> Any:
        make = PAIRS[self.kind][which]
        given = {"cv": 2, **self.search, **search}
        return make(clone(self.model), self.grid, **given).fit(*self.data, **self.fit)


def with_target(y: Any, model: Any, grid: Any, search: dict[str, Any] | None = None) -> Case:
    """A case with targets of its own."""

    class Own(Case):
        @property
        def data(self) -> tuple[Any, Any]:
            return T["X"], y

    return Own("", model, grid, search=search or {})


def outcome(fit: Callable[[], Any]) -> tuple[Any, list[str]]:
    """A fitted search or its error, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = fit()
        except Exception as error:
            found = error
    return found, [str(w.message) for w in caught]


def assert_same_results(ours: dict[str, Any], theirs: dict[str, Any], rtol: float = 1e-6) -> None:
    """Two ``cv_results_``, their times aside."""
    assert list(ours) == list(theirs)
    assert ours["params"] == theirs["params"] or str(ours["params"]) == str(theirs["params"])
    for key, expected in theirs.items():
        found = ours[key]
        if key == "params":
            continue
        assert type(found) is type(expected) and found.dtype == expected.dtype, key
        assert found.shape == expected.shape, key
        if isinstance(expected, MaskedArray):
            np.testing.assert_array_equal(found.mask, expected.mask, key)
            assert str(found) == str(expected)
        elif not key.endswith("_time"):
            np.testing.assert_allclose(found, expected, rtol, 1e-12, err_msg=key)


def assert_same_search(ours: Any, theirs: Any, X: Any, rtol: float = 1e-6) -> None:
    """All that two fitted searches have found."""
    assert_same_results(ours.cv_results_, theirs.cv_results_, rtol)
    state = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
    assert state == {name for name in vars(ours) if name.endswith("_") and not name.startswith("_")}
    for name in ("n_splits_", "multimetric_", "best_index_", "n_features_in_"):
        assert getattr(ours, name, None) == getattr(theirs, name, None), name
    assert str(getattr(ours, "best_params_", None)) == str(getattr(theirs, "best_params_", None))
    if hasattr(theirs, "best_score_"):
        np.testing.assert_allclose(ours.best_score_, theirs.best_score_, rtol)
    if hasattr(theirs, "best_estimator_"):
        np.testing.assert_allclose(_answers(ours)(X), _answers(theirs)(X), rtol, 1e-9)


def _answers(search: Any) -> Callable[[Any], Any]:
    return search.predict_proba if hasattr(search, "predict_proba") else search.predict
