"""The hidden block without normalization: bias, activation and dropout."""

from collections.abc import Callable
from functools import cache

import numpy as np

from sknorm.kernels.cpu.activations import DERIVATIVES, FUNCTIONS
from sknorm.kernels.cpu.compiler import compiled_by, helper, kernel
from sknorm.kernels.cpu.random import drop_again, drop_first, keys

U = np.uint64  # an unsigned index needs no check for counting from the end
_TILE = 16  # rows that stay in the first-level cache between the loops of one pass


@cache
def _forward(code: int) -> Callable:
    function = FUNCTIONS[code]

    @helper
    def apply(z, shift, first, last, out):
        c, n = U(first), U(last - first)
        for i in range(U(z.shape[0])):
            for j in range(n):
                out[i, c + j] = function(z[i, c + j] + shift[c + j])

    @helper
    def apply_in_place(shift, first, last, out):
        c, n = U(first), U(last - first)
        for i in range(U(out.shape[0])):
            for j in range(n):
                out[i, c + j] = function(out[i, c + j] + shift[c + j])

    def affine_block_forward(z, shift, rate, seed, step, layer, mask, start, stop, out):
        in_place = z.ctypes.data == out.ctypes.data
        for k in range(z.shape[0]):
            if in_place:
                apply_in_place(shift[k], start, stop, out[k])
            else:
                apply(z[k], shift[k], start, stop, out[k])
            if rate[k] > 0.0:
                key, late_key = keys(seed[k], step, layer)
                part = 0, z.shape[1], start, stop - start
                drop_first(*part, key, late_key, rate[k], mask[k], out[k])

    affine_block_forward.__qualname__ += f"_{code}"
    return kernel(affine_block_forward)


@compiled_by(_forward)
def affine_block_forward(z, shift, activation, rate, seed, step, layer, mask, start, stop, out):
    """Bias, activation and dropout; ``out`` may be ``z``."""
    _forward(activation)(z, shift, rate, seed, step, layer, mask, start, stop, out)


@helper
def _add_rows(dout, start, stop, first, sums):
    c, n = U(first), U(sums.size)
    i, end = U(start), U(stop)
    while i + U(4) <= end:
        for j in range(n):
            q = c + j
            low, high = dout[i, q] + dout[i + U(1), q], dout[i + U(2), q] + dout[i + U(3), q]
            sums[j] += np.float64(low + high)
        i += U(4)
    while i < end:
        for j in range(n):
            sums[j] += np.float64(dout[i, c + j])
        i += U(1)


@cache
def _backward(code: int) -> Callable:
    derivative = DERIVATIVES[code]

    @helper
    def differentiate(z, shift, start, stop, first, last, dout):
        c, n = U(first), U(last - first)
        for i in range(U(start), U(stop)):
            for j in range(n):
                q = c + j
                dout[i, q] = dout[i, q] * derivative(z[i, q] + shift[q])

    def affine_block_backward(
        z, shift, rate, seed, step, layer, mask, start, stop, accumulators, dshift, dout
    ):
        n = z.shape[1]
        for k in range(z.shape[0]):
            key, late_key = keys(seed[k], step, layer)
            sums = accumulators[k, 0, start:stop]
            sums[:] = 0.0
            for i in range(0, n, _TILE):
                e = min(i + _TILE, n)
                if rate[k] > 0.0:
                    part = i, e, start, stop - start
                    drop_again(*part, key, late_key, rate[k], mask[k], dout[k])
                differentiate(z[k], shift[k], i, e, start, stop, dout[k])
                _add_rows(dout[k], i, e, start, sums)
            for j in range(stop - start):
                dshift[k, start + j] = dshift.dtype.type(sums[j])

    affine_block_backward.__qualname__ += f"_{code}"
    return kernel(affine_block_backward)


@compiled_by(_backward)
def affine_block_backward(
    z, shift, activation, rate, seed, step, layer, mask, start, stop, accumulators, dshift, dout
):
    """Gradients of :func:`affine_block_forward`, in place of the output's gradient."""
    _backward(activation)(
        z, shift, rate, seed, step, layer, mask, start, stop, accumulators, dshift, dout
    )
