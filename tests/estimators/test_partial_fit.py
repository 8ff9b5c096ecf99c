"""``partial_fit``: k calls are k epochs, columns are pooled, and state goes on between calls."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn import neural_network

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])

EPOCHS = 8
SGD = {"solver": "sgd", "learning_rate_init": 0.05}
ENGINES: list[dict[str, Any]] = [
    {},
    SGD,
    {**SGD, "momentum": 0.5, "nesterovs_momentum": False, "learning_rate": "invscaling"},
    {**SGD, "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1},
    {"solver": "adamw"},
    {"normalization": None},
    {"normalization": None, "hidden_layer_sizes": ()},
    {"normalization": "layer", "residual": True},
    {"normalization": "ghost", "ghost_batch_size": 16},
    {"dropout": 0.3, "input_dropout": 0.1},
    {"input_noise": 0.1, "mixup_alpha": 0.3},
    {"penalty": "group_lasso", "alpha": 0.01},
    {"l1_ratio": 0.5, "alpha": 0.01, "max_grad_norm": 0.5},
    {"n_members": 3, "dropout": 0.2},
]


def small(estimator: type, **settings: Any) -> Any:
    """Two narrow layers whose fit takes all of its epochs."""
    sizes = {"hidden_layer_sizes": (8, 8), "random_state": 0, "max_iter": EPOCHS, "tol": 0.0}
    sizes |= {"shuffle": False, "batch_size": 60, "learning_rate_init": 0.02}
    return estimator(
        preset="sklearn", **{**sizes, "n_iter_no_change": 1000, "dtype": "float64", **settings}
    )


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def called(model: Any, X: Any, y: Any, weight: Any = None, calls: int = EPOCHS) -> Any:
    """The model after some calls; a classifier is told the classes in each."""
    extra = {"classes": np.unique(y)} if isinstance(model, MLPClassifier) else {}
    for _ in range(calls):
        model.partial_fit(X, y, sample_weight=weight, **extra)
    return model


def chunks(*arrays: Any, ends: tuple[int, ...] = (30, 37, 150, 240)) -> Iterator[tuple]:
    """Rows in parts of unequal sizes."""
    for start, stop in zip((0, *ends), ends, strict=False):
        yield tuple(array[start:stop] for array in arrays)


@each_estimator
@pytest.mark.parametrize("settings", ENGINES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_calls_with_the_same_rows_are_the_epochs_of_a_fit(
    multiclass: Table, estimator: type, settings: dict, weighted: bool
) -> None:
    if "mixup_alpha" in settings and estimator is MLPRegressor and weighted:
        settings = {**settings, "mixup_alpha": 0.0}
    X, y = multiclass
    weight = np.random.default_rng(0).integers(0, 4, len(y)) * 0.7 if weighted else None
    fitted = small(estimator, **settings).fit(X, y, weight)
    model = called(small(estimator, **settings), X, y, weight)
    np.testing.assert_allclose(outputs(model, X), outputs(fitted, X), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.loss_curve_, fitted.loss_curve_, rtol=1e-9)
    assert model.t_ == fitted.t_ and model.n_iter_ == 1
    for key in ("loss", "penalty", "learning_rate", "gradient_norm"):
        np.testing.assert_allclose(model.history_[key], fitted.history_[key], rtol=1e-7)
    if settings.get("learning_rate") == "adaptive":
        assert model.history_["learning_rate"][-1] < 0.05


THEIRS: list[dict[str, Any]] = [
    {"solver": "adam"},
    {**SGD, "momentum": 0.9},
    {**SGD, "learning_rate": "invscaling", "power_t": 0.3},
    {**SGD, "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
]


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("settings", THEIRS, ids=str)
@pytest.mark.parametrize("rows", ["the same", "parts", "weighted parts"])
def test_without_a_norm_calls_are_those_of_scikit_learn(
    binary: Table, name: str, settings: dict, rows: str
) -> None:
    """On the same rows in each call, or on parts of unequal sizes, of which each is a batch."""
    X, y = binary
    rng = np.random.default_rng(0)
    weighted = rows == "weighted parts"
    settings = {"hidden_layer_sizes": (8,), "random_state": 0, "shuffle": False, **settings}
    kind = MLPClassifier if name == "MLPClassifier" else MLPRegressor
    batch_size = 60 if rows == "the same" else "auto"
    mine = kind(alpha=0.01, batch_size=batch_size, normalization=None, preset="sklearn", **settings)
    other = getattr(neural_network, name)(batch_size=batch_size, **settings)
    extra = {"classes": [0, 1]} if kind is MLPClassifier else {}
    for _ in range(30):
        part = (
            slice(None)
            if rows == "the same"
            else rng.permutation(240)[: rng.choice([1, 20, 20, 33])]
        )
        weight = rng.uniform(0.2, 3.0, len(y[part])) if weighted else np.ones(len(y[part]))
        other.set_params(alpha=0.01 * (60 if rows == "the same" else weight.sum()))
        for model in (mine, other):
            model.partial_fit(X[part], y[part], weight if weighted else None, **extra)
    np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-8)
    assert mine.t_ == other.t_ and mine.n_iter_ == other.n_iter_ == 1
    assert mine.best_loss_ == pytest.approx(other.best_loss_, rel=1e-8)
    for ours, theirs in zip(mine.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


@each_estimator
@pytest.mark.parametrize("container", [np.asarray, "sparse"], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
def test_columns_are_pooled_over_the_calls(
    binary: Table, estimator: type, container: Any, weighted: bool
) -> None:
    """To the statistics of all rows, whatever the sizes of the parts."""
    if container == "sparse":
        container = pytest.importorskip("scipy.sparse").csr_array
    X, y = binary
    X = np.column_stack([X + 100.0, X[:, 0] > 0, X[:, 1] > 50.0, np.full(240, 7.0)])
    X[60, 7] = 1.0  # an indicator whose second value comes with a later part
    weight = np.random.default_rng(1).uniform(0.1, 3.0, 240) if weighted else np.ones(240)
    model = small(estimator, batch_size="auto")
    for X_part, y_part, w_part in chunks(X, y, weight):
        called(model, container(X_part), y_part * 1, w_part if weighted else None, calls=1)
    fitted = small(estimator, max_iter=1).fit(X, y, weight)
    np.testing.assert_allclose(model.input_mean_, fitted.input_mean_, rtol=1e-12)
    np.testing.assert_allclose(model.input_scale_, fitted.input_scale_, rtol=1e-12)
    np.testing.assert_array_equal(model.input_mean_[6:], [0.0, 0.0, 7.0])
    np.testing.assert_array_equal(model.input_scale_[6:], 1.0)


@pytest.mark.parametrize("settings", ENGINES, ids=str)
def test_a_pickle_between_calls_changes_nothing(multiclass: Table, settings: dict) -> None:
    X, y = multiclass
    settings = {**settings, "shuffle": True, "random_state": None}
    model = called(small(MLPClassifier, **settings), X, y, calls=3)
    restored = pickle.loads(pickle.dumps(model))
    copied = copy.deepcopy(model)
    expected = outputs(called(model, X, y, calls=3), X)
    np.testing.assert_array_equal(outputs(called(restored, X, y, calls=3), X), expected)
    np.testing.assert_array_equal(outputs(called(copied, X, y, calls=3), X), expected)


@each_estimator
def test_predictions_between_calls_change_nothing(binary: Table, estimator: type) -> None:
    X, y = binary
    model, quiet = small(estimator, dropout=0.1), small(estimator, dropout=0.1)
    for _ in range(4):
        before = outputs(called(model, X, y, calls=1), X)
    np.testing.assert_array_equal(before, outputs(called(quiet, X, y, calls=4), X))
    assert np.any(outputs(called(model, X, y, calls=1), X) != before)


@each_estimator
def test_members_are_trained_as_if_alone(binary: Table, estimator: type) -> None:
    X, y = binary
    stack = called(small(estimator, n_members=3, dropout=0.2), X, y)
    alone = [
        outputs(called(small(estimator, random_state=seed, dropout=0.2), X, y), X)
        for seed in stack.member_seeds_
    ]
    np.testing.assert_allclose(outputs(stack, X), np.mean(alone, axis=0), rtol=1e-9, atol=1e-10)


@each_estimator
@pytest.mark.parametrize("normalization", [None, "layer"])
def test_rows_may_come_one_by_one_without_batch_statistics(
    binary: Table, estimator: type, normalization: str | None
) -> None:
    X, y = binary
    model = small(estimator, normalization=normalization, batch_size="auto")
    if normalization == "layer":  # whose first call learns the units of the targets
        called(model, X, y, calls=1)
    for X_row, y_row in chunks(X, y, ends=tuple(range(1, 31))):
        extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
        model.partial_fit(X_row, y_row, **extra)
    assert model.t_ == 30 + (240 if normalization == "layer" else 0)
    assert np.isfinite(outputs(model, X)).all()


def test_a_fitted_model_is_tuned_on_a_row_of_its_own(tmp_path: Any) -> None:
    model = MLPRegressor(
        hidden_layer_sizes=42,
        normalization=None,
        learning_rate_init=0.01,
        random_state=42,
        preset="sklearn",
    ).fit([[2]], [4])
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    model = pickle.loads((tmp_path / "model").read_bytes())
    for _ in range(200):
        model.partial_fit([[2]], [1])
    np.testing.assert_allclose(model.predict([[2]]), [1.0], rtol=1e-4)
