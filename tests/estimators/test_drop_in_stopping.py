"""When training ends, as scikit-learn's own tests of its MLPs ask, and what is printed of it."""

import re
from typing import Any

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_digits, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning

import sknorm
from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_norm = pytest.mark.parametrize("normalization", ["batch", None])
unfinished = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TWO_ROWS: tuple[list, list] = ([[3, 2], [1, 6]], [1, 0])
LOOSE: dict[str, Any] = {"solver": "sgd", "max_iter": 3000, "random_state": 0}


@pytest.fixture(scope="module")
def digits() -> Table:
    """100 images of zeros and ones."""
    X, y = load_digits(n_class=2, return_X_y=True)
    return X[:100] / 16.0, y[:100]


@each_norm
def test_training_ends_once_it_improves_by_less_than_tol(normalization: str | None) -> None:
    model = MLPClassifier(tol=0.5, normalization=normalization, **LOOSE, preset="sklearn").fit(
        *TWO_ROWS
    )
    assert model.n_iter_ < 3000


@each_norm
@pytest.mark.parametrize("n_iter_no_change", [2, 5, 10, 50, 100])
def test_patience_counts_epochs_without_improvement(
    digits: Table, n_iter_no_change: int, normalization: str | None
) -> None:
    settings = {"tol": 0.01, "n_iter_no_change": n_iter_no_change, "normalization": normalization}
    curve = np.array(MLPClassifier(**settings, **LOOSE, preset="sklearn").fit(*digits).loss_curve_)
    before = np.minimum.accumulate(curve)[:-1]
    improved = np.concatenate([[True], curve[1:] <= before - 0.01])
    assert len(curve) < 3000
    assert len(curve) - 1 - np.flatnonzero(improved)[-1] == n_iter_no_change + 1


@unfinished
@each_norm
def test_patience_without_end_uses_up_the_epochs(digits: Table, normalization: str | None) -> None:
    settings = {**LOOSE, "max_iter": 300, "normalization": normalization}
    model = MLPClassifier(5, tol=1e9, n_iter_no_change=np.inf, **settings, preset="sklearn")
    assert model.fit(*digits).n_iter_ == 300


@each_estimator
@each_norm
def test_attributes_of_early_stopping(
    digits: Table, estimator: type, normalization: str | None
) -> None:
    settings = {**LOOSE, "tol": 0.2, "normalization": normalization}
    model = estimator(preset="sklearn", early_stopping=True, **settings).fit(*digits)
    assert model.n_iter_ < 3000
    assert model.best_loss_ is None
    assert isinstance(model.validation_scores_, list)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_validation_score_ + 0.2 > max(model.validation_scores_[-2:])
    model = estimator(preset="sklearn", early_stopping=False, **settings).fit(*digits)
    assert model.validation_scores_ is model.best_validation_score_ is None
    assert model.best_loss_ == min(model.loss_curve_)


@each_norm
def test_adaptive_rate_falls_until_it_is_tiny(normalization: str | None) -> None:
    model = MLPClassifier(
        tol=0.5, learning_rate="adaptive", normalization=normalization, **LOOSE, preset="sklearn"
    ).fit(*TWO_ROWS)
    rates = np.unique(model.history_["learning_rate"])[::-1]
    assert model.n_iter_ < 3000 and rates[-1] < 1e-6
    np.testing.assert_allclose(rates[:-1] / rates[1:], 5.0)


@unfinished
@each_estimator
@pytest.mark.parametrize("labels", [np.array(["a", "b", "c"], dtype=object), [1, 2, 3]], ids=str)
def test_early_stopping_with_labels_of_any_type(estimator: type, labels: Any) -> None:
    X, y = make_classification(200, 10, n_classes=3, n_informative=5, random_state=42)
    y = np.array(labels)[y] if estimator is MLPClassifier else y
    model = estimator(preset="sklearn", early_stopping=True, max_iter=20, random_state=42).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    assert np.isfinite(model.validation_scores_).all()


@unfinished
def test_split_is_stratified_only_where_it_can_be() -> None:
    """scikit-learn refuses a class of one row; here the split is then a plain one."""
    X, y = np.arange(80.0).reshape(40, 2), np.repeat([0, 1], [39, 1])
    with pytest.raises(ValueError, match="least populated classes"):
        neural_network.MLPClassifier(early_stopping=True).fit(X, y)
    model = MLPClassifier(early_stopping=True, max_iter=3, preset="sklearn").fit(X, y)
    assert len(model.validation_scores_) == 3


@each_estimator
def test_held_out_part_of_one_row_is_too_small(estimator: type) -> None:
    X = np.arange(20.0).reshape(10, 2)
    with pytest.raises(ValueError, match="The validation set is too small"):
        estimator(preset="sklearn", early_stopping=True).fit(X, np.arange(10) % 2)


@unfinished
@each_estimator
@each_norm
def test_weights_of_one_do_not_change_early_stopping(
    estimator: type, normalization: str | None
) -> None:
    X, y = make_regression(100, 2, random_state=42)
    y = (y > 0).astype(float)
    settings = {"preset": "sklearn", "early_stopping": True, "tol": 1e-2, "random_state": 42}
    settings |= {"normalization": normalization, "hidden_layer_sizes": 10, "max_iter": 50}
    settings |= {"batch_size": 10}
    weighted = estimator(**settings).fit(X, y, sample_weight=np.ones(100))
    plain = estimator(**settings).fit(X, y, sample_weight=None)
    np.testing.assert_allclose(weighted.predict(X), plain.predict(X), rtol=1e-9)
    np.testing.assert_allclose(weighted.validation_scores_, plain.validation_scores_, rtol=1e-9)


def printed_by(package: Any, capsys: pytest.CaptureFixture, call: str = "fit", **extra: Any) -> str:
    """What a fit of two small estimators prints; ours as scikit-learn would train it."""
    X, y = make_classification(60, 4, n_informative=4, n_redundant=0, random_state=0)
    if package is sknorm:
        extra |= {"preset": "sklearn", "normalization": None, "scoring": None}
        extra |= {"alpha": extra.get("alpha", 1e-4) / 20}
    settings = {"hidden_layer_sizes": 3, "random_state": 0, "verbose": True, "batch_size": 20}
    model = package.MLPClassifier(**{**settings, "max_iter": 8, **extra})
    if call == "fit":
        model.fit(X, y)
    else:
        for _ in range(3):
            model.partial_fit(X, y, classes=[0, 1])
    return capsys.readouterr().out


VERBOSE: list[dict[str, Any]] = [
    {},
    {"tol": 10.0, "n_iter_no_change": 2},
    {"tol": 10.0, "n_iter_no_change": 2, "solver": "sgd", "learning_rate": "adaptive"},
    {"batch_size": 54, "alpha": 0.0, "early_stopping": True, "n_iter_no_change": 1},
]


@unfinished
@pytest.mark.parametrize("settings", VERBOSE, ids=str)
def test_what_is_printed_is_what_scikit_learn_prints(
    capsys: pytest.CaptureFixture, settings: dict
) -> None:
    theirs = printed_by(neural_network, capsys, **settings)
    ours = printed_by(sknorm, capsys, **settings)
    assert ours == theirs and "Iteration 1, loss = " in ours
    if "tol" in settings:
        assert "did not improve more than tol=10.000000 for 2 consecutive epochs." in ours
        assert ("Setting learning rate to 0.000200" in ours) == ("learning_rate" in settings)
    assert ("Validation score: " in ours) == ("early_stopping" in settings)


def test_partial_fit_prints_its_loss(capsys: pytest.CaptureFixture) -> None:
    theirs = printed_by(neural_network, capsys, "partial_fit", shuffle=False)
    ours = printed_by(sknorm, capsys, "partial_fit", shuffle=False)
    assert ours == theirs and ours.count("Iteration 1, loss = ") == 3


@each_estimator
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_running_out_of_iterations_warns(digits: Table, estimator: type, solver: str) -> None:
    settings = {"solver": solver, "max_iter": 2, "n_iter_no_change": np.inf, "tol": 0.0}
    message = {"lbfgs": "lbfgs failed to converge"}.get(
        solver, "Stochastic Optimizer: Maximum iterations (2) reached and the optimization hasn't"
    )
    with pytest.warns(ConvergenceWarning, match=re.escape(message)):
        assert estimator(preset="sklearn", **settings).fit(*digits).n_iter_ == 2


@each_estimator
@each_norm
def test_evaluations_limit_the_iterations_of_lbfgs(
    digits: Table, estimator: type, normalization: str | None
) -> None:
    settings = {"solver": "lbfgs", "max_fun": 10, "tol": 0.0, "normalization": normalization}
    with pytest.warns(ConvergenceWarning):
        model = estimator(preset="sklearn", **settings, random_state=1)
        assert model.fit(*digits).n_iter_ <= 10
