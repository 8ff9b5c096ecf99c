"""Every constructor parameter: values out of range are named, values on the border work."""

import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators import build
from sknorm.kernels.codes import ACTIVATIONS
from sknorm.objective.losses import LOSSES
from sknorm.objective.penalties import PENALTIES

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])

NAN, INF = float("nan"), float("inf")
BAD: dict[str, list[Any]] = {
    "loss": ["cubic", None],
    "hidden_layer_sizes": [0, -3, 2.5, "wide", (8, 0), (8, -1), (8, 2.5), (8, "x"), ((8,),), True,
        (8, True), 8.0, (8.0,), 10**20],
    "activation": ["RELU", "AUTO", None, 3],
    "preset": ["slow", "auto", None, True],
    "solver": ["newton", None],
    "alpha": [-1e-9, NAN, INF, "strong", None],
    "batch_size": [0, -5, 2.5, "all"],
    "learning_rate": ["linear", "Auto", 0.1, None],
    "learning_rate_init": [0, -0.1, NAN, INF, "large", None],
    "power_t": [-0.5, NAN, INF],
    "max_iter": [0, -1, 2.5, INF, "long", None],
    "shuffle": ["yes", None, 2],
    "random_state": ["seed", -1, 0.5],
    "tol": [-1e-9, NAN, INF],
    "verbose": [-1, "loud"],
    "momentum": [-0.1, 1.1, NAN],
    "nesterovs_momentum": ["yes", None],
    "early_stopping": ["yes", None, 0.5],
    "validation_fraction": [1, -0.1, 1.5, 10, NAN],
    "beta_1": [-0.1, 1.0, NAN],
    "beta_2": [-0.1, 1.0, NAN, "none", None],
    "epsilon": [0, -1e-8, INF],
    "n_iter_no_change": [0, -1, 2.5, -INF, NAN, "long", None],
    "scaling": ["minmax", True, "none"],
    "n_bins": [1, 0, -2, True, 2.5, 16.0, NAN, INF, "quantiles"],
    "categorical_features": ["all", 2.5],
    "min_frequency": [0, -1, 1.5, 0.0, NAN],
    "normalization": ["instance", True, "none"],
    "norm_momentum": [0, -0.1, 1.1, NAN],
    "norm_epsilon": [0, -1e-5, INF],
    "norm_affine": ["yes", None],
    "norm_statistics": ["batch", None],
    "ghost_batch_size": [1, 0, 2.5, None],
    "dropout": [-0.1, 1.0, NAN, "half", None],
    "input_dropout": [-0.1, 1.0, NAN, None],
    "l1_ratio": [-0.1, 1.1, NAN, None],
    "class_weight": ["equal", 2.0],
    "standardize_target": ["yes", None],
    "scoring": ["precise", 3],
    "max_grad_norm": [0, -1.0, NAN, INF],
    "max_time": [0, -1.0, NAN, "1h"],
    "checkpoint": [3, True, ["a.ckpt"]],
    "checkpoint_every": [-1.0, NAN, None],
    "stale_checkpoint": ["ignore", None],
    "n_members": [0, -1, 2.5, None, 10**20, "several"],
    "member_space": ["wide", 3, True],
    "dtype": ["float16", None, np.float32],
    "backend": ["jax", None, "CuPy"],
    "matmul_precision": ["medium", None, "HIGH"],
    "penalty": ["l1", None, "elastic"],
    "max_fun": [0, -1, 2.5],
    "warm_start": ["yes", None],
    "input_noise": [-0.1, NAN, INF, None],
    "mixup_alpha": [-0.1, NAN, INF],
    "residual": ["yes", None],
    "swa_fraction": [-0.1, 1.1, NAN, None],
    "label_smoothing": [-0.1, 1.0, NAN],
    "calibration": ["isotonic", True, 0.5],
    "quantile": [0.0, 1.0, -0.2, [0.5, 1.5]],
    "huber_delta": [0, -1.0, NAN, INF],
}  # fmt: skip
BORDER: dict[str, list[Any]] = {
    "loss": [name for name in LOSSES if name != "gamma"],
    "hidden_layer_sizes": ["auto", 1, 5, [3], (), (2, 3, 2), np.array([3, 2])],
    "activation": ["auto", *ACTIVATIONS],
    "preset": ["best", "accurate", "fast", "sklearn"],
    "solver": ["sgd", "adam", "adamw", "lbfgs"],
    "alpha": [0, 10],
    "batch_size": ["auto", 2, 240, np.int64(50)],
    "learning_rate": [
        "auto", "constant", "invscaling", "adaptive", "cosine", "one_cycle", "adaptive_cosine",
    ],
    "learning_rate_init": ["auto", 1e-12, np.float32(0.1)],
    "power_t": [0, 3, 200.0, 1e300],
    "max_iter": ["auto", 1],
    "max_time": [None, 1e-12, 100],
    "checkpoint": [None],
    "checkpoint_every": [0, 1e9],
    "stale_checkpoint": ["raise", "set_aside"],
    "shuffle": [False, np.True_],
    "random_state": [None, 0, 2**32 - 1, np.random.RandomState(0)],
    "tol": [0],
    "verbose": [0, False],
    "momentum": [0, 1],
    "nesterovs_momentum": [False],
    "early_stopping": [True, False, "auto"],
    "validation_fraction": [0.01, 0.9],
    "beta_1": [0],
    "beta_2": ["auto", 0],
    "epsilon": [1e-300, 1],
    "n_iter_no_change": ["auto", 1, INF],
    "normalization": ["batch", "ghost", "layer", None],
    "norm_momentum": [1, 1e-6],
    "norm_epsilon": [1e-12, 1],
    "norm_affine": [False],
    "norm_statistics": ["running", "cumulative", "population"],
    "ghost_batch_size": [2, 10_000],
    "scaling": ["auto", "robust", "standard", None],
    "n_bins": ["auto", "adaptive", None, 2, np.int64(7), 239],
    "categorical_features": ["from_dtype", None, [], [0]],
    "min_frequency": [1, 1e-9, 0.999, 10**9],
    "dropout": ["auto", 0, 0.99],
    "input_dropout": [0, 0.99],
    "l1_ratio": [0, 1],
    "class_weight": ["balanced", None, {}, {0: 0.5}],
    "standardize_target": ["auto", True, False],
    "scoring": ["loss", None, "neg_mean_squared_error"],
    "max_grad_norm": [None, 1e-12, 1e12],
    "n_members": ["auto", 1, 2],
    "member_space": [None, "default", {}, {"dropout": [0.0, 0.2]}],
    "dtype": ["auto", "float32", "float64"],
    "backend": ["auto", "numpy"],
    "matmul_precision": ["highest", "high"],
    "penalty": [name for name in PENALTIES if name != "nuclear"],
    "max_fun": [1, 15000],
    "warm_start": [True, False],
    "input_noise": [0, 0.5, 10.0],
    "mixup_alpha": [0, 0.2, 5.0],
    "residual": [True, False],
    "swa_fraction": [0, 0.5, 1],
    "label_smoothing": [0, 0.1, 0.99],
    "calibration": ["auto", "temperature", None],
    "quantile": [0.01, 0.99, [0.1, 0.5, 0.9]],
    "huber_delta": [1e-300, 1e-3, 100, 1e300],
}  # fmt: skip


def accepting(table: dict[str, list[Any]]) -> list[Any]:
    """A case per estimator, parameter it has, and value; names hold no address of an object.

    What a regressor shares with a classifier is thorough.
    """
    shared = inspect.signature(MLPClassifier).parameters
    seldom = [pytest.mark.thorough]
    return [
        pytest.param(
            estimator,
            name,
            value,
            id=f"{estimator.__name__}-{name}-{value!r}".partition(" at 0x")[0][:60],
            marks=seldom if estimator is MLPRegressor and name in shared else [],
        )
        for estimator in (MLPClassifier, MLPRegressor)
        for name, values in table.items()
        if name in inspect.signature(estimator).parameters
        for value in values
    ]


@each_estimator
def test_tables_name_every_parameter(estimator: type) -> None:
    parameters = set(estimator().get_params())
    assert parameters <= set(BAD) & set(BORDER)


@pytest.mark.parametrize(("estimator", "name", "value"), accepting(BAD))
def test_value_out_of_range_is_named(binary: Table, estimator: type, name: str, value: Any) -> None:
    settings = {"preset": "sklearn", "hidden_layer_sizes": (3,), "max_iter": 1, name: value}
    with pytest.raises((ValueError, TypeError)) as error:
        estimator(**settings).fit(*binary)
    assert name in str(error.value)
    assert "must be" in str(error.value)
    found = value if np.isscalar(value) or value is None or isinstance(value, type) else value[-1]
    assert repr(found) in str(error.value)


@pytest.mark.parametrize(("estimator", "name", "value"), accepting(BORDER))
def test_value_on_the_border_works(binary: Table, estimator: type, name: str, value: Any) -> None:
    X, y = binary
    settings = {"preset": "sklearn", "hidden_layer_sizes": (3,), "max_iter": 1}
    settings |= {"early_stopping": True, name: value}
    if name == "activation":  # in front of a norm, each would be compiled anew
        settings["normalization"] = None
    if name in ("batch_size", "max_iter", "ghost_batch_size"):
        settings["early_stopping"] = False
    fitted = estimator(**settings).fit(X, y)
    result = fitted.predict(X)
    assert result.shape == y.shape and np.isfinite(result).all()


@each_estimator
@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd"])
def test_whole_numbers_have_no_kernels_of_their_own(estimator: type, solver: str) -> None:
    """Kernels are compiled for types, and 0 is of another one than 0.0."""
    whole = {"beta_1": 0, "beta_2": 0, "epsilon": 1, "momentum": 0, "max_grad_norm": 1}
    model = estimator(preset="sklearn", solver=solver, **whole)
    numbers = [*vars(build.optimizer(model)).values(), build.plan(model, None).max_grad_norm]
    assert not any(type(each) is int for each in numbers)


@each_estimator
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_norm_epsilon_that_the_precision_of_a_layer_norm_does_not_hold(
    binary: Table, estimator: type, method: str
) -> None:
    """Rows whose units are all equal would be divided by zero."""
    X, y = np.ones_like(binary[0]), binary[1]
    given = {"classes": [0, 1]} if (estimator, method) == (MLPClassifier, "partial_fit") else {}
    settings = {"hidden_layer_sizes": (3,), "max_iter": 2, "normalization": "layer"}
    for dtype, good, bad in (("float32", 2e-38, 1e-38), ("float64", 3e-308, 1e-320)):
        model = estimator(preset="sklearn", dtype=dtype, **settings)
        getattr(model.set_params(norm_epsilon=good), method)(X, y, **given)
        assert np.isfinite(model.predict(X)).all()
        unfit = clone(model).set_params(norm_epsilon=bad)
        with pytest.raises(ValueError, match=f"norm_epsilon={bad} .*{dtype}"):
            getattr(unfit, method)(X, y, **given)


EXTREME: list[dict[str, Any]] = [
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 200.0},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 1e300},
    {"tol": 1e300, "early_stopping": True},
    {"alpha": 1e300, "penalty": "group_lasso"},
    {"alpha": 1e300, "l1_ratio": 1.0, "solver": "sgd"},
    {"learning_rate_init": 1e-320},
    {"solver": "sgd", "momentum": 1},
    {"beta_1": 1 - 1e-16, "beta_2": 1 - 1e-16},
    {"epsilon": 1e-320, "beta_1": 0.0, "beta_2": 0.0},
    {"norm_epsilon": 1e-320},
    {"norm_epsilon": 1e300, "normalization": "layer"},
    {"loss": "huber", "huber_delta": 1e300},
    {"loss": "quantile", "quantile": [1e-300, 1 - 1e-16]},
    {"input_noise": 1e40},
    {"mixup_alpha": 1e-320},
    {"mixup_alpha": 1e300},
    {"dropout": 1 - 1e-9, "input_dropout": 1 - 1e-9},
    {"max_grad_norm": 1e-320},
    {"n_iter_no_change": 10**20},
    {"swa_fraction": 1e-320},
    {"hidden_layer_sizes": np.array([], dtype=float)},
]


@pytest.mark.parametrize("settings", EXTREME, ids=str)
@each_estimator
def test_extreme_values_train_without_a_word(
    binary: Table, estimator: type, settings: dict[str, Any]
) -> None:
    X, y = binary
    if set(settings) <= set(inspect.signature(estimator).parameters):
        fitted = estimator(
            preset="sklearn", **{"hidden_layer_sizes": (3,), "max_iter": 3, **settings}
        ).fit(X, y)
        assert np.isfinite(fitted.predict(X)).all() and np.isfinite(fitted.loss_)


@pytest.mark.parametrize("settings", [{"alpha": 1e300}, {"learning_rate_init": 1e300}], ids=str)
@each_estimator
def test_extreme_values_that_diverge_are_told(
    binary: Table, estimator: type, settings: dict[str, Any]
) -> None:
    X, y = binary
    with pytest.warns(RuntimeWarning, match="Training became non-finite"):
        fitted = estimator(preset="sklearn", hidden_layer_sizes=(3,), solver="sgd", **settings).fit(
            X, y
        )
    assert np.isfinite(fitted.predict(X)).all()


@each_estimator
@pytest.mark.parametrize("normalization", ["batch", "ghost"])
def test_one_row_a_batch_has_no_statistics(
    binary: Table, estimator: type, normalization: str
) -> None:
    message = f"batch_size=1 .*normalization='{normalization}'.* at least 2"
    with pytest.raises(ValueError, match=message):
        estimator(preset="sklearn", batch_size=1, normalization=normalization).fit(*binary)


@each_estimator
@pytest.mark.parametrize("normalization", ["layer", None])
def test_one_row_a_batch_works_without_batch_statistics(
    binary: Table, estimator: type, normalization: str | None
) -> None:
    X, y = binary
    settings = {"hidden_layer_sizes": (3,), "max_iter": 2, "normalization": normalization}
    fitted = estimator(preset="sklearn", batch_size=1, **settings).fit(X, y)
    assert np.isfinite(fitted.predict(X)).all()


@each_estimator
@pytest.mark.parametrize("sizes", [1, (4, 1), (1, 4)])
def test_layer_norm_over_one_unit_passes_nothing_on(
    binary: Table, estimator: type, sizes: Any
) -> None:
    X, y = binary
    model = estimator(preset="sklearn", hidden_layer_sizes=sizes, normalization="layer", max_iter=1)
    classes = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    for fit in (model.fit, partial(model.partial_fit, **classes)):
        with pytest.raises(ValueError, match=r"hidden_layer_sizes=.*one unit.*normalization="):
            fit(X, y)
    model.set_params(normalization="batch", early_stopping=True).fit(X, y)


@each_estimator
def test_batch_larger_than_the_table_is_clipped_with_a_warning(
    binary: Table, estimator: type
) -> None:
    X, y = binary
    settings = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
    with pytest.warns(UserWarning, match="batch_size=241 is larger than the 240 training rows"):
        clipped = estimator(preset="sklearn", batch_size=241, **settings).fit(X, y)
    whole = estimator(preset="sklearn", batch_size=240, **settings).fit(X, y)
    np.testing.assert_array_equal(clipped.predict(X), whole.predict(X))


@each_estimator
@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle"])
def test_patience_under_a_planned_schedule_is_told_to_do_nothing(
    binary: Table, estimator: type, learning_rate: str
) -> None:
    """At its default, without early stopping, it is nobody's choice."""
    model = estimator(
        preset="sklearn", hidden_layer_sizes=(3,), max_iter=12, learning_rate=learning_rate, tol=1e9
    )
    for asked in ({"n_iter_no_change": 1}, {"n_iter_no_change": 10, "early_stopping": True}):
        with pytest.warns(UserWarning, match=r"n_iter_no_change=\d+ ends nothing.*max_iter=12"):
            fitted = model.set_params(**asked).fit(*binary)
        assert fitted.n_iter_ == 12
    model.set_params(n_iter_no_change=np.inf).fit(*binary)
    model.set_params(n_iter_no_change=10, early_stopping="auto").fit(*binary)


@each_estimator
def test_constructor_only_stores(estimator: type) -> None:
    parameters = {name: object() for name in inspect.signature(estimator).parameters}
    assert estimator(**parameters).get_params(deep=False) == parameters
