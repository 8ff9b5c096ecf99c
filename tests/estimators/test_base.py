"""What both estimators promise: dtypes, frames, history, persistence, the plain network."""

import io
import pickle
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]
NAMES = list("abcdef")
KEYS = {"loss", "penalty", "learning_rate", "gradient_norm", "seconds"}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


def small(estimator: type, **settings: Any) -> Any:
    """Two narrow layers, trained for six epochs."""
    sizes = {"hidden_layer_sizes": (8, 6), "max_iter": 6, "random_state": 0}
    return estimator(preset="sklearn", **{**sizes, "learning_rate_init": 0.02, **settings})


def outputs(fitted: Any, X: Any) -> np.ndarray:
    """Probabilities of a classifier, predictions of a regressor."""
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


@each_estimator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("compute", ["auto", "float32", "float64"])
def test_outputs_have_the_dtype_of_the_input(
    multiclass: Table, estimator: type, dtype: type, compute: str
) -> None:
    X, y = multiclass
    fitted = small(estimator, dtype=compute).fit(X.astype(dtype), y)
    assert outputs(fitted, X.astype(np.float32)).dtype == np.float32
    assert outputs(fitted, X.astype(np.float64)).dtype == np.float64


@each_estimator
def test_auto_computes_in_float64_only_on_small_float64_tables(
    binary: Table, estimator: type
) -> None:
    X, y = binary
    large = np.tile(X, (1, 70))  # 240 x 420 values reach 100,000
    cases = [(X, np.float64), (X.astype(np.float32), np.float32), (large, np.float32)]
    for table, expected in cases:
        fitted = small(estimator, max_iter=1).fit(table, y)
        assert fitted.network_.parameters.flat.dtype == expected
    for dtype in ("float32", "float64"):
        fitted = small(estimator, max_iter=1, dtype=dtype).fit(large, y)
        assert fitted.network_.parameters.flat.dtype == dtype


@each_estimator
def test_float32_and_float64_learn_the_same_to_rounding(binary: Table, estimator: type) -> None:
    X, y = binary
    wide = outputs(small(estimator, dtype="float64").fit(X, y), X)
    narrow = outputs(small(estimator, dtype="float32").fit(X, y), X)
    assert 0 < np.abs(wide - narrow).max() < 1e-3


@each_estimator
def test_integer_and_boolean_columns_are_numbers(binary: Table, estimator: type) -> None:
    X, y = binary
    whole = np.round(10 * X)
    expected = outputs(small(estimator).fit(whole, y), whole)
    np.testing.assert_array_equal(
        outputs(small(estimator).fit(whole.astype(np.int64), y), whole), expected
    )
    flags = X > 0
    np.testing.assert_array_equal(
        outputs(small(estimator).fit(flags, y), flags),
        outputs(small(estimator).fit(flags.astype(float), y), flags),
    )


@each_estimator
@pytest.mark.parametrize("layout", ["F", "strided"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_layout_changes_nothing_but_rounding(
    binary: Table, estimator: type, layout: str, dtype: type
) -> None:
    X, y = binary
    X = X.astype(dtype)
    other = np.asfortranarray(X) if layout == "F" else np.repeat(X, 2, axis=1)[:, ::2]
    fitted, same = small(estimator).fit(X, y), small(estimator).fit(other, y)
    rounding = 1e-4 if dtype is np.float32 else 1e-10
    np.testing.assert_allclose(outputs(same, other), outputs(fitted, X), atol=rounding)


@each_estimator
@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_frames_equal_arrays_and_keep_names(binary: Table, estimator: type, library: Any) -> None:
    X, y = binary
    frame = library.DataFrame(dict(zip(NAMES, X.T, strict=True)))
    fitted = small(estimator).fit(frame, library.Series(y))
    assert fitted.feature_names_in_.tolist() == NAMES
    assert fitted.n_features_in_ == len(NAMES)
    expected = outputs(small(estimator).fit(X, y), X)
    np.testing.assert_allclose(outputs(fitted, frame), expected, atol=1e-10)
    reordered = frame[NAMES[::-1]]
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(reordered)


@each_estimator
def test_early_stopping_on_a_frame_does_not_warn_about_names(
    binary: Table, estimator: type
) -> None:
    X, y = binary
    frame = pd.DataFrame(X, columns=NAMES)
    fitted = small(estimator, early_stopping=True, scoring=None).fit(frame, y)
    assert len(fitted.validation_scores_) == fitted.n_iter_


@each_estimator
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_history_has_an_entry_per_epoch(
    binary: Table, estimator: type, n_members: int, early_stopping: bool
) -> None:
    X, y = binary
    fitted = small(estimator, n_members=n_members, early_stopping=early_stopping).fit(X, y)
    keys = KEYS | ({"validation"} if early_stopping else set())
    assert set(fitted.history_) == keys
    assert {len(fitted.history_[key]) for key in keys} == {fitted.n_iter_} == {6}
    values = np.array([fitted.history_[key] for key in sorted(keys)])
    assert values.shape == (len(keys), 6) + ((3,) if n_members == 3 else ())
    assert np.isfinite(values).all()
    mean = np.array(fitted.history_["loss"]).reshape(6, -1).mean(axis=1)
    np.testing.assert_allclose(fitted.loss_curve_, mean, rtol=1e-12)
    assert fitted.loss_ == fitted.loss_curve_[-1]
    assert fitted.t_ == 6 * (216 if early_stopping else 240)
    assert fitted.n_layers_ == 4


@each_estimator
def test_loss_in_history_is_the_objective(binary: Table, estimator: type) -> None:
    """With a vanishing learning rate, the loss of the epoch is that of the fitted network."""
    X, y = binary
    quiet = {"normalization": None, "learning_rate_init": 1e-12, "max_iter": 1, "dtype": "float64"}
    fitted = small(estimator, alpha=0.3, l1_ratio=0.25, **quiet).fit(X, y)
    if estimator is MLPClassifier:
        loss = -np.log(fitted.predict_proba(X)[np.arange(len(y)), y]).mean()
    else:
        loss = 0.5 * ((fitted.predict(X) - y) ** 2).mean()
    weights = np.concatenate([w.ravel() for w in fitted.coefs_])
    penalty = 0.3 * (0.25 * np.abs(weights).sum() + 0.75 / 2 * (weights**2).sum())
    assert fitted.history_["penalty"][0] == pytest.approx(penalty, rel=1e-7)
    assert fitted.loss_ == pytest.approx(loss + penalty, rel=1e-7)


@each_estimator
@pytest.mark.parametrize("normalization", ["batch", None])
def test_loss_falls_in_every_epoch_of_an_easy_problem(
    binary: Table, estimator: type, normalization: str | None
) -> None:
    X, y = binary
    descent = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.02, "batch_size": 240}
    fitted = small(estimator, normalization=normalization, max_iter=40, **descent).fit(X, y)
    assert np.all(np.diff(fitted.loss_curve_) < 0)


def _pickled(estimator: Any) -> Any:
    return pickle.loads(pickle.dumps(estimator))


def _joblib_file(estimator: Any) -> Any:
    file = io.BytesIO()
    joblib.dump(estimator, file)
    return joblib.load(file)


@each_estimator
@pytest.mark.parametrize("round_trip", [_pickled, _joblib_file])
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
def test_round_trip_predicts_bit_for_bit(
    binary: Table, estimator: type, round_trip: Any, normalization: str | None
) -> None:
    X, y = binary
    fitted = small(estimator, normalization=normalization, n_members=2).fit(X, y)
    restored = round_trip(fitted)
    np.testing.assert_array_equal(outputs(restored, X), outputs(fitted, X))
    again = round_trip(restored)  # after a prediction, with the folded network in place
    np.testing.assert_array_equal(outputs(again, X), outputs(fitted, X))
    assert restored.get_params() == fitted.get_params()


@each_estimator
def test_pickles_clone_and_train_again(binary: Table, estimator: type) -> None:
    X, y = binary
    model = small(estimator, alpha=0.01, hidden_layer_sizes=[7])
    expected = outputs(clone(model).fit(X, y), X)
    for restored in (_pickled(model), _pickled(clone(model).fit(X, y))):
        fresh = clone(restored)
        assert fresh.get_params() == model.get_params()
        with pytest.raises(NotFittedError):
            fresh.predict(X)
        np.testing.assert_array_equal(outputs(fresh.fit(X, y), X), expected)


@each_estimator
def test_refit_forgets_the_first_fit(binary: Table, multiclass: Table, estimator: type) -> None:
    fitted = small(estimator, n_members=2, early_stopping=True).fit(*binary)
    fitted.set_params(n_members=1, early_stopping=False, normalization=None)
    X, y = multiclass
    expected = small(estimator, normalization=None).fit(X, y)
    np.testing.assert_array_equal(outputs(fitted.fit(X, y), X), outputs(expected, X))
    assert fitted.validation_scores_ is None and fitted.best_validation_score_ is None
