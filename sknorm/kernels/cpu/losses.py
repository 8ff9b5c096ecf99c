"""Losses on the network's raw output: value and gradient in one pass, output bias included."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel
from sknorm.kernels.cpu.mathematics import exp


@helper
def _column_sums(gradient, sums):
    for j in range(sums.size):
        total = 0.0
        for i in range(gradient.shape[0]):
            total += gradient[i, j]
        sums[j] = sums.dtype.type(total)


@kernel
def binary_log_loss(z, bias, y, weight, factor, value, dbias, out):
    """Binary cross-entropy of independent logits."""
    one, zero = z.dtype.type(1), z.dtype.type(0)
    for k in range(z.shape[0]):
        target = y[k if y.shape[0] > 1 else 0]
        w = weight[k if weight.shape[0] > 1 else 0]
        total = 0.0
        for i in range(z.shape[1]):
            scale = z.dtype.type(factor[k] * w[i])
            loss = 0.0
            for j in range(z.shape[2]):
                t = z[k, i, j] + bias[k, j]
                e = exp(-abs(t))
                s = one / (one + e)
                probability = s if t >= zero else e * s
                loss += np.log1p(np.float64(e)) + (t if t > zero else zero) - target[i, j] * t
                out[k, i, j] = scale * (probability - target[i, j])
            total += w[i] * loss
        value[k] += total
        _column_sums(out[k], dbias[k])


@kernel
def multiclass_log_loss(z, bias, y, weight, factor, value, dbias, out):
    """Cross-entropy of the softmax of the logits."""
    for k in range(z.shape[0]):
        target = y[k if y.shape[0] > 1 else 0]
        w = weight[k if weight.shape[0] > 1 else 0]
        total = 0.0
        for i in range(z.shape[1]):
            row, logits, b = out[k, i], z[k, i], bias[k]
            label = target[i, 0]
            chosen = logits[label] + b[label]
            highest = logits[0] + b[0]
            for j in range(row.size):
                t = logits[j] + b[j]
                row[j] = t
                highest = t if t > highest or t != t else highest
            partition = row.dtype.type(0)
            for j in range(row.size):
                row[j] = exp(row[j] - highest)
                partition += row[j]
            total += w[i] * (np.log(np.float64(partition)) + (highest - chosen))
            scale = z.dtype.type(factor[k] * w[i])
            inverse = scale / partition
            for j in range(row.size):
                row[j] *= inverse
            row[label] -= scale
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
