"""The CUDA kernels under the engine, run on the host: one seed trains the same model."""

from collections.abc import Callable, Iterator
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import array_api_compat.numpy as compat_numpy
import numpy as np
import pytest
from cuda_host import COMPILER, HostRuntime
from test_parity_of_backends import (
    CLASSIFIERS,
    DEEP,
    L1,
    REGRESSORS,
    SGD,
    SHARP,
    TOLERANCE,
    assert_same_model,
    settings,
    table,
)

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends.base import join_kernels
from sknorm.backends.portable import PortableBackend
from sknorm.estimators import base
from sknorm.kernels import cuda
from sknorm.kernels.cuda import launcher

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(COMPILER is None, reason="no g++ to compile the CUDA kernels for the host"),
]

EPOCHS = 4
STACK: dict[str, Any] = {"n_members": 3, **DEEP}

# Of what the other backends are compared on: all that changes what is launched.
SINGLE = [
    "default", "ghost", "layer", "no norm", "no scale and shift", "linear", "absolute_error",
    "huber", "quantile", "poisson", "gamma", "heavy ball", "nesterov", "adamw", "l1",
    "l1 nesterov", "l1 adamw", "l1 layer norm", "group lasso", "dropout", "input dropout",
    "noise", "mixup", "residual", "cumulative", "population", "clipping", "l0", "lbfgs",
]  # fmt: skip
STACKS: dict[str, dict[str, Any]] = {
    "batch": {},
    "ghost": {"normalization": "ghost", "ghost_batch_size": 3, "activation": "silu"},
    "layer": {"normalization": "layer", "activation": "gelu"},
    "no norm": {"normalization": None, "activation": "tanh"},
    "dropout": {"dropout": 0.3, "input_dropout": 0.2},
    "dropout layer": {"normalization": "layer", "dropout": 0.3, "activation": "elu"},
    "dropout no norm": {"normalization": None, "dropout": 0.3, "activation": "mish"},
    "l1 sgd": {**SGD, **L1, "max_grad_norm": 0.5},
    "l1 adamw layer": {"normalization": "layer", "solver": "adamw", **L1},
    "group lasso": {"penalty": "group_lasso", "alpha": 0.05},
    "quantile": {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
    "augmented": {"input_noise": 0.3, "mixup_alpha": 0.4, "residual": True},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.25},
}  # fmt: skip


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


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Iterator[HostRuntime]:
    """The host runs the CUDA kernels, threads in random order."""
    host = HostRuntime(pytestconfig.cache.mkdir("cuda_host"))
    host.order = "random"
    monkeypatch.setattr(launcher, "runtime", host)
    yield host
    host.check_guards()


def fitted_on_host(model: Any, *rows: np.ndarray) -> Any:
    """The model, trained by the CUDA kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "resolve", lambda *_: HostCudaBackend())
        model.fit(*rows)
    assert isinstance(model.network_.backend, HostCudaBackend)
    return model


def target_of(changed: dict[str, Any]) -> str:
    return "positive" if changed.get("loss") in ("poisson", "gamma") else "numbers"


def check(kind: type, changed: dict[str, Any], target: str, dtype: str) -> set[str]:
    """Train with the compiled kernels, and with those in CUDA C++; the names of the latter."""
    data = table(dtype)
    parameters = settings({"max_iter": EPOCHS, **changed})
    rows = data["X"], data[target], data["weight"]
    model, reference = fitted_on_host(kind(**parameters), *rows), kind(**parameters).fit(*rows)
    assert np.ptp(reference.loss_curve_) > 1e-3
    assert_same_model(model, reference, TOLERANCE[dtype])
    return model.network_.backend.called & set(cuda.__all__)


@pytest.mark.parametrize("name", SINGLE)
def test_regressors_are_the_same(name: str) -> None:
    changed = (REGRESSORS | SHARP)[name]
    assert check(MLPRegressor, changed, target_of(changed), "float64")


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_classifiers_are_the_same(name: str, dtype: str) -> None:
    target, changed = CLASSIFIERS[name]
    assert check(MLPClassifier, {**STACK, **changed}, target, dtype)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_stacks_are_the_same(name: str, dtype: str) -> None:
    assert check(MLPRegressor, {**STACK, **STACKS[name]}, "numbers", dtype)


def test_every_kernel_takes_part() -> None:
    """The fits above call all that there are."""
    fits = [(MLPClassifier, *each) for each in CLASSIFIERS.values()]
    for changed in ((REGRESSORS | SHARP)[name] for name in SINGLE):
        fits.append((MLPRegressor, target_of(changed), changed))
    data, called = table("float64"), set()
    for kind, target, changed in fits:
        model = kind(**settings({**changed, "max_iter": 1}))
        called |= fitted_on_host(model, data["X"], data[target]).network_.backend.called
    assert set(cuda.__all__) <= called
