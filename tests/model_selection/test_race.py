"""Racing: who leaves when, what the results hold, and that survivors have the full search's."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_friedman1
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import StackedGridSearchCV
from sknorm.model_selection.race import legs, staying

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_classification(120, 6, n_informative=4, random_state=0)
GRID = {"alpha": [1e-4, 1e-2, 1.0, 100.0, 1e3, 1e4], "learning_rate_init": [1e-3, 1e-2, 0.1]}


def model(**settings: Any) -> MLPClassifier:
    return MLPClassifier(
        (8,), max_iter=6, batch_size=20, random_state=0, **settings, preset="sklearn"
    )


@pytest.mark.parametrize("folds", range(1, 12))
def test_legs_take_every_fold_once(folds: int) -> None:
    assert [fold for leg in legs(folds) for fold in leg] == list(range(folds))
    assert len(legs(folds)) == min(folds, 3)


def test_five_folds_take_two_fifths_of_the_fits() -> None:
    fits = sum(staying(36, leg) * len(part) for leg, part in enumerate(legs(5)))
    assert fits == 0.4 * 36 * 5


def test_two_candidates_have_nobody_to_leave() -> None:
    assert [staying(2, leg) for leg in range(3)] == [2, 2, 2]
    assert staying(1, 2) == 1


@pytest.mark.parametrize("folds", [3, 5])
def test_survivors_have_the_scores_of_a_full_search(folds: int) -> None:
    cv = KFold(folds)
    full = GridSearchCV(model(), GRID, cv=cv).fit(X, y).cv_results_
    race = StackedGridSearchCV(model(), GRID, cv=cv, racing=True).fit(X, y).cv_results_
    left, middle = race["left_epoch"], legs(folds)[2][0]
    stayed = np.ma.getmaskarray(left)
    assert stayed.sum() == 3 and (left == 6).sum() == 12 and (left == 6 * middle).sum() == 3
    for fold in range(folds):
        key = f"split{fold}_test_score"
        trained = stayed if fold >= middle else stayed | (left == 6 * middle)
        trained = trained | (fold == 0)
        np.testing.assert_allclose(race[key][trained], full[key][trained], rtol=1e-6)
        assert np.isnan(race[key][~trained]).all()
    np.testing.assert_allclose(race["mean_test_score"][stayed], full["mean_test_score"][stayed])
    first = ~stayed & (left == 6)
    np.testing.assert_allclose(race["mean_test_score"][first], full["split0_test_score"][first])


@pytest.mark.parametrize("cv", [2, 3])
def test_ranks_put_those_who_stayed_first(cv: int) -> None:
    search = StackedGridSearchCV(model(), GRID, cv=cv, racing=True, refit=False).fit(X, y)
    table = search.cv_results_
    stayed = np.ma.filled(table["left_epoch"].astype(float), np.inf)
    rank, mean = table["rank_test_score"], table["mean_test_score"]
    assert rank.dtype == np.int32 and rank.min() == 1
    for a in range(len(rank)):
        for b in range(len(rank)):
            ahead = (stayed[a], mean[a]) > (stayed[b], mean[b])
            assert (rank[a] < rank[b]) == ahead


def test_the_worst_leave_first() -> None:
    """Penalties that leave nothing of the network are gone after a fold."""
    search = StackedGridSearchCV(model(), GRID, cv=3, racing=True).fit(X, y)
    table = search.cv_results_
    first = table["split0_test_score"]
    gone = np.ma.filled(table["left_epoch"], 0) == 6
    assert first[gone].max() <= first[~gone].min()
    assert search.best_params_ == table["params"][search.best_index_]
    assert np.ma.getmaskarray(table["left_epoch"])[search.best_index_]
    alone = model(**search.best_params_).fit(X, y)
    np.testing.assert_allclose(search.predict_proba(X), alone.predict_proba(X))


def test_between_epochs_with_two_folds() -> None:
    search = StackedGridSearchCV(
        MLPClassifier((8,), max_iter=10, random_state=0, early_stopping=False, preset="sklearn"),
        GRID, cv=2, racing=True, n_jobs=2,
    ).fit(X, y)  # fmt: skip
    left = search.cv_results_["left_epoch"]
    assert np.ma.getmaskarray(left).sum() == 3
    assert (left == 4).sum() == 12 and (left == 10).sum() == 3  # of two folds
    full = GridSearchCV(search.estimator, GRID, cv=2).fit(X, y).cv_results_
    stayed = np.ma.getmaskarray(left)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"][stayed], full["mean_test_score"][stayed], rtol=1e-6
    )


def test_scores_between_epochs_are_those_of_shorter_training() -> None:
    """A candidate that leaves after two epochs has the score of a fit of two epochs."""
    estimator = MLPClassifier(
        (8,), max_iter=10, random_state=0, early_stopping=False, preset="sklearn"
    )
    table = StackedGridSearchCV(estimator, GRID, cv=2, racing=True).fit(X, y).cv_results_
    short = GridSearchCV(estimator.set_params(max_iter=2), GRID, cv=2).fit(X, y).cv_results_
    left = np.ma.filled(table["left_epoch"], 0) == 4
    assert left.any()
    np.testing.assert_allclose(
        table["mean_test_score"][left], short["mean_test_score"][left], rtol=1e-6
    )


@pytest.mark.parametrize("cv", [2, 3])
def test_epochs_are_those_that_auto_stands_for(cv: int) -> None:
    """Which depend on the table: small ones of several classes take fewer."""
    digits, labels = make_classification(
        150, 6, n_informative=4, n_redundant=0, n_classes=3, random_state=0
    )
    estimator = MLPClassifier(hidden_layer_sizes=(4,), n_members=1, random_state=0)
    search = StackedGridSearchCV(estimator, GRID, cv=cv, racing=True).fit(digits, labels)
    epochs = search.best_estimator_.resolved_params_["max_iter"]
    left = search.cv_results_["left_epoch"]
    gone = set(left[~np.ma.getmaskarray(left)].tolist())
    between_epochs = {2 * int(0.2 * epochs), 2 * int(0.5 * epochs)}  # of both folds
    between_folds = {epochs, 2 * epochs}
    assert gone == (between_epochs if cv == 2 else between_folds)


def test_multimetric_ranks_by_the_refitted_score() -> None:
    A, b = make_friedman1(90, random_state=0)
    scoring = ["r2", "neg_mean_absolute_error"]
    estimator = MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0, preset="sklearn")
    grid = {"alpha": np.logspace(-4, 3, 9)}
    search = StackedGridSearchCV(
        estimator, grid, cv=3, scoring=scoring, refit="neg_mean_absolute_error", racing=True
    ).fit(A, b)
    table = search.cv_results_
    first = table["split0_test_neg_mean_absolute_error"]
    gone = np.ma.filled(table["left_epoch"], 0) == 5
    assert first[gone].max() <= first[~gone].min()
    search.set_params(refit=False)
    with pytest.raises(ValueError, match="set refit to the name of it"):
        search.fit(A, b)


@pytest.mark.parametrize("refit", [True, False, "c", lambda table: 0])
@pytest.mark.parametrize("cv", [2, 3])
def test_scores_of_a_function_need_the_name_of_one(cv: int, refit: Any) -> None:
    def scores(model: Any, X: Any, y: Any) -> dict[str, float]:
        return {"a": model.score(X, y), "b": 0.0}

    settings = {"cv": cv, "scoring": scores, "racing": True}
    search = StackedGridSearchCV(model(), GRID, **settings, refit="a").fit(X, y)
    assert search.best_score_ == search.cv_results_["mean_test_a"][search.best_index_]
    with pytest.raises(ValueError, match="set refit to the name of it, got refit="):
        search.set_params(refit=refit).fit(X, y)


NOT_FINITE = "ignore:One or more of the (test|train) scores are non-finite"


@pytest.mark.parametrize("cv", [2, 3])
def test_scores_that_are_no_numbers_are_warned_of(cv: int) -> None:
    """In the words of other searches; folds that a candidate was not in are none of them."""
    settings = {"cv": cv, "racing": True, "return_train_score": True}
    search = StackedGridSearchCV(model(), GRID, **settings, scoring=lambda *given: np.nan)
    with (
        pytest.warns(UserWarning, match="One or more of the test scores are non-finite"),
        pytest.warns(UserWarning, match="One or more of the train scores are non-finite"),
    ):
        search.fit(X, y)


@pytest.mark.filterwarnings(NOT_FINITE)
def test_a_candidate_that_fails_leaves() -> None:
    grid = {"alpha": [1e-4, 1e-3, 1e-2, 1e-1, -1.0]}
    with pytest.warns(FitFailedWarning, match="1 fits failed out of a total of"):
        table = StackedGridSearchCV(model(), grid, cv=3, racing=True).fit(X, y).cv_results_
    assert table["rank_test_score"][4] == 5 and np.isnan(table["mean_test_score"][4])
    assert np.isfinite(table["mean_test_score"][:4]).all()


class Needy(FunctionTransformer):
    """Fails where a row is not among those that it is fitted to."""

    def __init__(self, row: Any = None) -> None:
        super().__init__()
        self.row = row

    def fit(self, X: Any, y: Any = None) -> Any:
        if self.row is not None and not (self.row == X).all(axis=1).any():
            raise ValueError("a row is missing")
        return super().fit(X, y)


@pytest.mark.filterwarnings(NOT_FINITE)
@pytest.mark.parametrize("cv", [2, 3])
def test_one_that_fails_at_last_is_not_the_best(cv: int) -> None:
    """Its other folds have the better scores, as the penalty of the others leaves nothing."""
    folds = KFold(cv)
    row = X[list(folds.split(X))[-1][1][0]]
    estimator = make_pipeline(Needy(), model())
    grid = [
        {"needy__row": [row], "mlpclassifier__alpha": [1e-4]},
        {"mlpclassifier__alpha": [1e4, 1e5]},
    ]
    search = StackedGridSearchCV(estimator, grid, cv=folds, racing=True, return_train_score=True)
    with pytest.warns(FitFailedWarning):
        table = search.fit(X, y).cv_results_
    assert np.isnan(table[f"split{cv - 1}_test_score"][0])
    if cv == 3:
        assert table["split0_test_score"].argmax() == 0 and table["left_epoch"].mask[0]
    assert np.isnan([table["mean_test_score"][0], table["std_train_score"][0]]).all()
    assert table["rank_test_score"][0] == 3 and search.best_index_ > 0


@pytest.mark.filterwarnings(NOT_FINITE)
def test_epochs_that_are_none_at_all_fail_their_candidate() -> None:
    grid = {"max_iter": [2, 3, "x"]}
    with pytest.warns(FitFailedWarning):
        table = StackedGridSearchCV(model(), grid, cv=3, racing=True).fit(X, y).cv_results_
    assert table["rank_test_score"][2] == 3 and table["left_epoch"][2] == 0


def test_solvers_without_epochs_need_folds() -> None:
    grid = {"alpha": [1e-4, 1e-2, 1.0]}
    estimator = model(solver="lbfgs")
    search = StackedGridSearchCV(estimator, grid, cv=3, racing=True).fit(X, y)
    assert np.isfinite(search.best_score_)
    with pytest.raises(ValueError, match="Use more folds, another solver, or racing=False"):
        search.set_params(cv=2).fit(X, y)
