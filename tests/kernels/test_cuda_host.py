"""The stand-in for CUDA notices what would go wrong on a device."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_host import ORDERS, HostError

from sknorm.kernels.cuda import launcher

HEAD = """
template <typename T>
__global__ void __launch_bounds__(64) kernel(T *out) {
"""


@pytest.fixture
def launched(host_cuda: Any) -> Callable[..., np.ndarray]:
    """Launch a kernel with this body on zeros; what it leaves of them."""

    def launch(
        body: str, threads: int = 64, blocks: int = 1, order: str = "forward", shared: int = 0
    ) -> np.ndarray:
        host_cuda.order = order
        out = host_cuda.guarded(np.zeros(64))
        handle = host_cuda.compile(launcher.code("rows") + HEAD + body + "}", "kernel<double>")
        host_cuda.launch(handle, (blocks,), (threads,), (out,), shared)
        return out

    return launch


@pytest.mark.parametrize("order", ORDERS)
def test_barriers_and_exchanges(launched: Callable, order: str) -> None:
    body = """
        __shared__ T values[64];
        SKN_DYNAMIC_SHARED(T, more);
        values[threadIdx.x] = threadIdx.x;
        __syncthreads();
        more[63 - threadIdx.x] = values[threadIdx.x ^ 63];
        __syncthreads();
        T value = more[threadIdx.x];
        value = 100 * __shfl_xor_sync(ALL_LANES, value, 1) + __shfl_down_sync(ALL_LANES, value, 1);
        out[threadIdx.x] = value;
    """
    lane = np.arange(64)
    down = np.where(lane % 32 == 31, lane, lane + 1)
    got = launched(body, order=order, shared=64 * 8)
    np.testing.assert_array_equal(got, 100 * (lane ^ 1) + down)


def test_blocks_take_turns(launched: Callable) -> None:
    body = "if (threadIdx.x == 0) out[0] = 10 * out[0] + blockIdx.x;"
    assert launched(body, blocks=4)[0] == 123
    assert launched(body, blocks=4, order="reverse")[0] == 3210


def test_missing_barriers_show(launched: Callable) -> None:
    body = """
        __shared__ T values[64];
        values[threadIdx.x] = 0;
        __syncthreads();
        values[threadIdx.x] = threadIdx.x;
        out[threadIdx.x] = values[(threadIdx.x + 1) % 64];
    """
    got = [launched(body, order=order) for order in ORDERS]
    assert not np.array_equal(got[0], got[1]) and not np.array_equal(got[0], got[2])


@pytest.mark.parametrize("memory", ["SKN_DYNAMIC_SHARED(T, values)", "__shared__ T values[64]"])
def test_shared_memory_starts_as_nan_in_each_block(launched: Callable, memory: str) -> None:
    body = "; out[threadIdx.x] = values[threadIdx.x]; __syncthreads(); values[threadIdx.x] = 1;"
    assert np.isnan(launched(memory + body, blocks=2, shared=64 * 8)).all()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("if (threadIdx.x < 32) __syncthreads();", "do not come"),
        ("if (threadIdx.x % 2) out[0] = __shfl_xor_sync(ALL_LANES, T(1), 1);", "do not come"),
        ("if (threadIdx.x % 2) return; __syncwarp();", "do not come"),
        ("if (threadIdx.x < 3) __syncwarp(); else __syncthreads();", "do not come"),
        ("out[0] = __shfl_xor_sync(1u, T(1), 1);", "not all lanes"),
        ("SKN_DYNAMIC_SHARED(T, values); values[64] = 0;", "beyond the shared memory"),
        ("out[0] = __ldcs(reinterpret_cast<int4 *>(out + 1)).x;", "misaligned"),
        ("out[0] = load<2>(out + 1).v[0];", "misaligned"),
        ("store<2>(out + 1, load<2>(out));", "misaligned"),
    ],
)
def test_errors_of_kernels(launched: Callable, body: str, message: str) -> None:
    with pytest.raises(HostError, match=message):
        launched(body, shared=64 * 8)
    launched("")  # what went wrong does not reach the next launch


@pytest.mark.parametrize(("threads", "message"), [(33, "32 to 1024"), (96, "launch bounds")])
def test_errors_of_launches(launched: Callable, threads: int, message: str) -> None:
    with pytest.raises(HostError, match=message):
        launched("", threads=threads)


@pytest.mark.parametrize("arguments", [(1.0,), (np.zeros(3, np.float32),), (np.zeros(3), 1)])
def test_types_of_arguments(host_cuda: Any, arguments: tuple) -> None:
    handle = host_cuda.compile(HEAD + "}", "kernel<double>")
    with pytest.raises(HostError, match="argument"):
        host_cuda.launch(handle, (1,), (32,), arguments, 0)
