"""Networks that explain nearly all of the held-out rows train for longer."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators import recipe
from sknorm.model_selection import StackedGridSearchCV

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1_200, 3))
EXACT = np.sin(2.0 * X[:, 0]) + X[:, 1] * X[:, 2]
NOISY = EXACT + RNG.normal(size=len(X))
SMALL: dict[str, Any] = {"hidden_layer_sizes": (32, 32), "n_members": 1, "random_state": 0}
FACTS = recipe.Facts(5_000, 5, is_sparse=False, task="regression")


def error(model: Any) -> float:
    held = np.random.default_rng(1).normal(size=(500, 3))
    want = np.sin(2.0 * held[:, 0]) + held[:, 1] * held[:, 2]
    return float(np.mean((model.predict(held) - want) ** 2))


def test_a_function_without_noise_is_learned_for_longer_and_more_exactly() -> None:
    usual = MLPRegressor(**SMALL, learning_rate="cosine", max_iter=64, n_iter_no_change=np.inf)
    longer, shorter = MLPRegressor(**SMALL).fit(X, EXACT), usual.fit(X, EXACT)
    assert longer.resolved_params_["learning_rate"] == "adaptive_cosine"
    assert longer.resolved_params_["max_iter"] == 192
    assert 64 < longer.n_iter_ <= 192 and shorter.n_iter_ == 64
    assert error(longer) < 0.8 * error(shorter)


def test_a_noisy_one_is_learned_as_under_a_cosine() -> None:
    """Bit for bit, but for its patience, which a schedule that is asked for has not."""
    model = MLPRegressor(**SMALL, n_iter_no_change=np.inf).fit(X, NOISY)
    usual = MLPRegressor(**SMALL, n_iter_no_change=np.inf, learning_rate="cosine", max_iter=64)
    assert model.n_iter_ == 64
    np.testing.assert_array_equal(model.predict(X), usual.fit(X, NOISY).predict(X))


def test_members_decide_on_their_own() -> None:
    """There is so much noise that some explain too little of the rows that they hold out."""
    y = EXACT + 0.16 * np.random.default_rng(3).normal(size=len(X))
    fitted = MLPRegressor(**{**SMALL, "n_members": 8}).fit(X, y)
    epochs = np.isfinite(fitted.history_["learning_rate"]).sum(axis=0)
    assert epochs.max() == fitted.n_iter_ > 64 >= epochs.min()


def test_no_plateau_ends_networks_that_are_good_enough() -> None:
    """No improvement counts under such a tolerance."""
    epochs = [MLPRegressor(**SMALL, tol=10.0).fit(X, y).n_iter_ for y in (NOISY, EXACT)]
    assert epochs == [2 + 12, 192]


@pytest.mark.parametrize("deviation", [0.0, 0.1, 0.15])
def test_a_second_cosine_is_no_worse_for_held_out_rows(deviation: float) -> None:
    y = EXACT + deviation * RNG.normal(size=len(X))
    usual = MLPRegressor(**SMALL, learning_rate="cosine", max_iter=64, n_iter_no_change=np.inf)
    first, both = usual.fit(X, y), MLPRegressor(**SMALL).fit(X, y)
    assert both.n_iter_ == 192
    assert both.validation_scores_[:64] == first.validation_scores_
    assert both.best_validation_score_ == max(both.validation_scores_)


@pytest.mark.parametrize(
    "settings",
    [
        {"early_stopping": False}, {"scoring": "r2"}, {"loss": "absolute_error"},
        {"swa_fraction": 0.3}, {"learning_rate": "cosine"}, {"max_iter": 64},
    ],
    ids=str,
)  # fmt: skip
def test_who_cannot_tell_or_has_been_told_otherwise_has_a_cosine(settings: dict[str, Any]) -> None:
    values = {**settings, **recipe.resolve(MLPRegressor(**settings), FACTS)}
    assert values["learning_rate"] == "cosine" and values["max_iter"] == 64


def test_others_have_a_cosine() -> None:
    few = FACTS._replace(rows=900)
    assert recipe.resolve(MLPRegressor(), few)["max_iter"] == 64
    assert recipe.resolve(MLPRegressor(early_stopping=True), few)["max_iter"] == 192
    assert recipe.resolve(MLPRegressor(preset="fast"), FACTS)["max_iter"] == 3 * 24
    for task in ("binary", "multiclass"):
        values = recipe.resolve(MLPClassifier(), FACTS._replace(task=task))
        assert values["learning_rate"] == "cosine" and values["max_iter"] == 64


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_who_asks_for_it_gets_it(estimator: Any) -> None:
    """Classes too, and without held-out rows all networks end after a third."""
    y = (X[:, 0] > 0).astype(int) if estimator is MLPClassifier else EXACT
    model = estimator(**SMALL, learning_rate="adaptive_cosine", max_iter=60, early_stopping=False)
    assert model.fit(X, y).n_iter_ == 20
    model.set_params(early_stopping=True, n_iter_no_change=np.inf, max_iter=150)
    assert model.fit(X, y).n_iter_ == 150
    model.set_params(scoring=lambda *_: 0.0)
    assert model.fit(X, y).n_iter_ == 50
    assert estimator(learning_rate="adaptive_cosine").fit(X[:600], y[:600]).n_iter_ <= 192


def test_averages_of_the_last_epochs_are_refused() -> None:
    model = MLPRegressor(learning_rate="adaptive_cosine", swa_fraction=0.3)
    with pytest.raises(ValueError, match=r"swa_fraction=0\.3 averages the last epochs"):
        model.fit(X, EXACT)


def test_held_out_rows_may_be_given() -> None:
    given = {"X_val": X[1_000:], "y_val": EXACT[1_000:]}
    assert MLPRegressor(**SMALL).fit(X[:1_000], EXACT[:1_000], **given).n_iter_ > 64
    given["y_val"] = NOISY[1_000:]
    assert MLPRegressor(**SMALL).fit(X[:1_000], EXACT[:1_000], **given).n_iter_ <= 64


def test_targets_of_any_scale_are_as_exact() -> None:
    """What counts is the share of a constant's loss."""
    model = MLPRegressor(**SMALL, standardize_target=False)
    assert model.fit(X, 3.0 + EXACT).n_iter_ > 64
    assert MLPRegressor(**SMALL).fit(X, 1e6 + 1e-3 * EXACT).n_iter_ > 64
    nothing_to_explain = np.ones(len(X))
    assert MLPRegressor(**SMALL).fit(X, nothing_to_explain).n_iter_ <= 64


def test_searches_train_as_long_as_fits() -> None:
    """In their folds too, of which the networks of one stack take part in different epochs."""
    grid = {"alpha": [1e-5, 10.0]}
    model, y = MLPRegressor(**SMALL, early_stopping=True), X @ [1.0, -2.0, 0.5]
    search, plain = (
        kind(clone(model), grid, cv=2, return_train_score=True).fit(X, y)
        for kind in (StackedGridSearchCV, GridSearchCV)
    )
    assert search.best_estimator_.n_iter_ == plain.best_estimator_.n_iter_ > 64
    for key in ("split0_test_score", "split1_test_score", "split1_train_score"):
        np.testing.assert_array_equal(search.cv_results_[key], plain.cv_results_[key])
