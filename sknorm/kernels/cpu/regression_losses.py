"""Losses of regression beside the squared error, each made from its terms by one builder."""

from collections.abc import Callable

import numpy as np

from sknorm.kernels.cpu.compiler import kernel, reduction, scalar
from sknorm.kernels.cpu.losses import column_sums
from sknorm.kernels.cpu.mathematics import exp, log

__all__ = [
    "absolute_error",
    "gamma",
    "huber",
    "pinball",
    "poisson",
]


def _loss(term: Callable) -> Callable:
    """The kernel of a sum over the logits of ``term(t, y, parameter)``, its value and gradient.

    Column c belongs to target ``c // q`` and has parameter ``c % q``, where there are q.
    """
    name, title = term.__name__, term.__doc__  # before `scalar` renames it
    inlined = scalar(term)

    @reduction
    def column(z, bias, y, weight, factor, parameter, out):
        step, p = z.dtype.type(factor), z.dtype.type(parameter)
        total = 0.0
        for i in range(z.size):
            loss, gradient = inlined(z[i] + bias, y[i], p)
            total += np.float64(weight[i]) * np.float64(loss)
            out[i] = step * weight[i] * gradient
        return total

    def loss(z, bias, y, weight, factor, parameter, value, dbias, out):
        n, q = z.shape[1], max(parameter.shape[1], 1)
        for k in range(z.shape[0]):
            target = y[k if y.shape[0] > 1 else 0]
            w = weight[k if weight.shape[0] > 1 else 0]
            for c in range(z.shape[2]):
                p = parameter[k, c % q] if parameter.shape[1] else 0.0
                b, f, t = bias[k, c], factor[k], c // q
                if z.shape[2] == 1:  # values that follow one another are computed as vectors
                    flat = out[k].reshape(n)
                    value[k] += column(z[k].reshape(n), b, target.reshape(n), w, f, p, flat)
                else:
                    value[k] += column(z[k, :, c], b, target[:, t], w, f, p, out[k, :, c])
            column_sums(out[k], dbias[k])

    loss.__name__, loss.__doc__ = name, title
    loss.__qualname__ += f"_{name}"
    return kernel(loss)


# A slope is the difference d itself where that is 0 or NaN.


@_loss
def absolute_error(t, y, parameter):
    """Absolute error, summed over the outputs."""
    d = t - y
    slope = type(d)(1) if d > 0 else (type(d)(-1) if d < 0 else d)
    return slope * d, slope


@_loss
def huber(t, y, delta):
    """Squared error up to a distance of ``delta``, linear beyond."""
    d = t - y
    slope = delta if d > delta else (-delta if d < -delta else d)
    return slope * (d - type(d)(0.5) * slope), slope


@_loss
def pinball(t, y, tau):
    """Pinball loss of each level and target."""
    d = t - y
    slope = type(d)(1) - tau if d > 0 else (-tau if d < 0 else d)
    return slope * d, slope


@_loss
def poisson(t, y, parameter):
    """Half the Poisson deviance of ``exp(t)``."""
    mean, wide = exp(t), np.float64(y)
    entropy = wide * log(wide) if wide > 0.0 else 0.0 * wide
    return np.float64(mean) - wide * t + (entropy - wide), mean - y


@_loss
def gamma(t, y, parameter):
    """Half the gamma deviance of ``exp(t)``."""
    share = y * exp(-t)
    return np.float64(t) + np.float64(share) - log(np.float64(y)) - 1.0, type(t)(1) - share
