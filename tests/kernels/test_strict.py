"""The reference kernels use the array-API standard and nothing else."""

from typing import Any

import array_api_strict
import numpy as np
import pytest

from sknorm.kernels import reference


@pytest.mark.parametrize("device", ["CPU_DEVICE", "device1"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("K", [1, 3])
def test_strict_equals_numpy(cases: Any, K: int, dtype: type, device: str) -> None:
    target = array_api_strict.Device(device)

    def convert(array: np.ndarray) -> Any:
        return array_api_strict.asarray(array.copy(), device=target)

    for case in cases.every(K, dtype):
        got = case.run(reference, convert)
        arrays = {name: to_numpy(a) for name, a in got.items() if hasattr(a, "dtype")}
        case.compare(got | arrays, case.run(reference), ulps=2.0)


def test_every_kernel_has_a_case(cases: Any) -> None:
    assert {case.kernel for case in cases.every(1, np.float64)} == set(reference.__all__)


def test_masks_are_the_same_bits(cases: Any) -> None:
    case = cases.dropout(3, 40, 11, np.float64)
    got = case.run(reference, array_api_strict.asarray)
    np.testing.assert_array_equal(to_numpy(got["out"]) == 0.0, case.run(reference)["out"] == 0.0)


def to_numpy(array: Any) -> np.ndarray:
    """Bring an array back, from the second device too."""
    return np.asarray(array_api_strict.asarray(array, device=array_api_strict.Device("CPU_DEVICE")))
