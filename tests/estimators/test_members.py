"""Ensembles: a member of a stack is the network that its seed trains alone."""

from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])

SETTINGS: list[dict[str, Any]] = [
    {},
    {"dtype": "float32", "hidden_layer_sizes": (33, 17)},
    {"normalization": "ghost", "ghost_batch_size": 16, "dropout": 0.3, "input_dropout": 0.1},
    {"normalization": "layer", "dropout": 0.3, "solver": "adamw"},
    {"normalization": None, "solver": "sgd", "max_grad_norm": 0.1},
    {"l1_ratio": 0.5, "alpha": 0.01, "norm_statistics": "cumulative"},
    {"learning_rate": "adaptive", "solver": "sgd", "tol": 0.01, "n_iter_no_change": 1},
    {"learning_rate": "one_cycle", "norm_statistics": "population"},
]


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8, 6), "max_iter": 6, "learning_rate_init": 0.02}
    return estimator(preset="sklearn", **{**sizes, "random_state": 0, **settings})


def outputs(fitted: Any, X: np.ndarray) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def assert_same_network(stack: Any, member: int, alone: Any) -> None:
    """Parameters and inference statistics agree bit for bit."""
    pairs = zip(stack.network_.parameters.views, alone.network_.parameters.views, strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours[member], theirs[0])
    for ours, theirs in zip(stack.network_.statistics, alone.network_.statistics, strict=True):
        np.testing.assert_array_equal(ours[member], theirs[0])


@each_estimator
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_member_equals_the_network_trained_alone(
    multiclass: Table, estimator: type, settings: dict
) -> None:
    X, y = multiclass
    stack = small(estimator, n_members=3, **settings).fit(X, y)
    assert stack.member_seeds_.shape == (3,) and len(set(stack.member_seeds_)) == 3
    for member, seed in enumerate(stack.member_seeds_):
        alone = small(estimator, **{**settings, "random_state": int(seed)}).fit(X, y)
        assert_same_network(stack, member, alone)


@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
@pytest.mark.parametrize("norm_statistics", ["running", "population"])
@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_members_stop_each_at_its_own_best_epoch(
    binary: Table, scoring: str, norm_statistics: str, learning_rate: str
) -> None:
    X, y = binary
    settings = {
        "early_stopping": True, "scoring": scoring, "n_iter_no_change": 2, "max_iter": 40,
        "norm_statistics": norm_statistics, "dropout": 0.1, "learning_rate": learning_rate,
        "solver": "sgd",
    }  # fmt: skip
    stack = small(MLPClassifier, n_members=4, **settings).fit(X, y)
    scores = np.array(stack.history_["validation"])
    epochs = np.isfinite(scores).sum(axis=0)
    if learning_rate == "constant":
        assert len(set(epochs)) > 1
    assert stack.n_iter_ == epochs.max() == len(scores)
    best = []
    for member, seed in enumerate(stack.member_seeds_):
        alone = small(MLPClassifier, **{**settings, "random_state": int(seed)}).fit(X, y)
        assert alone.n_iter_ == epochs[member]
        assert alone.validation_scores_ == scores[: epochs[member], member].tolist()
        assert_same_network(stack, member, alone)
        best.append(alone.best_validation_score_)
    assert stack.best_validation_score_ == pytest.approx(np.mean(best), rel=1e-12)


@each_estimator
def test_predictions_are_averages_over_the_members(multiclass: Table, estimator: type) -> None:
    X, y = multiclass
    stack = small(estimator, n_members=3).fit(X, y)
    alone = [
        outputs(small(estimator, random_state=int(seed)).fit(X, y), X)
        for seed in stack.member_seeds_
    ]
    np.testing.assert_allclose(outputs(stack, X), np.mean(alone, axis=0), rtol=1e-9)


def test_members_do_not_depend_on_the_size_of_their_stack(binary: Table) -> None:
    """Also when other members leave it early."""
    X, y = binary
    settings = {"early_stopping": True, "n_iter_no_change": 1, "max_iter": 40, "scoring": "loss"}
    three = small(MLPClassifier, n_members=3, **settings).fit(X, y)
    five = small(MLPClassifier, n_members=5, **settings).fit(X, y)
    np.testing.assert_array_equal(three.member_seeds_, five.member_seeds_[:3])
    for member in range(3):
        for ours, theirs in zip(
            three.network_.parameters.views, five.network_.parameters.views, strict=True
        ):
            np.testing.assert_array_equal(ours[member], theirs[member])


def test_members_see_the_generator_only_through_their_seeds(binary: Table) -> None:
    X, y = binary
    by_seed = small(MLPRegressor, n_members=2, random_state=7).fit(X, y)
    by_state = small(MLPRegressor, n_members=2, random_state=np.random.RandomState(7)).fit(X, y)
    np.testing.assert_array_equal(by_seed.predict(X), by_state.predict(X))
