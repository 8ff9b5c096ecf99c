"""The hidden block under layer normalization, forward and backward, row by row."""

from collections.abc import Callable
from functools import cache

import numpy as np

from sknorm.kernels.cpu.activations import DERIVATIVES, FUNCTIONS
from sknorm.kernels.cpu.compiler import helper, kernel
from sknorm.kernels.cpu.random import drop, keys

U = np.uint64  # an unsigned index needs no check for counting from the end
_LANES = 16  # partial sums of one row: as many as vector code carries side by side


@helper
def _row_sums(row, mean):
    """Sums of the deviations from ``mean`` and of their squares, in float64."""
    total, squares = 0.0, 0.0
    n = row.size
    for begin in range(0, n, _LANES):
        a, b = row.dtype.type(0), row.dtype.type(0)
        for j in range(begin, min(begin + _LANES, n)):
            d = row[j] - mean
            a += d
            b += d * d
        total += a
        squares += b
    return total, squares


@helper
def _standardize(row, epsilon):
    """Overwrite a row by its standardized values (corrected two-pass variance)."""
    n = row.size
    zero = row.dtype.type(0)
    total, _ = _row_sums(row, zero)
    mean = row.dtype.type(total / n)
    total, squares = _row_sums(row, mean)
    correction = total / n
    variance = max(squares / n - correction * correction, 0.0)
    inverse = row.dtype.type(1.0 / np.sqrt(variance + epsilon))
    rest = row.dtype.type(correction)
    for j in range(n):
        row[j] = ((row[j] - mean) - rest) * inverse
    return inverse


@cache
def _forward(code: int) -> Callable:
    function = FUNCTIONS[code]

    @helper
    def apply(row, scale, shift, out):
        for j in range(row.size):
            out[j] = function(row[j] * scale[j] + shift[j])

    def layer_block_forward(z, scale, shift, epsilon, rate, seed, step, layer, inverse_std, out):
        for k in range(z.shape[0]):
            key, late_key = keys(seed[k], step, layer)
            for i in range(z.shape[1]):
                inverse_std[k, i] = _standardize(z[k, i], epsilon)
                apply(z[k, i], scale[k], shift[k], out[k, i])
                if rate[k] > 0.0:
                    drop(i, i + 1, 0, z.shape[2], key, late_key, rate[k], out[k])

    layer_block_forward.__qualname__ += f"_{code}"
    return kernel(layer_block_forward)


def layer_block_forward(
    z, scale, shift, epsilon, activation, rate, seed, step, layer, inverse_std, out
):
    """Layer norm, activation and dropout; ``z`` is overwritten by its standardized rows."""
    _forward(activation)(z, scale, shift, epsilon, rate, seed, step, layer, inverse_std, out)


@helper
def _finish(row, scale, inverse, dout):
    """Gradient of one row through its standardization."""
    n = row.size
    total, product = 0.0, 0.0
    for begin in range(0, n, _LANES):
        a, b = row.dtype.type(0), row.dtype.type(0)
        for j in range(begin, min(begin + _LANES, n)):
            g = dout[j] * scale[j]
            a += g
            b += g * row[j]
        total += a
        product += b
    centre, slope = row.dtype.type(total / n), row.dtype.type(product / n)
    for j in range(n):
        dout[j] = inverse * (dout[j] * scale[j] - centre - row[j] * slope)


@cache
def _backward(code: int) -> Callable:
    derivative = DERIVATIVES[code]

    @helper
    def differentiate(row, scale, shift, sums, products, dout):
        for j in range(row.size):
            g = dout[j] * derivative(row[j] * scale[j] + shift[j])
            dout[j] = g
            sums[j] += np.float64(g)
            products[j] += np.float64(g * row[j])

    def layer_block_backward(
        z, inverse_std, scale, shift, rate, seed, step, layer, accumulators, dscale, dshift, dout
    ):
        for k in range(z.shape[0]):
            key, late_key = keys(seed[k], step, layer)
            sums, products = accumulators[k, 0], accumulators[k, 1]
            sums[:] = 0.0
            products[:] = 0.0
            for i in range(z.shape[1]):
                if rate[k] > 0.0:
                    drop(i, i + 1, 0, z.shape[2], key, late_key, rate[k], dout[k])
                row = dout[k, i]
                differentiate(z[k, i], scale[k], shift[k], sums, products, row)
                _finish(z[k, i], scale[k], inverse_std[k, i], row)
            for j in range(z.shape[2]):
                dshift[k, j] = dshift.dtype.type(sums[j])
                dscale[k, j] = dscale.dtype.type(products[j])

    layer_block_backward.__qualname__ += f"_{code}"
    return kernel(layer_block_backward)


def layer_block_backward(
    z, inverse_std, scale, shift, activation, rate, seed, step, layer,
    accumulators, dscale, dshift, dout,
):  # fmt: skip
    """Gradients of :func:`layer_block_forward`, in place of the output's gradient."""
    _backward(activation)(
        z, inverse_std, scale, shift, rate, seed, step, layer, accumulators, dscale, dshift, dout
    )
