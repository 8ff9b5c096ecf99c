"""The products of the CUDA kernels: what is asked of cuBLAS."""

import itertools
from typing import Any

import numpy as np
import pytest
from kernel_case import poison

from sknorm.kernels import cuda

DTYPES = [np.float32, np.float64]
SHAPES = list(itertools.product((1, 7), (1, 33), (1, 5)))


def layouts(machine: Any, values: np.ndarray) -> list[Any]:
    """The same matrices stored by rows, by columns, as parts of wider ones, and as vectors."""
    by_columns = machine.guarded(np.ascontiguousarray(values.mT)).mT
    beside = poison(*values.shape, dtype=values.dtype)
    wide = machine.guarded(np.concatenate([values, beside], axis=2))
    found = [machine.guarded(values), by_columns, wide[:, :, : values.shape[2]]]
    if values.shape[1] == 1:
        found.append(machine.guarded(values[:, 0])[:, None, :])
    if values.shape[2] == 1:
        found.append(machine.guarded(values[:, :, 0])[:, :, None])
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("one", "other"), [(1, 1), (3, 3), (1, 3), (3, 1)])
def test_products(
    cases: Any, cuda_machine: Any, shape: tuple[int, ...], one: int, other: int, dtype: type
) -> None:
    n, m, d = shape
    first = cases.rng.normal(size=(one, n, m)).astype(dtype)
    second = cases.rng.normal(size=(other, m, d)).astype(dtype)
    want, tolerance = first @ second, 10 * m * np.finfo(dtype).eps
    for a in layouts(cuda_machine, first):
        for b in layouts(cuda_machine, second):
            wide = cuda_machine.guarded(poison(max(one, other), n, d + 3, dtype=dtype))
            for out in (cuda_machine.guarded(poison(*want.shape, dtype=dtype)), wide[:, :, :d]):
                cuda.matmul(a, b, out)
                got = cuda_machine.fetched(out)
                np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
            assert np.isnan(cuda_machine.fetched(wide)[:, :, d:]).all()
    cuda_machine.check_guards()


def test_arrays_that_cublas_does_not_take(host_cuda: Any) -> None:
    matrices = np.zeros((2, 6, 6))
    apart = np.zeros((2, 12, 12))[:, ::2, ::2]
    for arguments in ((apart, matrices, matrices), (matrices, apart, matrices)):
        with pytest.raises(ValueError, match=f"of {'ab'[arguments[1] is apart]} lie in a row"):
            cuda.matmul(*arguments)
    for out in (apart, matrices.mT):
        with pytest.raises(ValueError, match=r"rows (nor columns )?of out"):
            cuda.matmul(matrices, matrices, out)
