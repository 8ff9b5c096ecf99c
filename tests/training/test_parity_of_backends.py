"""One seed trains one model: compiled kernels, portable ones, and arrays of another device."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import array_api_compat.numpy as compat_numpy
import array_api_strict as strict
import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends import to_host
from sknorm.backends.portable import PortableBackend
from sknorm.data import table as tables
from sknorm.estimators.fitted import fitted_of
from sknorm.objective import losses

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DEVICE = strict.Device("device1")
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}
ROWS, EPOCHS = 16, 20
ON_DEVICE = 5  # epochs: a step there takes as long as twelve with the same kernels on NumPy arrays
L1: dict[str, Any] = {"alpha": 0.05, "l1_ratio": 0.7}
SGD: dict[str, Any] = {"solver": "sgd", "learning_rate_init": 0.05}
DEEP: dict[str, Any] = {"hidden_layer_sizes": (4, 4)}
GROUP: dict[str, Any] = {"penalty": "group_lasso", "alpha": 0.05}

# One factor at a time.
REGRESSORS: dict[str, dict[str, Any]] = {
    "default": {},
    "ghost": {"normalization": "ghost", "ghost_batch_size": 5},
    "layer": {"normalization": "layer"},
    "no norm": {"normalization": None},
    "no scale and shift": {"norm_affine": False},
    "logistic": {"activation": "logistic", "normalization": None},
    "tanh": {"activation": "tanh"},
    "identity": {"activation": "identity", "normalization": None},
    "linear": {"hidden_layer_sizes": ()},
    "absolute_error": {"loss": "absolute_error"},
    "huber": {"loss": "huber", "huber_delta": 0.5},
    "quantile": {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
    "poisson": {"loss": "poisson"},
    "gamma": {"loss": "gamma"},
    "heavy ball": {**SGD, "nesterovs_momentum": False},
    "nesterov": SGD,
    "adamw": {"solver": "adamw"},
    "l1": L1,
    "l1 nesterov": {**SGD, **L1},
    "l1 adamw": {"solver": "adamw", **L1},
    "l1 layer norm": {"normalization": "layer", **L1},
    "group lasso": GROUP,
    "group lasso sgd": {**SGD, **GROUP},
    "group lasso adamw": {"solver": "adamw", **GROUP},
    "nuclear": {"solver": "adamw", "penalty": "nuclear", "alpha": 0.05},
    "dropout": {"dropout": 0.3},
    "input dropout": {"input_dropout": 0.3},
    "noise": {"input_noise": 0.3},
    "mixup": {"mixup_alpha": 0.4},
    "residual": {"residual": True, **DEEP},
    "bins": {"n_bins": 3},
    "swa": {"swa_fraction": 0.3},
    "cumulative": {"norm_statistics": "cumulative"},
    "population": {"norm_statistics": "population", **DEEP},
    "cosine": {"learning_rate": "cosine"},
    "one cycle": {"learning_rate": "one_cycle"},
    "adaptive cosine": {"learning_rate": "adaptive_cosine", "early_stopping": True},
    "inverse scaling": {**SGD, "learning_rate": "invscaling"},
    "adaptive": {**SGD, "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2},
    "clipping": {"max_grad_norm": 0.1},
    "members": {"n_members": 2},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.25},
    "early stopping by a scorer": {
        "early_stopping": True, "validation_fraction": 0.25, "scoring": "r2",
    },
}  # fmt: skip
# A threshold that keeps or drops a weight by its rounding is no matter of float32.
SHARP: dict[str, dict[str, Any]] = {
    "l0": {"penalty": "l0", "alpha": 0.01},
    "l0 sgd": {**SGD, "penalty": "l0", "alpha": 0.01},
    "lbfgs": {"solver": "lbfgs"},
}
# Of a table with gaps, a category of few levels, and one of many.
CODED: dict[str, dict[str, Any]] = {
    "categories": {},
    "robust": {"scaling": "robust"},
    "no layers": {"hidden_layer_sizes": ()},
    "dropped": {"input_dropout": 0.3},
    "mixed": {"mixup_alpha": 0.4},
    "stacked": {"n_members": 2, "normalization": "layer"},
    "held out": {"early_stopping": True, "validation_fraction": 0.25},
    "bins": {"n_bins": 3, "n_members": 2, "normalization": "layer"},
    "group lasso": GROUP,
    "group lasso sgd": {**SGD, **GROUP},
}
CALIBRATED = {"calibration": "temperature", "early_stopping": True, "n_members": 2}
CLASSIFIERS: dict[str, tuple[str, dict[str, Any]]] = {
    "binary": ("binary", {}),
    "multiclass": ("multiclass", {}),
    "mixed classes": ("multiclass", {"mixup_alpha": 0.4}),
    "multilabel": ("multilabel", {}),
    "smoothed": ("multiclass", {"label_smoothing": 0.2}),
    "balanced": ("multiclass", {"class_weight": "balanced"}),
    "calibrated": ("multiclass", CALIBRATED),
    "calibrated labels": ("multilabel", CALIBRATED),
}
# Those of which float32 is in the default run, too: what sums over rows, columns or members.
OFTEN = {
    "default", "layer", "huber", "nesterov", "group lasso", "residual", "members", "multiclass",
    "multilabel", "categories", "no layers", "stacked",
}  # fmt: skip


def in_each_precision(names: Iterable[str]) -> pytest.MarkDecorator:
    """All in float64; in float32 most only in the thorough run."""
    cases = [
        pytest.param(
            name, dtype,
            marks=pytest.mark.thorough if dtype == "float32" and name not in OFTEN else [],
        )
        for name in names
        for dtype in TOLERANCE
    ]  # fmt: skip
    return pytest.mark.parametrize(("name", "dtype"), cases)


def table(dtype: str) -> dict[str, np.ndarray]:
    """Rows, weights, and targets of each kind."""
    rng = np.random.default_rng(0)
    X = rng.normal(1.0, 2.0, (ROWS, 4)).astype(dtype)
    signal = X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=ROWS)
    return {
        "X": X,
        "weight": rng.uniform(0.5, 2.0, ROWS),
        "numbers": np.column_stack([signal, np.abs(signal)]),
        "positive": np.exp(0.2 * signal),
        "binary": (signal > 0).astype(np.int64),
        "multiclass": np.digitize(signal, [-1.5, 1.5]),
        "multilabel": (X[:, :3] > 1.0).astype(np.int64),
    }


def coded_table(dtype: str) -> dict[str, np.ndarray]:
    """The same with columns that are categories, and with values that are missing."""
    data = table(dtype)
    X = data["X"]
    X[::5, 1] = np.nan
    X[:, 2] = np.arange(ROWS) % 3
    X[:, 3] = 3 * np.arange(ROWS) // 4 + 10  # 12 levels, which have vectors
    X[4, 2] = X[1, 3] = np.nan
    return data


@contextmanager
def portable_kernels() -> Iterator[None]:
    """The reference kernels in place of the compiled ones, on NumPy arrays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "resolve", lambda *_: PortableBackend(compat_numpy, "cpu"))
        yield


def fitted(model: Any, data: dict[str, np.ndarray], target: str, place: str) -> Any:
    if place == "device1":
        arrays = (strict.asarray(data[k], device=DEVICE) for k in ("X", target, "weight"))
        model.fit(*arrays)
        assert model.network_.parameters.flat.device == DEVICE
        return model
    if place == "portable":
        with portable_kernels():
            model.fit(data["X"], data[target], data["weight"])
        assert isinstance(model.network_.backend, PortableBackend)
        return model
    model.fit(data["X"], data[target], data["weight"])
    assert not isinstance(model.network_.backend, PortableBackend)
    return model


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def assert_same_model(model: Any, reference: Any, tolerance: float) -> None:
    assert model.n_iter_ == reference.n_iter_
    curves = np.array(model.loss_curve_), np.array(reference.loss_curve_)
    np.testing.assert_allclose(*curves, rtol=tolerance, atol=tolerance * curves[1].max())
    mine, other = model.network_, reference.network_
    assert str(mine.parameters.flat.dtype).endswith(str(other.parameters.flat.dtype))
    for found, expected in zip(mine.parameters.views, other.parameters.views, strict=True):
        scale = max(1e-2, float(np.abs(expected).max()))
        np.testing.assert_allclose(to_host(found) / scale, expected / scale, atol=tolerance)
    for found, expected in zip(mine.statistics, other.statistics, strict=True):
        assert distance(to_host(found), expected) < tolerance
    if reference.validation_scores_ is not None:
        scores = np.array(model.validation_scores_), np.array(reference.validation_scores_)
        assert distance(*scores) < tolerance


def check(
    kind: type, changed: dict[str, Any], target: str, dtype: str, data: dict | None = None
) -> None:
    """Train in all places; what the compiled kernels train has learned something."""
    data = table(dtype) if data is None else data
    for place, epochs in (("portable", EPOCHS), ("device1", ON_DEVICE)):
        parameters = settings({"max_iter": epochs, **changed})
        reference = fitted(kind(preset="sklearn", **parameters), data, target, "compiled")
        assert np.ptp(reference.loss_curve_) > 1e-3
        assert_same_model(
            fitted(kind(preset="sklearn", **parameters), data, target, place),
            reference,
            TOLERANCE[dtype],
        )


def settings(changed: dict[str, Any]) -> dict[str, Any]:
    common: dict[str, Any] = {
        "hidden_layer_sizes": (4,), "max_iter": EPOCHS, "batch_size": 8, "tol": 0.0,
        "n_iter_no_change": EPOCHS, "learning_rate_init": 0.01, "early_stopping": False,
        "random_state": 3,
    }  # fmt: skip
    return {**common, **changed}


@in_each_precision(REGRESSORS)
def test_regressors_are_the_same(name: str, dtype: str) -> None:
    changed = REGRESSORS[name]
    target = "positive" if changed.get("loss") in ("poisson", "gamma") else "numbers"
    check(MLPRegressor, changed, target, dtype)


@in_each_precision(CLASSIFIERS)
def test_classifiers_are_the_same(name: str, dtype: str) -> None:
    target, changed = CLASSIFIERS[name]
    check(MLPClassifier, changed, target, dtype)


@in_each_precision(CODED)
def test_tables_with_categories_are_the_same(name: str, dtype: str) -> None:
    changed = {"categorical_features": [2, 3], **CODED[name]}
    check(MLPRegressor, changed, "numbers", dtype, coded_table(dtype))


@pytest.mark.parametrize("name", SHARP)
def test_sharp_decisions_are_the_same(name: str) -> None:
    check(MLPRegressor, SHARP[name], "numbers", "float64")


def test_all_losses_are_compared() -> None:
    """Each loss class is that of one of the fits above."""
    data, used = table("float64"), set()
    fits = [(MLPRegressor, "positive", changed) for changed in REGRESSORS.values()]
    fits += [(MLPClassifier, *each) for each in CLASSIFIERS.values()]
    for kind, target, changed in fits:
        model = kind(preset="sklearn", **settings({**changed, "max_iter": 1})).fit(
            data["X"], data[target]
        )
        used.add(type(fitted_of(model).target.loss))
    kinds = [v for v in vars(losses).values() if isinstance(v, type)]
    assert used == {k for k in kinds if issubclass(k, losses.Loss)} - {losses.Loss}
