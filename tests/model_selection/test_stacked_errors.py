"""What goes wrong in a stacked search goes wrong as in scikit-learn's, and nowhere else."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from search_case import (
    FRAME,
    ROWS,
    STOPS,
    Case,
    T,
    assert_same_search,
    classifier,
    outcome,
    regressor,
    with_target,
)
from sklearn import neural_network
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknorm import MLPClassifier
from sknorm.model_selection import StackedGridSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

A: dict[str, Any] = {"alpha": [1e-4, 1.0]}
PA: dict[str, Any] = {"mlp__alpha": [1e-4, 1.0]}
LOSS: dict[str, Any] = {"scoring": "neg_log_loss"}
BOTH: dict[str, Any] = {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy"}
X, WEIGHT = T["X"], T["weight"]
HALVES = (np.arange(ROWS) < 45).astype(int)
SCALED = Pipeline([("s", StandardScaler()), ("mlp", classifier())])


class Inconsistent(KFold):
    """A splitter that does not know how often it splits."""

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1


def raises(model: Any, X: Any, y: Any) -> float:
    raise ZeroDivisionError("no score")


def sometimes(value: Any) -> Callable:
    """A scorer that gives ``value`` for one of the candidates."""

    def score(model: Any, X: Any, y: Any) -> Any:
        return value if model.alpha == 1.0 else model.score(X, y)

    return score


def assert_same_error(case: Case, match: str) -> None:
    """Of the same type; of the same words where they are scikit-learn's own."""
    for fit in (case.stacked, case.plain):
        error, _ = outcome(fit)
        assert isinstance(error, Exception), error
        assert re.search(match, str(error), re.DOTALL), error
    assert type(outcome(case.stacked)[0]) is type(outcome(case.plain)[0])


ALL = "All the {} fits failed"
REFUSED = {
    "unknown parameter": (Case("", classifier(), {"spam": [1]}), "Invalid parameter 'spam'"),
    "unknown parameter of a step": (Case("", SCALED, {"s__spam": [1]}), "Invalid parameter 'spam'"),
    "no candidates": (Case("", classifier(), []), "no candidates|Were there no candidates"),
    "no values": (Case("", classifier(), {"alpha": []}), "need to be a non-empty sequence"),
    "a number": (Case("", classifier(), {"alpha": 1}), "needs to be a list or a numpy array"),
    "a string": (Case("", classifier(), {"alpha": "1,2"}), "needs to be a list or a numpy array"),
    "a matrix": (Case("", classifier(), {"alpha": np.ones((2, 2))}), "should be one-dimensional"),
    "no folds": (Case("", classifier(), A, search={"cv": iter([])}), "no folds|iterator empty"),
    "inconsistent cv": (Case("", classifier(), A, search={"cv": Inconsistent(3)}), "3.+1|1.+3"),
    "too many folds": (Case("", classifier(), A, search={"cv": 1000}), "n_splits=1000 greater"),
    "no such row": (Case("", classifier(), A, search={"cv": [([0, 1], [1000])]}), "1000"),
    "no groups": (Case("", classifier(), A, search={"cv": GroupKFold(2)}), "groups"),
    "no such score": (Case("", classifier(), A, search={"scoring": "spam"}), "'scoring' parameter"),
    "error_score": (Case("", classifier(), A, search={"error_score": "x"}), "'error_score' par"),
    "refit of several": (Case("", classifier(), A, search={**BOTH, "refit": True}), "must be set"),
    "refit by another": (Case("", classifier(), A, search={**BOTH, "refit": "f1"}), "must be set"),
    "refit by an unknown name of a function's": (
        Case("", classifier(), A, search={"scoring": lambda *_: {"a": 1.0}, "refit": "b"}),
        "must be set to a scorer key",
    ),
    "refit chooses nothing": (
        Case("", classifier(), A, search={"refit": lambda table: None}), "is not an integer"),
    "refit chooses too high": (
        Case("", classifier(), A, search={"refit": lambda table: 2}), "out of range"),
    "refit chooses too low": (
        Case("", classifier(), A, search={"refit": lambda table: -1}), "out of range"),
    "a scorer of words": (Case("", classifier(), A, search={"scoring": sometimes("good")}),
                          "scoring must return a number, got good"),
    "a scorer that fails": (
        Case("", classifier(), A, search={"scoring": raises, "error_score": "raise"}), "no score"),
    "lengths differ": (with_target(T["binary"][:50], classifier(), A), "inconsistent numbers"),
    "no targets": (with_target(None, classifier(), A, {"cv": KFold(2)}), ALL.format(4)),
    "numbers to classify": (with_target(T["number"], classifier(), A), ALL.format(4)),
    "words to regress": (with_target(T["words"], regressor(), A, {"cv": 2}), ALL.format(4)),
    "one class": (with_target(np.zeros(ROWS), classifier(), A, {"cv": KFold(2)}), ALL.format(4)),
    "one class a fold": (with_target(HALVES, classifier(), A, {"cv": KFold(2)}), ALL.format(4)),
    "counts below zero": (Case("", regressor(loss="poisson"), A, "number"), ALL.format(4)),
    "one dimension": (Case("", classifier(), A, X=X[:, 0]), ALL.format(4)),
    "three dimensions": (Case("", classifier(), A, X=X[:, :, None]), ALL.format(4)),
    "complex": (Case("", classifier(), A, X=X + 1j), ALL.format(4)),
    "no columns": (Case("", classifier(), A, X=X[:, :0]), ALL.format(4)),
    "all invalid": (Case("", classifier(), {"alpha": [-1, -2]}), ALL.format(4)),
    "all invalid, raised": (Case("", classifier(), {"alpha": [-1, 1]}, search={
        "error_score": "raise"}), "The 'alpha' parameter of MLPClassifier must be"),
    "unknown argument": (Case("", classifier(), A, fit={"spam": 1}), ALL.format(4)),
    "argument of no step": (Case("", SCALED, PA, fit={"sample_weight": WEIGHT}), ALL.format(4)),
    "argument of no step, nothing before": (
        Case("", Pipeline([("s", None), ("mlp", classifier())]), PA,
             fit={"sample_weight": WEIGHT}), ALL.format(4)),
    "short weights": (Case("", classifier(), A, fit={"sample_weight": WEIGHT[:9]}), ALL.format(4)),
    "negative weights": (Case("", classifier(), A, fit={"sample_weight": -WEIGHT}), ALL.format(4)),
    "held-out rows, no targets": (Case("", classifier(), A, fit={"X_val": X}), ALL.format(4)),
}  # fmt: skip


@pytest.mark.parametrize(("case", "match"), REFUSED.values(), ids=REFUSED)
def test_errors_are_those_of_scikit_learn(case: Case, match: str) -> None:
    assert_same_error(case, match)


FAILING = {
    "alpha": {"alpha": [-1, 1e-4]}, "alpha's type": {"alpha": ["x", 1e-4]},
    "mixup": {"mixup_alpha": ["x", 0.1]}, "sizes": {"hidden_layer_sizes": [(0,), "a", None, (4,)]},
    "epochs": {"max_iter": [-3, "a", 2]},
    "sizes of other kinds": {"hidden_layer_sizes": [(8, "a"), [[8]], (8.5,), {}, (4, None), (4,)]},
    "numbers of other kinds": {"alpha": [None, np.nan, Fraction(1, 2), [1], np.ones(2), 1j, 0.1]},
    "members": {"n_members": [-3, "a", 2, np.int8(2)]},
    "states": {"random_state": [-3, "a", 2]},
    "weights": {"class_weight": [-3, {0: -1.0}, {0: 1, "a": 2}, None]},
    "combinations": [{"solver": ["lbfgs"], "dropout": [0.5]}, {"alpha": [0.1]}],
    "batches of one row": {"batch_size": [1, 20]},
}  # fmt: skip

SCORED = {**BOTH, "error_score": -5.0, "return_train_score": True}


@pytest.mark.parametrize("grid", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize(
    ("steps", "search"),
    [
        pytest.param(False, {}, id="alone-nan"),
        pytest.param(True, SCORED, id="Pipeline-number"),
        pytest.param(False, SCORED, id="alone-number", marks=pytest.mark.thorough),
        pytest.param(True, {}, id="Pipeline-nan", marks=pytest.mark.thorough),
    ],
)
def test_a_candidate_that_cannot_be_fitted_has_the_error_score(
    grid: Any, steps: bool, search: dict[str, Any]
) -> None:
    """And the others have theirs."""
    model = classifier()
    if steps:
        model = Pipeline([("s", StandardScaler()), ("mlp", model)])
        grids = grid if isinstance(grid, list) else [grid]
        grid = [{f"mlp__{name}": values for name, values in each.items()} for each in grids]
    case = Case("", model, grid, "multiclass", search)
    (ours, told), (theirs, words) = outcome(case.stacked), outcome(case.plain)
    assert_same_search(ours, theirs, X)
    failures = [
        [re.search(r"(\d+) fits failed out of a total of (\d+)", text) for text in texts]
        for texts in (told, words)
    ]
    counts = [[found.groups() for found in each if found] for each in failures]
    assert counts[0] == counts[1] != []


class Broken(StandardScaler):
    """A step that cannot be fitted."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("model", "grid", "fits"),
    [
        (classifier(), {"alpha": [-1, 1.0]}, 5),
        (classifier(normalization=None, solver="sgd"), {"learning_rate_init": [1e300, 0.1]}, 5),
        (Pipeline([("s", None), ("mlp", classifier())]),
         {"s": [Broken(), None], "mlp__alpha": [0.0, 1.0], "mlp__tol": [0.0, 1.0]}, 20),
    ],
    ids=["parameter", "divergence", "step"],
)  # fmt: skip
def test_failures_for_one_reason_are_told_together(model: Any, grid: Any, fits: int) -> None:
    search = {"cv": 5, "error_score": 0.0, "refit": False}
    told = outcome(Case("", model, grid, search=search).stacked)[1]
    words = [text for text in told if "fits failed" in text]
    assert len(words) == 1
    assert re.findall(r"(\d+) fits failed with the following", words[0]) == [str(fits)]


NAMES = ["fold without a class", "log loss of it", "scores of it", "unknown category"]
LACKING = np.where(np.arange(ROWS) < 9, 2, HALVES)
LETTERS = np.where(np.arange(ROWS)[:, None] == 3, "z", (X > 0).astype(str))
PARTLY = [
    with_target(LACKING, classifier(), A, {"cv": KFold(3)}),
    with_target(LACKING, classifier(), A, {"cv": KFold(3), **LOSS, "return_train_score": True}),
    with_target(LACKING, classifier(), A, {
        "cv": KFold(3), "scoring": ["accuracy", "roc_auc_ovr", "neg_log_loss"], "refit": False}),
    Case("", Pipeline([("s", OneHotEncoder()), ("mlp", classifier())]), PA,
         search={**LOSS, "return_train_score": True}, X=LETTERS),
]  # fmt: skip


@pytest.mark.parametrize("case", PARTLY, ids=NAMES)
def test_scores_that_fail_are_told_as_such(case: Case) -> None:
    """What fails in a fold after its fit has the error score there, with as many warnings."""
    (ours, told), (theirs, words) = outcome(case.stacked), outcome(case.plain)
    assert_same_search(ours, theirs, case.data[0])
    failed = [sum("Scoring failed" in text for text in texts) for texts in (told, words)]
    assert failed[0] == failed[1]
    assert [any("fits failed" in text for text in texts) for texts in (told, words)] == [False] * 2
    if case is not PARTLY[0]:
        assert failed[0] > 0


@pytest.mark.parametrize("weights", [{0: 1, 1: 2, 2: 9}, {0: 1.0, 1: 2.0, 2: 0.0, 3: 5.0}], ids=str)
def test_a_fold_may_lack_a_class_that_has_a_weight(weights: dict) -> None:
    settings = {"cv": KFold(3), "error_score": "raise", "scoring": "accuracy"}
    grid = {"class_weight": [weights, None], "alpha": [1e-4, 1.0]}
    case = with_target(LACKING, classifier(), grid, settings)
    assert_same_search(case.stacked(), case.plain(), X)


@pytest.mark.parametrize("return_train_score", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_warned_of_and_come_last(
    return_train_score: bool, value: float
) -> None:
    search = {"scoring": sometimes(-value), "return_train_score": return_train_score}
    case = Case("", classifier(), {"alpha": [1.0, 0.1, 0.2]}, search=search)
    kinds = ("test", "train") if return_train_score else ("test",)
    found, told = outcome(case.stacked)
    for kind in ("test", "train"):
        text = f"One or more of the {kind} scores are non-finite"
        assert sum(text in each for each in told) == (kind in kinds)
    assert found.cv_results_["rank_test_score"].argmax() == 0
    assert_same_search(found, outcome(case.plain)[0], X)


def test_a_callable_of_several_scores_may_have_candidates_that_fail() -> None:
    search = {
        "scoring": lambda m, X, y: {"acc": m.score(X, y)}, "refit": False, "error_score": 0.1
    }  # fmt: skip
    case = Case("", classifier(), {"alpha": [1.0, -1]}, search=search)
    with pytest.warns(
        FitFailedWarning, match=r"(?s)2 fits failed.+total of 4.+will be set to 0\.1"
    ):
        found = case.stacked()
    np.testing.assert_array_equal(found.cv_results_["mean_test_acc"][1], 0.1)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("kind", [classifier, regressor])
def test_a_candidate_that_diverges_is_alone_with_it(kind: Any, n_jobs: int) -> None:
    """Its scores are the error score; those of the others are the same without it."""
    model = kind(normalization=None, solver="sgd", learning_rate_init=0.01)
    target = "multiclass" if kind is classifier else "number"
    rates = {"learning_rate_init": [0.001, 1e300, 0.01]}
    with pytest.warns(
        FitFailedWarning, match=r"(?s)2 fits failed.+total of 6.+FloatingPointError"
    ) as w:
        found = Case("", model, rates, target, {"n_jobs": n_jobs, "error_score": -7.0}).stacked()
    assert not any("of member" in str(each.message) for each in w)
    without = Case("", model, {"learning_rate_init": [0.001, 0.01]}, target).stacked()
    for split in range(2):
        scores = found.cv_results_[f"split{split}_test_score"]
        expected = without.cv_results_[f"split{split}_test_score"]
        assert scores[1] == -7.0
        np.testing.assert_array_equal(scores[[0, 2]], expected)
    assert found.best_params_ == without.best_params_


def test_divergence_can_be_raised() -> None:
    model = classifier(normalization=None, solver="sgd")
    grid = {"learning_rate_init": [0.001, 1e300]}
    with pytest.raises(FloatingPointError, match="learning_rate_init"):
        Case("", model, grid, search={"error_score": "raise"}).stacked()


@pytest.mark.parametrize(
    ("model", "grid", "where"),
    [
        (neural_network.MLPClassifier(), {"alpha": [1]}, "is scikit-learn's MLPClassifier"),
        (make_pipeline(StandardScaler(), LogisticRegression()), {}, "ends in .*LogisticRegression"),
        (TransformedTargetRegressor(LinearRegression()), {}, "ends in .*LinearRegression"),
        (SCALED, {"mlp": [classifier(), LogisticRegression()]}, "ends in .*LogisticRegression"),
        (MLPClassifier, {}, "is the class MLPClassifier"),
    ],
    ids=["alone", "Pipeline", "wrapped", "candidate", "class"],
)  # fmt: skip
def test_other_estimators_are_refused(model: Any, grid: Any, where: str) -> None:
    search = StackedGridSearchCV(model, grid, cv=2)
    with pytest.raises(TypeError, match=f"{where}. (Use scikit-learn's search|Pass an instance)"):
        search.fit(X, T["multiclass"])


@pytest.mark.parametrize("kind", ["grid", "randomized"])
def test_a_parameter_space_that_is_too_small_is_warned_of(kind: str) -> None:
    case = Case("", classifier(), A, kind=kind)
    told = outcome(case.stacked)[1]
    assert any("is smaller than n_iter=10" in text for text in told) == (kind == "randomized")


def test_scorers_without_weights_are_warned_of() -> None:
    search = {"scoring": lambda model, X, y: 1.0}
    with pytest.warns(UserWarning, match="does not support sample_weight"):
        Case("", classifier(), A, search=search, fit={"sample_weight": WEIGHT}).stacked()


def test_a_search_can_be_fitted_after_it_failed() -> None:
    search = StackedGridSearchCV(classifier(), {"alpha": [-1]}, cv=2)
    with pytest.raises(ValueError, match="All the 2 fits failed"):
        search.fit(X, T["multiclass"])
    assert not hasattr(search, "cv_results_") and not hasattr(search, "best_estimator_")
    search.set_params(param_grid=A).fit(X, T["multiclass"])
    assert len(search.cv_results_["params"]) == 2


@pytest.mark.parametrize("refit", [True, "ensemble"])
def test_a_refit_that_fails_leaves_no_model_of_an_earlier_search(refit: Any) -> None:
    def score(model: Any, held: np.ndarray, truth: np.ndarray) -> float:
        if len(held) > 20 and held.shape[1] > 2:  # of all rows
            raise KeyError("no such row")
        return float(np.mean(model.predict(held) == truth))

    stops = {**STOPS, "scoring": score}
    search = StackedGridSearchCV(classifier(**stops), A, cv=2, refit=refit)
    search.fit(FRAME[["a", "b"]], T["multiclass"])
    assert {"best_estimator_", "feature_names_in_"} <= vars(search).keys()
    with pytest.raises(KeyError, match="no such row"):
        search.fit(X, T["multiclass"])
    assert not {"best_estimator_", "feature_names_in_"} & vars(search).keys()
    assert np.isfinite(search.cv_results_["mean_test_score"]).all() and search.best_params_
    with pytest.raises(AttributeError):
        search.predict(X)


def test_settings_that_are_only_ignored_are_warned_of_once_a_candidate() -> None:
    search = {"refit": False, "cv": 3}
    case = Case("", classifier(penalty="group_lasso"), {"l1_ratio": [0.5, 0.0]}, search=search)
    told = [text for text in outcome(case.stacked)[1] if "it is ignored" in text]
    assert len(told) == 1
