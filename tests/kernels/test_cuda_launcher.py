"""The launcher of the CUDA kernels, on a stand-in for CuPy that takes notes."""

import inspect
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cuda_host import stored

from sknorm.kernels import codes, cuda, reference
from sknorm.kernels.cuda import launcher


class Kernel:
    """A kernel that notes its launches, and each setting of its shared memory."""

    def __init__(self, name: str) -> None:
        self.name, self.launches, self.settings = name, [], []

    def __call__(self, *launch: Any, shared_mem: int) -> None:
        self.launches.append((*launch, shared_mem))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "max_dynamic_shared_size_bytes":
            self.settings.append(value)
        super().__setattr__(name, value)


class Cublas:
    """The one function of cuBLAS that the launcher calls, its arguments in cuBLAS's order."""

    def gemmStridedBatchedEx(  # noqa: N802
        self, handle: int, transa: int, transb: int, m: int, n: int, k: int, alpha: int,
        A: int, type_a: int, lda: int, stride_a: int, B: int, type_b: int, ldb: int, stride_b: int,
        beta: int, C: int, type_c: int, ldc: int, stride_c: int, count: int, compute: int,
        algorithm: int,
    ) -> None:  # fmt: skip
        assert (handle, algorithm) == (42, -1)  # CUBLAS_GEMM_DEFAULT
        single = compute == 68  # CUBLAS_COMPUTE_32F, else CUBLAS_COMPUTE_64F
        assert compute == (68 if single else 70)
        assert type_a == type_b == type_c == (0 if single else 1)  # CUDA_R_32F, CUDA_R_64F
        real = "float" if single else "double"
        one, zero = (stored(real, 1, 1, 0, address, 1, 0, 0) for address in (alpha, beta))
        for i in range(count):
            a = stored(real, m, k, transa, A, lda, stride_a, i)
            b = stored(real, k, n, transb, B, ldb, stride_b, i)
            c = stored(real, m, n, 0, C, ldc, stride_c, i)
            c[...] = one * (a @ b) + zero * c


class Cupy(ModuleType):
    """The parts of CuPy that the launcher uses, on NumPy arrays."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.modules: list[dict[str, Any]] = []
        self.device, self.stream = 0, 7
        attributes = {"MaxSharedMemoryPerBlockOptin": 232448}
        self.cuda = SimpleNamespace(
            runtime=SimpleNamespace(getDevice=lambda: self.device),
            get_current_stream=lambda: SimpleNamespace(ptr=self.stream),
            Device=lambda: SimpleNamespace(attributes=attributes, cublas_handle=42),
            cublas=Cublas(),
        )

    def RawModule(self, **settings: Any) -> Any:  # noqa: N802
        self.modules.append(settings)
        return SimpleNamespace(get_function=Kernel)

    def zeros(self, size: int, dtype: str) -> np.ndarray:
        return np.zeros(size, dtype)

    def asarray(self, values: np.ndarray) -> np.ndarray:
        return values.copy()


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Cupy:
    module = Cupy()
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(launcher, "runtime", launcher.CupyRuntime())
    monkeypatch.setattr(launcher, "_kernels", {})
    monkeypatch.setattr(launcher, "_shared_limits", {})
    monkeypatch.setattr(launcher, "_buffers", launcher._Buffers())
    return module


def launch(types: tuple[str, ...] = ("float", "4"), shared: int = 0) -> None:
    launcher.launch("rows", "dropout", types, (2, 3), (256,), (1, 2.0), shared)


@pytest.mark.parametrize("name", cuda.__all__)
def test_signatures_are_the_references(name: str) -> None:
    got, want = (inspect.signature(getattr(k, name)).parameters for k in (cuda, reference))
    assert [(p.name, p.kind, p.default) for p in got.values()] == [
        (p.name, p.kind, p.default) for p in want.values()
    ]


def test_an_instantiation_is_compiled_once_for_each_device(cupy: Cupy) -> None:
    launch()
    launch()
    cupy.stream = 8
    launch()
    assert [m["name_expressions"] for m in cupy.modules] == [("dropout<float, 4>",)]
    assert cupy.modules[0]["code"] == launcher.code("rows")
    assert "-use_fast_math" not in "".join(cupy.modules[0]["options"]).replace("--", "-")
    launch(("double", "1"))
    cupy.device = 1
    launch()
    assert [m["name_expressions"][0] for m in cupy.modules[1:]] == [
        "dropout<double, 1>", "dropout<float, 4>",
    ]  # fmt: skip


def test_launches_are_passed_on(cupy: Cupy) -> None:
    for shared in (0, 48 << 10, 60_000, 50_000, 60_000, 61_000):
        launch(shared=shared)
    (kernel,) = launcher._kernels.values()
    assert kernel.launches[0] == ((2, 3), (256,), (1, 2.0), 0)
    assert [each[-1] for each in kernel.launches] == [0, 49152, 60_000, 50_000, 60_000, 61_000]
    assert kernel.settings == [60_000, 61_000]  # each costs a call of the driver


def test_buffers_are_kept_for_each_stream(cupy: Cupy) -> None:
    first = launcher.workspace(1000)
    assert first.size >= 1000 and first.dtype == np.float64
    assert launcher.workspace(10) is first
    grown = launcher.workspace(5000)
    assert grown.size >= 5000 and launcher.workspace(1000) is grown
    words = launcher.counters(3)
    assert words.dtype == np.uint32 and not words.any() and launcher.counters(2) is words
    cupy.stream = 8
    assert launcher.workspace(10) is not grown and launcher.counters(3) is not words


def test_tables_are_uploaded_once(cupy: Cupy) -> None:
    table = np.arange(6).reshape(2, 3)
    first = launcher.constant(table)
    np.testing.assert_array_equal(first, table)
    assert first is not table and launcher.constant(table.copy()) is first
    assert launcher.constant(table + 1) is not first
    assert launcher.constant(table.reshape(3, 2)) is not first


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_by_cublas(cupy: Cupy, monkeypatch: pytest.MonkeyPatch, dtype: type) -> None:
    monkeypatch.setattr(launcher.runtime, "pointer", lambda array: array.ctypes.data)
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(dtype) for shape in ((1, 7, 4), (3, 5, 4)))
    out = np.zeros((3, 7, 5), dtype)
    cuda.matmul(a, b.mT, out)
    np.testing.assert_allclose(out, a @ b.mT, rtol=1e-5)


def test_shared_memory_of_the_device(cupy: Cupy) -> None:
    assert launcher.shared_limit() < 232448 <= launcher.shared_limit() + 2048


def test_sources_are_complete() -> None:
    text = launcher.code("steps")
    assert "#include" not in text
    assert text.count("struct alignas(sizeof(T) * W) Pack") == 1
    assert f"constexpr double SELU_ALPHA = {codes.SELU_ALPHA!r};" in text
    assert f"constexpr int L0 = {codes.L0};" in text


def test_values_that_no_kernel_takes() -> None:
    assert launcher.c_type(np.zeros(2, np.float32)) == "float"
    with pytest.raises(TypeError, match="no arrays of float16"):
        launcher.c_type(np.zeros(2, np.float16))


def test_words_wrap() -> None:
    assert [int(launcher.word(n)) for n in (5, -1, 2**32 + 3)] == [5, 2**32 - 1, 3]


def test_width_of_accesses(cuda_machine: Any) -> None:
    single, double = (cuda_machine.guarded(np.zeros(32, dtype)) for dtype in ("f4", "f8"))
    assert launcher.vector_width(8, single) == 4
    assert launcher.vector_width(6, single) == 1
    assert launcher.vector_width(6, single, double) == 2
    assert launcher.vector_width(8, single[1:]) == 1
    assert launcher.vector_width(8, single[2:], double) == 2
    assert launcher.vector_width(8, single[2:]) == 1


def test_stacks_that_exceed_a_grid_are_refused(host_cuda: Any) -> None:
    members = 1 << 16
    rate, seed, out = np.zeros(members), np.zeros(members, np.uint32), np.zeros((members, 1, 1))
    with pytest.raises(ValueError, match="at most 65535 networks at once, but 65536 were given"):
        cuda.dropout(rate, seed, 0, 0, out)
