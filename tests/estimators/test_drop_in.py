"""What scikit-learn's own tests of its MLPs ask for, asked of ours with the same calls."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_softmax
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification, make_regression
from sklearn.metrics import roc_auc_score

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_norm = pytest.mark.parametrize("normalization", ["batch", None])
ACTIVATIONS = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0.0),
}
norms_and_activations = pytest.mark.parametrize(
    ("normalization", "activation"),
    [("batch", "tanh"), ("batch", "relu"), *((None, name) for name in ACTIVATIONS)],
)
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def digits(classes: int) -> Table:
    X, y = load_digits(n_class=classes, return_X_y=True)
    return X[:200] / 16.0, y[:200]


@pytest.fixture(scope="module")
def iris() -> Table:
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def labels() -> Table:
    return make_multilabel_classification(n_samples=50, random_state=0)


def test_larger_alpha_gives_smaller_weights() -> None:
    X, y = digits(2)
    sums = []
    for alpha in (0.0, 0.01, 1.0):
        model = MLPClassifier(10, alpha=alpha, normalization=None, random_state=1, preset="sklearn")
        sums.append([np.abs(weight).sum() for weight in model.fit(X, y).coefs_])
    assert np.all(np.diff(sums, axis=0) < 0)


def test_one_step_on_one_row_is_the_step_worked_out_by_hand() -> None:
    X, rate, alpha = np.array([[0.6, 0.8, 0.7]]), 0.1, 0.1
    settings = {"solver": "sgd", "alpha": alpha, "activation": "logistic", "random_state": 1}
    settings |= {"momentum": 0.0, "normalization": None}
    start = MLPClassifier(2, learning_rate_init=1e-300, **settings, preset="sklearn").partial_fit(
        X, [0], None, [0, 1]
    )
    stepped = MLPClassifier(2, learning_rate_init=rate, **settings, preset="sklearn").partial_fit(
        X, [0], None, [0, 1]
    )
    (w, v), (b, c) = start.coefs_, start.intercepts_
    h = expit(X @ w + b)
    d = expit(h @ v + c) - 0.0
    e = (d @ v.T) * h * (1.0 - h)
    np.testing.assert_allclose(stepped.coefs_[0], w - rate * (X.T @ e + alpha * w), rtol=1e-12)
    np.testing.assert_allclose(stepped.coefs_[1], v - rate * (h.T @ d + alpha * v), rtol=1e-12)
    np.testing.assert_allclose(stepped.intercepts_[0], b - rate * e[0], rtol=1e-12)
    np.testing.assert_allclose(stepped.intercepts_[1], c - rate * d[0], rtol=1e-12)


@each_activation
@pytest.mark.parametrize("classes", [2, 3])
def test_a_step_is_the_numerical_gradient(activation: str, classes: int) -> None:
    """Along a random direction."""
    rng = np.random.default_rng(42)
    X, y, rate, alpha = rng.uniform(size=(12, 10)), np.arange(12) % classes, 1e-3, 1e-2

    def objective(coefs: list, intercepts: list) -> float:
        raw = ACTIVATIONS[activation](X @ coefs[0] + intercepts[0]) @ coefs[1] + intercepts[1]
        raw = np.hstack([np.zeros_like(raw), raw]) if classes == 2 else raw
        penalty = 0.5 * alpha * sum((weight**2).sum() for weight in coefs)
        return -log_softmax(raw, axis=1)[np.arange(12), y].mean() + penalty

    settings = {"solver": "sgd", "momentum": 0.0, "alpha": alpha, "activation": activation}
    settings |= {"max_iter": 1, "random_state": 1, "normalization": None}
    start = MLPClassifier(10, learning_rate_init=1e-300, **settings, preset="sklearn").fit(X, y)
    stepped = MLPClassifier(10, learning_rate_init=rate, **settings, preset="sklearn").fit(X, y)
    point, moved = (model.coefs_ + model.intercepts_ for model in (start, stepped))
    gradient = [(a - b) / rate for a, b in zip(point, moved, strict=True)]
    direction = [rng.normal(size=a.shape) for a in point]
    ends = [[a + h * d for a, d in zip(point, direction, strict=True)] for h in (1e-5, -1e-5)]
    slope = (objective(ends[0][:2], ends[0][2:]) - objective(ends[1][:2], ends[1][2:])) / 2e-5
    inner = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    assert inner == pytest.approx(slope, rel=1e-6)


@norms_and_activations
@pytest.mark.parametrize("classes", [2, 3])
def test_lbfgs_learns_to_classify(activation: str, normalization: str | None, classes: int) -> None:
    X, y = digits(classes)
    settings = {"solver": "lbfgs", "max_iter": 150, "random_state": 1, "activation": activation}
    model = MLPClassifier(
        50, shuffle=True, normalization=normalization, **settings, preset="sklearn"
    )
    model.fit(X[:150], y[:150])
    predicted = model.predict(X[150:])
    assert model.score(X[:150], y[:150]) > 0.95
    assert predicted.shape == (50,) and predicted.dtype.kind == y.dtype.kind


@norms_and_activations
def test_lbfgs_learns_a_regression(activation: str, normalization: str | None) -> None:
    X, y = make_regression(200, 10, bias=20.0, noise=100.0, random_state=7)
    y = (y - y.mean()) / y.std()
    settings = {"solver": "lbfgs", "max_iter": 200, "random_state": 1, "activation": activation}
    model = MLPRegressor(
        hidden_layer_sizes=50, tol=1e-3, normalization=normalization, **settings, preset="sklearn"
    )
    assert model.fit(X, y).score(X, y) > (0.80 if activation == "identity" else 0.98)


@each_norm
def test_multilabel_targets_are_learned(labels: Table, normalization: str | None) -> None:
    X, y = labels
    settings = {"hidden_layer_sizes": 50, "alpha": 1e-6, "random_state": 0}
    activation = "logistic" if normalization is None else "tanh"
    settings |= {"activation": activation, "learning_rate_init": 0.2}
    model = MLPClassifier(
        solver="lbfgs", max_iter=150, normalization=normalization, **settings, preset="sklearn"
    )
    assert model.fit(X, y).score(X, y) > 0.97
    model = MLPClassifier(solver="sgd", normalization=normalization, **settings, preset="sklearn")
    for _ in range(100):
        model.partial_fit(X, y, classes=[0, 1, 2, 3, 4])
    assert model.score(X, y) > 0.9
    assert (
        MLPClassifier(early_stopping=True, max_iter=3, preset="sklearn").fit(X, y).predict(X).shape
        == y.shape
    )


@each_norm
def test_multilabel_probabilities_do_not_sum_to_one(
    labels: Table, normalization: str | None
) -> None:
    X, y = labels
    model = MLPClassifier(
        30, solver="lbfgs", random_state=0, normalization=normalization, preset="sklearn"
    )
    probability = model.fit(X, y).predict_proba(X)
    assert probability.shape == y.shape
    np.testing.assert_array_equal(probability > 0.5, y)
    assert np.abs(probability.sum(axis=1) - 1.0).max() > 0.1
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(probability))


@each_norm
def test_several_outputs_are_learned(normalization: str | None) -> None:
    X, y = make_regression(200, n_targets=5, random_state=11)
    settings = {"solver": "lbfgs", "max_iter": 200, "tol": 1e-2, "random_state": 1}
    model = MLPRegressor(
        hidden_layer_sizes=50, normalization=normalization, **settings, preset="sklearn"
    )
    assert model.fit(X, y).score(X, y) > 0.9


def test_probabilities_of_two_classes_rank_the_rows() -> None:
    X, y = digits(2)
    model = MLPClassifier(5, activation="tanh", random_state=1, preset="sklearn").fit(
        X[:50], y[:50]
    )
    probability = model.predict_proba(X[:50])
    assert roc_auc_score(y[:50], probability[:, 1]) == 1.0
    np.testing.assert_array_equal(
        probability.argmax(axis=1), model.predict_log_proba(X[:50]).argmax(axis=1)
    )


@pytest.mark.parametrize("shuffle", [False, True])
@each_norm
def test_shuffling_is_repeatable_and_matters(shuffle: bool, normalization: str | None) -> None:
    X, y = make_regression(50, 5, random_state=0)
    settings = {"hidden_layer_sizes": 1, "max_iter": 1, "batch_size": 2, "random_state": 0}
    settings |= {"normalization": normalization}
    one, two, other = (
        MLPRegressor(shuffle=how, **settings, preset="sklearn").fit(X, y).coefs_[0]
        for how in (shuffle, shuffle, not shuffle)
    )
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)


@each_estimator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_and_predictions_have_the_dtype_of_the_table(estimator: type, dtype: type) -> None:
    X, y = digits(2)
    X = X.astype(dtype)
    model = estimator(preset="sklearn", hidden_layer_sizes=(5, 3), random_state=1, max_iter=5).fit(
        X, y
    )
    assert {array.dtype for array in model.coefs_ + model.intercepts_} == {np.dtype(dtype)}
    if estimator is MLPRegressor:
        assert model.predict(X).dtype == dtype
    else:
        assert model.predict_proba(X).dtype == model.predict_log_proba(X).dtype == dtype
        assert model.predict(X).dtype == y.dtype


@each_norm
def test_precisions_agree(normalization: str | None) -> None:
    X, y = digits(2)
    settings = {"hidden_layer_sizes": (5, 3), "random_state": 1, "max_iter": 40}
    settings |= {"normalization": normalization, "learning_rate_init": 0.01}
    probabilities, predictions = [], []
    for dtype in (np.float64, np.float32):
        table = X.astype(dtype)
        classifier = MLPClassifier(**settings, preset="sklearn").fit(table, y)
        probabilities.append(classifier.predict_proba(table))
        predictions.append(MLPRegressor(**settings, preset="sklearn").fit(table, y).predict(table))
    np.testing.assert_allclose(probabilities[0], probabilities[1], rtol=1e-2)
    np.testing.assert_allclose(predictions[0], predictions[1], rtol=1e-2, atol=1e-3)


@each_estimator
def test_names_of_columns_survive_early_stopping(estimator: type) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(20, 2)), columns=["one", "two"])
    y = pd.Series(np.arange(20) % 2, name="target")
    model = estimator(
        preset="sklearn", early_stopping=True, validation_fraction=0.2, max_iter=3
    ).fit(X, y)
    assert model.feature_names_in_.tolist() == ["one", "two"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X.rename(columns={"two": "three"}))


@each_estimator
def test_diverging_training_stops_with_usable_weights(estimator: type, iris: Table) -> None:
    """scikit-learn trains on and scores NaN; here the best weights are kept, with a warning."""
    X, y = iris
    settings = {"activation": "identity", "solver": "sgd", "learning_rate_init": 1e4}
    settings |= {"normalization": None, "early_stopping": True, "max_iter": 20, "random_state": 0}
    with np.errstate(over="ignore", invalid="ignore"), pytest.warns(RuntimeWarning) as caught:
        model = estimator(preset="sklearn", alpha=1.0, **settings).fit(X, y)
    assert "became non-finite" in str(caught[0].message) and model.n_iter_ < 20
    assert isinstance(model.validation_scores_[-1], float)
    assert np.isnan(model.validation_scores_[-1])
    assert np.isfinite(model.predict(X)).all()


@each_estimator
@each_norm
def test_columns_beyond_the_range_of_floats_are_refused(
    estimator: type, normalization: str | None
) -> None:
    X = np.finfo(np.float64).max * np.random.default_rng(0).uniform(size=(10, 2))
    with pytest.raises(ValueError, match=r"Column \d of X reaches .*e\+308"):
        estimator(preset="sklearn", normalization=normalization).fit(X, np.arange(10) % 2)
