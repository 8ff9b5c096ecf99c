"""The counter-based random bits behind dropout and noise; the reference describes them."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, scalar
from sknorm.kernels.cpu.mathematics import cosine, log

_M1, _M2 = np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)
_S15, _S16 = np.uint32(15), np.uint32(16)
_GOLDEN = np.uint32(0x9E3779B9)
_LAYER_FACTOR, _LAYER_OFFSET = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_ANGLE_LAYER = 0x40000000  # added to the layer of the first of two words
U = np.uint64  # an unsigned index needs no check for counting from the end


@scalar
def _mix(x):
    x = np.uint32(x ^ (x >> _S16))
    x = np.uint32(x * _M1)
    x = np.uint32(x ^ (x >> _S15))
    x = np.uint32(x * _M2)
    return np.uint32(x ^ (x >> _S15))


@helper
def keys(seed, step, layer):
    """The two keys of one member's mask in one layer of one step."""
    a = _mix(np.uint32(np.uint32(seed) + _GOLDEN))
    b = _mix(np.uint32(a ^ np.uint32(step)))
    c = np.uint32(np.uint32(np.uint32(layer) * _LAYER_FACTOR) + _LAYER_OFFSET)
    key = _mix(np.uint32(b ^ c))
    return key, _mix(np.uint32(key + _GOLDEN))


@scalar
def bits(element, key, late_key):
    """32 random bits for one element."""
    x = np.uint32(element ^ key)
    x = np.uint32(x ^ (x >> _S16))
    x = np.uint32(x * _M1)
    x = np.uint32(x ^ late_key)
    x = np.uint32(x ^ (x >> _S15))
    x = np.uint32(x * _M2)
    return np.uint32(x ^ (x >> _S15))


@helper
def threshold(rate):
    """Elements whose bits fall below it are dropped."""
    return np.uint32(rate * 4294967296.0)


@scalar
def is_kept(i, q, width, key, late_key, limit):
    """Whether the element of row i and column q stays, of rows of ``width`` elements."""
    element = np.uint32(np.uint32(np.uint32(i) * np.uint32(width)) + np.uint32(q))
    return bits(element, key, late_key) >= limit


@helper
def drop(start, stop, first, count, key, late_key, rate, out):
    """Drop elements of rows start..stop and columns first..first+count, scale up the rest."""
    limit, scale = threshold(rate), out.dtype.type(1.0 / (1.0 - rate))
    zero = out.dtype.type(0)
    c, n = U(first), U(count)
    for i in range(U(start), U(stop)):
        for j in range(n):
            q = c + j
            kept = is_kept(i, q, out.shape[1], key, late_key, limit)
            out[i, q] = out[i, q] * scale if kept else zero


@helper
def drop_first(start, stop, first, count, key, late_key, rate, mask, out):
    """Drop as :func:`drop` does, and note what is kept in ``mask``, if it has room."""
    limit, scale = threshold(rate), out.dtype.type(1.0 / (1.0 - rate))
    zero, notes = out.dtype.type(0), mask.size > 0
    c, n = U(first), U(count)
    for i in range(U(start), U(stop)):
        for j in range(n):
            q = c + j
            kept = is_kept(i, q, out.shape[1], key, late_key, limit)
            if notes:
                mask[i, q] = kept
            out[i, q] = out[i, q] * scale if kept else zero


@helper
def drop_again(start, stop, first, count, key, late_key, rate, mask, out):
    """Drop what :func:`drop_first` has dropped: its bits cost more than to read a mask."""
    limit, scale = threshold(rate), out.dtype.type(1.0 / (1.0 - rate))
    zero, noted = out.dtype.type(0), mask.size > 0
    c, n = U(first), U(count)
    for i in range(U(start), U(stop)):
        for j in range(n):
            q = c + j
            kept = mask[i, q] != 0 if noted else is_kept(i, q, out.shape[1], key, late_key, limit)
            out[i, q] = out[i, q] * scale if kept else zero


@helper
def add_normal(deviation, seed, step, layer, out):
    """Add normal noise to the rows of one member."""
    key, late_key = keys(seed, step, layer)
    angle_key, late_angle_key = keys(seed, step, layer + _ANGLE_LAYER)
    scale, n = out.dtype.type(deviation), U(out.shape[1])
    for i in range(U(out.shape[0])):
        base = np.uint32(np.uint32(i) * np.uint32(out.shape[1]))
        for j in range(n):
            element = np.uint32(base + np.uint32(j))
            share = (np.float64(bits(element, key, late_key)) + 1.0) * 0.5**32
            angle = cosine(bits(element, angle_key, late_angle_key))
            out[i, j] += scale * out.dtype.type(np.sqrt(-2.0 * log(share)) * angle)
