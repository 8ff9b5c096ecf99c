"""Weighted column sums, with float32 values summed eight rows at a time into float64."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel

U = np.uint64  # an unsigned index needs no check for counting from the end


@helper
def add_sums(z, weight, start, stop, first, sums):
    """``sums[j] = sum_i weight[i] z[i, first + j]``."""
    c, n = U(first), U(sums.size)
    for j in range(n):
        sums[j] = 0.0
    i, end = U(start), U(stop)
    while i + U(8) <= end:
        w0, w1, w2, w3 = weight[i], weight[i + U(1)], weight[i + U(2)], weight[i + U(3)]
        w4, w5, w6, w7 = weight[i + U(4)], weight[i + U(5)], weight[i + U(6)], weight[i + U(7)]
        for j in range(n):
            q = c + j
            low = (w0 * z[i, q] + w1 * z[i + U(1), q]) + (w2 * z[i + U(2), q] + w3 * z[i + U(3), q])
            high = (w4 * z[i + U(4), q] + w5 * z[i + U(5), q]) + (
                w6 * z[i + U(6), q] + w7 * z[i + U(7), q]
            )
            sums[j] += np.float64(low + high)
        i += U(8)
    while i < end:
        w0 = weight[i]
        for j in range(n):
            sums[j] += np.float64(w0 * z[i, c + j])
        i += U(1)


@helper
def add_deviations(z, weight, start, stop, first, mean, sums, squares):
    """Weighted sums of the deviations from ``mean`` and of their squares."""
    c, n = U(first), U(mean.size)
    for j in range(n):
        sums[j] = 0.0
        squares[j] = 0.0
    i, end = U(start), U(stop)
    while i + U(4) <= end:
        w0, w1, w2, w3 = weight[i], weight[i + U(1)], weight[i + U(2)], weight[i + U(3)]
        for j in range(n):
            q = c + j
            d0, d1 = z[i, q] - mean[j], z[i + U(1), q] - mean[j]
            d2, d3 = z[i + U(2), q] - mean[j], z[i + U(3), q] - mean[j]
            e0, e1, e2, e3 = w0 * d0, w1 * d1, w2 * d2, w3 * d3
            sums[j] += np.float64((e0 + e1) + (e2 + e3))
            squares[j] += np.float64((e0 * d0 + e1 * d1) + (e2 * d2 + e3 * d3))
        i += U(4)
    while i < end:
        w0 = weight[i]
        for j in range(n):
            d0 = z[i, c + j] - mean[j]
            sums[j] += np.float64(w0 * d0)
            squares[j] += np.float64(w0 * d0 * d0)
        i += U(1)


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
        sums, squares = moments[k, 0], moments[k, 1]
        add_sums(z[k], w, 0, n, 0, sums)
        for j in range(d):
            mean[j] = mean.dtype.type(sums[j] / total)
        add_deviations(z[k], w, 0, n, 0, mean, sums, squares)
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
