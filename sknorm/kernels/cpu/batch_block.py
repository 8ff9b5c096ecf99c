"""The hidden block under batch or ghost normalization, forward and backward.

Columns are independent, so some at a time are taken through all passes. A kernel is compiled
per activation, whose code stands in its loops.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from sknorm.kernels import codes
from sknorm.kernels.cpu.activations import CHEAP, DERIVATIVES, FUNCTIONS
from sknorm.kernels.cpu.compiler import ZERO, compiled_by, helper, kernel, scalar, shares
from sknorm.kernels.cpu.moments import add_deviations, add_sums, deviation_loop, sum_loop
from sknorm.kernels.cpu.random import drop_again, is_kept, keys, threshold
from sknorm.kernels.cpu.tiles import TILE, count_of

U = np.uint64  # an unsigned index needs no check for counting from the end
_ROWS = 16  # that stay in the first-level cache between the loops of one pass
_BLOCK_BYTES = 1024  # of a row of a wide layer that are taken through all passes together; measured
_WIDE_BYTES = 2048  # rows of more lie so far apart that tiles of them crowd each other out
_add_sums_of_tile, _add_deviations_of_tile = sum_loop(TILE), deviation_loop(TILE)


@scalar
def _columns(pitch, itemsize):
    """How many columns are taken through all passes together, where rows have ``pitch`` values."""
    return TILE if pitch * itemsize <= _WIDE_BYTES else _BLOCK_BYTES // itemsize


@helper
def _total(weight, start, stop):
    """Sum of the weights of some rows."""
    total = 0.0
    for i in range(U(start), U(stop)):
        total += weight[i]
    return total


@helper
def _statistics(
    z, weight, total, start, stop, first, count, epsilon, scale, shift,
    sums, squares, mean, rest, inverse, gain, offset,
):  # fmt: skip
    """Corrected two-pass mean and variance of some rows (Chan, Golub and LeVeque, 1983)."""
    c, n, real = U(first), U(count), mean.dtype.type
    share = 1.0 / total if total > 0.0 else 0.0  # a group without weight has mean 0
    if count == TILE:
        _add_sums_of_tile(z, weight, start, stop, first, count, sums)
    else:
        add_sums(z, weight, start, stop, first, count, sums)
    for q in range(c, c + n):
        mean[q] = real(sums[q] * share)
    if count == TILE:
        _add_deviations_of_tile(z, weight, start, stop, first, count, mean, sums, squares)
    else:
        add_deviations(z, weight, start, stop, first, count, mean, sums, squares)
    for q in range(c, c + n):
        correction = sums[q] * share
        variance = squares[q] * share - correction * correction
        variance = 0.0 if variance < 0.0 else variance
        rest[q] = real(correction)
        deviation = 1.0 / np.sqrt(variance + epsilon)
        inverse[q] = real(deviation)
        gain[q] = real(deviation * scale[q])
        offset[q] = real(shift[q] - correction * deviation * scale[q])
        sums[q] = mean[q] + correction
        squares[q] = variance


@helper
def _decay(mean, variance, start, stop, keep):
    """Take from the running moments what those of a batch replace."""
    for q in range(U(start), U(stop)):
        mean[q] *= keep
        variance[q] *= keep


@helper
def _average_in(means, variances, start, stop, share, total, momentum, mean, variance):
    """Move the running mean and variance towards those of one group, by momentum * share."""
    unbiased = max(total, 2.0) / (max(total, 2.0) - 1.0)
    part = momentum * share
    for q in range(U(start), U(stop)):
        mean[q] += part * means[q]
        variance[q] += part * unbiased * variances[q]


def _output_loops(code: int, width: int | None) -> tuple[Callable, Callable]:
    function, columns = FUNCTIONS[code], count_of(width)

    @helper
    def plain(z, start, stop, first, count, mean, gain, offset, out):
        c, n = U(first), columns(count)
        for i in range(U(start), U(stop)):
            for j in range(n):
                q = c + j
                out[i, q] = function((z[i, q] - mean[q]) * gain[q] + offset[q])

    @helper
    def dropped(z, start, stop, first, count, mean, gain, offset, key, late_key, rate, mask, out):
        limit, scale = threshold(rate), out.dtype.type(1.0 / (1.0 - rate))
        zero, notes = out.dtype.type(0), mask.size > 0
        c, n = U(first), columns(count)
        for i in range(U(start), U(stop)):
            for j in range(n):
                q = c + j
                h = function((z[i, q] - mean[q]) * gain[q] + offset[q]) * scale
                kept = is_kept(i, q, out.shape[1], key, late_key, limit)
                if notes:
                    mask[i, q] = kept
                out[i, q] = h if kept else zero

    return plain, dropped


def _output_loop(code: int) -> Callable:
    """The pass that writes the output; one activation that costs much gains nothing by tiles."""
    plain, dropped = _output_loops(code, None)
    if code not in CHEAP:

        @helper
        def write_all(z, begin, end, c0, count, mean, gain, offset, key, late_key, rate, mask, out):
            if rate > 0.0:
                dropped(
                    z, begin, end, c0, count, mean, gain, offset, key, late_key, rate, mask, out
                )
            else:
                plain(z, begin, end, c0, count, mean, gain, offset, out)

        return write_all
    plain_tile, dropped_tile = _output_loops(code, TILE)

    @helper
    def write(z, begin, end, c0, count, mean, gain, offset, key, late_key, rate, mask, out):
        if rate > 0.0:
            if count == TILE:
                dropped_tile(
                    z, begin, end, c0, count, mean, gain, offset, key, late_key, rate, mask, out
                )
            else:
                dropped(
                    z, begin, end, c0, count, mean, gain, offset, key, late_key, rate, mask, out
                )
        elif count == TILE:
            plain_tile(z, begin, end, c0, count, mean, gain, offset, out)
        else:
            plain(z, begin, end, c0, count, mean, gain, offset, out)

    return write


@cache
def _forward(code: int) -> Callable:
    write = _output_loop(code)

    def batch_block_forward(
        z, weight, scale, shift, groups, epsilon, rate, seed, step, layer, mask,
        start, stop, running, momentum, statistics, accumulators, out,
    ):  # fmt: skip
        width = _columns(z.shape[2], z.itemsize)
        for k in range(z.shape[0]):
            w = weight[k if weight.shape[0] > 1 else 0]
            overall = _total(w, ZERO, w.size)
            key, late_key = keys(seed[k], step, layer)
            means, variances = accumulators[k, 0], accumulators[k, 1]
            moves = momentum[k] > 0.0
            if moves and overall > 0.0:
                _decay(running[k, 0], running[k, 1], start, stop, 1.0 - momentum[k])
            for g in range(groups.size - 1):
                begin, end, s = groups[g], groups[g + 1], statistics[k, g]
                total = overall if groups.size == 2 else _total(w, begin, end)
                c0 = start
                while c0 < stop:
                    count = min(width, stop - c0)
                    _statistics(
                        z[k], w, total, begin, end, c0, count, epsilon, scale[k], shift[k],
                        means, variances, s[0], s[1], s[2], s[3], s[4],
                    )  # fmt: skip
                    write(
                        z[k], begin, end, c0, count, s[0], s[3], s[4],
                        key, late_key, rate[k], mask[k], out[k],
                    )  # fmt: skip
                    c0 += count
                if moves:
                    share = total / overall if overall > 0.0 else 0.0
                    _average_in(
                        means, variances, start, stop, share, total, momentum[k],
                        running[k, 0], running[k, 1],
                    )  # fmt: skip

    batch_block_forward.__qualname__ += f"_{code}"
    return kernel(batch_block_forward)


@shares("groups")
@compiled_by(_forward)
def batch_block_forward(
    z, weight, scale, shift, groups, epsilon, activation, rate, seed, step, layer, mask,
    start, stop, running, momentum, statistics, accumulators, out,
):  # fmt: skip
    """Batch or ghost norm, activation and dropout."""
    _forward(activation)(
        z, weight, scale, shift, groups, epsilon, rate, seed, step, layer, mask,
        start, stop, running, momentum, statistics, accumulators, out,
    )  # fmt: skip


def _gradient_loops(code: int, width: int | None) -> tuple[Callable, Callable]:
    """Sums over the rows, and the gradient with respect to the block's input."""
    derivative, columns = DERIVATIVES[code], count_of(width)

    @helper
    def sums(z, dout, start, stop, first, count, mean, gain, offset, s1, s2):
        c, n = U(first), columns(count)
        i, end = U(start), U(stop)
        while i + U(4) <= end:
            i1, i2, i3 = i + U(1), i + U(2), i + U(3)
            for j in range(n):
                q = c + j
                d0, d1 = z[i, q] - mean[q], z[i1, q] - mean[q]
                d2, d3 = z[i2, q] - mean[q], z[i3, q] - mean[q]
                g0 = dout[i, q] * derivative(d0 * gain[q] + offset[q])
                g1 = dout[i1, q] * derivative(d1 * gain[q] + offset[q])
                g2 = dout[i2, q] * derivative(d2 * gain[q] + offset[q])
                g3 = dout[i3, q] * derivative(d3 * gain[q] + offset[q])
                s1[q] += np.float64((g0 + g1) + (g2 + g3))
                s2[q] += np.float64((g0 * d0 + g1 * d1) + (g2 * d2 + g3 * d3))
            i += U(4)
        while i < end:
            for j in range(n):
                q = c + j
                d0 = z[i, q] - mean[q]
                g0 = dout[i, q] * derivative(d0 * gain[q] + offset[q])
                s1[q] += np.float64(g0)
                s2[q] += np.float64(g0 * d0)
            i += U(1)

    @helper
    def finish(z, weight, start, stop, first, count, mean, gain, offset, centre, slope, dout):
        c, n = U(first), columns(count)
        for i in range(U(start), U(stop)):
            w = weight[i]
            for j in range(n):
                q = c + j
                d = z[i, q] - mean[q]
                g = dout[i, q] * derivative(d * gain[q] + offset[q])
                dout[i, q] = gain[q] * g - w * (centre[q] + d * slope[q])

    return sums, finish


def _derivative_loop(code: int) -> Callable:
    """Multiply a gradient by the derivative at the block's pre-activation."""
    derivative = DERIVATIVES[code]

    @helper
    def loop(z, start, stop, first, count, mean, gain, offset, dout):
        c, n = U(first), U(count)
        for i in range(U(start), U(stop)):
            for j in range(n):
                q = c + j
                a = (z[i, q] - mean[q]) * gain[q] + offset[q]
                dout[i, q] = dout[i, q] * derivative(a)

    return loop


@helper
def _clear(first, second, start, stop):
    zero = first.dtype.type(0)
    for q in range(U(start), U(stop)):
        first[q] = zero
        second[q] = zero


@helper
def _gather_sums(total, start, stop, s1, s2, rest, inverse, gain, centre, slope, dscale, dshift):
    """Add the sums to the gradients of scale and shift; what each value loses by them."""
    real = centre.dtype.type
    share = 1.0 / total if total > 0.0 else 0.0
    for q in range(U(start), U(stop)):
        s2[q] -= rest[q] * s1[q]
        dshift[q] += real(s1[q])
        dscale[q] += real(s2[q] * inverse[q])
        c = gain[q] * s1[q] * share
        s = gain[q] * s2[q] * share * inverse[q] * inverse[q]
        centre[q] = real(c - rest[q] * s)
        slope[q] = real(s)


@cache
def _backward(code: int) -> Callable:
    cheap = code in CHEAP
    add, finish = _gradient_loops(code if cheap else codes.IDENTITY, None)
    add_tile, finish_tile = _gradient_loops(code if cheap else codes.IDENTITY, TILE)
    differentiate = _derivative_loop(code)

    @helper
    def group(
        z, weight, begin, end, c0, count, total, key, late_key, rate, mask, s1, s2,
        mean, rest, inverse, gain, offset, centre, slope, dscale, dshift, dout,
    ):  # fmt: skip
        _clear(s1, s2, c0, c0 + count)
        rows = end - begin if cheap and rate == 0.0 else _ROWS
        for i in range(begin, end, rows):
            e = min(i + rows, end)
            if rate > 0.0:
                drop_again(i, e, c0, count, key, late_key, rate, mask, dout)
            if not cheap:
                differentiate(z, i, e, c0, count, mean, gain, offset, dout)
            if count == TILE:
                add_tile(z, dout, i, e, c0, count, mean, gain, offset, s1, s2)
            else:
                add(z, dout, i, e, c0, count, mean, gain, offset, s1, s2)
        _gather_sums(
            total, c0, c0 + count, s1, s2, rest, inverse, gain, centre, slope, dscale, dshift
        )
        if count == TILE:
            finish_tile(z, weight, begin, end, c0, count, mean, gain, offset, centre, slope, dout)
        else:
            finish(z, weight, begin, end, c0, count, mean, gain, offset, centre, slope, dout)

    def batch_block_backward(
        z, weight, groups, rate, seed, step, layer, mask,
        start, stop, statistics, accumulators, dscale, dshift, dout,
    ):  # fmt: skip
        width = _columns(z.shape[2], z.itemsize)
        for k in range(z.shape[0]):
            w = weight[k if weight.shape[0] > 1 else 0]
            key, late_key = keys(seed[k], step, layer)
            s1, s2 = accumulators[k, 0], accumulators[k, 1]
            _clear(dscale[k], dshift[k], start, stop)
            for g in range(groups.size - 1):
                begin, end, t = groups[g], groups[g + 1], statistics[k, g]
                total = _total(w, begin, end)
                c0 = start
                while c0 < stop:
                    count = min(width, stop - c0)
                    group(
                        z[k], w, begin, end, c0, count, total,
                        key, late_key, rate[k], mask[k], s1, s2,
                        t[0], t[1], t[2], t[3], t[4], t[5], t[6], dscale[k], dshift[k], dout[k],
                    )  # fmt: skip
                    c0 += count

    batch_block_backward.__qualname__ += f"_{code}"
    return kernel(batch_block_backward)


@shares("groups")
@compiled_by(_backward)
def batch_block_backward(
    z, weight, scale, shift, groups, activation, rate, seed, step, layer, mask,
    start, stop, statistics, accumulators, dscale, dshift, dout,
):  # fmt: skip
    """Gradients of :func:`batch_block_forward`, in place of the output's gradient."""
    _backward(activation)(
        z, weight, groups, rate, seed, step, layer, mask,
        start, stop, statistics, accumulators, dscale, dshift, dout,
    )  # fmt: skip
