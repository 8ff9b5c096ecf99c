"""Optimizer steps fused with separable penalties: one pass over the parameters of a stack."""

import math

import numpy as np

from sknorm.kernels.codes import ELASTIC_NET, L0, UNPENALIZED
from sknorm.kernels.cpu.compiler import ZERO, helper, kernel, reduction, rounded, scalar, shares
from sknorm.kernels.cpu.sums import BLOCK, squares

U = np.uint64  # an unsigned index needs no check for counting from the end


@scalar
def _soft(w, threshold):
    """The proximal operator of threshold * |w|; NaN stays NaN."""
    shrunk = w - threshold if w > 0 else w + threshold
    return shrunk if not abs(w) <= threshold else w - w


@scalar
def _hard(w, threshold):
    """The proximal operator of threshold * (w != 0); NaN stays NaN."""
    return w if not w * w <= threshold + threshold else w - w


@rounded
def _product(a, b):
    return a * b


@helper
def _sgd(w, g, v, begin, end, rate, l2, momentum, nesterov):
    t = w.dtype.type
    eta, decay, inertia = t(rate), t(l2), t(momentum)
    for i in range(U(begin), U(end)):
        descent = eta * (g[i] + decay * w[i])
        speed = inertia * v[i] - descent
        v[i] = speed
        w[i] += (inertia * speed - descent) if nesterov else speed


def _proximal_sgd(prox):
    @helper
    def proximal_sgd(w, g, v, begin, end, rate, strength, l2, momentum, nesterov):
        t = w.dtype.type
        eta, decay, inertia, threshold = t(rate), t(l2), t(momentum), t(rate * strength)
        for i in range(U(begin), U(end)):
            descent = eta * (g[i] + decay * w[i])
            push = inertia * v[i] - descent
            if nesterov:
                half = w[i] - descent
                x = prox(half, threshold)
                # At the kink the momentum starts anew, so that zeros are exact.
                speed = push + (x - half) if x != 0 else x
                v[i] = speed
                w[i] = x + inertia * speed
            else:
                half = w[i] + push
                x = prox(half, threshold)
                v[i] = push + (x - half)
                w[i] = x

    return proximal_sgd


@helper
def _adam(w, g, m, v, begin, end, eta, decay, keep, betas, epsilon):
    t = w.dtype.type
    b1, b2, new_1, new_2 = t(betas[0]), t(betas[1]), t(1.0 - betas[0]), t(1.0 - betas[1])
    rate, tiny, l2, shrink = t(eta), t(epsilon), t(decay), t(keep)
    for i in range(U(begin), U(end)):
        d = g[i] + l2 * w[i]
        m[i] = b1 * m[i] + new_1 * d
        v[i] = b2 * v[i] + new_2 * (d * d)
        w[i] = _product(shrink, w[i]) - rate * m[i] / (math.sqrt(v[i]) + tiny)


def _proximal_adam(prox):
    @helper
    def proximal_adam(w, g, m, v, begin, end, eta, strength, decay, keep, betas, epsilon, fixed):
        """The threshold is ``strength * fixed``, or in Adam's metric if that is zero."""
        t = w.dtype.type
        b1, b2, new_1, new_2 = t(betas[0]), t(betas[1]), t(1.0 - betas[0]), t(1.0 - betas[1])
        rate, tiny, l2, shrink = t(eta), t(epsilon), t(decay), t(keep)
        limit, constant, adaptive = t(strength), t(fixed), fixed == 0.0
        for i in range(U(begin), U(end)):
            d = g[i] + l2 * w[i]
            m[i] = b1 * m[i] + new_1 * d
            v[i] = b2 * v[i] + new_2 * (d * d)
            step = rate / (math.sqrt(v[i]) + tiny)
            threshold = limit * (step if adaptive else constant)
            w[i] = prox(shrink * w[i] - step * m[i], threshold)

    return proximal_adam


_sgd_soft, _sgd_hard = _proximal_sgd(_soft), _proximal_sgd(_hard)
_adam_soft, _adam_hard = _proximal_adam(_soft), _proximal_adam(_hard)


@reduction
def _magnitudes(values, begin, end):
    """Sums of the absolute values and of the squares of ``values[begin:end]``."""
    absolute, square = 0.0, 0.0
    for first in range(begin, end, BLOCK):
        a = b = values.dtype.type(0)
        for i in range(U(first), U(min(first + BLOCK, end))):
            a += abs(values[i])
            b += values[i] * values[i]
        absolute += np.float64(a)
        square += np.float64(b)
    return absolute, square


@reduction
def _nonzeros(values, begin, end):
    """How many of ``values[begin:end]`` are not zero, as a float64."""
    total, t = 0.0, values.dtype.type
    for first in range(begin, end, BLOCK):
        part = t(0)
        for i in range(U(first), U(min(first + BLOCK, end))):
            part += t(1) if values[i] != 0 else t(0)
        total += np.float64(part)
    return total


@helper
def _observe(w, g, begin, end, code, batch_size, monitor):
    """Add a segment's penalty to the monitor; return the gradient's squares."""
    if code == ELASTIC_NET:
        absolute, square = _magnitudes(w, begin, end)
        monitor[1] += batch_size * absolute
        monitor[2] += batch_size * square
    elif code == L0:
        monitor[1] += batch_size * _nonzeros(w, begin, end)
    return squares(g, begin, end)


@helper
def _observe_run(w, g, segments, k, first, total, batch_size, monitor):
    """Observe a member's segments from ``first`` on that lie side by side and have one code.

    They are stepped in one loop, as short ones take longer to begin with than to step. Returns
    where they begin and end, the segment after them, and ``total`` with the gradient's squares.
    """
    s, code = first, segments[first, 2]
    begin = segments[s, 0] + k * segments[s, 1]
    end = begin
    while s < segments.shape[0] and segments[s, 2] == code:
        start = segments[s, 0] + k * segments[s, 1]
        if start != end:
            break
        end = start + segments[s, 1]
        total += _observe(w, g, start, end, code, batch_size, monitor)
        s += 1
    return begin, end, s, total


@helper
def _strengths(code, alpha, l1_ratio):
    """Factors of the nonsmooth and of the squared part of a segment's penalty."""
    if code == ELASTIC_NET:
        return alpha * l1_ratio, alpha * (1.0 - l1_ratio)
    return (0.0 if code == UNPENALIZED else alpha), 0.0


@shares(flat=("parameters", "gradient", "velocity"))
@kernel
def sgd_step(
    parameters, gradient, velocity, segments, rate, alpha, l1_ratio,
    momentum, nesterov, batch_size, monitor,
):  # fmt: skip
    """Momentum or Nesterov step with the proximal operator of the elastic net or of L0."""
    w, g, v = parameters, gradient, velocity
    for k in range(rate.size):
        s, total = ZERO, 0.0
        while s < segments.shape[0]:
            code = segments[s, 2]
            begin, end, s, total = _observe_run(w, g, segments, k, s, total, batch_size, monitor[k])
            strength, l2 = _strengths(code, alpha[k], l1_ratio[k])
            if not strength > 0.0:
                _sgd(w, g, v, begin, end, rate[k], l2, momentum, nesterov)
            elif code == L0:
                _sgd_hard(w, g, v, begin, end, rate[k], strength, l2, momentum, nesterov)
            else:
                _sgd_soft(w, g, v, begin, end, rate[k], strength, l2, momentum, nesterov)
        monitor[k, 0] += batch_size * math.sqrt(total)


@shares(flat=("parameters", "gradient", "first", "second"))
@kernel
def adam_step(
    parameters, gradient, first, second, segments, rate, alpha, l1_ratio,
    beta_1, beta_2, epsilon, correction, decoupled, batch_size, monitor,
):  # fmt: skip
    """Adam or AdamW step with the proximal operator of the elastic net or of L0."""
    w, g, m, v, betas = parameters, gradient, first, second, (beta_1, beta_2)
    for k in range(rate.size):
        s, total, eta = ZERO, 0.0, rate[k] * correction[k]
        while s < segments.shape[0]:
            code = segments[s, 2]
            begin, end, s, total = _observe_run(w, g, segments, k, s, total, batch_size, monitor[k])
            strength, l2 = _strengths(code, alpha[k], l1_ratio[k])
            decay, keep = (0.0, 1.0 - rate[k] * l2) if decoupled else (l2, 1.0)
            scales = (decay, keep, betas, epsilon)
            fixed = rate[k] if decoupled else 0.0
            if not strength > 0.0:
                _adam(w, g, m, v, begin, end, eta, *scales)
            elif code == L0:
                _adam_hard(w, g, m, v, begin, end, eta, strength, *scales, fixed)
            else:
                _adam_soft(w, g, m, v, begin, end, eta, strength, *scales, fixed)
        monitor[k, 0] += batch_size * math.sqrt(total)


@shares(flat=("gradient",))
@kernel
def clip_gradient(gradient, segments, max_norm):
    """Scale each member's gradient down to Euclidean norm ``max_norm``."""
    each = 0
    for s in range(segments.shape[0]):
        each += segments[s, 1]
    for k in range(gradient.size // each):
        total = 0.0
        for s in range(segments.shape[0]):
            begin = segments[s, 0] + k * segments[s, 1]
            total += squares(gradient, begin, begin + segments[s, 1])
        norm = math.sqrt(total)
        if norm > max_norm and norm < np.inf:
            factor = gradient.dtype.type(max_norm / norm)
            for s in range(segments.shape[0]):
                begin = segments[s, 0] + k * segments[s, 1]
                for i in range(begin, begin + segments[s, 1]):
                    gradient[i] *= factor


@helper
def _column_squares(weight, sums):
    """Sums of the squares of the columns, row by row: a column is a stride apart in memory."""
    for j in range(sums.size):
        sums[j] = 0.0
    for i in range(U(weight.shape[0])):
        for j in range(U(sums.size)):
            sums[j] += np.float64(weight[i, j]) * np.float64(weight[i, j])


@helper
def _scale_columns(weight, factors):
    for i in range(U(weight.shape[0])):
        for j in range(U(factors.size)):
            weight[i, j] = weight.dtype.type(weight[i, j] * factors[j])


@helper
def _scale_all(values, factor):
    scale = values.dtype.type(factor)
    for i in range(U(values.size)):
        values[i] *= scale


@kernel
def restore_norms(weight, radius, active):
    """Rescale the columns of active members to Euclidean norm ``radius``."""
    inputs, outputs = weight.shape[1], weight.shape[2]
    sums = np.empty(outputs)
    for k in range(weight.shape[0]):
        if not active[k]:
            continue
        if outputs == 1:
            column = weight[k].reshape(inputs)
            total = squares(column, 0, inputs)
            if total > 0.0:
                _scale_all(column, radius / math.sqrt(total))
            continue
        _column_squares(weight[k], sums)
        for j in range(outputs):
            sums[j] = radius / math.sqrt(sums[j]) if sums[j] > 0.0 else 1.0
        _scale_columns(weight[k], sums)
