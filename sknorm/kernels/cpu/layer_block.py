"""The hidden block under layer normalization, forward and backward, row by row."""

from collections.abc import Callable
from functools import cache

import numpy as np

from sknorm.kernels.cpu.activations import DERIVATIVES, FUNCTIONS
from sknorm.kernels.cpu.compiler import compiled_by, helper, kernel, reduction
from sknorm.kernels.cpu.random import drop_again, drop_first, keys

U = np.uint64  # an unsigned index needs no check for counting from the end


@reduction
def _sums(values, i):
    """Sum of row i and of its squares."""
    total = squares = values.dtype.type(0)
    for j in range(U(values.shape[1])):
        total += values[i, j]
        squares += values[i, j] * values[i, j]
    return np.float64(total), np.float64(squares)


@helper
def _subtract(z, i, mean):
    """Apart from the sums: their reordering must not undo the subtraction."""
    for j in range(U(z.shape[1])):
        z[i, j] -= mean


@helper
def _standardize(z, i, epsilon):
    """Overwrite row i by its standardized values (corrected two-pass variance)."""
    n = z.shape[1]
    total, _ = _sums(z, i)
    _subtract(z, i, z.dtype.type(total / n))
    total, squares = _sums(z, i)
    correction = total / n
    variance = squares / n - correction * correction
    variance = 0.0 if variance < 0.0 else variance
    inverse = z.dtype.type(1.0 / np.sqrt(variance + epsilon))
    rest = z.dtype.type(correction)
    for j in range(U(n)):
        z[i, j] = (z[i, j] - rest) * inverse
    return inverse


@cache
def _forward(code: int) -> Callable:
    function = FUNCTIONS[code]

    @helper
    def apply(z, scale, shift, epsilon, inverse_std, out):
        for i in range(U(z.shape[0])):
            inverse_std[i] = _standardize(z, i, epsilon)
            for j in range(U(z.shape[1])):
                out[i, j] = function(z[i, j] * scale[j] + shift[j])

    def layer_block_forward(
        z, scale, shift, epsilon, rate, seed, step, layer, mask, inverse_std, out
    ):
        for k in range(z.shape[0]):
            apply(z[k], scale[k], shift[k], epsilon, inverse_std[k], out[k])
            if rate[k] > 0.0:
                key, late_key = keys(seed[k], step, layer)
                part = 0, z.shape[1], 0, z.shape[2]
                drop_first(*part, key, late_key, rate[k], mask[k], out[k])

    layer_block_forward.__qualname__ += f"_{code}"
    return kernel(layer_block_forward)


@compiled_by(_forward)
def layer_block_forward(
    z, scale, shift, epsilon, activation, rate, seed, step, layer, mask, inverse_std, out
):
    """Layer norm, activation and dropout; ``z`` is overwritten by its standardized rows."""
    _forward(activation)(z, scale, shift, epsilon, rate, seed, step, layer, mask, inverse_std, out)


@reduction
def _projections(z, dout, i):
    """Sum of row i of the gradient, and of its products with the standardized row."""
    total = product = z.dtype.type(0)
    for j in range(U(z.shape[1])):
        total += dout[i, j]
        product += dout[i, j] * z[i, j]
    return np.float64(total), np.float64(product)


@cache
def _backward(code: int) -> Callable:
    derivative = DERIVATIVES[code]

    @helper
    def differentiate(z, i, scale, shift, sums, products, dout):
        """Gradient of the standardized row; sums for the scale and the shift."""
        for j in range(U(z.shape[1])):
            g = dout[i, j] * derivative(z[i, j] * scale[j] + shift[j])
            sums[j] += np.float64(g)
            products[j] += np.float64(g * z[i, j])
            dout[i, j] = g * scale[j]

    @helper
    def apply(z, inverse_std, scale, shift, sums, products, dout):
        n = z.shape[1]
        for i in range(U(z.shape[0])):
            differentiate(z, i, scale, shift, sums, products, dout)
            total, product = _projections(z, dout, i)
            centre, slope = z.dtype.type(total / n), z.dtype.type(product / n)
            inverse = inverse_std[i]
            for j in range(U(n)):
                dout[i, j] = inverse * (dout[i, j] - centre - z[i, j] * slope)

    def layer_block_backward(
        z, inverse_std, scale, shift, rate, seed, step, layer, mask,
        accumulators, dscale, dshift, dout,
    ):  # fmt: skip
        for k in range(z.shape[0]):
            if rate[k] > 0.0:
                key, late_key = keys(seed[k], step, layer)
                part = 0, z.shape[1], 0, z.shape[2]
                drop_again(*part, key, late_key, rate[k], mask[k], dout[k])
            sums, products = accumulators[k, 0], accumulators[k, 1]
            sums[:] = 0.0
            products[:] = 0.0
            apply(z[k], inverse_std[k], scale[k], shift[k], sums, products, dout[k])
            for j in range(z.shape[2]):
                dshift[k, j] = dshift.dtype.type(sums[j])
                dscale[k, j] = dscale.dtype.type(products[j])

    layer_block_backward.__qualname__ += f"_{code}"
    return kernel(layer_block_backward)


@compiled_by(_backward)
def layer_block_backward(
    z, inverse_std, scale, shift, activation, rate, seed, step, layer, mask,
    accumulators, dscale, dshift, dout,
):  # fmt: skip
    """Gradients of :func:`layer_block_forward`, in place of the output's gradient."""
    _backward(activation)(
        z, inverse_std, scale, shift, rate, seed, step, layer, mask,
        accumulators, dscale, dshift, dout,
    )  # fmt: skip
