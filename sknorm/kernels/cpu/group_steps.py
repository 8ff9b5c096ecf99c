"""The group lasso after an optimizer's step: groups of weights shrink as a whole.

The rows of a group lie in a row: they are one vector.
"""

import math

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel, reduction, scalar, shares
from sknorm.kernels.cpu.sums import BLOCK, squares

U = np.uint64  # an unsigned index needs no check for counting from the end
_STEPS = 50  # of Newton's method; one or two are usual


@scalar
def _share(norm, threshold):
    """What the proximal operator of threshold * norm leaves of a group; NaN stays NaN."""
    return 0.0 if norm <= threshold else 1.0 - threshold / norm


@scalar
def _place(groups, j, width):
    """Where the values of a group begin and end, and the root of the number of its rows."""
    begin, end = groups[j], groups[j + 1]
    return begin * width, end * width, math.sqrt(np.float64(end - begin))


@reduction
def _squares_behind(w, v, inertia):
    """Sum of the squares of ``w - inertia * v``."""
    total, mu = 0.0, w.dtype.type(inertia)
    for first in range(0, w.size, BLOCK):
        part = w.dtype.type(0)
        for i in range(U(first), U(min(first + BLOCK, w.size))):
            part += (w[i] - mu * v[i]) * (w[i] - mu * v[i])
        total += np.float64(part)
    return total


@helper
def _scale(w, share):
    factor = w.dtype.type(share)
    for i in range(U(w.size)):
        w[i] *= factor


@helper
def _scale_moving(w, v, share, inertia):
    """Shrink ``p = w - inertia * v``, add the change to the velocity, and move on."""
    factor, mu = w.dtype.type(share), w.dtype.type(inertia)
    for i in range(U(w.size)):
        p = w[i] - mu * v[i]
        x = factor * p
        v[i] += x - p
        w[i] = x + mu * v[i]


@helper
def _clear(w, v):
    for i in range(U(w.size)):
        w[i] = 0
        v[i] = 0


@shares("groups")
@kernel
def group_norms(weight, groups, scale, batch_size, monitor):
    """Add the sum of the Euclidean norms of the groups to the monitor."""
    values = weight.reshape(weight.shape[0], -1)
    for k in range(weight.shape[0]):
        total = 0.0
        for j in range(groups.size - 1):
            begin, end, root = _place(groups, j, weight.shape[2])
            total += root * math.sqrt(squares(values[k, begin:end], 0, end - begin))
        monitor[k, 1] += batch_size * scale * total


@shares("groups")
@kernel
def sgd_group_step(weight, velocity, groups, rate, strength, momentum, nesterov):
    """Proximal operator of the groups' norms after the plain step of ``sgd_step``."""
    inertia = momentum if nesterov else 0.0
    values, speeds = weight.reshape(weight.shape[0], -1), velocity.reshape(weight.shape[0], -1)
    for k in range(weight.shape[0]):
        threshold = rate[k] * strength[k]
        if threshold > 0.0:
            for j in range(groups.size - 1):
                begin, end, root = _place(groups, j, weight.shape[2])
                w, v = values[k, begin:end], speeds[k, begin:end]
                share = _share(math.sqrt(_squares_behind(w, v, inertia)), threshold * root)
                if nesterov and share == 0.0:
                    _clear(w, v)
                else:
                    _scale_moving(w, v, share, inertia)


@reduction
def _measure(p, v, limit, epsilon, a):
    """Fill in ``a = limit / (sqrt(v) + epsilon)``; sums of p^2, p^2 a and (p / a)^2."""
    t = p.dtype.type
    scale, inverse, tiny = t(limit), t(1.0 / limit), t(epsilon)
    square, weighted, inner = 0.0, 0.0, 0.0
    for first in range(0, p.size, BLOCK):
        x = y = z = t(0)
        for i in range(U(first), U(min(first + BLOCK, p.size))):
            root = math.sqrt(v[i]) + tiny
            width = scale / root
            a[i] = width
            q = p[i] * p[i]
            ratio = p[i] * (root * inverse)
            x += q
            y += q * width
            z += ratio * ratio
        square += np.float64(x)
        weighted += np.float64(y)
        inner += np.float64(z)
    return square, weighted, inner


@reduction
def _moments(p, a, r):
    """Sums of (p u)^2 and (p u)^2 u with u = 1 / (r + a)."""
    t = p.dtype.type
    shift = t(r)
    phi, psi = 0.0, 0.0
    for first in range(0, p.size, BLOCK):
        x = y = t(0)
        for i in range(U(first), U(min(first + BLOCK, p.size))):
            u = t(1) / (shift + a[i])
            q = (p[i] * u) * (p[i] * u)
            x += q
            y += q * u
        phi += np.float64(x)
        psi += np.float64(y)
    return phi, psi


@helper
def _root(p, a, start, tolerance):
    """Newton's method for the norm r that the proximal operator leaves, from below."""
    r = start
    for _ in range(_STEPS):
        phi, psi = _moments(p, a, r)
        change = (phi * math.sqrt(phi) - phi) / psi
        mean = psi / phi
        spread = 1.0 - r * mean
        r += change
        if r <= 0.0:
            return 0.0
        # f'' is the variance of u, at most mean * (1 / r - mean): what the next step could add,
        # in units of r + a. To see this costs no further pass over the group.
        if not 1.5 * spread * change * change * mean > tolerance * r:
            break
    return r


@helper
def _shrink(p, a, r):
    norm = p.dtype.type(r)
    for i in range(U(p.size)):
        p[i] *= norm / (norm + a[i])


@helper
def _adaptive_group(p, v, limit, epsilon, tolerance, a):
    """Proximal operator of one group's norm in Adam's metric."""
    square, weighted, inner = _measure(p, v, limit, epsilon, a)
    if inner <= 1.0 or square == 0.0:  # the reciprocal of a tiny limit is infinite
        _scale(p, 0.0)
    else:
        # u is convex in a, so the norm with all a at their mean is a lower bound of the root.
        start = max(0.0, math.sqrt(square) - weighted / square)
        _shrink(p, a, _root(p, a, start, tolerance))


@shares("groups")
@kernel
def adam_group_step(
    weight, second, groups, rate, strength, correction, epsilon, decoupled, scratch
):
    """Proximal operator of the groups' norms after the plain step of ``adam_step``."""
    tolerance = 8.0 * np.finfo(weight.dtype).eps
    values, moments = weight.reshape(weight.shape[0], -1), second.reshape(weight.shape[0], -1)
    for k in range(weight.shape[0]):
        threshold = rate[k] * strength[k]
        if threshold > 0.0:
            for j in range(groups.size - 1):
                begin, end, root = _place(groups, j, weight.shape[2])
                p, v = values[k, begin:end], moments[k, begin:end]
                if decoupled:
                    _scale(p, _share(math.sqrt(squares(p, 0, p.size)), threshold * root))
                else:
                    limit = threshold * root * correction[k]
                    _adaptive_group(p, v, limit, epsilon, tolerance, scratch[k])
