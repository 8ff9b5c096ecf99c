"""What the losses of the estimators learn, in which units, and what they refuse."""

from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import log_loss, mean_pinball_loss

from sknorm import MLPClassifier, MLPRegressor
from sknorm.objective.losses import LOSSES, BinaryLogLoss

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
IDENTITY = [name for name, loss in LOSSES.items() if loss.output_activation == "identity"]
each_loss = pytest.mark.parametrize("loss", LOSSES)


def small(estimator: type = MLPRegressor, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8,), "max_iter": 30, "random_state": 0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.03, **settings})


def constant(**settings: Any) -> Any:
    """A model of a column without content: it predicts what is best for all rows."""
    steps = {"solver": "lbfgs", "max_iter": 500, "tol": 1e-9, "alpha": 0.0}
    return small(**{"hidden_layer_sizes": (), "normalization": None, **steps, **settings})


@pytest.fixture(scope="module")
def skewed() -> Table:
    """400 positive targets whose noise is skewed and grows with the first column."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.0, 1.0, (400, 3))
    return X, np.exp(X[:, 0]) * rng.gamma(2.0, 0.5, 400)


@pytest.fixture(scope="module")
def outliers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """400 rows, their targets of which every tenth is far off, and the targets without that."""
    rng = np.random.default_rng(1)
    X = rng.uniform(-1.0, 1.0, (400, 3))
    clean = 2.0 * X[:, 0] - X[:, 1]
    y = clean + 0.1 * rng.normal(size=400)
    y[::10] += 60.0
    return X, y, clean


@pytest.mark.parametrize("normalization", ["batch", None])
def test_robust_losses_are_not_moved_by_outliers(outliers: tuple, normalization: Any) -> None:
    X, y, clean = outliers
    settings = {"normalization": normalization, "hidden_layer_sizes": (16,), "max_iter": 60}
    error = {
        loss: np.mean((small(loss=loss, **settings).fit(X, y).predict(X) - clean) ** 2)
        for loss in ("squared_error", "absolute_error", "huber")
    }
    assert error["absolute_error"] < 0.2 and error["huber"] < 0.5
    assert error["squared_error"] > 10 * max(error["absolute_error"], error["huber"])


def test_a_wide_huber_loss_is_the_squared_error(outliers: tuple) -> None:
    X, y, _ = outliers
    settings = {"normalization": None, "max_iter": 5}
    wide = small(loss="huber", huber_delta=1e9, **settings).fit(X, y)
    squared = small(loss="squared_error", **settings).fit(X, y)
    np.testing.assert_array_equal(wide.predict(X), squared.predict(X))


@pytest.mark.parametrize("normalization", ["batch", None])
@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_quantiles_cover_their_share(skewed: Table, normalization: Any, level: float) -> None:
    X, y = skewed
    model = small(loss="quantile", quantile=level, normalization=normalization, max_iter=60)
    fitted = model.fit(X, y)
    assert fitted.predict(X).shape == (400,)
    assert np.mean(y <= fitted.predict(X)) == pytest.approx(level, abs=0.06)
    flat = np.full(400, np.quantile(y, level))
    assert mean_pinball_loss(y, fitted.predict(X), alpha=level) < mean_pinball_loss(
        y, flat, alpha=level
    )


@pytest.mark.parametrize("members", [1, 2])
def test_several_quantiles_share_a_network_and_never_cross(skewed: Table, members: int) -> None:
    X, y = skewed
    levels = [0.1, 0.3, 0.5, 0.9]
    model = small(loss="quantile", quantile=levels, max_iter=60, n_members=members).fit(X, y)
    wild = np.random.default_rng(0).normal(scale=30.0, size=(500, 3))
    assert model.predict(X).shape == (400, 4)
    assert np.all(np.diff(model.predict(wild), axis=1) >= 0)
    coverage = np.mean(y[:, None] <= model.predict(X), axis=0)
    np.testing.assert_allclose(coverage, levels, atol=0.06)
    one = small(loss="quantile", quantile=[0.3]).fit(X, y)
    assert one.predict(X).shape == (400, 1)


def test_quantiles_of_several_outputs(skewed: Table) -> None:
    X, y = skewed
    Y = np.column_stack([y, 100.0 - 10.0 * y])
    model = small(loss="quantile", quantile=(0.2, 0.5, 0.8), max_iter=60).fit(X, Y)
    predicted = model.predict(X)
    assert predicted.shape == (400, 2, 3) and model.n_outputs_ == 2
    coverage = np.mean(Y[:, :, None] <= predicted, axis=0)
    np.testing.assert_allclose(coverage, [[0.2, 0.5, 0.8]] * 2, atol=0.07)
    assert small(loss="quantile").fit(X, Y).predict(X).shape == (400, 2)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
@pytest.mark.parametrize("normalization", ["batch", None])
def test_losses_with_a_log_link_predict_positive_means(
    skewed: Table, loss: str, normalization: Any
) -> None:
    X, y = skewed
    Y = np.column_stack([y, 1000.0 * y]) if normalization else y
    model = small(loss=loss, normalization=normalization, max_iter=60).fit(X, Y)
    predicted = model.predict(X)
    assert predicted.shape == Y.shape and np.all(predicted > 0)
    assert np.all(model.predict(100.0 * X) > 0)
    np.testing.assert_allclose(predicted.mean(axis=0), Y.mean(axis=0), rtol=0.1)
    assert model.out_activation_ == "exp"
    assert model.score(X, Y) > 0.25


def test_counts_with_zeros_are_learned(skewed: Table) -> None:
    X, _ = skewed
    y = np.random.default_rng(0).poisson(np.exp(X[:, 0] - 0.5))
    fitted = small(loss="poisson").fit(X, y)
    assert np.corrcoef(fitted.predict(X), np.exp(X[:, 0]))[0, 1] > 0.9


@each_loss
@pytest.mark.parametrize("factor", [2.0**-30, 2.0**30])
def test_training_does_not_depend_on_the_unit_of_the_target(
    skewed: Table, loss: str, factor: float
) -> None:
    """Under a norm; powers of two are exact."""
    X, y = skewed
    settings = {"loss": loss, "early_stopping": True, "max_iter": 8}
    plain, scaled = small(**settings).fit(X, y), small(**settings).fit(X, factor * y)
    assert scaled.loss_curve_ == plain.loss_curve_
    assert scaled.validation_scores_ == plain.validation_scores_
    np.testing.assert_allclose(scaled.predict(X), factor * plain.predict(X), rtol=1e-12)


@pytest.mark.parametrize("loss", IDENTITY)
def test_training_does_not_depend_on_the_origin_of_the_target(skewed: Table, loss: str) -> None:
    X, y = skewed
    y = np.round(2.0**20 * y) / 2.0**20
    plain, moved = small(loss=loss).fit(X, y), small(loss=loss).fit(X, y - 64.0)
    np.testing.assert_allclose(moved.predict(X), plain.predict(X) - 64.0, atol=1e-6)


@each_loss
def test_targets_may_be_taken_as_they_are(skewed: Table, loss: str) -> None:
    X, y = skewed
    raw = small(loss=loss, standardize_target=False).fit(X, y)
    assert raw.target_mean_.tolist() == [0.0] and raw.target_scale_.tolist() == [1.0]
    units = small(loss=loss).fit(X, y)
    assert units.target_scale_[0] != 1.0
    assert np.any(raw.predict(X) != units.predict(X))
    bare = small(loss=loss, normalization=None).fit(X, y)
    assert bare.target_scale_.tolist() == [1.0]
    forced = small(loss=loss, normalization=None, standardize_target=True).fit(X, y)
    assert forced.target_scale_[0] == pytest.approx(units.target_scale_[0])


@each_loss
@pytest.mark.parametrize("normalization", ["batch", None])
@pytest.mark.parametrize("outputs", [1, 2])
def test_plain_network_reproduces_the_predictions(
    skewed: Table, loss: str, normalization: Any, outputs: int
) -> None:
    X, y = skewed
    Y = y if outputs == 1 else np.column_stack([y, 7.0 * y + 3.0])
    settings = {"quantile": [0.2, 0.6], "max_iter": 5, "normalization": normalization}
    fitted = small(loss=loss, standardize_target=True, **settings).fit(X, Y)
    (first, last), (inner, outer) = fitted.coefs_, fitted.intercepts_
    raw = np.maximum(X @ first + inner, 0.0) @ last + outer
    raw = np.exp(raw) if fitted.out_activation_ == "exp" else raw
    expected = fitted.predict(X).reshape(raw.shape)
    if loss == "quantile":
        raw = np.sort(raw.reshape(400, outputs, 2), axis=2).reshape(raw.shape)
    np.testing.assert_allclose(raw, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "y", "message"),
    [
        ({"loss": "poisson"}, [1.0, 2.0, -0.5, 3.0], "loss='poisson'.*y holds -0.5 at row 2"),
        ({"loss": "gamma"}, [1.0, 2.0, 0.0, 3.0], "loss='gamma'.*y holds 0 at row 2"),
        ({"loss": "gamma"}, [1.0, -2.0, 1.0, 3.0], "loss='gamma'.*y holds -2 at row 1"),
        ({"loss": "quantile", "quantile": 0.0}, [1.0, 2.0, 3.0, 4.0], r"quantile=0.0 must be a"),
        ({"loss": "quantile", "quantile": [0.5, 1.0]}, [1.0, 2.0, 3.0, 4.0], r"must be a level"),
        ({"loss": "quantile", "quantile": []}, [1.0, 2.0, 3.0, 4.0], r"must be a level"),
        ({"loss": "quantile", "quantile": [[0.5]]}, [1.0, 2.0, 3.0, 4.0], r"must be a level"),
        ({"loss": "quantile", "quantile": [0.5, 0.5]}, [1.0, 2.0, 3.0, 4.0], "increasing"),
        ({"loss": "quantile", "quantile": [0.9, 0.1]}, [1.0, 2.0, 3.0, 4.0], "increasing"),
        ({"loss": "huber", "huber_delta": 0.0}, [1.0, 2.0, 3.0, 4.0], "'huber_delta' parameter"),
        ({"loss": "l2"}, [1.0, 2.0, 3.0, 4.0], "'loss' parameter"),
    ],
    ids=str,
)
def test_what_a_loss_cannot_learn_is_refused(settings: dict, y: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**settings).fit(np.arange(8.0).reshape(4, 2), y)


@pytest.mark.parametrize(("loss", "wrong"), [("poisson", -1.0), ("gamma", 0.0)])
def test_held_out_targets_are_checked_too(skewed: Table, loss: str, wrong: float) -> None:
    X, y = skewed
    y_val = np.r_[y[:9], wrong]
    with pytest.raises(ValueError, match=f"loss='{loss}'.*y_val holds {wrong:g} at row 9"):
        small(loss=loss).fit(X, y, X_val=X[:10], y_val=y_val)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_smoothing_draws_the_best_constant_to_equal_shares(classes: int, smoothing: float) -> None:
    y = np.repeat([0, 1, 2], [60, 20, 20]) if classes == 3 else np.repeat([0, 1], [80, 20])
    model = constant(estimator=MLPClassifier, label_smoothing=smoothing)
    fitted = model.fit(np.zeros((100, 1)), y)
    expected = (1.0 - smoothing) * np.bincount(y) / 100 + smoothing / classes
    np.testing.assert_allclose(fitted.predict_proba(np.zeros((1, 1)))[0], expected, atol=1e-6)


@pytest.mark.parametrize("table", ["binary", "multiclass"])
def test_smoothing_makes_probabilities_less_extreme(request: Any, table: str) -> None:
    X, y = request.getfixturevalue(table)
    largest = [
        small(MLPClassifier, label_smoothing=s).fit(X, y).predict_proba(X).max(axis=1).mean()
        for s in (0.0, 0.1, 0.3)
    ]
    assert largest[0] > largest[1] + 0.02 > largest[2] + 0.04


def test_smoothing_acts_on_labels_alike(binary: Table) -> None:
    """Each label of a row is a binary target of its own."""
    X, y = np.zeros((100, 1)), np.repeat([[1, 0], [1, 1]], [75, 25], axis=0)
    fitted = constant(estimator=MLPClassifier, label_smoothing=0.2).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X)[0], [0.9, 0.3], atol=1e-6)


def test_held_out_rows_are_scored_without_smoothing(binary: Table) -> None:
    X, y = binary
    model = small(MLPClassifier, label_smoothing=0.3, early_stopping=True, max_iter=10)
    fitted = model.fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:])
    p = fitted.predict_proba(X[160:])
    assert max(fitted.validation_scores_) == pytest.approx(-log_loss(y[160:], p), rel=1e-9)
    raw = special.logit(p[:, 1:])
    value, _ = BinaryLogLoss().value_and_gradient(raw, y[160:, None].astype(float))
    assert max(fitted.validation_scores_) == pytest.approx(-value, rel=1e-9)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_is_a_share(binary: Table, smoothing: float) -> None:
    with pytest.raises(ValueError, match="'label_smoothing' parameter"):
        small(MLPClassifier, label_smoothing=smoothing).fit(*binary)
