"""Members that draw hyperparameters of their own, and held-out rows that choose among them."""

import pickle
from typing import Any

import numpy as np
import pytest
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.datasets import make_classification, make_friedman1
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import EnsembleRegressor, StackedGridSearchCV

X, Y = make_friedman1(300, n_features=6, noise=0.5, random_state=0)
LABELS = make_classification(300, 6, n_informative=4, n_classes=3, random_state=0)[1]
SPACE = {"dropout": uniform(0.0, 0.5), "learning_rate_init": [0.005, 0.02]}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def small(kind: type = MLPRegressor, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0, "n_members": 5}
    held = {"early_stopping": True, "validation_fraction": 0.3, "member_space": SPACE}
    return kind(**{"preset": "sklearn", **sizes, **held, **settings})


def test_members_draw_values_from_the_space() -> None:
    model = small(early_stopping=False, n_members=12).fit(X, Y)
    drawn = model.member_params_
    assert len(drawn) == 12 and all(each.keys() == SPACE.keys() for each in drawn)
    assert all(0.0 <= each["dropout"] <= 0.5 for each in drawn)
    assert {each["learning_rate_init"] for each in drawn} == {0.005, 0.02}
    assert len({each["dropout"] for each in drawn}) == 12
    rates = np.stack(model.history_["learning_rate"])[0]
    np.testing.assert_array_equal(rates, [each["learning_rate_init"] for each in drawn])


def test_a_member_is_the_network_of_its_values() -> None:
    model = small(early_stopping=False).fit(X, Y)
    for k, (seed, drawn) in enumerate(zip(model.member_seeds_, model.member_params_, strict=True)):
        own = {**drawn, "member_space": None, "n_members": 1, "random_state": int(seed)}
        alone = small(early_stopping=False, **own).fit(X, Y)
        for stacked, single in zip(model.coefs_, alone.coefs_, strict=True):
            np.testing.assert_array_equal(stacked[k], single)


def test_without_held_out_rows_all_members_count_alike() -> None:
    model = small(early_stopping=False).fit(X, Y)
    np.testing.assert_array_equal(model.member_weights_, np.full(5, 0.2))


@pytest.mark.parametrize("settings", [{}, {"loss": "huber"}], ids=str)
def test_predictions_are_weighted_means(settings: dict[str, Any]) -> None:
    model = small(**settings).fit(X, Y)
    weights = model.member_weights_
    assert weights.sum() == pytest.approx(1.0) and (weights > 0).all()
    assert len(weights) == model.network_.members == len(model.member_params_)
    single = [_member(model, k).predict(X) for k in range(len(weights))]
    mean = sum(w * each for w, each in zip(weights, single, strict=True))
    np.testing.assert_allclose(model.predict(X), mean, rtol=1e-6)
    if not settings:
        again, spread = model.predict(X, return_std=True)
        np.testing.assert_allclose(again, mean, rtol=1e-6)
        squares = sum(w * (p - mean) ** 2 for w, p in zip(weights, single, strict=True))
        np.testing.assert_allclose(spread, np.sqrt(squares), rtol=1e-5, atol=1e-9)


def _member(model: Any, k: int) -> Any:
    """A copy that predicts by one member alone."""
    one = pickle.loads(pickle.dumps(model))
    one._fitted = one._fitted.chosen(np.eye(one.network_.members)[k])
    return one


def test_the_selection_does_better_than_most_members_on_the_rows_that_chose() -> None:
    held = np.arange(200, 300)
    model = small(MLPClassifier, n_members=8, validation_fraction=held, max_iter=15)
    model.fit(X, LABELS)
    every = clone(model).set_params(early_stopping=False, member_space=None)
    losses = []
    for k in range(model.network_.members):
        losses.append(log_loss(LABELS[held], _member(model, k).predict_proba(X[held])))
    chosen = log_loss(LABELS[held], model.predict_proba(X[held]))
    assert chosen < np.median(losses)
    assert every.fit(X[:200], LABELS[:200]).network_.members == 8


def test_all_members_hold_out_the_same_rows() -> None:
    """Else no row could tell of all of them."""
    seen: list[bytes] = []

    def score(model: Any, X_held: Any, y_held: Any) -> float:
        seen.append(np.sort(y_held).tobytes())
        return 0.0

    small(scoring=score, max_iter=1).fit(X, Y)
    assert len(set(seen)) == 1
    seen.clear()
    small(scoring=score, max_iter=1, member_space=None).fit(X, Y)
    assert len(set(seen)) == 5


@pytest.mark.parametrize("loss", ["poisson", "gamma", "huber", "absolute_error"])
def test_selection_by_other_losses(loss: str) -> None:
    model = small(loss=loss).fit(X, Y - Y.min() + 0.1)
    assert model.member_weights_.sum() == pytest.approx(1.0)
    assert np.isfinite(model.predict(X)).all()


def test_two_classes_and_labels() -> None:
    for y in (LABELS > 0, np.stack([LABELS > 0, LABELS > 1], axis=1).astype(int)):
        model = small(MLPClassifier).fit(X, y)
        assert np.isfinite(model.predict_proba(X)).all()
        assert model.member_weights_.sum() == pytest.approx(1.0)


def test_held_out_rows_of_ones_own_choose() -> None:
    model = small(validation_fraction=0.0, early_stopping="auto")
    model.fit(X[:200], Y[:200], X_val=X[200:], y_val=Y[200:])
    assert model.member_weights_.sum() == pytest.approx(1.0)
    assert model.network_.members == len(model.member_weights_) <= 5


def test_rows_that_are_only_to_be_scored_choose_nothing() -> None:
    """With early_stopping=False, held-out rows may be those that a model is judged by."""
    model = small(early_stopping=False).fit(X[:200], Y[:200])
    scored = small(early_stopping=False).fit(X[:200], Y[:200], X_val=X[200:], y_val=Y[200:])
    assert scored.validation_scores_ is not None
    np.testing.assert_array_equal(scored.member_weights_, model.member_weights_)
    np.testing.assert_array_equal(scored.predict(X), model.predict(X))


def test_default_space() -> None:
    model = small(preset="fast", member_space="default", max_iter=3)
    drawn = model.fit(X, Y).member_params_
    assert drawn[0].keys() == {"alpha", "dropout", "learning_rate_init"}


def test_same_bits_from_the_same_seed_and_after_a_pickle() -> None:
    model = small().fit(X, Y)
    again, loaded = small().fit(X, Y), pickle.loads(pickle.dumps(model))
    for other in (again, loaded):
        np.testing.assert_array_equal(model.predict(X), other.predict(X))
        np.testing.assert_array_equal(model.member_weights_, other.member_weights_)
        assert model.member_params_ == other.member_params_
    assert model.predict(X, n_samples=3).shape == (300,)


def test_a_search_selects_as_a_fit_does() -> None:
    search = StackedGridSearchCV(small(max_iter=3), {"alpha": [1e-4, 1e-2]}, cv=2).fit(X, Y)
    alone = small(max_iter=3, **search.best_params_).fit(X, Y)
    np.testing.assert_array_equal(search.best_estimator_.predict(X), alone.predict(X))
    results = search.cv_results_
    for params, score in zip(results["params"], results["split0_test_score"], strict=True):
        model = small(max_iter=3, **params)
        fold = GridSearchCV(model, {}, cv=2).fit(X, Y).cv_results_["split0_test_score"]
        assert score == pytest.approx(fold[0], rel=1e-6)


def test_in_ensembles_the_weights_count() -> None:
    models = [small(random_state=seed).fit(X, Y) for seed in range(2)]
    mean = np.mean([model.predict(X) for model in models], axis=0)
    ensemble = EnsembleRegressor.from_fitted(models)
    np.testing.assert_allclose(ensemble.predict(X), mean, rtol=1e-6)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"hidden_layer_sizes": [3]}, "'hidden_layer_sizes', in which members .* cannot differ"),
        ({"dropout": []}, r"member_space\['dropout'\] must be a distribution"),
        ({"dropout": 0.3}, r"member_space\['dropout'\] must be a distribution"),
        ({"dropout": [1.5]}, "drawn from member_space.*1.5"),
        ({"learning_rate_init": loguniform(1e-3, 1e-2), "l1_ratio": randint(2, 3)}, "l1_ratio"),
        ({"label_smoothing": [0.1]}, "'label_smoothing'"),
    ],
    ids=["sizes", "empty", "number", "beyond", "integers", "of classifiers"],
)
def test_spaces_that_are_none(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(member_space=space).fit(X, Y)


def test_what_members_of_a_space_cannot_do() -> None:
    with pytest.raises(ValueError, match="warm_start=True"):
        small(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="partial_fit does not support member_space"):
        small(early_stopping="auto").partial_fit(X, Y)
