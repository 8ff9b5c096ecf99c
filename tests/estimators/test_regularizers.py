"""Residual blocks, noise on the inputs, mixup and averages of weights."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends.program import run
from sknorm.data.scaling import Scaling
from sknorm.network.quantities import Quantities
from sknorm.objective.losses import SquaredError
from sknorm.training.augmentation import augment, shares

Table = tuple[np.ndarray, np.ndarray]

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
SETTINGS: list[dict[str, Any]] = [
    {"residual": True}, {"input_noise": 0.3}, {"mixup_alpha": 0.4}, {"swa_fraction": 0.5},
    {"input_dropout": 0.2}, {"residual": True, "input_noise": 0.1, "mixup_alpha": 0.2,
                             "swa_fraction": 0.4, "dropout": 0.2},
]  # fmt: skip


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (6, 6), "max_iter": 8, "random_state": 0, "tol": 0.0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def flat(fitted: Any) -> np.ndarray:
    return fitted.network_.parameters.flat


@quiet
@each_estimator
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_member_equals_the_network_trained_alone(
    multiclass: Table, estimator: type, normalization: Any, settings: dict
) -> None:
    X, y = multiclass
    settings = {**settings, "normalization": normalization}
    stack = small(estimator, n_members=3, **settings).fit(X, y)
    for member, seed in enumerate(stack.member_seeds_):
        alone = small(estimator, **settings, random_state=int(seed)).fit(X, y)
        pairs = zip(stack.network_.parameters.views, alone.network_.parameters.views, strict=True)
        for ours, theirs in pairs:
            np.testing.assert_array_equal(ours[member], theirs[0])
    again = small(estimator, n_members=3, **settings).fit(X, y)
    np.testing.assert_array_equal(flat(again), flat(stack))


@quiet
@each_estimator
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_regularizers_change_the_model_and_still_learn(
    binary: Table, estimator: type, settings: dict
) -> None:
    X, y = binary
    plain = small(estimator).fit(X, y)
    fitted = small(estimator, **settings, max_iter=40).fit(X, y)
    assert np.any(outputs(fitted, X) != outputs(plain.set_params(max_iter=40).fit(X, y), X))
    assert fitted.score(X, y) > (0.85 if estimator is MLPClassifier else 0.4)


@quiet
@each_estimator
def test_regularizers_can_be_tuned(binary: Table, estimator: type) -> None:
    grid = {name: [value] for settings in SETTINGS[:4] for name, value in settings.items()}
    grid |= {"mixup_alpha": [0.0, 0.2], "input_noise": [0.0, 0.1]}
    search = GridSearchCV(small(estimator, max_iter=3), grid, cv=2, error_score="raise")
    search.fit(*binary)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 1


@quiet
@each_estimator
def test_residual_needs_equal_widths(binary: Table, estimator: type) -> None:
    X, y = binary
    unequal = {"hidden_layer_sizes": (6, 5, 4)}
    plain = small(estimator, **unequal).fit(X, y)
    np.testing.assert_array_equal(flat(small(estimator, residual=True, **unequal).fit(X, y)),
                                  flat(plain))  # fmt: skip
    shapes = [w.shape for w in small(estimator, residual=True).fit(X, y).coefs_]
    assert shapes == [(6, 6), (6, 6), (6, 1)]


@quiet
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_twenty_layers_learn_if_they_are_residual(binary: Table, activation: str) -> None:
    X, y = binary
    settings = {"hidden_layer_sizes": (8,) * 20, "normalization": None, "activation": activation}
    settings |= {"learning_rate_init": 0.01, "max_iter": 30}
    plain, residual = (
        np.mean([
            small(MLPClassifier, residual=r, random_state=seed, **settings).fit(X, y).score(X, y)
            for seed in range(3)
        ])
        for r in (False, True)
    )  # fmt: skip
    assert residual > 0.8
    assert plain < residual - 0.15


@quiet
def test_residual_acts_under_lbfgs_too(regression: Table) -> None:
    X, y = regression
    fitted = small(MLPRegressor, residual=True, solver="lbfgs", max_iter=60).fit(X, y)
    assert fitted.score(X, y) > 0.95
    assert np.any(flat(fitted) != flat(small(MLPRegressor, solver="lbfgs", max_iter=60).fit(X, y)))


@quiet
@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_noise_on_inputs_shrinks_a_linear_model(deviation: float) -> None:
    """To 1 / (1 + variance), as a ridge penalty of that strength does (Bishop, 1995)."""
    X = np.random.default_rng(0).normal(3.0, 20.0, (600, 1))
    settings = {"hidden_layer_sizes": (), "alpha": 0.0, "learning_rate": "cosine", "max_iter": 60}
    model = small(MLPRegressor, input_noise=deviation, **settings).fit(X, X[:, 0])
    assert model.coefs_[0][0, 0] == pytest.approx(1.0 / (1.0 + deviation**2), abs=0.06)


@quiet
@each_estimator
@pytest.mark.parametrize("name", ["input_noise", "mixup_alpha"])
def test_noise_is_in_the_units_of_standardized_inputs(
    binary: Table, estimator: type, name: str
) -> None:
    X, y = binary
    plain, scaled = (small(estimator, **{name: 0.3}).fit(c * X, y) for c in (1.0, 1024.0))
    np.testing.assert_allclose(outputs(scaled, 1024.0 * X), outputs(plain, X), rtol=1e-9)


@pytest.mark.parametrize("name", ["mixup_alpha", "input_noise", "input_dropout"])
def test_members_without_noise_are_left_alone(problem: Callable, name: str) -> None:
    made = problem(members=2)
    noisy = replace(made, members=replace(made.members, **{name: np.array([0.0, 0.4])}))
    gradients = []
    for each in (made, noisy):
        compute, gradient, _ = each.batch_gradient(SquaredError(), 40)
        compute.quantities["share"][...] = shares(each.members, range(3, 4))[0]
        compute(each.rows[:, :40], 3)
        gradients.append(gradient)
    for plain, changed in zip(gradients[0].views, gradients[1].views, strict=True):
        np.testing.assert_array_equal(changed[0], plain[0])
        assert np.any(changed[1] != plain[1])


def mixed(made: Any, rows: np.ndarray, step: int) -> tuple[np.ndarray, ...]:
    """Inputs, targets and weights of a batch as one network is shown them."""
    data = made.data
    x = ((data.X - data.scaling.offset) * data.scaling.factor)[rows].copy()
    y, weight = data.y[rows].copy(), data.weight[0][rows].copy()
    quantities = Quantities(made.network.backend, made.members)
    quantities["share"][...] = shares(made.members, range(step, step + 1))[0]
    run(augment(made.members, quantities, made.network.backend, (x, y, weight)), step)
    return x, y, weight


def test_mixup_joins_rows_linearly(problem: Callable) -> None:
    """Inputs, targets and weights by one share, which differs by step and by member."""
    made = problem((5, 3, 2), members=2)
    made = replace(made, members=replace(made.members, mixup_alpha=np.full(2, 0.7)))
    data, found = made.data, []
    for step in (0, 1):
        x, y, weight = mixed(made, made.rows, step)
        for k in range(2):
            rows = made.rows[k]
            plain = ((data.X - data.scaling.offset) * data.scaling.factor)[rows]
            difference = plain[::-1] - plain
            share = 1.0 - float(((x[k] - plain) * difference).sum() / (difference**2).sum())
            found.append(share)
            for ours, own in ((x, plain), (y, data.y[rows]), (weight, data.weight[0][rows])):
                expected = share * own + (1.0 - share) * own[::-1]
                np.testing.assert_allclose(ours[k], expected, rtol=1e-10, atol=1e-12)
    assert len(set(np.round(found, 6))) == 4 and min(found) >= 0 and max(found) <= 1


def test_gradient_under_mixup_is_that_of_the_mixed_rows(problem: Callable) -> None:
    """Of the squared error, which is not linear in the targets."""
    made = problem(members=1)
    made = replace(made, members=replace(made.members, mixup_alpha=np.full(1, 0.7)))
    compute, gradient, value = made.batch_gradient(SquaredError(), 60)
    compute.quantities["share"][...] = shares(made.members, range(5, 6))[0]
    compute(made.rows, 5)
    x, y, weight = (a[0] for a in mixed(made, made.rows, 5))
    ones, zeros = np.ones((1, 5)), np.zeros((1, 5))
    data = replace(made.data, X=x, y=y, weight=weight[None], scaling=Scaling(zeros, ones))
    plain = replace(
        made, data=data, rows=np.arange(60)[None],
        members=replace(made.members, mixup_alpha=np.zeros(1)),
    )  # fmt: skip
    other, expected, total = plain.batch_gradient(SquaredError(), 60)
    other(plain.rows, 5)
    np.testing.assert_allclose(gradient.flat, expected.flat, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(value, total, rtol=1e-12)


@quiet
@pytest.mark.parametrize("labels", ["text", "number"])
def test_mixup_shares_out_classes(multiclass: Table, labels: str) -> None:
    X, y = multiclass
    y = np.array(["a", "b", "c"])[y] if labels == "text" else y
    settings = {"max_iter": 60, "early_stopping": True, "n_iter_no_change": np.inf}
    plain, soft = (
        small(MLPClassifier, mixup_alpha=a, **settings).fit(X[:160], y[:160], X_val=X[160:],
                                                           y_val=y[160:])
        for a in (0.0, 1.0)
    )  # fmt: skip
    assert soft.score(X, y) > 0.8 and soft.predict(X).dtype == y.dtype
    loss = log_loss(y[160:], soft.predict_proba(X[160:]), labels=soft.classes_)
    assert max(soft.validation_scores_) == pytest.approx(-loss, rel=1e-9)
    last = [np.mean(model.loss_curve_[-10:]) for model in (plain, soft)]
    assert last[1] > last[0]  # no network fits mixtures as well as rows


@quiet
def test_mixup_of_labels_and_weights(binary: Table) -> None:
    X, y = binary
    Y = np.column_stack([y, X[:, 0] > 0]).astype(int)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 240)
    fitted = small(MLPClassifier, mixup_alpha=0.3, max_iter=40).fit(X, Y, sample_weight=weight)
    assert fitted.score(X, Y) > 0.75
