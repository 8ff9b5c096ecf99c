"""What runs the CUDA kernels in tests notices what they must not do."""

import itertools
from typing import Any

import numpy as np
import pytest
from cuda_machine import KernelError

from sknorm.kernels import cuda
from sknorm.kernels.cuda import launcher

STORE = """
template <typename T>
__global__ void __launch_bounds__(64) store(T *out, long long index) { out[index] = 1; }
"""


@pytest.mark.parametrize("index", [-1, 64])
def test_values_beside_arrays(cuda_machine: Any, index: int) -> None:
    out = cuda_machine.guarded(np.zeros(64))
    kernel = launcher.runtime.compile(STORE, "store<double>")
    launcher.runtime.launch(kernel, (1,), (64,), (out, index), 0)
    with pytest.raises(KernelError, match="beside an array"):
        cuda_machine.check_guards()
    cuda_machine.check_guards()


def test_results_that_differ_from_run_to_run(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropout, runs = cuda.dropout, itertools.count()

    def kernel(rate: Any, seed: Any, step: int, layer: int, out: Any) -> None:
        dropout(rate, seed, step, layer, out)
        out *= 1.0 + next(runs) * np.finfo(np.float64).eps

    case = cases.dropout(2, 7, 5, np.float64)
    monkeypatch.setattr(cuda, "dropout", kernel)
    with pytest.raises(AssertionError, match="out is not the same in all runs"):
        cuda_machine.check(case)


@pytest.mark.parametrize("name", ["rate", "out"])
def test_results_that_are_wrong(
    cases: Any, cuda_machine: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An input that is changed, and an output that is not."""

    def kernel(rate: Any, seed: Any, step: int, layer: int, out: Any) -> None:
        if name == "rate":
            dropout(rate, seed, step, layer, out)
            rate *= 2.0

    dropout, case = cuda.dropout, cases.dropout(2, 7, 5, np.float64)
    monkeypatch.setattr(cuda, "dropout", kernel)
    with pytest.raises(AssertionError, match=name):
        cuda_machine.check(case)


def test_one_array_for_two_arguments(cases: Any, cuda_machine: Any) -> None:
    got = cuda_machine.run(cases.affine(2, 7, 5, np.float64), out="z")
    np.testing.assert_array_equal(got["out"], got["z"])


@pytest.mark.gpu
def test_arrays_without_guards_fill_their_memory(device_cuda: Any) -> None:
    """So that checkers of memory accesses know where they end."""
    for way in device_cuda.ways():
        with way:
            array, buffer = device_cuda.guarded(np.zeros(3), 8), launcher.workspace(5)
    assert array.data.mem.size == 8 + array.nbytes
    assert buffer.data.mem.size == buffer.nbytes == 5 * 8
