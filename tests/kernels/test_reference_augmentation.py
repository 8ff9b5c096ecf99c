"""Noise and mixtures: distribution, keys, and the members that they leave alone."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sknorm.kernels import cpu, reference

KERNELS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])


def normal(
    kernels: ModuleType, deviation: float = 1.0, seed: int = 1, step: int = 2, layer: int = 5,
    shape: tuple[int, int] = (1000, 200), dtype: type = np.float64,
) -> np.ndarray:  # fmt: skip
    """The noise alone."""
    out = np.zeros((1, *shape), dtype=dtype)
    key = np.array([seed], dtype=np.uint32)
    kernels.noise(np.array([deviation]), key, step, layer, out)
    return out[0]


@KERNELS
def test_noise_is_standard_normal(kernels: ModuleType) -> None:
    g = normal(kernels).ravel()
    error = 1.0 / np.sqrt(g.size)  # of the mean; those of the next moments in its multiples
    assert abs(g.mean()) < 4.0 * error
    assert abs(g.var() - 1.0) < 4.0 * np.sqrt(2.0) * error
    assert abs((g**3).mean()) < 4.0 * np.sqrt(15.0) * error
    assert abs((g**4).mean() - 3.0) < 4.0 * np.sqrt(96.0) * error
    assert stats.kstest(g, "norm").pvalue > 0.01


@KERNELS
def test_noise_is_uncorrelated(kernels: ModuleType) -> None:
    g = normal(kernels)
    others = [normal(kernels, **{key: 9}) for key in ("seed", "step", "layer")]
    pairs = [(g[1:], g[:-1]), (g[:, 1:], g[:, :-1]), *((g, other) for other in others)]
    for a, b in pairs:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.0 / np.sqrt(a.size)
        # The squares too: the radius and the angle come from different words.
        assert abs(np.corrcoef(a.ravel() ** 2, b.ravel() ** 2)[0, 1]) < 4.0 / np.sqrt(a.size)


@KERNELS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_is_scaled_and_added(kernels: ModuleType, dtype: type) -> None:
    x = np.random.default_rng(0).normal(size=(3, 20, 7)).astype(dtype)
    out, seed = x.copy(), np.array([4, 4, 4], dtype=np.uint32)
    kernels.noise(np.array([0.5, 0.0, 2.0]), seed, 1, 2, out)
    g = normal(kernels, seed=4, step=1, layer=2, shape=(20, 7))
    np.testing.assert_allclose(out[0], x[0] + 0.5 * g, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out[1], x[1])
    np.testing.assert_allclose(out[2], x[2] + 2.0 * g, rtol=1e-5, atol=1e-6)


@KERNELS
@pytest.mark.parametrize("n", [1, 6, 7])
def test_mixup(cases: Any, kernels: ModuleType, n: int) -> None:
    case = cases.mixup(3, n, 5, np.float64)
    a, got = case.arguments, case.run(kernels)
    for name in ("x", "y", "weight"):
        for k, share in enumerate(a["share"]):
            for i in range(n):
                want = share * a[name][k, i] + (1.0 - share) * a[name][k, n - 1 - i]
                np.testing.assert_allclose(got[name][k, i], want, rtol=1e-13, atol=1e-15)


@KERNELS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mixtures_of_equal_rows_are_exact(cases: Any, kernels: ModuleType, dtype: type) -> None:
    case = cases.mixup(1, 8, 5, dtype)
    case.arguments["x"][...] = case.arguments["x"][:, :1]
    np.testing.assert_array_equal(case.run(kernels)["x"], case.arguments["x"])


@KERNELS
def test_members_that_do_not_mix_do_not_look_at_other_rows(cases: Any, kernels: ModuleType) -> None:
    case = cases.mixup(3, 7, 5, np.float32)
    case.arguments["x"][1, 2] = np.nan
    np.testing.assert_array_equal(case.run(kernels)["x"][1], case.arguments["x"][1])
