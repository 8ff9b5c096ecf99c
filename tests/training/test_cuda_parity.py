"""The CUDA kernels under the engine, on the host and on a device: one seed, one model."""

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import array_api_compat.numpy as compat_numpy
import numpy as np
import pytest
from cuda_host import COMPILER, HostRuntime
from sklearn.base import clone
from test_parity_of_backends import (
    CLASSIFIERS,
    CODED,
    DEEP,
    L1,
    REGRESSORS,
    SGD,
    SHARP,
    TOLERANCE,
    assert_same_model,
    coded_table,
    settings,
    table,
)

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends import to_host
from sknorm.backends.base import join_kernels
from sknorm.backends.cupy import SWITCH
from sknorm.backends.portable import PortableBackend
from sknorm.data import statistics
from sknorm.data import table as tables
from sknorm.kernels import cuda
from sknorm.kernels.cuda import launcher

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

Fit = Callable[..., Any]

EPOCHS = 4
STACK: dict[str, Any] = {"n_members": 3, **DEEP}
CATEGORIES: dict[str, Any] = {"categorical_features": [2, 3]}

# Of what the other backends are compared on: all that changes what is launched.
SINGLE = [
    "default", "ghost", "layer", "no norm", "no scale and shift", "linear", "absolute_error",
    "huber", "quantile", "poisson", "gamma", "heavy ball", "nesterov", "adamw", "l1",
    "l1 nesterov", "l1 adamw", "l1 layer norm", "group lasso", "group lasso sgd",
    "group lasso adamw", "dropout", "input dropout", "noise", "mixup", "residual", "bins",
    "cumulative", "population", "clipping", "l0", "lbfgs",
]  # fmt: skip
STACKS: dict[str, dict[str, Any]] = {
    "batch": {},
    "ghost": {"normalization": "ghost", "ghost_batch_size": 3, "activation": "tanh"},
    "layer": {"normalization": "layer", "activation": "silu"},
    "no norm": {"normalization": None, "activation": "tanh"},
    "dropout": {"dropout": 0.3, "input_dropout": 0.2},
    "dropout layer": {"normalization": "layer", "dropout": 0.3, "activation": "silu"},
    "dropout no norm": {"normalization": None, "dropout": 0.3, "activation": "mish"},
    "l1 sgd": {**SGD, **L1, "max_grad_norm": 0.5},
    "l1 adamw layer": {"normalization": "layer", "solver": "adamw", **L1},
    "group lasso": {"penalty": "group_lasso", "alpha": 0.05},
    "quantile": {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
    "augmented": {"input_noise": 0.3, "mixup_alpha": 0.4, "residual": True},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.25},
}  # fmt: skip


# Rows and classes (one is a number), and what is changed, of fits that take the host too long:
# batches that no shared memory holds, rows of logits that no registers do, many members.
LARGE: dict[str, tuple[int, int, dict[str, Any]]] = {
    "long": (65_537, 1, {"hidden_layer_sizes": (130,), "batch_size": 65_537}),
    "wide": (40_000, 1, {"hidden_layer_sizes": (512,), "batch_size": 20_000}),
    "layer": (20_000, 1, {"hidden_layer_sizes": (512,), "normalization": "layer"}),
    "classes": (6000, 1000, {"solver": "adam"}),
    # Smooth, as a norm lets the rounding of a unit that is almost always off grow, too.
    "members": (2000, 1, {"n_members": 64, "hidden_layer_sizes": (64, 64), "activation": "tanh"}),
}


class HostCudaBackend(PortableBackend):
    """The backend of a CUDA device, but for the device; remembers which kernels were called."""

    def __init__(self) -> None:
        super().__init__(compat_numpy, "cpu")
        self.called: set[str] = set()

    @cached_property
    def kernels(self) -> SimpleNamespace:
        table = vars(join_kernels(cuda))
        return SimpleNamespace(**{name: self._noted(name, f) for name, f in table.items()})

    def asarray(self, array: Any, dtype: Any = None) -> np.ndarray:
        return np.ascontiguousarray(super().asarray(array, dtype))

    def _noted(self, name: str, kernel: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            self.called.add(name)
            kernel(*arguments)

        return call


@pytest.fixture
def fit_on_host(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Iterator[Fit]:
    """The host runs the CUDA kernels, threads in random order."""
    if COMPILER is None:
        pytest.skip("no g++ to compile the CUDA kernels for the host")
    host = HostRuntime(pytestconfig.cache.mkdir("cuda_host"))
    host.order = "random"
    monkeypatch.setattr(launcher, "runtime", host)

    def fit(model: Any, *rows: np.ndarray) -> Any:
        backend = HostCudaBackend()
        with pytest.MonkeyPatch.context() as patch:
            for module in (tables, statistics):
                patch.setattr(module, "resolve", lambda *_: backend)
            model.fit(*rows)
        assert model.network_.backend.called & set(cuda.__all__)
        return model

    yield fit
    host.check_guards()


@pytest.fixture
def fit_on_device(monkeypatch: pytest.MonkeyPatch) -> Fit:
    """A device runs them, twice: the second model has the bits of the first."""
    monkeypatch.setenv(SWITCH, "1")

    def fit(model: Any, *rows: np.ndarray) -> Any:
        models = [clone(model).set_params(backend="cupy").fit(*rows) for _ in range(2)]
        for first, second in zip(*map(bits, models), strict=True):
            np.testing.assert_array_equal(first, second)
        kernels = models[0].network_.backend.kernels
        assert all(getattr(kernels, name) is getattr(cuda, name) for name in cuda.__all__)
        return models[0]

    return fit


@pytest.fixture(params=["host", pytest.param("device", marks=pytest.mark.gpu)])
def fit(request: pytest.FixtureRequest) -> Fit:
    """Trains a model by the CUDA kernels."""
    return request.getfixturevalue(f"fit_on_{request.param}")


def bits(model: Any) -> list[np.ndarray]:
    """All that training has computed, on the host."""
    network = model.network_
    arrays = [network.parameters.flat, *network.statistics]
    return [*map(to_host, arrays), np.array(model.loss_curve_)]


def target_of(changed: dict[str, Any]) -> str:
    return "positive" if changed.get("loss") in ("poisson", "gamma") else "numbers"


def check(
    fit: Fit, kind: type, changed: dict[str, Any], target: str, dtype: str, data: Any = None
) -> None:
    """Train with the compiled kernels, and with those in CUDA C++."""
    data = table(dtype) if data is None else data
    model = kind(preset="sklearn", **settings({"max_iter": EPOCHS, **changed}))
    compare(fit, model, TOLERANCE[dtype], data["X"], data[target], data["weight"])


def compare(fit: Fit, model: Any, tolerance: float, *rows: np.ndarray) -> None:
    found, reference = fit(clone(model), *rows), model.fit(*rows)
    assert np.ptp(reference.loss_curve_) > 1e-3
    assert_same_model(found, reference, tolerance)


@pytest.mark.parametrize("name", SINGLE)
def test_regressors_are_the_same(fit: Fit, name: str) -> None:
    changed = (REGRESSORS | SHARP)[name]
    check(fit, MLPRegressor, changed, target_of(changed), "float64")


@pytest.mark.parametrize(("name", "dtype"), [*zip(CODED, cycle(["float64", "float32"]))])
def test_tables_with_categories_are_the_same(fit: Fit, name: str, dtype: str) -> None:
    changed = {**CATEGORIES, **CODED[name]}
    check(fit, MLPRegressor, changed, "numbers", dtype, coded_table(dtype))


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_classifiers_are_the_same(fit: Fit, name: str, dtype: str) -> None:
    target, changed = CLASSIFIERS[name]
    check(fit, MLPClassifier, {**STACK, **changed}, target, dtype)


# The kernels are tested in both precisions; here they take turns.
@pytest.mark.parametrize(("name", "dtype"), [*zip(STACKS, cycle(["float32", "float64"]))])
def test_stacks_are_the_same(fit: Fit, name: str, dtype: str) -> None:
    check(fit, MLPRegressor, {**STACK, **STACKS[name]}, "numbers", dtype)


@pytest.mark.gpu
@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_large_fits_are_the_same(fit_on_device: Fit, name: str, dtype: str) -> None:
    n, classes, changed = LARGE[name]
    rng = np.random.default_rng(0)
    X = rng.normal(1.0, 2.0, (n, 12)).astype(dtype)
    y = X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=n)
    kind = MLPRegressor
    if classes > 1:
        kind, y = MLPClassifier, np.argsort(np.argsort(y)) * classes // n
    # Adam makes the rounding of gradients near zero large; among so many, there are some.
    model = kind(
        preset="sklearn",
        **settings({**SGD, "dtype": dtype, "batch_size": 2000, "max_iter": 2, **changed}),
    )
    compare(fit_on_device, model, TOLERANCE[dtype], X, y)


def test_every_kernel_takes_part(fit_on_host: Fit) -> None:
    """The fits above call all that there are, but for what only recorded steps begin with."""
    fits = [(MLPClassifier, *each) for each in CLASSIFIERS.values()]
    for changed in ((REGRESSORS | SHARP)[name] for name in SINGLE):
        fits.append((MLPRegressor, target_of(changed), changed))
    data, called = table("float64"), set()
    for kind, target, changed in fits:
        model = kind(preset="sklearn", **settings({**changed, "max_iter": 1}))
        called |= fit_on_host(model, data["X"], data[target]).network_.backend.called
    coded = coded_table("float64")
    model = MLPRegressor(
        **settings({**CATEGORIES, "input_dropout": 0.1, "max_iter": 1}), preset="sklearn"
    )
    called |= fit_on_host(model, coded["X"], coded["numbers"]).network_.backend.called
    assert set(cuda.__all__) - called == {"begin_step"}
