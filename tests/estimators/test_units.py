"""Units of columns and targets of any size, up to the ends of float64."""

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import EnsembleRegressor
from sknorm.objective.losses import LOSSES

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
IDENTITY = [name for name, loss in LOSSES.items() if loss.output_activation == "identity"]
each_loss = pytest.mark.parametrize("loss", LOSSES)


def small(estimator: type, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (8,), "max_iter": 12, "random_state": 0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def in_chunks(model: Any, X: Any, y: np.ndarray) -> Any:
    given = {"classes": [0, 1]} if isinstance(model, MLPClassifier) else {}
    for start in (0, 80, 160):
        model.partial_fit(X[start : start + 80], y[start : start + 80], **given)
    return model


def positive(X: np.ndarray) -> np.ndarray:
    """Targets that every loss takes, up to about one."""
    y = np.exp(X[:, 0] / 2)
    return y / y.max()


@each_estimator
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("power", [-1010, -565, 480])
@pytest.mark.parametrize("fit", [lambda model, X, y: model.fit(X, y), in_chunks])
def test_inputs_of_any_size(
    binary: Table, estimator: type, container: Any, power: int, fit: Any
) -> None:
    X, y = binary
    moved = container(np.ldexp(X, power))
    plain = fit(small(estimator), container(X), y)
    fitted = fit(small(estimator), moved, y)
    np.testing.assert_allclose(outputs(fitted, moved), outputs(plain, container(X)), atol=1e-7)


@each_estimator
@pytest.mark.parametrize("container", [np.array, sparse.csr_array])
@pytest.mark.parametrize("fit", [lambda model, X, y: model.fit(X, y), in_chunks])
def test_float32_columns_of_large_mean(
    binary: Table, estimator: type, container: Any, fit: Any
) -> None:
    """As good as float64, however the table is laid out: time stamps, dates, a flag."""
    X, y = binary
    X = X.copy()
    X[:, 0] = 1.7e12 + 1e6 * X[:, 0]
    X[:, 1] = 2.024e9 + 900.0 * X[:, 1]
    X[:, 2] = 1e7 + (X[:, 2] > 0)
    narrow = X.astype(np.float32)
    wanted = fit(small(estimator, dtype="float64"), narrow.astype(np.float64), y)
    for table in (container(narrow), container(np.asfortranarray(narrow))):
        fitted = fit(small(estimator, dtype="float64"), table, y)
        np.testing.assert_allclose(fitted.input_scale_, wanted.input_scale_, rtol=1e-9)
        result = outputs(wanted, narrow.astype(np.float64))
        np.testing.assert_allclose(outputs(fitted, table), result, rtol=1e-5, atol=1e-6)
    deviation = narrow.astype(np.float64).std(axis=0)
    np.testing.assert_allclose(fitted.input_scale_[:2], deviation[:2], rtol=1e-9)
    assert fitted.input_scale_[2] == 1.0 and fitted.input_mean_[2] == 1e7


@each_estimator
@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_denormal_column_counts_as_constant(binary: Table, estimator: type, scaling: str) -> None:
    X, y = binary
    column = X[:, :1] * 1e-310
    model = small(estimator, scaling=scaling)
    with pytest.warns(UserWarning, match="Column 6 of X varies by"):
        fitted = model.fit(np.hstack([X, column]), y)
    plain = small(estimator, scaling=scaling).fit(np.hstack([X, np.zeros_like(column)]), y)
    result = outputs(fitted, np.hstack([X, column]))
    np.testing.assert_allclose(result, outputs(plain, np.hstack([X, np.zeros_like(column)])))


@each_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "power",
    [-1030, 950, *(pytest.param(p, marks=pytest.mark.thorough) for p in (-1000, -565, 130, 565))],
)
def test_targets_of_any_size(binary: Table, loss: str, dtype: type, power: int) -> None:
    """Predictions are in float64 where float32 does not hold them."""
    X, _ = binary
    X, y = X.astype(dtype), positive(X)
    plain = small(MLPRegressor, loss=loss).fit(X, y)
    moved = small(MLPRegressor, loss=loss).fit(X, np.ldexp(y, power))
    assert moved.loss_curve_ == pytest.approx(plain.loss_curve_, rel=1e-4)
    result = np.ldexp(moved.predict(X).astype(np.float64), -power)
    np.testing.assert_allclose(result, plain.predict(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", IDENTITY)
def test_targets_of_large_mean_keep_their_digits(binary: Table, loss: str) -> None:
    X, _ = binary
    X, y = X.astype(np.float32), np.round(1e3 * positive(X))
    plain = small(MLPRegressor, loss=loss).fit(X, y).predict(X)
    moved = small(MLPRegressor, loss=loss).fit(X, y + 1.7e12).predict(X)
    np.testing.assert_allclose(moved - 1.7e12, plain, rtol=1e-3, atol=1e-1)


def test_several_targets_of_very_different_size(binary: Table) -> None:
    X, _ = binary
    y, powers = np.column_stack([positive(X), X[:, 1], X[:, 2]]), np.array([-700, 700, 0])
    plain = small(MLPRegressor).fit(X, y)
    moved = small(MLPRegressor).fit(X, np.ldexp(y, powers))
    result = np.ldexp(moved.predict(X), -powers)
    np.testing.assert_allclose(result, plain.predict(X), rtol=1e-6, atol=1e-9)


def test_ensemble_of_models_of_targets_that_float32_does_not_hold(binary: Table) -> None:
    X, _ = binary
    X, y = X.astype(np.float32), positive(X) * 1e-170
    models = [small(MLPRegressor, random_state=k).fit(X, y) for k in (0, 1)]
    expected = np.mean([model.predict(X) for model in models], axis=0)
    np.testing.assert_allclose(EnsembleRegressor.from_fitted(models).predict(X), expected)
    assert expected.max() > 1e-171


@pytest.mark.parametrize(("location", "dtype"), [(0.0, np.float32), (1e9, np.float64)])
def test_a_spread_has_the_dtype_of_its_mean(binary: Table, location: float, dtype: Any) -> None:
    X = binary[0].astype(np.float32)
    model = small(MLPRegressor, n_members=2).fit(X, positive(X) + location)
    mean, std = model.predict(X, return_std=True)
    assert mean.dtype == std.dtype == dtype and std.max() < 1e3


@each_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_targets_of_1e308_train_as_those_of_1(binary: Table, loss: str, dtype: str) -> None:
    """And no prediction leaves float64, however far the row is."""
    X, _ = binary
    y = positive(X) / positive(X).max()
    model, large = (small(MLPRegressor, loss=loss, dtype=dtype).fit(X, y * s) for s in (1, 1e308))
    np.testing.assert_allclose(large.predict(X) / 1e308, model.predict(X), rtol=1e-4, atol=1e-5)
    assert np.isfinite(large.predict(1e8 * X)).all()
    assert np.isfinite(EnsembleRegressor.from_fitted([large, large]).predict(1e8 * X)).all()
    for _ in range(2):
        large.partial_fit(X, y * 1e308)
    assert np.isfinite(large.predict(X)).all()


@each_loss
@pytest.mark.parametrize("standardize", [True, False])
def test_targets_near_the_largest_number(binary: Table, loss: str, standardize: bool) -> None:
    X, _ = binary
    for y in (positive(X) * 1.7e308, -positive(X) * 1.7e308):
        if y[0] < 0 and loss in ("poisson", "gamma"):
            continue
        model = small(MLPRegressor, loss=loss, standardize_target=standardize)
        with pytest.raises(ValueError, match=r"y reaches 1\.7e\+308.*Rescale it"):
            model.fit(X, y)
        with pytest.raises(ValueError, match="y_val"):
            small(MLPRegressor, loss=loss).fit(X, positive(X), X_val=X, y_val=y)


def test_target_too_far_from_the_others_for_float32(binary: Table) -> None:
    X, _ = binary
    y = positive(X)
    y[7] = 1e60
    model = small(MLPRegressor, loss="absolute_error", dtype="float32")
    with pytest.raises(ValueError, match=r"y holds 1e\+60 at row 7.*float32.*dtype='float64'"):
        model.fit(X, y)
    small(MLPRegressor, loss="absolute_error", dtype="float64").fit(X, y)


@each_loss
@pytest.mark.parametrize("huber_delta", [1e-3, 10.0, 1e6])
def test_no_warning_escapes(binary: Table, loss: str, huber_delta: float) -> None:
    """Whatever the targets are like, and far from all that was trained on."""
    X, _ = binary
    y = positive(X)
    flat, counts = np.full(len(y), 0.3), np.round(10 * y) + (loss == "gamma")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        for target in (y[:239], flat[:239], counts[:239], np.r_[flat[:200], y[200:239]]):
            model = small(MLPRegressor, loss=loss, huber_delta=huber_delta, max_iter=3)
            fitted = model.fit(X[:239], target)
            assert np.isfinite(fitted.predict(1e6 * X)).all()
            assert np.isfinite(fitted.predict((1e6 * X).astype(np.float32))).all()
