"""The dropout masks of the specification: exact bits, and bits that look random."""

import numpy as np
import pytest

from sknorm.kernels import reference
from sknorm.kernels.reference.random import keep_mask, member_keys, random_bits

WORD = 2**32


def mix(x: int) -> int:
    x = (x ^ (x >> 16)) * 0x21F0AAAD % WORD
    x = (x ^ (x >> 15)) * 0x735A2D97 % WORD
    return x ^ (x >> 15)


def expected_bits(seed: int, step: int, layer: int, element: int) -> int:
    """The generator in Python integers, which do not wrap by themselves."""
    b = mix(mix((seed + 0x9E3779B9) % WORD) ^ (step % WORD))
    k0 = mix(b ^ ((layer * 0x85EBCA6B + 0xC2B2AE35) % WORD))
    x = element ^ k0
    x = (x ^ (x >> 16)) * 0x21F0AAAD % WORD
    x ^= mix((k0 + 0x9E3779B9) % WORD)
    x = (x ^ (x >> 15)) * 0x735A2D97 % WORD
    return x ^ (x >> 15)


def mask(
    rate: float = 0.5, seed: int = 1, step: int = 2, layer: int = 0, shape: tuple = (1000, 1000)
) -> np.ndarray:
    n, d = shape
    return keep_mask(np.array([rate]), np.array([seed], dtype=np.uint32), step, layer, n, 0, d, d)[
        0
    ]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return abs(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize(
    ("seed", "step", "layer"), [(0, 0, 0), (2**32 - 1, 2**31 + 5, 7), (123456789, 2**33 + 1, 100)]
)
def test_bits_equal_those_of_python_integers(seed: int, step: int, layer: int) -> None:
    keys = member_keys(np.array([seed, 5], dtype=np.uint32), step, layer)
    got = random_bits(*keys, 6, 0, 9, 9)
    assert got.dtype == np.uint32
    for k, member in enumerate((seed, 5)):
        want = [expected_bits(member, step, layer, e) for e in range(54)]
        np.testing.assert_array_equal(got[k].ravel(), want)


def test_columns_are_cut_from_the_same_mask() -> None:
    rate, seed = np.array([0.3, 0.6]), np.array([3, 4], dtype=np.uint32)
    whole = keep_mask(rate, seed, 1, 2, 20, 0, 11, 11)
    np.testing.assert_array_equal(keep_mask(rate, seed, 1, 2, 20, 4, 9, 11), whole[:, :, 4:9])
    np.testing.assert_array_equal(keep_mask(rate, seed, 1, 2, 5, 0, 11, 11), whole[:, :5])
    np.testing.assert_array_equal(keep_mask(rate[1:], seed[1:], 1, 2, 20, 0, 11, 11), whole[1:])


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_rate(rate: float) -> None:
    dropped = 1.0 - mask(rate).mean()
    assert abs(dropped - rate) < 5.0 * np.sqrt(rate * (1.0 - rate) / 1e6)


def test_neighbours_are_uncorrelated() -> None:
    m = mask().astype(float)
    for a, b in ((m[:, 1:], m[:, :-1]), (m[1:], m[:-1]), (m[1:, 1:], m[:-1, :-1])):
        assert correlation(a, b) < 5e-3


@pytest.mark.parametrize("change", [{"seed": 2}, {"step": 3}, {"layer": 1}])
def test_masks_of_different_keys_are_uncorrelated(change: dict[str, int]) -> None:
    assert correlation(mask(), mask(**change)) < 5e-3


def test_columns_keep_the_rate() -> None:
    kept = mask(0.5, shape=(4000, 64)).mean(axis=0)
    assert np.max(np.abs(kept - 0.5)) < 5.0 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_scales_what_it_keeps(dtype: type) -> None:
    x = np.random.default_rng(0).normal(size=(2, 30, 7)).astype(dtype)
    rate, seed = np.array([0.25, 0.0]), np.array([8, 9], dtype=np.uint32)
    out, again = x.copy(), x.copy()
    reference.dropout(rate, seed, 4, 1, out)
    reference.dropout(rate, seed, 4, 1, again)
    kept = mask(0.25, 8, 4, 1, (30, 7))
    np.testing.assert_allclose(out[0], np.where(kept, x[0] / dtype(0.75), 0.0), rtol=1e-6)
    np.testing.assert_array_equal(out[1], x[1])
    np.testing.assert_array_equal(out, again)
    assert 0 < np.sum(~kept) < kept.size
