"""Weighted column sums, with float32 values summed eight rows at a time into float64."""

from collections.abc import Callable

import numpy as np

from sknorm.kernels.cpu.compiler import ZERO, helper, kernel
from sknorm.kernels.cpu.tiles import count_of

U = np.uint64  # an unsigned index needs no check for counting from the end


def sum_loop(width: int | None = None) -> Callable:
    """Weighted sums of ``width`` columns, or of as many as it is told."""
    columns = count_of(width)

    @helper
    def add_sums(z, weight, start, stop, first, count, sums):
        """``sums[q] = sum_i weight[i] z[i, q]`` for columns q from ``first`` on."""
        c, n = U(first), columns(count)
        for j in range(n):
            sums[c + j] = 0.0
        i, end = U(start), U(stop)
        while i + U(8) <= end:
            i1, i2, i3, i4 = i + U(1), i + U(2), i + U(3), i + U(4)
            i5, i6, i7 = i + U(5), i + U(6), i + U(7)
            w0, w1, w2, w3 = weight[i], weight[i1], weight[i2], weight[i3]
            w4, w5, w6, w7 = weight[i4], weight[i5], weight[i6], weight[i7]
            for j in range(n):
                q = c + j
                low = (w0 * z[i, q] + w1 * z[i1, q]) + (w2 * z[i2, q] + w3 * z[i3, q])
                high = (w4 * z[i4, q] + w5 * z[i5, q]) + (w6 * z[i6, q] + w7 * z[i7, q])
                sums[q] += np.float64(low + high)
            i += U(8)
        while i < end:
            w0 = weight[i]
            for j in range(n):
                sums[c + j] += np.float64(w0 * z[i, c + j])
            i += U(1)

    return add_sums


def deviation_loop(width: int | None = None) -> Callable:
    """Weighted sums of the deviations of ``width`` columns, or of as many as it is told."""
    columns = count_of(width)

    @helper
    def add_deviations(z, weight, start, stop, first, count, mean, sums, squares):
        """Weighted sums of the deviations from ``mean`` and of their squares."""
        c, n = U(first), columns(count)
        for j in range(n):
            sums[c + j] = 0.0
            squares[c + j] = 0.0
        i, end = U(start), U(stop)
        while i + U(4) <= end:
            i1, i2, i3 = i + U(1), i + U(2), i + U(3)
            w0, w1, w2, w3 = weight[i], weight[i1], weight[i2], weight[i3]
            for j in range(n):
                q = c + j
                d0, d1 = z[i, q] - mean[q], z[i1, q] - mean[q]
                d2, d3 = z[i2, q] - mean[q], z[i3, q] - mean[q]
                e0, e1, e2, e3 = w0 * d0, w1 * d1, w2 * d2, w3 * d3
                sums[q] += np.float64((e0 + e1) + (e2 + e3))
                squares[q] += np.float64((e0 * d0 + e1 * d1) + (e2 * d2 + e3 * d3))
            i += U(4)
        while i < end:
            w0 = weight[i]
            for j in range(n):
                q = c + j
                d0 = z[i, q] - mean[q]
                sums[q] += np.float64(w0 * d0)
                squares[q] += np.float64(w0 * d0 * d0)
            i += U(1)

    return add_deviations


add_sums, add_deviations = sum_loop(), deviation_loop()


@kernel
def column_moments(z, weight, moments):
    """Weighted mean and biased variance of each column."""
    n, d = z.shape[1], z.shape[2]
    mean = np.empty(d, z.dtype)
    for k in range(z.shape[0]):
        w = weight[k if weight.shape[0] > 1 else 0]
        total = 0.0
        for i in range(n):
            total += w[i]
        total = total if total > 0.0 else 1.0  # of nothing, all sums are zero
        sums, squares = moments[k, 0], moments[k, 1]
        add_sums(z[k], w, ZERO, n, ZERO, d, sums)
        for j in range(d):
            mean[j] = mean.dtype.type(sums[j] / total)
        add_deviations(z[k], w, ZERO, n, ZERO, d, mean, sums, squares)
        for j in range(d):
            correction = sums[j] / total
            squares[j] = max(squares[j] / total - correction * correction, 0.0)
            sums[j] = mean[j] + correction


@helper
def _widen(z, low, high):
    for i in range(U(z.shape[0])):
        for j in range(U(low.size)):
            value = np.float64(z[i, j])
            low[j] = value if value < low[j] else low[j]
            high[j] = value if value > high[j] else high[j]


@kernel
def column_extremes(z, extremes):
    """Widen the least and largest value of each column."""
    for k in range(z.shape[0]):
        _widen(z[k], extremes[k, 0], extremes[k, 1])
