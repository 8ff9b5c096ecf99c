"""A call of ``partial_fit`` counts as a whole, or not at all."""

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from interrupts import interrupted_at
from scipy import sparse

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
SETTINGS: list[dict[str, Any]] = [
    {},
    {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 0.1},
    {"solver": "sgd", "learning_rate": "invscaling", "n_members": 2},
    {"norm_statistics": "cumulative", "dropout": 0.2},
    {"normalization": None},
    {"penalty": "group_lasso", "alpha": 0.01, "dtype": "float32"},
]


def started(estimator: type, table: Table, **settings: Any) -> Any:
    sizes = {"hidden_layer_sizes": (6,), "random_state": 0, "learning_rate_init": 0.02}
    model = estimator(preset="sklearn", **{**sizes, "batch_size": 60, **settings})
    extra = {"classes": np.unique(table[1])} if estimator is MLPClassifier else {}
    return model.partial_fit(*table, **extra).partial_fit(*table)


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def forward(fitted: Any, X: np.ndarray) -> np.ndarray:
    """The usual forward pass over ``coefs_``, of one network without a link."""
    hidden = np.maximum(X @ fitted.coefs_[0] + fitted.intercepts_[0], 0)
    return (hidden @ fitted.coefs_[1] + fitted.intercepts_[1]).ravel()


def assert_as_before(model: Any, twin: Any, X: np.ndarray, y: np.ndarray) -> None:
    """The model, a pickle of it, and what it becomes: those of a twin that had no bad call."""
    for name in ("input_mean_", "input_scale_", "t_", "loss_", "loss_curve_", "n_iter_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(twin, name), err_msg=name)
    restored = pickle.loads(pickle.dumps(model))
    for each in (model, restored):
        np.testing.assert_array_equal(outputs(each, X), outputs(twin, X))
    if isinstance(model, MLPRegressor) and model.n_members == 1:
        np.testing.assert_allclose(forward(model, X), model.predict(X), rtol=1e-4, atol=1e-4)
    for each in (model, restored, twin):
        each.partial_fit(X, y)
    for each in (model, restored):
        np.testing.assert_array_equal(outputs(each, X), outputs(twin, X))


@each_estimator
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_interrupts_anywhere(binary: Table, estimator: type, settings: dict) -> None:
    X, y = binary
    model, twin = started(estimator, binary, **settings), started(estimator, binary, **settings)
    for call in (3, 30, 60, 90, 110, 130, 150, 180, 220, 260):
        try:
            with interrupted_at(call):
                model.partial_fit(2 * X + 1, y[::-1])
        except KeyboardInterrupt:
            pass
        else:
            twin.partial_fit(2 * X + 1, y[::-1])
        assert_as_before(model, twin, X, y)


@each_estimator
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_divergence(binary: Table, estimator: type, settings: dict) -> None:
    X, y = binary
    model, twin = started(estimator, binary, **settings), started(estimator, binary, **settings)
    good = model.get_params()
    model.set_params(solver="sgd", learning_rate_init=1e300, learning_rate="constant")
    model.set_params(penalty="elasticnet")
    with pytest.warns(
        RuntimeWarning, match="became non-finite.*weights before the call are kept"
    ) as caught:
        model.partial_fit(7 * X + 100, y)
    assert caught[0].filename == __file__
    assert_as_before(model.set_params(**good), twin, X, y)


@pytest.mark.parametrize("fill", [9.97e36, 1e20, -1e300, 1e13])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fill_value_among_the_targets(
    regression: Table, fill: float, solver: str, dtype: Any
) -> None:
    """Wherever it stands: the last batch shows in no loss."""
    X, y = regression[0].astype(dtype), regression[1] / 100
    settings = {"solver": solver, "learning_rate_init": 0.01, "shuffle": False}
    for row in (0, 130, 239):
        model, twin = (started(MLPRegressor, (X, y), **settings) for _ in range(2))
        bad = y.copy()
        bad[row] = fill
        with pytest.warns(RuntimeWarning, match="weights before the call are kept"):
            model.partial_fit(X, bad)
        assert_as_before(model, twin, X, y)


def test_a_fill_value_among_raw_targets(regression: Table) -> None:
    """Without units of their own, what shows is that weights are not finite."""
    X, y = regression[0].astype(np.float32), regression[1] / 100
    settings = {"solver": "sgd", "normalization": None, "shuffle": False, "dtype": "float32"}
    model, twin = (started(MLPRegressor, (X, y), **settings) for _ in range(2))
    bad = y.copy()
    bad[-1] = 9.97e36
    with pytest.warns(RuntimeWarning, match="became non-finite.*weights before the call are kept"):
        model.partial_fit(X, bad)
    assert_as_before(model, twin, X, y)


@each_estimator
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("fill", [9.97e36, -1e20, 1e100])
def test_a_fill_value_in_a_column(
    binary: Table, estimator: type, container: Any, fill: float
) -> None:
    X, y = binary
    model, twin = started(estimator, binary), started(estimator, binary)
    bad = X.copy()
    bad[[7, 9], 2] = fill
    with pytest.warns(RuntimeWarning, match="column 2 of X.*weights before the call are kept"):
        model.partial_fit(container(bad), y)
    assert_as_before(model, twin, X, y)


@each_estimator
@pytest.mark.parametrize("normalization", ["batch", "ghost"])
def test_a_fill_value_in_a_row_that_is_to_wait(
    binary: Table, estimator: type, normalization: str
) -> None:
    X, y = binary
    settings = {"normalization": normalization}
    model, twin = started(estimator, binary, **settings), started(estimator, binary, **settings)
    bad = X[:1].copy()
    bad[0, 2] = 1e30
    with pytest.warns(RuntimeWarning, match="column 2 of X.*weights before the call are kept"):
        model.partial_fit(bad, y[:1])
    assert_as_before(model, twin, X, y)


def test_a_fill_value_as_the_target_of_a_row_that_is_to_wait(regression: Table) -> None:
    X, y = regression
    model, twin = started(MLPRegressor, (X, y)), started(MLPRegressor, (X, y))
    with pytest.warns(RuntimeWarning, match=r"y=1e\+30.*weights before the call are kept"):
        model.partial_fit(X[:1], [1e30])
    assert_as_before(model, twin, X, y)


@pytest.mark.parametrize(
    "estimator, settings, bad",
    [
        (MLPClassifier, {}, 2),
        (MLPRegressor, {"loss": "poisson"}, -1.0),
        (MLPRegressor, {"standardize_target": False, "dtype": "float32"}, 1e300),
    ],
)
def test_a_target_that_is_refused_in_a_row_that_is_to_wait(
    binary: Table, estimator: type, settings: dict, bad: float
) -> None:
    X, y = binary
    model, twin = started(estimator, binary, **settings), started(estimator, binary, **settings)
    with pytest.raises(ValueError):
        model.partial_fit(X[:1], [bad])
    assert_as_before(model, twin, X, y)


@each_estimator
def test_a_row_that_waited_goes_with_the_call_that_is_taken_back(
    binary: Table, estimator: type
) -> None:
    """Which it may have spoilt, as it would the next one."""
    X, y = binary
    model, twin = started(estimator, binary), started(estimator, binary)
    bad = X.copy()
    bad[7, 2] = 1e30
    model.partial_fit(X[:1], y[:1])
    with pytest.warns(RuntimeWarning, match="nothing of it counts, nor the single row before it"):
        model.partial_fit(bad, y)
    assert_as_before(model, twin, X, y)


@each_estimator
def test_a_column_that_begins_to_vary_by_single_rows(binary: Table, estimator: type) -> None:
    """Among few rows, one in other units is no bad record; rows that follow go on with them."""
    X, y = binary
    order = np.argsort(y, kind="stable")[[0, -1, 1]]  # of both classes
    X, y = X[order].copy(), y[order]
    X[:, 2] = [1.0, 1.0 + 1e-9, 2.0]
    model = started(estimator, (X[:2], y[:2]), batch_size=2)
    with pytest.warns(RuntimeWarning, match="times as far apart"):
        model.partial_fit(X[2:], y[2:])
    with pytest.warns(RuntimeWarning, match="times as far apart"):
        model.partial_fit(X[2:], y[2:])
    assert model.t_ == 6


@each_estimator
def test_another_unit_of_a_column_is_told(binary: Table, estimator: type) -> None:
    X, y = binary
    model = started(estimator, binary)
    scale = model.input_scale_[2]
    with pytest.warns(RuntimeWarning, match=r"column 2 of X are \de\+0\d times as far apart"):
        model.partial_fit(X * [1, 1, 1e9, 1, 1, 1], y)
    assert model.input_scale_[2] > 1e8 * scale


@each_estimator
def test_a_first_call_that_diverges_makes_no_model(binary: Table, estimator: type) -> None:
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    model = estimator(
        preset="sklearn", hidden_layer_sizes=(6,), solver="sgd", learning_rate_init=1e300
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="there is no model"):
            model.partial_fit(*binary, **extra)
    assert not hasattr(model, "network_") and not hasattr(model, "classes_")
    model.set_params(learning_rate_init=0.01).partial_fit(*binary, **extra)
    assert np.isfinite(outputs(model, binary[0])).all()


@each_estimator
def test_a_shallow_copy_goes_on_by_itself(binary: Table, estimator: type) -> None:
    X, y = binary
    model, twin = started(estimator, binary), started(estimator, binary)
    other = copy.copy(model)
    for _ in range(3):
        other.partial_fit(X, y)
    np.testing.assert_array_equal(outputs(model, X), outputs(twin, X))
    model.partial_fit(X, y)
    assert np.isfinite(outputs(model, X)).all() and len(model.loss_curve_) == 3
