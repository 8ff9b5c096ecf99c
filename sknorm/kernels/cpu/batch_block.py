"""The hidden block under batch or ghost normalization, forward and backward.

Columns are independent, so some at a time are taken through all passes. A kernel is compiled
per activation, whose code stands in its loops.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from sknorm.kernels import codes
from sknorm.kernels.cpu.activations import CHEAP, DERIVATIVES, FUNCTIONS
from sknorm.kernels.cpu.binding import compiled_by
from sknorm.kernels.cpu.compiler import helper, kernel
from sknorm.kernels.cpu.moments import add_deviations, add_sums
from sknorm.kernels.cpu.random import bits, drop, keys, threshold

U = np.uint64  # an unsigned index needs no check for counting from the end
_TILE = 16  # rows that stay in the first-level cache between the loops of one pass
_ROW_BYTES = 1024  # of a row that are taken through all passes together; measured


@helper
def _statistics(z, weight, start, stop, first, epsilon, scale, shift, sums, squares, rows):
    """Corrected two-pass mean and variance of some rows (Chan, Golub and LeVeque, 1983)."""
    mean, rest, inverse, gain, offset = rows
    total = 0.0
    for i in range(start, stop):
        total += weight[i]
    share = 1.0 / total if total > 0.0 else 0.0  # a group without weight has mean 0
    add_sums(z, weight, start, stop, first, sums)
    for j in range(mean.size):
        mean[j] = mean.dtype.type(sums[j] * share)
    add_deviations(z, weight, start, stop, first, mean, sums, squares)
    for j in range(mean.size):
        correction = sums[j] * share
        variance = squares[j] * share - correction * correction
        variance = 0.0 if variance < 0.0 else variance
        rest[j] = mean.dtype.type(correction)
        deviation = 1.0 / np.sqrt(variance + epsilon)
        inverse[j] = mean.dtype.type(deviation)
        gain[j] = mean.dtype.type(deviation * scale[j])
        offset[j] = mean.dtype.type(shift[j] - correction * deviation * scale[j])
        sums[j] = mean[j] + correction
        squares[j] = variance
    return total


@helper
def _average_in(moments, variances, share, total, momentum, running, first):
    """Move the running mean and variance towards those of one group, by momentum * share."""
    unbiased = max(total, 2.0) / (max(total, 2.0) - 1.0)
    part = momentum * share
    for j in range(moments.size):
        running[0, first + j] += part * moments[j]
        running[1, first + j] += part * unbiased * variances[j]


def _output_loops(code: int) -> tuple[Callable, Callable]:
    function = FUNCTIONS[code]

    @helper
    def plain(z, start, stop, first, mean, gain, offset, out):
        c, n = U(first), U(mean.size)
        for i in range(U(start), U(stop)):
            for j in range(n):
                q = c + j
                out[i, q] = function((z[i, q] - mean[j]) * gain[j] + offset[j])

    @helper
    def dropped(z, start, stop, first, mean, gain, offset, key, late_key, rate, out):
        limit, scale = threshold(rate), out.dtype.type(1.0 / (1.0 - rate))
        zero = out.dtype.type(0)
        c, n = U(first), U(mean.size)
        for i in range(U(start), U(stop)):
            base = np.uint32(np.uint32(i) * np.uint32(out.shape[1]))
            for j in range(n):
                q = c + j
                h = function((z[i, q] - mean[j]) * gain[j] + offset[j]) * scale
                kept = bits(np.uint32(base + np.uint32(q)), key, late_key) >= limit
                out[i, q] = h if kept else zero

    return plain, dropped


@cache
def _forward(code: int) -> Callable:
    plain, dropped = _output_loops(code)

    @helper
    def group(z, weight, shift, scale, begin, end, c0, epsilon, sums, squares, rows, drop, out):
        key, late_key, rate = drop
        total = _statistics(z, weight, begin, end, c0, epsilon, scale, shift, sums, squares, rows)
        if rate > 0.0:
            dropped(z, begin, end, c0, rows[0], rows[3], rows[4], key, late_key, rate, out)
        else:
            plain(z, begin, end, c0, rows[0], rows[3], rows[4], out)
        return total

    def batch_block_forward(
        z, weight, scale, shift, groups, epsilon, rate, seed, step, layer,
        start, stop, running, momentum, statistics, accumulators, out,
    ):  # fmt: skip
        width = _ROW_BYTES // z.itemsize
        for k in range(z.shape[0]):
            w = weight[k if weight.shape[0] > 1 else 0]
            overall = 0.0
            for i in range(w.size):
                overall += w[i]
            key, late_key = keys(seed[k], step, layer)
            for c0 in range(start, stop, width):
                c1 = min(c0 + width, stop)
                sums, squares = accumulators[k, 0, c0:c1], accumulators[k, 1, c0:c1]
                if momentum[k] > 0.0 and overall > 0.0:
                    for j in range(c0, c1):
                        running[k, 0, j] *= 1.0 - momentum[k]
                        running[k, 1, j] *= 1.0 - momentum[k]
                for g in range(groups.size - 1):
                    s = statistics[k, g]
                    rows = (s[0, c0:c1], s[1, c0:c1], s[2, c0:c1], s[3, c0:c1], s[4, c0:c1])
                    total = group(
                        z[k], w, shift[k, c0:c1], scale[k, c0:c1], groups[g], groups[g + 1], c0,
                        epsilon, sums, squares, rows, (key, late_key, rate[k]), out[k],
                    )  # fmt: skip
                    if momentum[k] > 0.0:
                        share = total / overall if overall > 0.0 else 0.0
                        _average_in(sums, squares, share, total, momentum[k], running[k], c0)

    batch_block_forward.__qualname__ += f"_{code}"
    return kernel(batch_block_forward)


@compiled_by(_forward)
def batch_block_forward(
    z, weight, scale, shift, groups, epsilon, activation, rate, seed, step, layer,
    start, stop, running, momentum, statistics, accumulators, out,
):  # fmt: skip
    """Batch or ghost norm, activation and dropout."""
    _forward(activation)(
        z, weight, scale, shift, groups, epsilon, rate, seed, step, layer,
        start, stop, running, momentum, statistics, accumulators, out,
    )  # fmt: skip


def _gradient_loops(code: int) -> tuple[Callable, Callable]:
    """Sums over the rows, and the gradient with respect to the block's input."""
    derivative = DERIVATIVES[code]

    @helper
    def sums(z, dout, start, stop, first, mean, gain, offset, s1, s2):
        c, n = U(first), U(mean.size)
        i, end = U(start), U(stop)
        while i + U(4) <= end:
            for j in range(n):
                q = c + j
                d0 = z[i, q] - mean[j]
                d1 = z[i + U(1), q] - mean[j]
                d2 = z[i + U(2), q] - mean[j]
                d3 = z[i + U(3), q] - mean[j]
                g0 = dout[i, q] * derivative(d0 * gain[j] + offset[j])
                g1 = dout[i + U(1), q] * derivative(d1 * gain[j] + offset[j])
                g2 = dout[i + U(2), q] * derivative(d2 * gain[j] + offset[j])
                g3 = dout[i + U(3), q] * derivative(d3 * gain[j] + offset[j])
                s1[j] += np.float64((g0 + g1) + (g2 + g3))
                s2[j] += np.float64((g0 * d0 + g1 * d1) + (g2 * d2 + g3 * d3))
            i += U(4)
        while i < end:
            for j in range(n):
                d0 = z[i, c + j] - mean[j]
                g0 = dout[i, c + j] * derivative(d0 * gain[j] + offset[j])
                s1[j] += np.float64(g0)
                s2[j] += np.float64(g0 * d0)
            i += U(1)

    @helper
    def finish(z, weight, start, stop, first, mean, gain, offset, centre, slope, dout):
        c, n = U(first), U(mean.size)
        for i in range(U(start), U(stop)):
            w = weight[i]
            for j in range(n):
                q = c + j
                d = z[i, q] - mean[j]
                g = dout[i, q] * derivative(d * gain[j] + offset[j])
                dout[i, q] = gain[j] * g - w * (centre[j] + d * slope[j])

    return sums, finish


def derivative_loop(code: int) -> Callable:
    """Multiply a gradient by the derivative at the block's pre-activation."""
    derivative = DERIVATIVES[code]

    @helper
    def loop(z, start, stop, first, mean, gain, offset, dout):
        c, n = U(first), U(mean.size)
        for i in range(U(start), U(stop)):
            for j in range(n):
                q = c + j
                a = (z[i, q] - mean[j]) * gain[j] + offset[j]
                dout[i, q] = dout[i, q] * derivative(a)

    return loop


@cache
def _backward(code: int) -> Callable:
    cheap = code in CHEAP
    add, finish = _gradient_loops(code if cheap else codes.IDENTITY)
    differentiate = derivative_loop(code)

    @helper
    def group(z, weight, begin, end, c0, rows, s1, s2, mask, dscale, dshift, dout):
        key, late_key, rate = mask
        mean, rest, inverse, gain, offset, centre, slope = rows
        total = 0.0
        for i in range(begin, end):
            total += weight[i]
        for j in range(mean.size):
            s1[j] = 0.0
            s2[j] = 0.0
        tile = end - begin if cheap and rate == 0.0 else _TILE
        for i in range(begin, end, tile):
            e = min(i + tile, end)
            if rate > 0.0:
                drop(i, e, c0, mean.size, key, late_key, rate, dout)
            if not cheap:
                differentiate(z, i, e, c0, mean, gain, offset, dout)
            add(z, dout, i, e, c0, mean, gain, offset, s1, s2)
        share = 1.0 / total if total > 0.0 else 0.0
        for j in range(mean.size):
            s2[j] -= rest[j] * s1[j]
            dshift[j] += mean.dtype.type(s1[j])
            dscale[j] += mean.dtype.type(s2[j] * inverse[j])
            c = gain[j] * s1[j] * share
            s = gain[j] * s2[j] * share * inverse[j] * inverse[j]
            centre[j] = mean.dtype.type(c - rest[j] * s)
            slope[j] = mean.dtype.type(s)
        finish(z, weight, begin, end, c0, mean, gain, offset, centre, slope, dout)

    def batch_block_backward(
        z, weight, groups, rate, seed, step, layer,
        start, stop, statistics, accumulators, dscale, dshift, dout,
    ):  # fmt: skip
        width = _ROW_BYTES // z.itemsize
        for k in range(z.shape[0]):
            w = weight[k if weight.shape[0] > 1 else 0]
            key, late_key = keys(seed[k], step, layer)
            for c0 in range(start, stop, width):
                c1 = min(c0 + width, stop)
                dscale[k, c0:c1] = 0
                dshift[k, c0:c1] = 0
                for g in range(groups.size - 1):
                    t = statistics[k, g]
                    s = (
                        t[0, c0:c1], t[1, c0:c1], t[2, c0:c1],
                        t[3, c0:c1], t[4, c0:c1], t[5, c0:c1], t[6, c0:c1],
                    )  # fmt: skip
                    group(
                        z[k], w, groups[g], groups[g + 1], c0, s,
                        accumulators[k, 0, c0:c1], accumulators[k, 1, c0:c1],
                        (key, late_key, rate[k]), dscale[k, c0:c1], dshift[k, c0:c1], dout[k],
                    )  # fmt: skip

    batch_block_backward.__qualname__ += f"_{code}"
    return kernel(batch_block_backward)


@compiled_by(_backward)
def batch_block_backward(
    z, weight, scale, shift, groups, activation, rate, seed, step, layer,
    start, stop, statistics, accumulators, dscale, dshift, dout,
):  # fmt: skip
    """Gradients of :func:`batch_block_forward`, in place of the output's gradient."""
    _backward(activation)(
        z, weight, groups, rate, seed, step, layer,
        start, stop, statistics, accumulators, dscale, dshift, dout,
    )  # fmt: skip
