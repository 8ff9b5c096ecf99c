"""Losses on the network's raw output: value and gradient in one pass, output bias included."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel, reduction, scalar
from sknorm.kernels.cpu.mathematics import exp, horner

# artanh(s) / s for s <= 1/3 in powers of s^2: 17 terms reach the last digit of float64.
_ARTANH = horner(tuple(1.0 / (2 * k + 1) for k in range(16, -1, -1)))


@helper
def _column_sums(gradient, sums):
    for j in range(sums.size):
        total = 0.0
        for i in range(gradient.shape[0]):
            total += gradient[i, j]
        sums[j] = sums.dtype.type(total)


@scalar
def _log1p(e):
    """log(1 + e) for e in [0, 1] by the series of 2 artanh(e / (2 + e)), in float64."""
    x = np.float64(e)
    s = x / (2.0 + x)
    return 2.0 * s * _ARTANH(s * s)


@reduction
def _binary(z, bias, y, weight, factor, out):
    """One column of logits: writes the gradient, returns the weighted loss."""
    one, zero, step = z.dtype.type(1), z.dtype.type(0), z.dtype.type(factor)
    total = 0.0
    for i in range(z.size):
        t = z[i] + bias
        e = exp(-abs(t))
        s = one / (one + e)
        probability = s if t >= zero else e * s
        loss = _log1p(e) + np.float64((zero if t <= zero else t) - y[i] * t)
        total += np.float64(weight[i]) * loss
        out[i] = step * weight[i] * (probability - y[i])
    return total


@kernel
def binary_log_loss(z, bias, y, weight, factor, value, dbias, out):
    """Binary cross-entropy of independent logits."""
    n, o = z.shape[1], z.shape[2]
    for k in range(z.shape[0]):
        target = y[k if y.shape[0] > 1 else 0]
        w = weight[k if weight.shape[0] > 1 else 0]
        if o == 1:
            flat = out[k].reshape(n)  # where out is z, the same values are read and written
            value[k] += _binary(z[k].reshape(n), bias[k, 0], target.reshape(n), w, factor[k], flat)
        else:
            for i in range(n):
                scale = w[i : i + 1]
                for j in range(o):
                    value[k] += _binary(
                        z[k, i, j : j + 1], bias[k, j], target[i, j : j + 1],
                        scale, factor[k], out[k, i, j : j + 1],
                    )  # fmt: skip
        _column_sums(out[k], dbias[k])


@helper
def _exponentials(values):
    for i in range(values.size):
        values[i] = exp(values[i])


@kernel
def multiclass_log_loss(z, bias, y, weight, factor, value, dbias, out):
    """Cross-entropy of the softmax of the logits."""
    n, o = z.shape[1], z.shape[2]
    for k in range(z.shape[0]):
        target = y[k if y.shape[0] > 1 else 0]
        w = weight[k if weight.shape[0] > 1 else 0]
        total = 0.0
        for i in range(n):
            label = target[i, 0]
            chosen = z[k, i, label] + bias[k, label]
            highest = z[k, i, 0] + bias[k, 0]
            for j in range(o):
                t = z[k, i, j] + bias[k, j]
                out[k, i, j] = t
                highest = t if t > highest or t != t else highest
            total += w[i] * np.float64(highest - chosen)
            for j in range(o):
                out[k, i, j] -= highest
        _exponentials(out[k].reshape(n * o))  # all rows at once: rows are too short for vectors
        for i in range(n):
            partition = z.dtype.type(0)
            for j in range(o):
                partition += out[k, i, j]
            total += w[i] * np.log(np.float64(partition))
            scale = z.dtype.type(factor[k] * w[i])
            inverse = scale / partition
            for j in range(o):
                out[k, i, j] *= inverse
            out[k, i, target[i, 0]] -= scale
        value[k] += total
        _column_sums(out[k], dbias[k])


@kernel
def squared_error(z, bias, y, weight, factor, value, dbias, out):
    """Half the squared error, summed over the outputs."""
    for k in range(z.shape[0]):
        target = y[k if y.shape[0] > 1 else 0]
        w = weight[k if weight.shape[0] > 1 else 0]
        total = 0.0
        for i in range(z.shape[1]):
            scale = z.dtype.type(factor[k] * w[i])
            loss = 0.0
            for j in range(z.shape[2]):
                d = (z[k, i, j] + bias[k, j]) - target[i, j]
                loss += np.float64(d) * np.float64(d)
                out[k, i, j] = scale * d
            total += w[i] * loss
        value[k] += 0.5 * total
        _column_sums(out[k], dbias[k])
