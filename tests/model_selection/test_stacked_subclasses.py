"""Subclasses with methods of their own: in searches as in scikit-learn's, and in ensembles."""

import _thread
import threading
import types
import warnings
from typing import Any, ClassVar

import numpy as np
import pytest
from search_case import Case, T, assert_same_search, classifier, regressor
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import EnsembleClassifier, EnsembleRegressor, StackedGridSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = T["X"]


class LogRegressor(MLPRegressor):
    """Learns the logarithm of y; a constructor of its own with a parameter more."""

    def __init__(self, offset: float = 1.0, alpha: float = 1e-4, random_state: Any = 0) -> None:
        super().__init__(
            hidden_layer_sizes=(8,), max_iter=4, learning_rate_init=0.03, alpha=alpha,
            random_state=random_state,
        )  # fmt: skip
        self.offset = offset

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        return super().fit(X, np.log(np.asarray(y) + self.offset), sample_weight)

    def predict(self, X: Any) -> Any:
        return np.exp(super().predict(X)) - self.offset


class Clipped(MLPClassifier):
    """Probabilities of at least 5%."""

    def predict_proba(self, X: Any) -> Any:
        clipped = np.clip(super().predict_proba(X), 0.05, None)
        return clipped / clipped.sum(axis=1, keepdims=True)


class Cautious(MLPClassifier):
    """Says the second class where it is at least as likely as 30%."""

    def predict(self, X: Any) -> Any:
        return self.classes_[(self.predict_proba(X)[:, 1] >= 0.3).astype(int)]


class Halved(MLPClassifier):
    """A score of its own."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return super().score(X, y, sample_weight) / 2.0


class Mixin:
    """A method that stands before the network's."""

    def fit(self, X: Any, y: Any, **params: Any) -> Any:
        return super().fit(np.tanh(X), y, **params)  # type: ignore[misc]

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(np.tanh(X))  # type: ignore[misc]


class Mixed(Mixin, MLPClassifier):
    """The mixin's methods."""


class Derived(MLPClassifier):
    """A parameter that follows from another."""

    def __init__(self, strength: float = 1.0, random_state: Any = 0) -> None:
        super().__init__((8,), max_iter=4, random_state=random_state)
        self.strength = strength

    @property
    def alpha(self) -> float:
        return self.strength / 10.0

    @alpha.setter
    def alpha(self, value: float) -> None:
        pass


class Lenient(MLPClassifier):
    """Takes what the network does not."""

    def fit(self, X: Any, y: Any) -> Any:
        if self.alpha == "strong":
            self.alpha = 1.0
        return super().fit(X, y)


class Defaults(MLPClassifier):
    """Other defaults, a method more, and nothing else."""

    def __init__(self, hidden_layer_sizes: Any = (6,), alpha: float = 1e-3,
                 random_state: Any = 0) -> None:  # fmt: skip
        super().__init__(
            hidden_layer_sizes, alpha=alpha, max_iter=4, random_state=random_state,
            normalization="layer" if alpha > 0.5 else "batch",
        )  # fmt: skip

    @property
    def width(self) -> int:
        return self.hidden_layer_sizes[0]


class Squeezed(Pipeline):
    """A Pipeline that answers otherwise, fits otherwise, and remembers."""

    def fit(self, X: Any, y: Any, **params: Any) -> Any:
        super().fit(X[::2], y[::2], **params)
        self.middle_ = self.predict_proba(X).mean()
        return self

    def predict_proba(self, X: Any) -> Any:
        probability = super().predict_proba(X)
        return 0.5 * probability + 0.5 / probability.shape[1]


class Quiet(Pipeline):
    """A Pipeline with a method more."""

    def network(self) -> Any:
        return self.steps[-1][1]


SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0, "learning_rate_init": 0.03
}  # fmt: skip
A = {"alpha": [1e-4, 1.0]}
PA = {"mlp__alpha": [1e-4, 1.0]}
LOSS: dict[str, Any] = {"scoring": "neg_log_loss", "return_train_score": True}
R2: dict[str, Any] = {"scoring": "r2", "return_train_score": True}
COUNTS = {"sample_weight": T["weight"] + 1.0}


def piped(network: Any, kind: Any = Pipeline) -> Pipeline:
    return kind([("s", StandardScaler()), ("mlp", network)])


CASES = [
    Case("fit and predict", LogRegressor(), {"offset": [1.0, 3.0], **A}, "counts", R2),
    Case("weights", LogRegressor(), A, "counts", R2, fit=COUNTS),
    Case("after a step", piped(LogRegressor()), PA, "counts", R2),
    Case("predict_proba", Clipped(**SMALL), A, "multiclass", LOSS),
    Case("predict", Cautious(**SMALL), A, "binary", {"scoring": "recall"}),
    Case("score", Halved(**SMALL), A, "multiclass"),
    Case("mixin", Mixed(**SMALL), A, "multiclass", LOSS),
    Case("parameter", Derived(), {"strength": [0.1, 100.0]}, "multiclass", LOSS),
    Case("several scores", Clipped(**SMALL), A, "multiclass",
         {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy"}),
    Case("in parallel", Clipped(**SMALL), A, "multiclass", {**LOSS, "n_jobs": 2}),
    Case("what the network refuses", Lenient(**SMALL), {"alpha": [1e-4, "strong"]}, "multiclass",
         LOSS),
    Case("beside others", piped(classifier()),
         {"mlp": [classifier(), Clipped(**SMALL), Defaults()], **PA}, "multiclass", LOSS),
    Case("defaults", Defaults(), {**A, "hidden_layer_sizes": [(4,), (6,)]}, "multiclass", LOSS),
    Case("defaults that differ", piped(classifier()),
         {"mlp": [Defaults(), Defaults(alpha=0.6), Defaults(alpha=0.7)]}, "multiclass", LOSS),
    Case("Pipeline", piped(classifier(), Squeezed), PA, "multiclass", LOSS),
    Case("Pipeline, method more", piped(classifier(), Quiet), PA, "multiclass", LOSS),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_scores_are_those_of_scikit_learns_search(case: Case) -> None:
    assert_same_search(case.stacked(), case.plain(n_jobs=1), X)


@pytest.mark.parametrize("changed", [{"error_score": -3.0}, {"racing": True, "cv": 4}], ids=str)
def test_candidates_that_fail_have_the_error_score(changed: dict[str, Any]) -> None:
    """Of a subclass's own checks; in a race they leave."""
    case = Case("", LogRegressor(), {"offset": [-1e9, 1.0, 3.0]}, "counts", {"scoring": "r2"})
    ignore = "ignore:(invalid value encountered|One or more of the test scores|Input y contains)"
    with pytest.warns(FitFailedWarning, match="fits failed"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ignore.removeprefix("ignore:"))
        found = case.stacked(**changed).cv_results_["mean_test_score"]
    assert np.isfinite(found[1:]).any() and not found[0] > -3.0
    with warnings.catch_warnings(), pytest.raises(ValueError, match="NaN"):
        warnings.filterwarnings("ignore", ignore.removeprefix("ignore:"))
        case.stacked(error_score="raise")


class Interrupted(MLPClassifier):
    """The user presses Ctrl-C in the middle of the second fit."""

    fits: ClassVar[list[int]] = []

    def fit(self, X: Any, y: Any) -> Any:
        self.fits.append(len(X))
        if len(self.fits) == 2:
            self.set_params(max_iter=10**8, tol=0.0, n_iter_no_change=np.inf)
            threading.Timer(0.3, _thread.interrupt_main).start()
        return super().fit(X, y)


def test_an_interrupt_ends_the_search_and_not_only_a_fit() -> None:
    search = StackedGridSearchCV(Interrupted(**SMALL), {"alpha": [0.1, 0.2]}, cv=KFold(2))
    with (
        pytest.warns(UserWarning, match="The search was interrupted after 1 of 4 fits"),
        pytest.raises(KeyboardInterrupt),
    ):
        search.fit(X, T["binary"])
    assert len(Interrupted.fits) == 2
    assert np.isfinite(search.cv_results_["split0_test_score"]).tolist() == [True, False]


def test_epochs_of_subclasses_cannot_be_raced() -> None:
    with pytest.raises(ValueError, match="epoch by epoch, which Clipped with methods of its own"):
        Case("", Clipped(**SMALL), A, "multiclass", {"racing": True, "cv": 2}).stacked()


ENSEMBLES = {
    "regression": (LogRegressor(), "counts", EnsembleRegressor, "predict"),
    "classification": (Clipped(**SMALL), "multiclass", EnsembleClassifier, "predict_proba"),
    "after a step": (piped(LogRegressor()), "counts", EnsembleRegressor, "predict"),
    "Pipeline": (piped(classifier(), Squeezed), "multiclass", EnsembleClassifier, "predict_proba"),
    "defaults": (Defaults(), "multiclass", EnsembleClassifier, "predict_proba"),
}


@pytest.mark.parametrize(("model", "target", "kind", "method"), ENSEMBLES.values(), ids=ENSEMBLES)
def test_ensembles_average_what_their_members_answer(
    model: Any, target: str, kind: Any, method: str
) -> None:
    y, name = T[target], "mlp__random_state" if isinstance(model, Pipeline) else "random_state"
    members = [clone(model).set_params(**{name: seed}).fit(X, y) for seed in range(3)]
    expected = np.average([getattr(m, method)(X) for m in members], 0, [2, 1, 1])
    ensemble = kind.from_fitted(members, [2, 1, 1])
    np.testing.assert_allclose(getattr(ensemble, method)(X), expected, rtol=1e-6)
    search = StackedGridSearchCV(model, {name: [0, 1, 2]}, cv=KFold(3), refit="ensemble")
    search.fit(X, y)
    chosen = np.flatnonzero(search.ensemble_weights_).tolist()
    shares = search.ensemble_weights_[chosen]
    expected = np.average([getattr(members[k], method)(X) for k in chosen], 0, shares)
    np.testing.assert_allclose(getattr(search, method)(X), expected, rtol=1e-6)
    out = [cross_val_predict(members[k], X, y, cv=KFold(3), method=method) for k in chosen]
    mean = np.average(out, 0, shares)
    truth = mean if kind is EnsembleRegressor else mean.argmax(axis=1)
    score = search.ensemble_score_
    if kind is EnsembleClassifier:
        assert score == pytest.approx((truth == y).mean())
    else:
        assert score == pytest.approx(1.0 - ((truth - y) ** 2).sum() / ((y - y.mean()) ** 2).sum())


@pytest.mark.parametrize("steps", [False, True], ids=["alone", "Pipeline"])
def test_ensembles_ask_members_that_were_given_another_method(steps: bool) -> None:
    members = [regressor(random_state=seed) for seed in range(2)]
    if steps:
        members = [make_pipeline(StandardScaler(), member) for member in members]
    members = [member.fit(X, T["number"]) for member in members]
    members[0].predict = types.MethodType(lambda self, X: np.full(len(X), 7.0), members[0])
    expected = (7.0 + members[1].predict(X)) / 2.0
    found = EnsembleRegressor.from_fitted(members).predict(X)
    np.testing.assert_allclose(found, expected)
