"""refit="ensemble": who is chosen, by which predictions, and how the members are refitted."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_classification, make_friedman1, make_multilabel_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import accuracy_score, log_loss, make_scorer, r2_score
from sklearn.model_selection import KFold, PredefinedSplit, RepeatedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import EnsembleClassifier, EnsembleRegressor, StackedGridSearchCV
from sknorm.training.forward_selection import forward_selection

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_classification(150, 6, n_informative=4, n_classes=3, random_state=0)
A, b = make_friedman1(120, n_features=6, noise=1.0, random_state=0)
SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (8,), "max_iter": 25, "learning_rate_init": 0.03, "random_state": 0,
}  # fmt: skip
GRID = {"alpha": [1e-4, 1.0], "random_state": [0, 1, 2, 3]}


def search(estimator: Any, grid: Any = None, **settings: Any) -> StackedGridSearchCV:
    settings = {"cv": KFold(3, shuffle=True, random_state=0), "refit": "ensemble", **settings}
    return StackedGridSearchCV(estimator, GRID if grid is None else grid, **settings)


def members(found: StackedGridSearchCV) -> list[Any]:
    """The chosen candidates, not fitted."""
    chosen = np.flatnonzero(found.ensemble_weights_)
    parameters = [found.cv_results_["params"][c] for c in chosen]
    return [clone(found.estimator).set_params(**each) for each in parameters]


def test_averages_of_single_precision_are_probabilities_to_scorers() -> None:
    model = MLPClassifier(**{**SMALL, "max_iter": 3}, preset="sklearn")
    found = search(model, {"random_state": [0, 1]}, scoring="neg_log_loss")
    assert found.fit(X.astype(np.float32), y).ensemble_score_ < 0  # a warning would be an error


def test_weights_are_those_of_forward_selection() -> None:
    found = search(MLPClassifier(**SMALL, preset="sklearn"), scoring="neg_log_loss").fit(X, y)
    parameters = found.cv_results_["params"]
    out_of_fold = [
        cross_val_predict(
            clone(found.estimator).set_params(**each), X, y, cv=found.cv, method="predict_proba"
        )
        for each in parameters
    ]
    expected = forward_selection(out_of_fold, lambda mean: -log_loss(y, mean))
    np.testing.assert_allclose(found.ensemble_weights_, expected)
    mean = np.tensordot(expected, out_of_fold, axes=1)
    assert found.ensemble_score_ == pytest.approx(-log_loss(y, mean))
    single = max(-log_loss(y, each) for each in out_of_fold)
    assert found.ensemble_score_ > single


def test_members_are_fits_of_the_candidates() -> None:
    found = search(MLPClassifier(**SMALL, preset="sklearn"), scoring="neg_log_loss").fit(X, y)
    best = found.best_estimator_
    assert isinstance(best, EnsembleClassifier)
    assert len(best.estimators_) == np.count_nonzero(found.ensemble_weights_) > 1
    alone = [member.fit(X, y) for member in members(found)]
    np.testing.assert_allclose(best.weights_, found.ensemble_weights_[found.ensemble_weights_ > 0])
    for mine, theirs in zip(best.estimators_, alone, strict=True):
        np.testing.assert_allclose(mine.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)
        assert mine.get_params() == theirs.get_params()
        assert mine.n_iter_ == theirs.n_iter_ and mine.loss_curve_ == theirs.loss_curve_
    mean = np.average([each.predict_proba(X) for each in alone], axis=0, weights=best.weights_)
    np.testing.assert_allclose(found.predict_proba(X), mean, rtol=1e-9)
    np.testing.assert_array_equal(found.classes_, [0, 1, 2])
    assert found.n_features_in_ == 6 and found.refit_time_ > 0


@pytest.mark.parametrize("scoring", [None, "accuracy", "roc_auc_ovr"])
def test_scorers_of_labels_and_of_probabilities(scoring: str | None) -> None:
    words = np.array(["ant", "bee", "cow"])[y]
    found = search(MLPClassifier(**SMALL, preset="sklearn"), scoring=scoring).fit(X, words)
    assert found.ensemble_score_ > 0.5
    assert set(found.predict(X)) <= {"ant", "bee", "cow"}
    assert 0.5 < found.score(X, words) <= 1.0


def test_regression_after_a_scaler() -> None:
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(**SMALL, preset="sklearn"))
    grid = {f"mlpregressor__{name}": values for name, values in GRID.items()}
    found = search(pipeline, grid).fit(A, b)
    best = found.best_estimator_
    assert isinstance(best, EnsembleRegressor)
    alone = [member.fit(A, b).predict(A) for member in members(found)]
    expected = np.average(alone, axis=0, weights=best.weights_)
    np.testing.assert_allclose(found.predict(A), expected, rtol=1e-7)
    assert found.score(A, b) == pytest.approx(r2_score(b, expected))


@pytest.mark.parametrize("steps", [False, True], ids=["alone", "Pipeline"])
def test_members_of_transformed_targets(steps: bool) -> None:
    network, prefix = MLPRegressor(**SMALL, preset="sklearn"), "regressor__"
    if steps:
        network, prefix = make_pipeline(StandardScaler(), network), "regressor__mlpregressor__"
    model = TransformedTargetRegressor(network, func=np.log, inverse_func=np.exp)
    found = search(model, {f"{prefix}{name}": GRID[name] for name in GRID}).fit(A, b - b.min() + 1)
    alone = [member.fit(A, b - b.min() + 1) for member in members(found)]
    assert len(alone) > 1
    answers = [member.predict(A) for member in alone]
    expected = np.average(answers, axis=0, weights=found.best_estimator_.weights_)
    np.testing.assert_allclose(found.predict(A), expected, rtol=1e-7)
    for mine, theirs in zip(found.best_estimator_.estimators_, alone, strict=True):
        assert str(mine.get_params()) == str(theirs.get_params())
    weight = np.arange(len(b)) + 1.0
    again = clone(found.best_estimator_).fit(A, b - b.min() + 1, sample_weight=weight)
    name = "mlpregressor__sample_weight" if steps else "sample_weight"
    own = clone(alone[0]).fit(A, b - b.min() + 1, **{name: weight})
    np.testing.assert_array_equal(again.estimators_[0].predict(A), own.predict(A))


def test_several_outputs_and_labels() -> None:
    found = search(MLPRegressor(**SMALL, preset="sklearn")).fit(
        A, np.column_stack([b, -b, A[:, 0]])
    )
    assert found.predict(A).shape == (120, 3)
    C, labels = make_multilabel_classification(100, 6, n_classes=3, random_state=0)
    found = search(MLPClassifier(**SMALL, preset="sklearn")).fit(C, labels)
    assert found.predict(C).shape == labels.shape
    assert found.ensemble_score_ >= found.best_score_ - 0.1


C, LABELS = make_multilabel_classification(100, 6, n_classes=3, random_state=0)
LEVELS: dict[str, Any] = {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}


def pinball(y: np.ndarray, answer: np.ndarray) -> float:
    """The mean quantile loss of ``LEVELS``, on the last axis."""
    off, levels = y[..., None] - answer, np.array(LEVELS["quantile"])
    return float(np.maximum(levels * off, (levels - 1.0) * off).mean())


def of_the_model(model: Any, X: Any, y: Any) -> float:
    """A scorer that reads the levels off the model."""
    assert list(model.quantile) == LEVELS["quantile"] and model.loss == "quantile"
    return -pinball(y, model.predict(X))


def by_logarithms(model: Any, X: Any, y: Any) -> float:
    return float(model.predict_log_proba(X)[:, 1][y == model.classes_[1]].mean())


LOSS = make_scorer(pinball, greater_is_better=False)
KINDS = {
    "sparse labels": (MLPClassifier, {}, C, sparse.csr_array(LABELS), None),
    "sparse labels, by columns": (MLPClassifier, {}, C, sparse.csc_matrix(LABELS), "f1_macro"),
    "labels by probability": (MLPClassifier, {}, C, LABELS, "roc_auc"),
    "labels in lists": (MLPClassifier, {}, C, LABELS.tolist(), "accuracy"),
    "one label a row, by logarithms": (MLPClassifier, {}, X, y == 1, by_logarithms),
    "words": (MLPClassifier, {}, X, np.array(["ant", "bee", "cow"])[y], "neg_log_loss"),
    "levels": (MLPRegressor, LEVELS, A, b, LOSS),
    "levels of two targets": (MLPRegressor, LEVELS, A, np.column_stack([b, -b]), LOSS),
    "levels of a frame's targets": (
        MLPRegressor, LEVELS, A, pd.DataFrame({"b": b, "c": -b}),
        make_scorer(lambda y, answer: -pinball(y.to_numpy(), answer))),
    "levels of the model": (MLPRegressor, LEVELS, A, b, of_the_model),
    "one level": (MLPRegressor, {"loss": "quantile", "quantile": 0.9}, A, b, "r2"),
    "a column": (MLPRegressor, {}, A, pd.Series(b), "r2"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "own", "X", "y", "scoring"), KINDS.values(), ids=KINDS)
def test_targets_of_any_kind(kind: Any, own: dict, X: Any, y: Any, scoring: Any) -> None:
    """An ensemble of one candidate scores as it does, where one fold holds all tested rows."""
    order, own = np.arange(len(X)), {**SMALL, "max_iter": 10, **own}
    fold = [(order[: len(X) // 2], order[len(X) // 2 :])]
    single = search(kind(**own), {"random_state": [0]}, cv=fold, scoring=scoring).fit(X, y)
    assert single.ensemble_score_ == pytest.approx(single.best_score_)
    found = search(kind(**own), scoring=scoring).fit(X, y)
    alone = [member.fit(X, y) for member in members(found)]
    assert found.ensemble_score_ >= found.best_score_ - 0.1 * abs(found.best_score_)
    method = "predict" if kind is MLPRegressor else "predict_proba"
    answers = [getattr(member, method)(X) for member in alone]
    expected = np.average(answers, axis=0, weights=found.best_estimator_.weights_)
    np.testing.assert_allclose(getattr(found, method)(X), expected, rtol=1e-7)
    assert type(found.predict(X)) is type(alone[0].predict(X))
    assert np.isfinite(found.score(X, y))


def test_candidates_of_different_levels_are_refused_before_they_are_trained() -> None:
    def never(*_: Any) -> float:
        raise AssertionError("a candidate was scored")

    grid = [{"quantile": [[0.1, 0.9]]}, {"quantile": [[0.2, 0.8], 0.5]}]
    model = MLPRegressor(**SMALL, **LEVELS, preset="sklearn")
    with pytest.raises(ValueError, match=r"differ in them: \[0\.1, 0\.9\] of .*\[0\.2, 0\.8\] of"):
        search(model, grid, scoring=never, error_score="raise").fit(A, b)


@pytest.mark.parametrize("steps", [False, True], ids=["alone", "Pipeline"])
def test_a_scorer_of_more_than_predictions_is_refused_at_once(steps: bool) -> None:
    calls: list[int] = []

    def score(model: Any, X: Any, y: Any) -> float:
        calls.append(1)
        network = model[-1] if steps else model
        return -float(np.abs(network.coefs_[0]).sum())

    model, prefix = (MLPClassifier(**SMALL, preset="sklearn"), "")
    if steps:
        model, prefix = make_pipeline(StandardScaler(), model), "mlpclassifier__"
    grid = {f"{prefix}hidden_layer_sizes": [(2,), (3,), (4,), (5,)]}
    with pytest.raises(ValueError, match=r"scorer fails on them: .*Use a scorer of predictions"):
        search(model, grid, scoring=score).fit(X, y)
    assert len(calls) < 12


def test_an_ensemble_scores_as_its_members_do() -> None:
    models = [
        MLPRegressor(**{**SMALL, "random_state": k}, preset="sklearn").fit(A, b) for k in range(2)
    ]
    ensemble, weight = EnsembleRegressor.from_fitted(models), np.arange(len(b)) + 1.0
    expected = r2_score(b, ensemble.predict(A), sample_weight=weight)
    assert ensemble.score(A, b, weight) == pytest.approx(expected)
    assert EnsembleRegressor.from_fitted(models[:1]).score(A, b) == models[0].score(A, b)


def test_rows_in_several_folds_and_in_none() -> None:
    repeated = RepeatedKFold(n_splits=2, n_repeats=2, random_state=0)
    assert (
        search(MLPClassifier(**SMALL, preset="sklearn"), cv=repeated).fit(X, y).ensemble_score_
        > 0.5
    )
    fold = np.arange(150) % 3 - 1  # a third of the rows is never tested
    found = search(MLPClassifier(**SMALL, preset="sklearn"), cv=PredefinedSplit(fold)).fit(X, y)
    tested = fold >= 0
    out_of_fold = found.ensemble_score_ * tested.sum()
    assert out_of_fold == pytest.approx(round(out_of_fold))  # an accuracy over the tested rows


def test_architectures_may_differ() -> None:
    grid = {"hidden_layer_sizes": [(8,), (4, 4)], "random_state": [0, 1, 2]}
    found = search(MLPClassifier(**SMALL, preset="sklearn"), grid, scoring="neg_log_loss").fit(X, y)
    alone = [member.fit(X, y).predict_proba(X) for member in members(found)]
    assert len({member.hidden_layer_sizes for member in members(found)}) == 2
    weights = found.best_estimator_.weights_
    np.testing.assert_allclose(
        found.predict_proba(X), np.average(alone, axis=0, weights=weights), rtol=1e-7
    )


def test_row_weights_reach_the_score_and_the_refit() -> None:
    weight = np.where(y == 0, 5.0, 0.5)
    found = search(MLPClassifier(**SMALL, preset="sklearn"), scoring="accuracy").fit(
        X, y, sample_weight=weight
    )
    plain = search(MLPClassifier(**SMALL, preset="sklearn"), scoring="accuracy").fit(X, y)
    alone = [member.fit(X, y, sample_weight=weight) for member in members(found)]
    mean = np.average(
        [each.predict_proba(X) for each in alone], axis=0, weights=found.best_estimator_.weights_
    )
    np.testing.assert_allclose(found.predict_proba(X), mean, rtol=1e-7)
    assert found.ensemble_score_ != plain.ensemble_score_


def test_candidates_that_failed_are_not_chosen() -> None:
    grid = {"alpha": [1e-4, -1.0, 1e-2]}
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        found = search(MLPClassifier(**SMALL, preset="sklearn"), grid).fit(X, y)
    assert found.ensemble_weights_[1] == 0.0


@pytest.mark.parametrize(
    "cv", [3, 2, RepeatedKFold(n_splits=2, n_repeats=2, random_state=0)], ids=str
)
def test_racing_chooses_among_those_who_stayed(cv: Any) -> None:
    """Those who left have predictions of all rows, too, between epochs or of rows tested twice."""
    estimator = MLPClassifier(**{**SMALL, "max_iter": 10}, preset="sklearn")
    settings = {"cv": cv, "racing": True, "scoring": "neg_log_loss"}
    found = search(estimator, {"random_state": range(9)}, **settings).fit(X, y)
    stayed = np.ma.getmaskarray(found.cv_results_["left_epoch"])
    assert stayed.sum() == 2 and found.ensemble_weights_[~stayed].sum() == 0.0


def test_a_class_that_a_fold_lacks_has_no_probability_there() -> None:
    rare = y.copy()
    rare[:] = np.where(y == 2, 0, y)
    rare[:4] = 2
    cv = PredefinedSplit((np.arange(150) >= 50).astype(int))
    found = search(MLPClassifier(**SMALL, preset="sklearn"), cv=cv, scoring="accuracy").fit(X, rare)
    assert found.best_estimator_.predict_proba(X).shape == (150, 3)
    assert found.ensemble_score_ <= accuracy_score(rare, np.where(rare == 2, 0, rare))


def test_several_scores_cannot_choose_one_ensemble() -> None:
    with pytest.raises(ValueError, match="'ensemble' was passed"):
        search(MLPClassifier(**SMALL, preset="sklearn"), scoring=["accuracy", "f1_macro"]).fit(X, y)


@pytest.mark.parametrize(
    "scoring",
    [{"ensemble": "accuracy"}, lambda *given: {"ensemble": 1.0}],
    ids=["dict", "function"],
)
def test_a_score_may_not_be_called_an_ensemble(scoring: Any) -> None:
    with pytest.raises(ValueError, match="by one score, but scoring gives several: ensemble"):
        search(MLPClassifier(**SMALL, preset="sklearn"), scoring=scoring).fit(X, y)


def test_a_scorer_that_fails_in_the_refit_of_a_member_is_raised() -> None:
    """Where it has scores for the other members."""
    first: list[int] = []

    def score(model: Any, held: np.ndarray, truth: np.ndarray) -> float:
        if len(held) > 40:  # of all rows
            first.append(model.random_state)
            if model.random_state == first[0]:
                raise KeyError("no such row")
        return float(model.score(held, truth))

    stops = {"early_stopping": True, "validation_fraction": 0.3, "scoring": score}
    found = search(MLPClassifier(**SMALL, **stops, preset="sklearn"), scoring="neg_log_loss")
    with pytest.raises(KeyError, match="no such row"):
        found.fit(X, y)
    assert len(set(first)) > 1
