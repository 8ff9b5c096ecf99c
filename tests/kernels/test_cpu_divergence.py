"""What is not finite stays visible in the compiled kernels, where the specification shows it."""

from typing import Any

import numpy as np
import pytest
from kernel_case import LOSSES
from test_cpu import DTYPES, EVERY_BLOCK, FLAGS, check

from sknorm.kernels import codes, cpu, reference


@pytest.mark.parametrize(("block", "activation", "dtype"), EVERY_BLOCK)
def test_nan_stays_visible_forward(cases: Any, block: str, activation: str, dtype: type) -> None:
    case = getattr(cases, block)(1, 7, 5, dtype, codes.ACTIVATIONS[activation])
    case.arguments["z"][0, 3, 2] = np.nan
    got = np.isnan(case.run(cpu)["out"])
    np.testing.assert_array_equal(got, np.isnan(case.run(reference)["out"]))
    assert got[0, 3, 2]


@pytest.mark.parametrize(("block", "activation", "dtype"), EVERY_BLOCK)
def test_nan_stays_visible_backward(cases: Any, block: str, activation: str, dtype: type) -> None:
    case = getattr(cases, f"{block}_backward")(1, 7, 5, dtype, codes.ACTIVATIONS[activation])
    case.arguments["dout"][0, 3, 2] = np.nan
    got, want = case.run(cpu), case.run(reference)
    for name in ("dout", "dshift"):
        np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(want[name]))
    assert np.isnan(got["dout"][0, 3, 2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_nan_stays_visible_in_losses(cases: Any, name: str, dtype: type) -> None:
    for bad in (np.nan, np.inf):
        case = cases.loss(name, 1, 3, 2, dtype)
        case.arguments["z"][0, 1, 0] = bad
        assert not np.isfinite(case.run(cpu)["value"][0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_visible_in_steps(cases: Any, dtype: type) -> None:
    steps = [cases.sgd(3, dtype, 0.9, flag) for flag in FLAGS]
    steps += [cases.adam(3, dtype, flag) for flag in FLAGS]
    for case in steps:
        case.arguments["gradient"][[3, 40, 80, 700]] = np.nan
        got, want = case.run(cpu), case.run(reference)
        assert np.isnan(want["parameters"]).sum() == 4
        for name in ("parameters", "monitor"):
            np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(want[name]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_visible_in_proximal_steps_of_matrices(cases: Any, dtype: type) -> None:
    size = (3, 7, 5, dtype)
    steps = [cases.sgd_group(*size, flag) for flag in FLAGS]
    steps += [cases.adam_group(*size, flag) for flag in FLAGS]
    for case in [*steps, cases.spectrum(*size)]:
        case.arguments["weight"][0, 3, 2] = np.nan
        got, want = (np.isnan(case.run(kernels)["weight"]) for kernels in (cpu, reference))
        np.testing.assert_array_equal(got, want)
        assert got[0, 3, 2] and not got[0, 4:].any() and not got[1:].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clip_leaves_divergence_alone(cases: Any, bad: float) -> None:
    case = cases.clip(3, np.float32, 0.5)
    case.arguments["gradient"][40] = bad
    check(case)
