"""The CUDA kernels on tables that take the host, in place of a device, too long."""

from typing import Any

import numpy as np
import pytest
from kernel_case import Case

from sknorm.kernels import codes, cuda

pytestmark = pytest.mark.gpu

DTYPES = [np.float32, np.float64]
# The first two do not fit into shared memory; the first is odd, so that values are loaded singly.
TABLES = [(1, 65_537, 129), (1, 20_000, 512), (64, 256, 256)]
BLOCKS = ["batch", "layer", "affine"]
LOSSES = ["multiclass_log_loss", "soft_multiclass_log_loss", "squared_error", "huber", "pinball"]


def check(machine: Any, case: Case, dtype: type) -> None:
    """A tolerance for values of size one, not for sums of all rows, whose errors cancel here.

    Float32 is added up in float64. The specification itself adds up float64 to so many digits.
    """
    machine.check(case._replace(magnitude=10.0 if dtype is np.float32 else 3000.0))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("direction", ["", "_backward"])
@pytest.mark.parametrize("block", BLOCKS)
def test_blocks(
    cases: Any, device_cuda: Any, block: str, direction: str, dtype: type, table: tuple
) -> None:
    check(device_cuda, getattr(cases, block + direction)(*table, dtype, codes.GELU, 0.3), dtype)


@pytest.mark.parametrize("table", [TABLES[0], (64, 4096, 32)])
@pytest.mark.parametrize("direction", ["", "_backward"])
def test_ghosts(cases: Any, device_cuda: Any, direction: str, table: tuple) -> None:
    """Groups that a block holds, and one that it does not."""
    groups = (*range(0, table[1] // 2, 256), table[1])
    case = getattr(cases, "batch" + direction)(*table, np.float32, codes.RELU, 0.3, groups, False)
    check(device_cuda, case, np.float32)


@pytest.mark.parametrize("size", [(1, 65_537, 1), (1, 5000, 1000), (64, 256, 10), (3, 70, 20_000)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(cases: Any, device_cuda: Any, name: str, dtype: type, size: tuple) -> None:
    check(device_cuda, cases.loss(name, *size, dtype, shared=False), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows(cases: Any, device_cuda: Any, dtype: type) -> None:
    for K, n, d in TABLES:
        device_cuda.check(cases.dropout(K, n, d, dtype), ulps=0.0)
        device_cuda.check(cases.noise(K, n, d, dtype))
        device_cuda.check(cases.gather(1, K, n, d, dtype, np.float32, False), ulps=2.0)
        device_cuda.check(cases.squash(1, n, d, dtype), ulps=4.0)


@pytest.mark.parametrize("K", [1, 8])
@pytest.mark.parametrize("dtype", DTYPES)
def test_steps(cases: Any, device_cuda: Any, dtype: type, K: int) -> None:
    """Half a million parameters of a member, the runs of which start anywhere."""
    sizes = np.array([400_001, 512, 1, 100_003])
    offsets = K * np.concatenate([[0], np.cumsum(sizes)[:-1]])
    segments = np.stack([offsets, sizes, [1, 0, 0, 2]], axis=1).astype(np.int64)
    steps = [cases.sgd(K, dtype, 0.9, True), cases.adam(K, dtype, False), cases.clip(K, dtype, 0.5)]
    for case in steps:
        changed = {"segments": segments}
        for name in {"parameters", "gradient", "velocity", "first", "second"} & set(case.arguments):
            changed[name] = (cases.rng.normal(size=K * sizes.sum()) ** 2).astype(dtype)
        device_cuda.check(case._replace(arguments=case.arguments | changed))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 65_537, 129, 64), (64, 256, 256, 256), (3, 2000, 513, 1000)])
def test_products(cases: Any, device_cuda: Any, size: tuple, dtype: type) -> None:
    """Of a layer's forward pass, and of its gradients, which transpose one factor."""
    K, n, m, d = size
    x, w, g = (cases.rng.normal(size=(K, *s)).astype(dtype) for s in ((n, m), (m, d), (n, d)))
    on = {name: device_cuda.guarded(array) for name, array in (("x", x), ("w", w), ("g", g))}
    for a, b, first, second in (
        (on["x"], on["w"], x, w), (on["x"].mT, on["g"], x.mT, g), (on["g"], on["w"].mT, g, w.mT),
    ):  # fmt: skip
        want = first.astype(np.float64) @ second
        out = device_cuda.guarded(np.full(want.shape, np.nan, dtype))
        cuda.matmul(a, b, out)
        tolerance = np.finfo(dtype).eps * first.shape[2]
        np.testing.assert_allclose(device_cuda.fetched(out), want, tolerance, tolerance)
    device_cuda.check_guards()
