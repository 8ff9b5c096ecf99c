"""Log losses and squared error of the network's raw output, with its bias, in one pass."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel, reduction, scalar
from sknorm.kernels.cpu.mathematics import exp, horner

__all__ = [
    "binary_log_loss",
    "multiclass_log_loss",
    "soft_multiclass_log_loss",
    "squared_error",
]

# artanh(s) / s for s <= 1/3 in powers of s^2: 17 terms reach the last digit of float64.
_ARTANH = horner(tuple(1.0 / (2 * k + 1) for k in range(16, -1, -1)))
U = np.uint64  # an unsigned index needs no check for counting from the end


@helper
def column_sums(gradient, sums):
    """The gradient of the bias.

    Sums of four columns go on side by side, as one would wait for each of its additions. Where
    there are fewer left, the last is summed more than once.
    """
    n, o = U(gradient.shape[0]), U(gradient.shape[1])
    if o == U(1):
        total = 0.0
        for i in range(n):
            total += gradient[i, U(0)]
        sums[0] = sums.dtype.type(total)
        return
    for j in range(U(0), o, U(4)):
        j1, j2, j3 = min(j + U(1), o - U(1)), min(j + U(2), o - U(1)), min(j + U(3), o - U(1))
        s0 = s1 = s2 = s3 = 0.0
        for i in range(n):
            s0 += gradient[i, j]
            s1 += gradient[i, j1]
            s2 += gradient[i, j2]
            s3 += gradient[i, j3]
        sums[j], sums[j1] = sums.dtype.type(s0), sums.dtype.type(s1)
        sums[j2], sums[j3] = sums.dtype.type(s2), sums.dtype.type(s3)


@scalar
def _log1p(e):
    """log(1 + e) for e in [0, 1] by the series of 2 artanh(e / (2 + e)), in float64."""
    x = np.float64(e)
    s = x / (2.0 + x)
    return 2.0 * s * _ARTANH(s * s)


@reduction
def _binary(z, bias, y, weight, factor, smoothing, out):
    """One column of logits: writes the gradient, returns the weighted loss."""
    one, zero, step = z.dtype.type(1), z.dtype.type(0), z.dtype.type(factor)
    sharpness, floor = z.dtype.type(1.0 - smoothing), z.dtype.type(0.5 * smoothing)
    total = 0.0
    for i in range(z.size):
        t = z[i] + bias
        e = exp(-abs(t))
        s = one / (one + e)
        probability = s if t >= zero else e * s
        target = sharpness * y[i] + floor
        loss = _log1p(e) + np.float64((zero if t <= zero else t) - target * t)
        total += np.float64(weight[i]) * loss
        out[i] = step * weight[i] * (probability - target)
    return total


@kernel
def binary_log_loss(z, bias, y, weight, factor, parameter, value, dbias, out):
    """Binary cross-entropy of independent logits."""
    n, o = z.shape[1], z.shape[2]
    for k in range(z.shape[0]):
        target = y[k if y.shape[0] > 1 else 0]
        w = weight[k if weight.shape[0] > 1 else 0]
        if o == 1:
            flat = out[k].reshape(n)  # where out is z, the same values are read and written
            value[k] += _binary(
                z[k].reshape(n), bias[k, 0], target.reshape(n), w, factor[k], parameter[k, 0], flat
            )
        else:
            for c in range(o):
                value[k] += _binary(
                    z[k, :, c],
                    bias[k, c],
                    target[:, c],
                    w,
                    factor[k],
                    parameter[k, 0],
                    out[k, :, c],
                )
        column_sums(out[k], dbias[k])


@helper
def _exponentials(values):
    for i in range(values.size):
        values[i] = exp(values[i])


@helper
def _shift(z, bias, out):
    """Logits less the largest of their row; out may be z, read where it is written and no later."""
    n, o = U(z.shape[0]), U(z.shape[1])
    for i in range(n):
        highest = z[i, U(0)] + bias[U(0)]
        for j in range(o):
            t = z[i, j] + bias[j]
            highest = t if t > highest or t != t else highest
        for j in range(o):  # a vector of values written one by one would have to wait for them
            out[i, j] = (z[i, j] + bias[j]) - highest


@helper
def _normalize(weight, factor, out):
    """Rows of exponentials to weighted shares; returns the weighted sum of their sums' logs."""
    n, o = U(out.shape[0]), U(out.shape[1])
    total = 0.0
    for i in range(n):
        partition = out.dtype.type(0)
        for j in range(o):
            partition += out[i, j]
        total += weight[i] * np.log(np.float64(partition))
        inverse = out.dtype.type(factor * weight[i]) / partition
        for j in range(o):
            out[i, j] *= inverse
    return total


@helper
def _chosen(labels, weight, smoothing, shifted):
    """Weighted sum of the shifted logits' means under the targets."""
    n, o = U(shifted.shape[0]), U(shifted.shape[1])
    total = 0.0
    for i in range(n):
        expected = np.float64(shifted[i, U(labels[i])])
        if smoothing > 0.0:
            even = 0.0
            for j in range(o):
                even += np.float64(shifted[i, j])
            expected += smoothing * (even / np.float64(o) - expected)
        total += weight[i] * expected
    return total


@helper
def _subtract_chosen(labels, weight, factor, smoothing, out):
    n, o = U(out.shape[0]), U(out.shape[1])
    for i in range(n):
        scale = factor * weight[i]
        if smoothing > 0.0:
            even = out.dtype.type(scale * smoothing / np.float64(o))
            for j in range(o):
                out[i, j] -= even
        out[i, U(labels[i])] -= out.dtype.type(scale * (1.0 - smoothing))


@kernel
def multiclass_log_loss(z, bias, y, weight, factor, parameter, value, dbias, out):
    """Cross-entropy of the softmax of the logits with one class."""
    n, o = z.shape[1], z.shape[2]
    for k in range(z.shape[0]):
        labels = y[k if y.shape[0] > 1 else 0].reshape(n)
        w = weight[k if weight.shape[0] > 1 else 0]
        shares = out[k]
        _shift(z[k], bias[k], shares)
        value[k] -= _chosen(labels, w, parameter[k, 0], shares)
        _exponentials(shares.reshape(n * o))  # all rows at once: rows are too short for vectors
        value[k] += _normalize(w, factor[k], shares)
        _subtract_chosen(labels, w, factor[k], parameter[k, 0], shares)
        column_sums(shares, dbias[k])


@helper
def _expected(target, weight, smoothing, shifted):
    """Weighted sum of the shifted logits' means under the targets."""
    n, o = U(shifted.shape[0]), U(shifted.shape[1])
    total = 0.0
    for i in range(n):
        mean, even = 0.0, 0.0
        for j in range(o):
            mean += np.float64(target[i, j]) * np.float64(shifted[i, j])
            even += np.float64(shifted[i, j])
        total += weight[i] * (mean + smoothing * (even / np.float64(o) - mean))
    return total


@helper
def _subtract(target, weight, factor, smoothing, out):
    n, o = U(out.shape[0]), U(out.shape[1])
    for i in range(n):
        scale = factor * weight[i]
        sharp = out.dtype.type(scale * (1.0 - smoothing))
        even = out.dtype.type(scale * smoothing / np.float64(o))
        for j in range(o):
            out[i, j] -= sharp * target[i, j] + even


@kernel
def soft_multiclass_log_loss(z, bias, y, weight, factor, parameter, value, dbias, out):
    """Cross-entropy of the softmax of the logits with a distribution."""
    n, o = z.shape[1], z.shape[2]
    for k in range(z.shape[0]):
        target = y[k if y.shape[0] > 1 else 0]
        w = weight[k if weight.shape[0] > 1 else 0]
        shares = out[k]
        _shift(z[k], bias[k], shares)
        value[k] -= _expected(target, w, parameter[k, 0], shares)
        _exponentials(shares.reshape(n * o))
        value[k] += _normalize(w, factor[k], shares)
        _subtract(target, w, factor[k], parameter[k, 0], shares)
        column_sums(shares, dbias[k])


@kernel
def squared_error(z, bias, y, weight, factor, parameter, value, dbias, out):
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
        column_sums(out[k], dbias[k])
