"""Thresholding of singular values."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sknorm.kernels import cpu, reference

KERNELS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])


@KERNELS
@pytest.mark.parametrize(("inputs", "outputs"), [(7, 5), (5, 7), (1, 4), (6, 1)])
def test_singular_values_shrink(cases: Any, kernels: ModuleType, inputs: int, outputs: int) -> None:
    """The vectors stay, which the product with the transpose shows."""
    case = cases.spectrum(3, inputs, outputs, np.float64)
    weight, got = case.arguments["weight"], case.run(kernels)
    for k, threshold in enumerate(case.arguments["threshold"]):
        old = np.linalg.svd(weight[k], compute_uv=False)
        want = np.maximum(old - threshold, 0.0)
        new = got["weight"][k]
        np.testing.assert_allclose(np.linalg.svd(new, compute_uv=False), want, atol=1e-13)
        # W'X is symmetric with eigenvalues old * want exactly if both share singular vectors.
        product = weight[k].T @ new
        np.testing.assert_allclose(product, product.T, atol=1e-13)
        assert np.trace(product) == pytest.approx(np.sum(old * want), abs=1e-12)
        assert got["norms"][k] == pytest.approx(want.sum(), abs=1e-12)


@KERNELS
def test_rank_falls_to_nothing(kernels: ModuleType) -> None:
    weight, norms = np.ones((1, 4, 3), np.float32), np.empty(1)
    kernels.singular_value_threshold(weight, np.array([1.0]), norms)
    np.testing.assert_allclose(weight, 1 - 1 / np.sqrt(12), rtol=1e-6)
    assert norms[0] == pytest.approx(np.sqrt(12) - 1, rel=1e-6)
    kernels.singular_value_threshold(weight, np.array([5.0]), norms)
    assert not weight.any() and norms[0] == 0.0


@KERNELS
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_divergence_stays_visible(cases: Any, kernels: ModuleType, bad: float) -> None:
    case = cases.spectrum(3, 7, 5, np.float32)
    case.arguments["weight"][0, 3, 2] = bad
    got = case.run(kernels)
    np.testing.assert_array_equal(got["weight"][:2], case.arguments["weight"][:2])
    np.testing.assert_array_equal(np.isnan(got["norms"]), [True, False, False])
    assert np.linalg.norm(got["weight"][2]) < np.linalg.norm(case.arguments["weight"][2])
