"""What a stacked search has, leaves alone and prints: as scikit-learn's does."""

import pickle
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import loguniform
from search_case import (
    PAIRS,
    A,
    Case,
    T,
    assert_same_results,
    assert_same_search,
    classifier,
    grid,
    regressor,
)
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import KFold, LeaveOneGroupOut, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from sknorm.model_selection import StackedGridSearchCV, StackedRandomizedSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = T["X"], T["multiclass"]
BOTH: dict[str, Any] = {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"}


def fitted(**settings: Any) -> StackedGridSearchCV:
    return grid(**settings).fit(X, Y)


def weights(model: Any) -> np.ndarray:
    return model.network_.parameters.flat


def test_scores_are_those_of_a_loop_over_candidates_and_folds() -> None:
    """Written out, so that nothing of the searches is shared."""
    search = fitted(scoring="neg_log_loss", cv=3)
    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, Y)):
        for number, parameters in enumerate(search.cv_results_["params"]):
            model = classifier(**parameters).fit(X[train], Y[train])
            expected = -log_loss(Y[test], model.predict_proba(X[test]))
            found = search.cv_results_[f"split{fold}_test_score"][number]
            assert found == pytest.approx(expected, rel=1e-9)


def test_the_best_candidate_is_refitted_to_all_rows() -> None:
    search = fitted(scoring="neg_log_loss")
    best = classifier(**search.best_params_).fit(X, Y)
    np.testing.assert_array_equal(weights(search.best_estimator_), weights(best))
    assert search.best_estimator_.get_params() == best.get_params()
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert search.cv_results_["rank_test_score"][search.best_index_] == 1
    assert isinstance(search.refit_time_, float) and search.refit_time_ > 0


@pytest.mark.parametrize("make", [classifier, regressor])
def test_attributes_of_the_estimator(make: Any) -> None:
    names = ["classes_", "n_features_in_", "feature_names_in_"]
    search = grid(make())
    assert not any(hasattr(search, name) for name in names)
    search.fit(pd.DataFrame(X, columns=list("abcdef")), Y)
    assert hasattr(search, "classes_") == (make is classifier)
    if make is classifier:
        assert search.classes_.tolist() == [0, 1, 2]
    assert search.n_features_in_ == 6 and search.feature_names_in_.tolist() == list("abcdef")


@pytest.mark.parametrize("scoring", [None, BOTH["scoring"]])
def test_without_refit_there_is_nothing_to_predict_with(scoring: Any) -> None:
    search = fitted(refit=False, scoring=scoring)
    assert not hasattr(search, "best_estimator_") and not hasattr(search, "classes_")
    assert hasattr(search, "best_params_") == (scoring is None)
    for name in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'") as caught:
            getattr(search, name)(X)
        assert "refit=False" in str(caught.value.__cause__)


def test_before_fit() -> None:
    for name in ("predict", "predict_proba", "score"):
        with pytest.raises(NotFittedError):
            getattr(grid(), name)(*((X, Y) if name == "score" else (X,)))


def test_score_is_the_one_that_chose() -> None:
    assert fitted().score(X, Y) == fitted(scoring="accuracy").score(X, Y)
    for settings in ({"scoring": "neg_log_loss"}, BOTH):
        search = fitted(**settings)
        expected = -log_loss(Y, search.predict_proba(X))
        assert search.score(X, Y) == pytest.approx(expected)
    search = fitted(scoring=lambda m, X, y: {"a": 0.5, "b": m.alpha}, refit="b")
    assert search.score(X, Y) == 1.0 == search.best_params_["alpha"] and search.multimetric_


def test_a_loss_is_negated() -> None:
    scorer = make_scorer(mean_squared_error, greater_is_better=False)
    case = Case("", regressor(), A, "number", {"scoring": scorer})
    found = case.stacked()
    assert found.best_score_ < 0 and found.scorer_ is scorer
    assert_same_search(found, case.plain(), X)


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("refit", [True, False])
def test_pickled_copied_and_cloned(kind: str, refit: bool) -> None:
    make = PAIRS[kind][0]
    settings = {"n_iter": 2} if kind == "randomized" else {}
    search = make(classifier(), A, cv=2, refit=refit, racing=False, **settings)
    for fresh in (clone(search), pickle.loads(pickle.dumps(search))):
        assert str(fresh.get_params()) == str(search.get_params())
        assert repr(fresh) == repr(search)
    search.fit(X, Y)
    again = pickle.loads(pickle.dumps(search))
    assert_same_results(again.cv_results_, search.cv_results_, rtol=0.0)
    if refit:
        np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    assert not hasattr(clone(again), "cv_results_")
    search.set_params(cv=3, estimator__alpha=0.5, max_stack_bytes=None)
    assert search.cv == 3 and search.estimator.alpha == 0.5


def test_shown_as_text_and_as_html() -> None:
    search = grid(make_pipeline(StandardScaler(), classifier()), {"mlpclassifier__alpha": [1.0]})
    assert repr(search).startswith("StackedGridSearchCV(")
    with config_context(display="diagram"):
        for text in (search._repr_html_(), search.fit(X, Y)._repr_html_()):
            assert "StackedGridSearchCV" in text and "MLPClassifier" in text


def test_nothing_that_was_given_is_changed() -> None:
    model = Pipeline([("s", StandardScaler()), ("mlp", classifier(alpha=0.5))])
    values = {
        "s": [StandardScaler(), MinMaxScaler()], "mlp": [classifier(alpha=7.0)],
        "mlp__random_state": [np.random.RandomState(3)],
    }  # fmt: skip
    state = pickle.dumps(values["mlp__random_state"][0])
    search = grid(model, values).fit(X, Y)
    given = [*values["s"], *values["mlp"], model["s"], model["mlp"]]
    for each in given:
        assert not any(name.endswith("_") for name in vars(each))
        assert each not in [step for _, step in search.best_estimator_.steps]
    assert model["mlp"].alpha == 0.5 and values["mlp"][0].alpha == 7.0
    assert pickle.dumps(values["mlp__random_state"][0]) == state
    assert not hasattr(search.estimator, "steps_") and search.best_estimator_["mlp"].alpha == 7.0


def test_equal_candidates_are_tied_and_the_first_is_best() -> None:
    case = Case("", classifier(), {"alpha": [1.0, 0.1, 0.1]}, search={"scoring": "neg_log_loss"})
    found = case.stacked()
    assert found.cv_results_["rank_test_score"].tolist() == [3, 1, 1] and found.best_index_ == 1
    assert_same_search(found, case.plain(), X)


VALUES = {
    "None among numbers": {"random_state": [0, None]},
    "dicts, tuples and None": {
        "class_weight": [None, {0: 2.0, 1: 1.0, 2: 1.0}], "hidden_layer_sizes": [(4,), (4, 4), 3]},
    "a range": {"max_iter": range(1, 4)},
    "an array": {"alpha": np.array([1e-4, 1.0], dtype=np.float32)},
    "masked": [{"alpha": [1.0]}, {"dropout": [0.1, 0.2], "activation": ["tanh"]}],
    "lists of one size": {"hidden_layer_sizes": [[3], [4]]},
}  # fmt: skip


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_parameters_in_the_results(values: Any) -> None:
    """Dtypes and masks are scikit-learn's."""
    case = Case("", classifier(max_iter=1), values)
    ours, theirs = case.stacked().cv_results_, case.plain().cv_results_
    assert list(ours) == list(theirs) and ours["params"] == theirs["params"]
    for key in [key for key in theirs if key.startswith("param_")]:
        assert ours[key].dtype == theirs[key].dtype
        assert str(ours[key]) == str(theirs[key])


def test_estimators_in_the_grid() -> None:
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "u", "v")})
    encoder = ColumnTransformer([("e", OneHotEncoder(sparse_output=False), ["b"])],
                                remainder="passthrough")  # fmt: skip
    values = {"c__e": [OneHotEncoder(sparse_output=False), OrdinalEncoder()]}
    model = Pipeline([("c", encoder), ("mlp", classifier())])
    case = Case("", model, values, search={"n_jobs": 2}, X=frame)
    found = case.stacked()
    assert found.cv_results_["param_c__e"].dtype == object
    assert_same_search(found, case.plain(n_jobs=1), frame)


def test_times_are_shares_of_the_time_of_a_stack() -> None:
    search = fitted(return_train_score=True)
    for name in ("mean_fit_time", "mean_score_time"):
        assert np.all(search.cv_results_[name] > 0) and np.all(search.cv_results_[name] < 5)
    assert "mean_train_score" not in fitted().cv_results_


class Once(KFold):
    """Splits a single time."""

    def __init__(self, n_splits: int) -> None:
        super().__init__(n_splits)
        self.left = 1

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator:
        self.left -= 1
        assert self.left >= 0
        return super().split(X, y, groups)


def test_folds_are_drawn_once_for_all_candidates() -> None:
    expected = fitted(cv=KFold(3)).cv_results_
    assert_same_results(fitted(cv=Once(3)).cv_results_, expected)
    assert_same_results(fitted(cv=KFold(3).split(X)).cv_results_, expected)
    search = grid(values={"alpha": [0.1, 0.1]}, cv=KFold(2, shuffle=True)).fit(X, Y)
    first, second = (search.cv_results_[f"split{fold}_test_score"] for fold in range(2))
    assert first[0] == first[1] and second[0] == second[1]
    assert search.n_splits_ == 2


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_without_a_seed_each_fit_draws_its_own(n_jobs: int) -> None:
    """And with the global seed, in one thread, two searches agree."""

    def search() -> np.ndarray:
        np.random.seed(7)  # noqa: NPY002 - the generator that random_state=None means
        model = classifier(random_state=None)
        values = {"alpha": [0.1, 0.1, 0.1], "hidden_layer_sizes": [(4,), (6,)]}
        found = grid(model, values, n_jobs=n_jobs, scoring="neg_log_loss").fit(X, Y)
        return np.concatenate([found.cv_results_[f"split{k}_test_score"] for k in range(2)])

    first, second = search(), search()
    assert len(set(first.tolist())) == len(first)
    if n_jobs == 1:
        np.testing.assert_array_equal(first, second)


def test_a_generator_gives_all_fits_the_same_start() -> None:
    """As scikit-learn's search, which copies it with the estimator."""
    state = np.random.RandomState(3)
    before = pickle.dumps(state)
    search = grid(classifier(random_state=state), {"alpha": [0.1, 0.1]}).fit(X, Y)
    assert pickle.dumps(state) == before
    scores = search.cv_results_["split0_test_score"]
    assert scores[0] == scores[1]


def test_draws_of_candidates_follow_their_seed() -> None:
    values = {"alpha": loguniform(1e-4, 1.0)}
    drawn = [
        StackedRandomizedSearchCV(
            classifier(max_iter=1), values, n_iter=3, cv=2, random_state=seed
        ).fit(X, Y).cv_results_["params"]
        for seed in (0, 0, 1)
    ]  # fmt: skip
    assert drawn[0] == drawn[1] != drawn[2] and len(drawn[0]) == 3


def test_candidates_are_drawn_before_the_folds() -> None:
    """As scikit-learn draws both from a generator that they share."""
    found = []
    for make in PAIRS["randomized"]:
        generator = np.random.RandomState(0)
        folds = StratifiedKFold(2, shuffle=True, random_state=generator)
        settings = {"n_iter": 3, "cv": folds, "random_state": generator}
        search = make(classifier(), {"alpha": loguniform(1e-5, 1.0)}, **settings)
        found.append(search.fit(X, Y).cv_results_)
    assert_same_results(*found)


def test_weights_are_repeated_rows() -> None:
    """With a solver that takes all rows at once."""
    groups = T["groups"]
    counts = T["weight"].astype(int)
    model = classifier(solver="lbfgs", normalization=None, max_iter=100, alpha=0.1)
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for repeats, weight in ((np.ones_like(counts), T["weight"]), (counts, None)):
            table, labels, own = (np.repeat(each, repeats, axis=0) for each in (X, Y, groups))
            splits = list(LeaveOneGroupOut().split(table, groups=own))
            search = grid(model, {"alpha": [0.1, 1.0]}, cv=splits, scoring="neg_log_loss")
            results.append(search.fit(table, labels, sample_weight=weight).cv_results_)
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(results[0][key], results[1][key], rtol=1e-3)


def test_missing_values_that_a_step_fills() -> None:
    table = X.copy()
    table[::7, 2] = np.nan
    model = Pipeline([("i", SimpleImputer()), ("mlp", classifier())])
    case = Case("", model, {"mlp__alpha": [1e-4, 1.0]}, X=table)
    assert_same_search(case.stacked(), case.plain(), table)


INDEX = np.arange(len(Y))[::-1]
TARGETS = {
    "list": Y.tolist(), "series": pd.Series(Y, index=INDEX), "floats": Y.astype(float),
    "words in a series": pd.Series(T["words"], index=INDEX), "objects": T["words"].astype(object),
    "categories": pd.Series(T["words"]).astype("category"), "truth": T["number"] > 0,
    "sparse labels": sparse.csr_matrix(T["multilabel"]), "frame": pd.DataFrame(T["numbers"]),
    "column": T["number"][:, None], "float32": T["number"].astype(np.float32),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("name", TARGETS)
def test_targets_of_any_kind(name: str) -> None:
    class Own(Case):
        @property
        def data(self) -> tuple[Any, Any]:
            return X, TARGETS[name]

    numbers = name in ("frame", "column", "float32")
    case = Own(name, regressor() if numbers else classifier(), A, search={"cv": KFold(2)})
    assert_same_search(case.stacked(), case.plain(), X)


def test_unfinished_training_is_warned_of_once() -> None:
    with pytest.warns(ConvergenceWarning) as caught:
        fitted(cv=3)
    assert "In 6 of 6 fits, max_iter was reached" in str(caught[0].message)
    assert len(caught) == 2  # the other is of the refit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid(classifier(learning_rate="cosine")).fit(X, Y)


@pytest.mark.parametrize("return_train_score", [False, True])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("verbose", [0, 1, 2, 3])
def test_what_is_printed(
    capsys: pytest.CaptureFixture, verbose: int, several: bool, return_train_score: bool
) -> None:
    """The same of each fit as scikit-learn tells, dots and order aside."""
    search = {**(BOTH if several else {"scoring": "accuracy"}), "verbose": verbose}
    case = Case("", classifier(), {"alpha": [1e-4, 1.0], "dropout": [0.1]}, search=search)
    told = []
    for fit in (case.stacked, case.plain):
        fit(return_train_score=return_train_score)
        lines = capsys.readouterr().out.splitlines()
        words = [re.sub(r"time= +[\d.]+s|[;,]|\.\.+", " ", line) for line in lines]
        told.append([" ".join(re.sub(r"(\d)\.(\d)", r"\1_\2", line).split()) for line in words])
    assert sorted(told[0]) == sorted(told[1]) and told[0][:1] == told[1][:1]
    assert len(told[0]) == [0, 1, 5, 5][verbose]


def test_verbose_networks_say_nothing_before_the_refit(capsys: pytest.CaptureFixture) -> None:
    grid(classifier(verbose=True, max_iter=3)).fit(X, Y)
    assert capsys.readouterr().out.count("Iteration") == 3


def test_more_fits_of_one_object() -> None:
    search = fitted()
    first = search.cv_results_
    search.set_params(param_grid={"dropout": [0.1, 0.2, 0.3]}).fit(X, T["binary"])
    assert "param_dropout" in search.cv_results_ and "param_alpha" not in search.cv_results_
    assert search.classes_.tolist() == [0, 1]
    assert_same_results(grid().fit(X, Y).cv_results_, first)
