"""Classifiers that scale their raw outputs by held-out rows, and average members in them."""

from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import EnsembleClassifier, StackedGridSearchCV

X, Y = make_classification(
    600, 8, n_informative=5, n_classes=3, flip_y=0.2, random_state=0, shuffle=False
)
ORDER = np.random.default_rng(0).permutation(600)
X, Y = X[ORDER], Y[ORDER]
LABELS = (X[:, :2] > 0.0).astype(int)
FEW = X[:300], Y[:300]
HELD = {"X_val": X[300:], "y_val": Y[300:]}


def small(**settings: Any) -> MLPClassifier:
    """A network that becomes too sure."""
    usual = {
        "hidden_layer_sizes": (32,),
        "learning_rate_init": 0.02,
        "max_iter": 30,
        "dropout": 0.0,
    }
    return MLPClassifier(**{**usual, "n_members": 1, "n_bins": None, "random_state": 0, **settings})


def scaled(p: np.ndarray, factor: float) -> np.ndarray:
    return softmax(factor * np.log(p), axis=1)


@pytest.mark.parametrize("early_stopping", ["auto", True])
def test_no_other_temperature_suits_the_held_out_rows_better(early_stopping: Any) -> None:
    model = small(early_stopping=early_stopping).fit(X[:300], Y[:300], **HELD)
    p = model.predict_proba(HELD["X_val"])
    losses = [log_loss(HELD["y_val"], scaled(p, b)) for b in (0.8, 0.95, 1.0, 1.05, 1.25)]
    assert np.argmin(losses) == 2
    assert -model.best_validation_score_ == pytest.approx(losses[2], rel=1e-6)
    plain = clone(model).set_params(calibration=None).fit(X[:300], Y[:300], **HELD)
    assert log_loss(HELD["y_val"], plain.predict_proba(HELD["X_val"])) > losses[2] + 0.01


def test_a_member_is_calibrated_by_its_own_rows_and_averaged_in_raw_outputs() -> None:
    model = small(n_members=3, early_stopping=True).fit(X, Y)
    alone = [small(early_stopping=True, random_state=s).fit(X, Y) for s in model.member_seeds_]
    logarithms = np.mean([np.log(each.predict_proba(X)) for each in alone], axis=0)
    expected = np.exp(logarithms - logsumexp(logarithms, axis=1, keepdims=True))
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X[:2]), expected[:2], atol=1e-5)
    plain = clone(model).set_params(calibration=None).fit(X, Y)
    parts = [clone(each).set_params(calibration=None).fit(X, Y) for each in alone]
    mean = np.mean([each.predict_proba(X) for each in parts], axis=0)
    np.testing.assert_allclose(plain.predict_proba(X), mean, atol=1e-6)


def test_means_beside_spreads_are_the_predictions() -> None:
    model = small(n_members=3, early_stopping=True, dropout=0.2).fit(X, Y)
    mean, spread = model.predict_proba(X, return_std=True)
    np.testing.assert_allclose(mean, model.predict_proba(X), atol=1e-6)
    assert (spread > 0.0).any()
    sampled, _ = model.predict_proba(X, n_samples=4, return_std=True)
    np.testing.assert_allclose(sampled, model.predict_proba(X, n_samples=4), atol=1e-6)
    np.testing.assert_allclose(sampled.sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("y", [Y > 0, Y, LABELS], ids=["binary", "multiclass", "multilabel"])
def test_calibrated_members_that_are_selected(y: np.ndarray) -> None:
    model = small(n_members=4, early_stopping=True, member_space={"dropout": [0.0, 0.5]})
    p = model.fit(X, y).predict_proba(X)
    plain = clone(model).set_params(calibration=None).fit(X, y).predict_proba(X)
    assert np.isfinite(p).all() and (p != plain).any()
    np.testing.assert_allclose(p, model.predict_proba(X, return_std=True)[0], atol=1e-6)


@pytest.mark.parametrize("changed", [{"preset": "sklearn"}, {"early_stopping": False}], ids=str)
def test_auto_calibrates_recipes_that_hold_rows_out(changed: dict[str, Any]) -> None:
    patient = {"learning_rate": "cosine", "n_iter_no_change": np.inf}
    settings = {"early_stopping": True, **patient, **changed}
    same, other = (small(calibration=c, **settings).fit(X, Y) for c in ("auto", None))
    np.testing.assert_array_equal(same.predict_proba(X), other.predict_proba(X))
    recipe = small(early_stopping=True).fit(X, Y)
    assert (recipe.predict_proba(X) != small(calibration=None).fit(X, Y).predict_proba(X)).any()


@pytest.mark.parametrize("members", [1, 3])
def test_rows_that_are_only_to_be_scored_change_nothing(members: int) -> None:
    """With early_stopping=False, held-out rows may be those that a model is judged by."""
    model = small(early_stopping=False, n_members=members).fit(X[:300], Y[:300])
    scored = small(early_stopping=False, n_members=members).fit(X[:300], Y[:300], **HELD)
    assert scored.validation_scores_ is not None
    np.testing.assert_array_equal(scored.predict_proba(X), model.predict_proba(X))


def test_who_asks_for_it_holds_rows_out() -> None:
    """Under 'auto', tables of so few rows hold out none."""
    model = small(calibration="temperature").fit(*FEW)
    assert model.validation_scores_ is not None
    assert small().fit(*FEW).validation_scores_ is None
    with pytest.raises(ValueError, match=r"'temperature' needs held-out rows, but early"):
        small(calibration="temperature", early_stopping=False).fit(*FEW)
    small(calibration="temperature", early_stopping=False).fit(*FEW, **HELD)


def test_partial_fits_and_regressors_have_none() -> None:
    with pytest.raises(ValueError, match="partial_fit does not support calibration='temperature'"):
        small(calibration="temperature").partial_fit(X, Y, classes=[0, 1, 2])
    small().partial_fit(X, Y, classes=[0, 1, 2])
    assert "calibration" not in MLPRegressor().get_params()


def test_other_scores_choose_the_epoch_alone() -> None:
    by_score = small(early_stopping=True, scoring="accuracy").fit(X, Y)
    plain = clone(by_score).set_params(calibration=None).fit(X, Y)
    assert by_score.validation_scores_ == plain.validation_scores_
    ours, theirs = (np.log(m.predict_proba(X)) for m in (by_score, plain))
    ratio = (ours[:, 0] - ours[:, 1]) / (theirs[:, 0] - theirs[:, 1])
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-2)
    assert np.median(ratio) < 0.95


def test_rows_of_one_class_leave_probabilities_between_zero_and_one() -> None:
    rows = np.flatnonzero(Y == 1)[:5]
    model = small().fit(X, Y, X_val=X[rows], y_val=Y[rows])
    p = model.predict_proba(X)
    assert np.isfinite(p).all() and log_loss(Y, p) < 3.0


def test_a_weak_signal_is_not_made_sure_of() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2_000, 10))
    y = (rng.random(2_000) < 0.5).astype(int)
    model = small(dropout="auto", early_stopping=True).fit(noise[:1_000], y[:1_000])
    assert log_loss(y[1_000:], model.predict_proba(noise[1_000:])) < 0.71


@pytest.mark.parametrize("search", [GridSearchCV, StackedGridSearchCV])
def test_searches_compare_it(search: Any) -> None:
    grid = {"calibration": [None, "temperature"]}
    found = search(small(early_stopping=True), grid, cv=2, scoring="neg_log_loss").fit(X, Y)
    results = found.cv_results_
    for params, score in zip(results["params"], results["split0_test_score"], strict=True):
        model = small(early_stopping=True, **params)
        alone = GridSearchCV(model, {}, cv=2, scoring="neg_log_loss").fit(X, Y)
        assert score == pytest.approx(alone.cv_results_["split0_test_score"][0], rel=1e-6)


def test_ensembles_take_calibrated_members_as_they_predict() -> None:
    models = [small(n_members=2, early_stopping=True, random_state=s).fit(X, Y) for s in (0, 1)]
    whole = EnsembleClassifier.from_fitted(models)
    expected = np.mean([each.predict_proba(X) for each in models], axis=0)
    np.testing.assert_allclose(whole.predict_proba(X), expected, atol=1e-6)


def test_warm_starts_go_on_from_what_was_calibrated() -> None:
    model = small(early_stopping=True, warm_start=True).fit(X, Y)
    before = log_loss(Y, model.predict_proba(X))
    model.set_params(max_iter=1).fit(X, Y)
    assert log_loss(Y, model.predict_proba(X)) < before + 0.1
