"""Counter-based random bits: masks and noise are pure functions of a key, so never stored."""

import math

from array_api_compat import device

from sknorm.kernels.reference.arrays import Array, array_namespace, per_member

_MASK = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9
_ANGLE_LAYER = 0x40000000  # added to the layer of the first of two words


def mix(x: Array) -> Array:
    r"""Bijective hash of 32-bit words (xorshift-multiply, modulo :math:`2^{32}`).

    Parameters
    ----------
    x : array of uint32, any shape except ()
        Words; uint32 array arithmetic wraps, while that of scalars warns in NumPy.

    Returns
    -------
    array of uint32, shape of x
    """
    x = (x ^ (x >> 16)) * 0x21F0AAAD
    x = (x ^ (x >> 15)) * 0x735A2D97
    return x ^ (x >> 15)


def member_keys(seed: Array, step: int, layer: int) -> tuple[Array, Array]:
    r"""Two key words per member from its seed, the training step and the layer.

    .. math::
        a = \mathrm{mix}(s + g), \quad b = \mathrm{mix}(a \oplus t), \quad
        k_0 = \mathrm{mix}(b \oplus (85ebca6b_{16} \, l + c2b2ae35_{16})), \quad
        k_1 = \mathrm{mix}(k_0 + g), \quad g = 9e3779b9_{16}

    Parameters
    ----------
    seed : array of uint32, shape (K,)
    step, layer : int
        Taken modulo 2**32.

    Returns
    -------
    k0, k1 : arrays of uint32, shape (K,)
    """
    a = mix(seed + _GOLDEN)
    b = mix(a ^ (step & _MASK))
    k0 = mix(b ^ ((layer * 0x85EBCA6B + 0xC2B2AE35) & _MASK))
    return k0, mix(k0 + _GOLDEN)


def random_bits(k0: Array, k1: Array, n: int, start: int, stop: int, d: int) -> Array:
    """32 random bits for each of n rows and columns ``start`` to ``stop`` of d, per member.

    The counter of row i and column j is ``i * d + j``, whatever columns are asked for: a mask
    does not depend on how the work is cut into pieces, nor on the other members.

    Returns
    -------
    array of uint32, shape (K, n, stop - start)
    """
    xp = array_namespace(k0, k1)
    rows = xp.arange(n, dtype=xp.uint32, device=device(k0))
    columns = xp.arange(start, stop, dtype=xp.uint32, device=device(k0))
    element = rows[None, :, None] * d + columns[None, None, :]
    x = element ^ k0[:, None, None]
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) ^ k1[:, None, None]
    x = (x ^ (x >> 15)) * 0x735A2D97
    return x ^ (x >> 15)


def keep_mask(
    rate: Array, seed: Array, step: int, layer: int, n: int, start: int, stop: int, d: int
) -> Array:
    r"""Which values dropout keeps: those whose bits reach :math:`\lfloor 2^{32} p \rfloor`.

    Parameters
    ----------
    rate : array of float64, shape (K,)
        Probability p in [0, 1) of dropping a value.
    seed : array of uint32, shape (K,)
    step, layer, n, start, stop, d : int

    Returns
    -------
    array of bool, shape (K, n, stop - start)
    """
    xp = array_namespace(rate, seed)
    k0, k1 = member_keys(seed, step, layer)
    threshold = xp.astype(xp.floor(rate * 4294967296.0), xp.uint32)
    return random_bits(k0, k1, n, start, stop, d) >= threshold[:, None, None]


def drop(
    x: Array, rate: Array, seed: Array, step: int, layer: int, start: int = 0, d: int | None = None
) -> Array:
    r"""Inverted dropout, :math:`x \cdot \mathrm{keep} / (1 - p)`, which is its own backward pass.

    The product with the mask is a selection: a dropped value is 0 even where x is not finite.

    Parameters
    ----------
    x : array of float, shape (K, n, m)
        Columns ``start`` to ``start + m`` of d.
    rate, seed, step, layer
        See :func:`keep_mask`.

    Returns
    -------
    array, shape (K, n, m), dtype of x
    """
    xp = array_namespace(x, rate, seed)
    n, m = x.shape[1:]
    width = m if d is None else d
    keep = keep_mask(rate, seed, step, layer, n, start, start + m, width)
    return xp.where(keep, x * per_member(1.0 / (1.0 - rate), x), 0.0)


def standard_normal(seed: Array, step: int, layer: int, n: int, d: int) -> Array:
    r"""Standard normal numbers from two words a, b per element, in float64 [1]_.

    .. math:: g = \sqrt{-2 \log((a + 1) / 2^{32})} \, \cos(2 \pi b / 2^{32})

    The words are the :func:`random_bits` of the layer, and of the layer plus
    :math:`40000000_{16}`; the largest possible number is 6.7.

    Parameters
    ----------
    seed : array of uint32, shape (K,)
    step, layer, n, d : int

    Returns
    -------
    array of float64, shape (K, n, d)

    References
    ----------
    .. [1] Box and Muller (1958), A note on the generation of random normal deviates, Ann. Math.
       Statist. 29, 610-611.
    """
    xp = array_namespace(seed)
    a = random_bits(*member_keys(seed, step, layer), n, 0, d, d)
    b = random_bits(*member_keys(seed, step, layer + _ANGLE_LAYER), n, 0, d, d)
    share = (xp.astype(a, xp.float64) + 1.0) / 4294967296.0
    turns = xp.astype(b, xp.float64) / 4294967296.0
    return xp.sqrt(-2.0 * xp.log(share)) * xp.cos(2.0 * math.pi * turns)
