"""Held-out rows: given as X_val and y_val, or named by validation_fraction."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    train_test_split,
)

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
HELD = np.arange(160, 240)


def small(estimator: type, **settings: Any) -> Any:
    """One narrow layer that overfits within a few epochs."""
    sizes = {"hidden_layer_sizes": (12,), "max_iter": 25, "random_state": 0}
    return estimator(
        preset="sklearn",
        **{**sizes, "learning_rate_init": 0.05, "early_stopping": True, **settings},
    )


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def sides(table: Table) -> tuple[Table, Table]:
    """The first 160 rows to train on, and the last 80."""
    X, y = table
    return (X[:160], y[:160]), (X[160:], y[160:])


def seen_by_scorer(estimator: Any, X: Any, y: Any, **given: Any) -> np.ndarray:
    """Row numbers that are scored; X carries them in its first column."""
    rows: list[np.ndarray] = []

    def record(_: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        rows.append(X_held[:, 0].astype(int))
        return 0.0

    numbered = np.column_stack([np.arange(len(X)), X])
    type(estimator)(**{**estimator.get_params(), "scoring": record, "max_iter": 1}).fit(
        numbered, y, **given
    )
    return rows[0]


@each_estimator
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_given_rows_equal_the_same_rows_held_out(
    binary: Table, estimator: type, members: int, dtype: str
) -> None:
    """Without a norm, whose scaling would be learned from other rows."""
    settings = {"normalization": None, "n_members": members, "dtype": dtype, "n_iter_no_change": 3}
    train, (X_val, y_val) = sides(binary)
    given = small(estimator, **settings).fit(*train, X_val=X_val, y_val=y_val)
    held = small(estimator, validation_fraction=HELD, **settings).fit(*binary)
    np.testing.assert_array_equal(given.network_.parameters.flat, held.network_.parameters.flat)
    np.testing.assert_allclose(given.validation_scores_, held.validation_scores_, rtol=1e-6)
    assert given.t_ == held.t_ == 160 * given.n_iter_


@each_estimator
def test_scaling_follows_the_training_rows_alone(binary: Table, estimator: type) -> None:
    train, (X_val, y_val) = sides(binary)
    fitted = small(estimator).fit(*train, X_val=X_val, y_val=y_val)
    np.testing.assert_allclose(fitted.input_mean_, train[0].mean(axis=0))


@each_estimator
@pytest.mark.parametrize("early_stopping", [True, "auto"])
def test_best_weights_are_kept(binary: Table, estimator: type, early_stopping: Any) -> None:
    """Whatever the number of rows: passing rows to watch is asking for it."""
    train, (X_val, y_val) = sides(binary)
    fitted = small(estimator, early_stopping=early_stopping).fit(*train, X_val=X_val, y_val=y_val)
    scores = fitted.validation_scores_
    assert len(scores) == fitted.n_iter_ and scores[-1] < max(scores)
    assert fitted.best_validation_score_ == max(scores) and fitted.best_loss_ is None
    if estimator is MLPClassifier:
        loss = log_loss(y_val, fitted.predict_proba(X_val))
    else:
        loss = 0.5 * np.mean(((fitted.predict(X_val) - y_val) / fitted.target_scale_) ** 2)
    assert -loss == pytest.approx(max(scores), rel=1e-9)


@each_estimator
@pytest.mark.parametrize("tol", [1e-4, 0.05])
def test_scores_are_recorded_only_without_early_stopping(
    binary: Table, estimator: type, tol: float
) -> None:
    """Neither the end of training nor its weights follow from them."""
    train, (X_val, y_val) = sides(binary)
    settings = {"early_stopping": False, "tol": tol, "n_iter_no_change": 2, "max_iter": 40}
    plain = small(estimator, **settings).fit(*train)
    watched = small(estimator, **settings).fit(*train, X_val=X_val, y_val=y_val)
    np.testing.assert_array_equal(watched.network_.parameters.flat, plain.network_.parameters.flat)
    assert watched.loss_curve_ == plain.loss_curve_
    assert len(watched.validation_scores_) == watched.n_iter_
    assert watched.best_validation_score_ == max(watched.validation_scores_)
    assert watched.best_loss_ == plain.best_loss_


@pytest.mark.parametrize("scoring", ["loss", "neg_mean_squared_error"])
def test_weights_of_given_rows_enter_the_score(regression: Table, scoring: str) -> None:
    """A weight of two is a row given twice, a weight of zero no row."""
    train, (X_val, y_val) = sides(regression)
    weight = np.tile([0.0, 1.0, 2.0, 1.0], 20)
    repeated = np.repeat(np.arange(80), weight.astype(int))
    model = small(MLPRegressor, scoring=scoring, max_iter=5)
    weighted = model.fit(*train, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    scores = weighted.validation_scores_
    if scoring != "loss":
        best = -mean_squared_error(y_val, weighted.predict(X_val), sample_weight=weight)
        assert max(scores) == pytest.approx(best, rel=1e-9)
    unweighted = model.fit(*train, X_val=X_val[repeated], y_val=y_val[repeated]).validation_scores_
    np.testing.assert_allclose(unweighted, scores, rtol=1e-9)
    plain = model.fit(*train, X_val=X_val, y_val=y_val).validation_scores_
    assert np.abs(np.subtract(plain, scores)).min() > 1e-6


@each_estimator
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array])
def test_given_rows_may_be_sparse(binary: Table, estimator: type, kind: Any) -> None:
    X, y = np.where(np.abs(binary[0]) < 0.5, 0.0, binary[0]), binary[1]
    model = small(estimator, max_iter=8)
    dense = model.fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:]).validation_scores_
    for train in (X[:160], kind(X[:160])):
        given = model.fit(train, y[:160], X_val=kind(X[160:]), y_val=y[160:])
        np.testing.assert_allclose(given.validation_scores_, dense, rtol=1e-7)


def test_labels_of_given_rows_may_be_strings_and_only_some(multiclass: Table) -> None:
    X, y = multiclass
    names = np.array(["red", "green", "blue"])[y]
    some = np.flatnonzero(y[160:] < 2) + 160
    fitted = small(MLPClassifier).fit(X[:160], names[:160], X_val=X[some], y_val=names[some])
    assert sorted(set(names)) == fitted.classes_.tolist()
    loss = log_loss(names[some], fitted.predict_proba(X[some]), labels=fitted.classes_)
    assert max(fitted.validation_scores_) == pytest.approx(-loss, rel=1e-9)


def explicit(table: Table) -> list[tuple[Any, np.ndarray]]:
    """Ways to name held-out rows, and the rows that they name."""
    X, y = table
    mask, folds = np.isin(np.arange(240), HELD), np.where(np.arange(240) < 160, -1, 0)
    shuffled = ShuffleSplit(1, test_size=0.2, random_state=3)
    return [
        (HELD, HELD), (HELD[::-1].tolist(), HELD), (mask, HELD), (mask.tolist(), HELD),
        (KFold(4), np.arange(60)), (PredefinedSplit(folds), HELD),
        (shuffled, next(shuffled.split(X))[1]),
        (StratifiedKFold(3), next(StratifiedKFold(3).split(X, y))[1]),
        (list(KFold(3).split(X)), np.arange(80)), (KFold(3).split(X), np.arange(80)),
        ([(np.arange(50), [200, 199])], np.array([199, 200])),
    ]  # fmt: skip


@pytest.mark.parametrize("case", range(11))
def test_every_way_to_name_held_out_rows(binary: Table, case: int) -> None:
    how, rows = explicit(binary)[case]
    model = small(MLPClassifier, validation_fraction=how)
    np.testing.assert_array_equal(np.sort(seen_by_scorer(model, *binary)), np.sort(rows))


def test_pairs_say_what_is_trained_on_too(binary: Table) -> None:
    X, y = binary
    pairs = [(np.arange(100), HELD), (np.arange(5), HELD[:5])]
    fitted = small(MLPClassifier, validation_fraction=pairs, normalization=None).fit(X, y)
    assert fitted.t_ == 100 * fitted.n_iter_
    given = small(MLPClassifier, normalization=None)
    given.fit(X[:100], y[:100], X_val=X[HELD], y_val=y[HELD])
    np.testing.assert_array_equal(fitted.network_.parameters.flat, given.network_.parameters.flat)


@each_estimator
@pytest.mark.parametrize("how", [0.3, GroupKFold(4)], ids=str)
@pytest.mark.parametrize("members", [1, 3])
def test_groups_stay_together(binary: Table, estimator: type, how: Any, members: int) -> None:
    X, y = binary
    groups = np.random.default_rng(0).integers(0, 12, 240).astype(str)
    model = small(estimator, validation_fraction=how, n_members=members)
    held = seen_by_scorer(model, X, y, groups=groups)
    kept = np.setdiff1d(np.arange(240), held)
    assert 20 < len(held) < 140
    assert not set(groups[held]) & set(groups[kept])


SPLITS = {
    "indices": lambda kept: HELD,
    "mask": lambda kept: np.isin(np.arange(240), HELD),
    "pairs": lambda kept: [(np.arange(160), HELD)],
    "predefined": lambda kept: PredefinedSplit(np.where(np.arange(240) < 160, -1, 0)),
}


@pytest.mark.parametrize("name", SPLITS)
def test_rows_of_weight_zero_do_not_shift_the_others(binary: Table, name: str) -> None:
    """Rows are named as they were given; those that do not count are on neither side."""
    X, y = binary
    weight = np.where(np.arange(240) % 3 == 0, 0.0, 1.0)
    kept = np.flatnonzero(weight)
    model = small(MLPClassifier, validation_fraction=SPLITS[name](kept))
    held = seen_by_scorer(model, X, y, sample_weight=weight)
    np.testing.assert_array_equal(np.sort(held), np.intersect1d(HELD, kept))
    fitted = small(MLPClassifier, validation_fraction=SPLITS[name](kept))
    fitted.fit(X, y, sample_weight=weight)
    same = small(
        MLPClassifier, validation_fraction=np.searchsorted(kept, np.intersect1d(HELD, kept))
    )
    same.fit(X[kept], y[kept])
    np.testing.assert_array_equal(outputs(fitted, X), outputs(same, X))


def test_a_share_is_drawn_as_scikit_learn_draws_it(regression: Table) -> None:
    X, y = regression
    model = small(MLPRegressor, validation_fraction=0.25, normalization=None)
    expected = train_test_split(np.arange(240), test_size=0.25, random_state=_after_weights(model))
    np.testing.assert_array_equal(np.sort(seen_by_scorer(model, X, y)), np.sort(expected[1]))


def _after_weights(model: Any) -> np.random.RandomState:
    """The generator once the weights for seven columns are drawn."""
    state = np.random.RandomState(model.random_state)
    for shape in ((7, 12), (12,), (12, 1), (1,)):
        state.uniform(size=shape)
    return state
