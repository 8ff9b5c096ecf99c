"""CuPy's backend: precision of products, memory, and which errors name what is missing."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from stand_ins import Cupy, Device, TorchTensor, installed

from sknorm import MLPClassifier, MLPRegressor
from sknorm.backends import PRECISIONS, resolve
from sknorm.backends.cupy import SWITCH
from sknorm.backends.portable import PortableBackend
from sknorm.kernels import cuda, reference
from sknorm.kernels.cuda import recorder

TABLE = np.arange(12.0).reshape(4, 3)
DEFAULT, TF32 = 0, 3


@pytest.fixture
def cupy() -> Iterator[Cupy]:
    with installed(Cupy()) as module:
        yield module


def backend(precision: str = "highest") -> Any:
    return resolve(TABLE, "cupy", precision)


def mode(cupy: Cupy) -> int:
    """The present math mode of the calling thread's products."""
    return cupy.cuda.cublas.getMathMode(Device().cublas_handle)


@pytest.mark.parametrize(("precision", "inside"), [("highest", DEFAULT), ("high", TF32)])
@pytest.mark.parametrize("before", [DEFAULT, TF32])
def test_sessions_set_the_precision_and_restore_it(
    cupy: Cupy, precision: str, inside: int, before: int
) -> None:
    """Also "highest", where somebody else has allowed TF32."""
    cupy.cuda.cublas.setMathMode(Device().cublas_handle, before)
    with backend(precision).session():
        assert mode(cupy) == inside
    assert mode(cupy) == before
    assert cupy.cuda.cublas.history == [before, inside, before]


def test_sessions_restore_the_precision_after_errors(cupy: Cupy) -> None:
    with pytest.raises(ZeroDivisionError), backend("high").session():
        raise ZeroDivisionError
    assert mode(cupy) == DEFAULT
    with pytest.raises(MemoryError, match="fewer rows at once"), backend("high").session():
        raise MemoryError("asked for too much")
    assert mode(cupy) == DEFAULT


def test_sessions_nest(cupy: Cupy) -> None:
    with backend("high").session():
        with backend("highest").session():
            assert mode(cupy) == DEFAULT
            with backend("high").session():
                assert mode(cupy) == TF32
        assert mode(cupy) == TF32
    assert mode(cupy) == DEFAULT


def test_other_threads_keep_their_precision(cupy: Cupy) -> None:
    with ThreadPoolExecutor(1) as pool, backend("high").session():
        assert pool.submit(mode, cupy).result() == DEFAULT
        assert mode(cupy) == TF32


@pytest.mark.usefixtures("cupy")
def test_backends_are_equal_if_their_precision_is() -> None:
    assert backend() == backend("highest") == resolve(TorchTensor(TABLE))
    assert hash(backend()) == hash(backend("highest"))
    assert backend() != backend("high") and backend("high") == backend("high")
    twin = PortableBackend(backend().xp, backend().device)
    assert backend() != twin and twin != backend()


def test_numpy_has_one_precision(cupy: Cupy) -> None:
    assert resolve(TABLE, "auto", "high") is resolve(TABLE)
    with resolve(TABLE, "numpy", "high").session():
        assert cupy.cuda.cublas.history == []


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_predictions_run_under_the_estimators_precision(
    cupy: Cupy, estimator: type, precision: str
) -> None:
    settings = {"hidden_layer_sizes": (3,), "max_iter": 2, "early_stopping": False}
    model = estimator(preset="sklearn", matmul_precision=precision, **settings)
    with pytest.warns(match="hasn't converged"):
        model.fit(TABLE, [0, 1, 0, 1])
    assert cupy.cuda.cublas.history == []  # on the host
    model.set_params(backend="cupy").predict(TABLE)
    assert cupy.cuda.cublas.history == [{"highest": DEFAULT, "high": TF32}[precision], DEFAULT]


@pytest.mark.parametrize("value", [None, "0", "1"])
def test_cuda_kernels_are_joined_on_demand(
    cupy: Cupy, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    if value is not None:
        monkeypatch.setenv(SWITCH, value)
    kernels = backend().kernels
    for name in reference.__all__:
        if value == "1" and name in cuda.__all__:
            assert getattr(kernels, name) is getattr(cuda, name)
        elif name != "matmul":
            assert getattr(kernels, name) is getattr(reference, name)


def test_nothing_is_recorded_without_cuda_kernels(
    cupy: Cupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The portable kernels make arrays in passing, which a recorded step must not."""
    monkeypatch.delenv(SWITCH, raising=False)
    assert backend().recorder() is None and backend().allocates
    monkeypatch.setenv(SWITCH, "1")
    made = object()
    monkeypatch.setattr(recorder, "recorder", lambda: made)
    assert backend().recorder() is made and not backend().allocates


def test_products_are_written_where_they_belong(cupy: Cupy) -> None:
    device = backend()
    a, b = (device.asarray(np.ones(shape)) for shape in ((1, 2, 3), (4, 3, 5)))
    out = device.asarray(np.zeros((4, 2, 5)))
    device.kernels.matmul(a, b, out)
    assert cupy.products == 1
    np.testing.assert_array_equal(device.to_numpy(out), 3.0)


def test_free_memory_is_the_devices_and_the_pools(cupy: Cupy) -> None:
    cupy.memory.free, cupy.memory.pooled = 1000, 24
    assert backend().free_bytes() == 1024
    cupy.memory.limit, cupy.memory.used = 700, 300
    assert backend().free_bytes() == 400
    cupy.memory.used = 800
    assert backend().free_bytes() == 0


@pytest.mark.parametrize(
    ("free", "power"), [(1 << 40, 28), (1 << 30, 28), ((1 << 30) - 1, 27), (5 << 25, 25), (0, 20)]
)
def test_chunks_take_a_quarter_of_the_free_memory(cupy: Cupy, free: int, power: int) -> None:
    cupy.memory.free = free
    assert backend().chunk_bytes == 1 << power


@pytest.mark.parametrize("count", [None, 0], ids=["no driver", "no device"])
def test_what_needs_a_device_is_named(count: int | None) -> None:
    with installed(Cupy(count)):
        for table, name, asked_by in (
            (TABLE, "cupy", "^backend='cupy'"),
            (TorchTensor(TABLE), "auto", "^A table of PyTorch or JAX"),
        ):
            with pytest.raises(RuntimeError, match=f"{asked_by}.* needs a CUDA device") as raised:
                resolve(table, name)
            assert ("cudaErrorNoDevice" in str(raised.value)) == (count is None)
            assert 'backend="numpy"' in str(raised.value)
        assert resolve(TABLE).name == "numpy"  # a CuPy without a device is in nobody's way


def test_what_needs_cupy_is_named() -> None:
    with installed(Cupy()), pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", None)
        with pytest.raises(ImportError, match=r"^A table of PyTorch or JAX.*sknorm\[cuda13\]"):
            resolve(TorchTensor(TABLE))


def product_error(precision: str, members: int) -> float:
    """Relative error of a product of float32 matrices on a device, in its training session."""
    device = resolve(TABLE, "cupy", precision)
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(1.0, 2.0, (m, 64, 64)).astype(np.float32) for m in (1, members))
    out = device.xp.zeros((members, 64, 64), dtype=device.xp.float32, device=device.device)
    with device.session():
        device.kernels.matmul(device.asarray(a), device.asarray(b), out)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    return float(np.max(np.abs(device.to_numpy(out) - expected) / expected))


@pytest.mark.gpu
@pytest.mark.parametrize("value", ["0", "1"])  # CuPy's products, and ours
@pytest.mark.parametrize("members", [1, 3])  # one operand is broadcast to several
def test_products_have_the_digits_they_should(
    monkeypatch: pytest.MonkeyPatch, members: int, value: str
) -> None:
    monkeypatch.setenv(SWITCH, value)
    from cupy.cuda import Device as CudaDevice

    assert product_error("highest", members) < 1e-6
    if int(CudaDevice().compute_capability) >= 80:
        assert 1e-5 < product_error("high", members) < 1e-3
    assert product_error("highest", members) < 1e-6


@pytest.mark.gpu
def test_a_devices_free_memory_is_told() -> None:
    device = resolve(TABLE, "cupy")
    free = device.free_bytes()
    block = device.xp.zeros(1 << 26, dtype=device.xp.uint8, device=device.device)
    assert 0 < device.free_bytes() <= free - block.nbytes + (1 << 22)
    assert device.chunk_bytes <= max(1 << 20, free // 4)
