"""Optimizer steps fused with the elastic net: one pass over the parameters of a stack."""

import math

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel, reduction, scalar

U = np.uint64  # an unsigned index needs no check for counting from the end
_BLOCK = 1024  # values that are summed in their own precision before float64


@scalar
def _soft(w, threshold):
    """The proximal operator of threshold * |w|; NaN stays NaN."""
    shrunk = w - threshold if w > 0 else w + threshold
    return shrunk if not abs(w) <= threshold else w * 0


@reduction
def _squares(values, begin, end):
    """Sum of the squares of ``values[begin:end]``."""
    total = 0.0
    for first in range(begin, end, _BLOCK):
        part = values.dtype.type(0)
        for i in range(U(first), U(min(first + _BLOCK, end))):
            part += values[i] * values[i]
        total += np.float64(part)
    if total < np.inf:
        return total
    total = 0.0  # float32 squares overflowed, or there is a NaN
    for i in range(begin, end):
        total += np.float64(values[i]) * np.float64(values[i])
    return total


@reduction
def _norms(values, begin, end):
    """Sums of the absolute values and of the squares of ``values[begin:end]``."""
    absolute, squares = 0.0, 0.0
    for first in range(begin, end, _BLOCK):
        a = b = values.dtype.type(0)
        for i in range(U(first), U(min(first + _BLOCK, end))):
            a += abs(values[i])
            b += values[i] * values[i]
        absolute += np.float64(a)
        squares += np.float64(b)
    return absolute, squares


@helper
def _sgd(w, g, v, begin, end, rate, l2, momentum, nesterov):
    t = w.dtype.type
    eta, decay, inertia = t(rate), t(l2), t(momentum)
    for i in range(U(begin), U(end)):
        descent = eta * (g[i] + decay * w[i])
        speed = inertia * v[i] - descent
        v[i] = speed
        w[i] += (inertia * speed - descent) if nesterov else speed


@helper
def _sgd_soft(w, g, v, begin, end, rate, l1, l2, momentum, nesterov):
    t = w.dtype.type
    eta, decay, inertia, threshold = t(rate), t(l2), t(momentum), t(rate * l1)
    for i in range(U(begin), U(end)):
        descent = eta * (g[i] + decay * w[i])
        push = inertia * v[i] - descent
        if nesterov:
            half = w[i] - descent
            x = _soft(half, threshold)
            # At the kink the momentum starts anew, so that zeros are exact.
            speed = push + (x - half) if x != 0 else x
            v[i] = speed
            w[i] = x + inertia * speed
        else:
            half = w[i] + push
            x = _soft(half, threshold)
            v[i] = push + (x - half)
            w[i] = x


@helper
def _adam(w, g, m, v, begin, end, eta, decay, keep, betas, epsilon):
    t = w.dtype.type
    b1, b2, new_1, new_2 = t(betas[0]), t(betas[1]), t(1.0 - betas[0]), t(1.0 - betas[1])
    rate, tiny, l2, shrink = t(eta), t(epsilon), t(decay), t(keep)
    for i in range(U(begin), U(end)):
        d = g[i] + l2 * w[i]
        m[i] = b1 * m[i] + new_1 * d
        v[i] = b2 * v[i] + new_2 * (d * d)
        w[i] = shrink * w[i] - rate * m[i] / (math.sqrt(v[i]) + tiny)


@helper
def _adam_soft(w, g, m, v, begin, end, eta, l1, decay, keep, betas, epsilon, fixed):
    """Adam with the proximal step; the threshold is ``l1 * fixed`` or in Adam's metric."""
    t = w.dtype.type
    b1, b2, new_1, new_2 = t(betas[0]), t(betas[1]), t(1.0 - betas[0]), t(1.0 - betas[1])
    rate, tiny, l2, shrink = t(eta), t(epsilon), t(decay), t(keep)
    limit, constant, adaptive = t(l1), t(fixed), fixed == 0.0
    for i in range(U(begin), U(end)):
        d = g[i] + l2 * w[i]
        m[i] = b1 * m[i] + new_1 * d
        v[i] = b2 * v[i] + new_2 * (d * d)
        step = rate / (math.sqrt(v[i]) + tiny)
        threshold = limit * (step if adaptive else constant)
        w[i] = _soft(shrink * w[i] - step * m[i], threshold)


@helper
def _observe(w, g, begin, end, penalized, batch_size, monitor):
    """Add a segment's L1 and squared L2 norm to the monitor; return the gradient's squares."""
    if penalized:
        absolute, squares = _norms(w, begin, end)
        monitor[1] += batch_size * absolute
        monitor[2] += batch_size * squares
    return _squares(g, begin, end)


@kernel
def sgd_step(
    parameters, gradient, velocity, segments, rate, alpha, l1_ratio,
    momentum, nesterov, batch_size, monitor,
):  # fmt: skip
    """Momentum or Nesterov step with the proximal operator of the elastic net."""
    w, g, v = parameters, gradient, velocity
    for k in range(rate.size):
        squares = 0.0
        for s in range(segments.shape[0]):
            begin = segments[s, 0] + k * segments[s, 1]
            end = begin + segments[s, 1]
            penalty = alpha[k] if segments[s, 2] else 0.0
            squares += _observe(w, g, begin, end, segments[s, 2], batch_size, monitor[k])
            l1, l2 = penalty * l1_ratio[k], penalty * (1.0 - l1_ratio[k])
            if l1 > 0.0:
                _sgd_soft(w, g, v, begin, end, rate[k], l1, l2, momentum, nesterov)
            else:
                _sgd(w, g, v, begin, end, rate[k], l2, momentum, nesterov)
        monitor[k, 0] += batch_size * math.sqrt(squares)


@kernel
def adam_step(
    parameters, gradient, first, second, segments, rate, alpha, l1_ratio,
    beta_1, beta_2, epsilon, correction, decoupled, batch_size, monitor,
):  # fmt: skip
    """Adam or AdamW step with the proximal operator of the elastic net."""
    w, g, m, v, betas = parameters, gradient, first, second, (beta_1, beta_2)
    for k in range(rate.size):
        squares, eta = 0.0, rate[k] * correction
        for s in range(segments.shape[0]):
            begin = segments[s, 0] + k * segments[s, 1]
            end = begin + segments[s, 1]
            penalty = alpha[k] if segments[s, 2] else 0.0
            squares += _observe(w, g, begin, end, segments[s, 2], batch_size, monitor[k])
            l1, l2 = penalty * l1_ratio[k], penalty * (1.0 - l1_ratio[k])
            decay, keep = (0.0, 1.0 - rate[k] * l2) if decoupled else (l2, 1.0)
            fixed = rate[k] if decoupled else 0.0
            if l1 > 0.0:
                _adam_soft(w, g, m, v, begin, end, eta, l1, decay, keep, betas, epsilon, fixed)
            else:
                _adam(w, g, m, v, begin, end, eta, decay, keep, betas, epsilon)
        monitor[k, 0] += batch_size * math.sqrt(squares)


@kernel
def clip_gradient(gradient, segments, max_norm):
    """Scale each member's gradient down to Euclidean norm ``max_norm``."""
    each = 0
    for s in range(segments.shape[0]):
        each += segments[s, 1]
    for k in range(gradient.size // each):
        squares = 0.0
        for s in range(segments.shape[0]):
            begin = segments[s, 0] + k * segments[s, 1]
            squares += _squares(gradient, begin, begin + segments[s, 1])
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
