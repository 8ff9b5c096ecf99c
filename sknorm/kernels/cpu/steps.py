"""Optimizer steps fused with the elastic net: one pass over the parameters of a stack."""

import math

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel, scalar

_BLOCK = 64  # values whose squares are summed in their own precision before float64


@scalar
def _soft(w, threshold):
    """The proximal operator of threshold * |w|; NaN stays NaN."""
    shrunk = w - threshold if w > 0 else w + threshold
    return shrunk if not abs(w) <= threshold else w * 0


@helper
def _square_sum(values):
    total = 0.0
    for begin in range(0, values.size, _BLOCK):
        end = min(begin + _BLOCK, values.size)
        total += _lanes(values[begin:end])
    return total


@helper
def _lanes(values):
    """Sum of squares in eight interleaved partial sums, which vector code keeps apart."""
    zero = values.dtype.type(0)
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = zero
    whole = values.size // 8 * 8
    for i in range(0, whole, 8):
        s0 += values[i] * values[i]
        s1 += values[i + 1] * values[i + 1]
        s2 += values[i + 2] * values[i + 2]
        s3 += values[i + 3] * values[i + 3]
        s4 += values[i + 4] * values[i + 4]
        s5 += values[i + 5] * values[i + 5]
        s6 += values[i + 6] * values[i + 6]
        s7 += values[i + 7] * values[i + 7]
    for i in range(whole, values.size):
        s0 += values[i] * values[i]
    return np.float64(((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)))


@helper
def _absolute_sum(values):
    zero = values.dtype.type(0)
    total = 0.0
    for begin in range(0, values.size, _BLOCK):
        end = min(begin + _BLOCK, values.size)
        s0 = s1 = s2 = s3 = zero
        whole = begin + (end - begin) // 4 * 4
        for i in range(begin, whole, 4):
            s0 += abs(values[i])
            s1 += abs(values[i + 1])
            s2 += abs(values[i + 2])
            s3 += abs(values[i + 3])
        for i in range(whole, end):
            s0 += abs(values[i])
        total += (s0 + s1) + (s2 + s3)
    return total


@helper
def _sgd(w, g, v, rate, l1, l2, momentum, nesterov):
    t = w.dtype.type
    eta, decay, inertia = t(rate), t(l2), t(momentum)
    if l1 > 0.0:
        threshold = t(rate * l1)
        for i in range(w.size):
            descent = eta * (g[i] + decay * w[i])
            if nesterov:
                x = _soft(w[i] - descent, threshold)
                speed = inertia * v[i] - descent + (x - (w[i] - descent))
                v[i] = speed if x != 0 else x
                w[i] = x + inertia * v[i]
            else:
                half = w[i] + (inertia * v[i] - descent)
                x = _soft(half, threshold)
                v[i] = (inertia * v[i] - descent) + (x - half)
                w[i] = x
    else:
        for i in range(w.size):
            descent = eta * (g[i] + decay * w[i])
            speed = inertia * v[i] - descent
            v[i] = speed
            w[i] += (inertia * speed - descent) if nesterov else speed


@helper
def _adam(w, g, m, v, eta, decay, keep, beta_1, beta_2, epsilon):
    t = w.dtype.type
    new_1, new_2 = t(1.0 - beta_1), t(1.0 - beta_2)
    b1, b2, tiny = t(beta_1), t(beta_2), t(epsilon)
    rate, l2, shrink = t(eta), t(decay), t(keep)
    for i in range(w.size):
        d = g[i] + l2 * w[i]
        m[i] = b1 * m[i] + new_1 * d
        v[i] = b2 * v[i] + new_2 * (d * d)
        w[i] = shrink * w[i] - rate * m[i] / (math.sqrt(v[i]) + tiny)


@helper
def _adam_soft(w, g, m, v, eta, l1, decay, keep, beta_1, beta_2, epsilon, fixed):
    """Adam with the proximal step; its threshold is ``l1 * fixed`` or in Adam's metric."""
    t = w.dtype.type
    new_1, new_2 = t(1.0 - beta_1), t(1.0 - beta_2)
    b1, b2, tiny = t(beta_1), t(beta_2), t(epsilon)
    rate, limit, l2, shrink = t(eta), t(l1), t(decay), t(keep)
    constant = t(fixed)
    for i in range(w.size):
        d = g[i] + l2 * w[i]
        m[i] = b1 * m[i] + new_1 * d
        v[i] = b2 * v[i] + new_2 * (d * d)
        step = rate / (math.sqrt(v[i]) + tiny)
        threshold = limit * (constant if fixed > 0.0 else step)
        w[i] = _soft(shrink * w[i] - step * m[i], threshold)


@helper
def _observe(w, penalized, batch_size, monitor):
    if penalized:
        monitor[1] += batch_size * _absolute_sum(w)
        monitor[2] += batch_size * _square_sum(w)


@kernel
def sgd_step(
    parameters, gradient, velocity, segments, rate, alpha, l1_ratio,
    momentum, nesterov, batch_size, monitor,
):  # fmt: skip
    """Momentum or Nesterov step with the proximal operator of the elastic net."""
    for k in range(rate.size):
        squares = 0.0
        for s in range(segments.shape[0]):
            size = segments[s, 1]
            begin = segments[s, 0] + k * size
            w, g = parameters[begin : begin + size], gradient[begin : begin + size]
            penalty = alpha[k] if segments[s, 2] else 0.0
            _observe(w, segments[s, 2], batch_size, monitor[k])
            squares += _square_sum(g)
            l1, l2 = penalty * l1_ratio[k], penalty * (1.0 - l1_ratio[k])
            _sgd(w, g, velocity[begin : begin + size], rate[k], l1, l2, momentum, nesterov)
        monitor[k, 0] += batch_size * math.sqrt(squares)


@kernel
def adam_step(
    parameters, gradient, first, second, segments, rate, alpha, l1_ratio,
    beta_1, beta_2, epsilon, correction, decoupled, batch_size, monitor,
):  # fmt: skip
    """Adam or AdamW step with the proximal operator of the elastic net."""
    for k in range(rate.size):
        squares = 0.0
        for s in range(segments.shape[0]):
            size = segments[s, 1]
            begin = segments[s, 0] + k * size
            end = begin + size
            w, g = parameters[begin:end], gradient[begin:end]
            m, v = first[begin:end], second[begin:end]
            penalty = alpha[k] if segments[s, 2] else 0.0
            _observe(w, segments[s, 2], batch_size, monitor[k])
            squares += _square_sum(g)
            l1, l2 = penalty * l1_ratio[k], penalty * (1.0 - l1_ratio[k])
            eta = rate[k] * correction
            decay, keep = (0.0, 1.0 - rate[k] * l2) if decoupled else (l2, 1.0)
            fixed = rate[k] if decoupled else 0.0
            if l1 > 0.0:
                _adam_soft(w, g, m, v, eta, l1, decay, keep, beta_1, beta_2, epsilon, fixed)
            else:
                _adam(w, g, m, v, eta, decay, keep, beta_1, beta_2, epsilon)
        monitor[k, 0] += batch_size * math.sqrt(squares)


@kernel
def clip_gradient(gradient, segments, max_norm):
    """Scale each member's gradient down to Euclidean norm ``max_norm``."""
    parameters_each = 0
    for s in range(segments.shape[0]):
        parameters_each += segments[s, 1]
    for k in range(gradient.size // parameters_each):
        squares = 0.0
        for s in range(segments.shape[0]):
            begin = segments[s, 0] + k * segments[s, 1]
            squares += _square_sum(gradient[begin : begin + segments[s, 1]])
        norm = math.sqrt(squares)
        if norm > max_norm and norm < np.inf:
            factor = gradient.dtype.type(max_norm / norm)
            for s in range(segments.shape[0]):
                begin = segments[s, 0] + k * segments[s, 1]
                for i in range(begin, begin + segments[s, 1]):
                    gradient[i] *= factor


@kernel
def restore_norms(weight, radius, active):
    """Rescale the columns of active members to Euclidean norm ``radius``."""
    inputs, outputs = weight.shape[1], weight.shape[2]
    for k in range(weight.shape[0]):
        if active[k]:
            for j in range(outputs):
                squares = 0.0
                for i in range(inputs):
                    squares += np.float64(weight[k, i, j]) * np.float64(weight[k, i, j])
                if squares > 0.0:
                    factor = weight.dtype.type(radius / math.sqrt(squares))
                    for i in range(inputs):
                        weight[k, i, j] *= factor
