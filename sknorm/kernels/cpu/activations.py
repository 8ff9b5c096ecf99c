"""Activation functions and derivatives as scalar code that block kernels are built around."""

from collections.abc import Callable

import numpy as np

from sknorm.kernels import codes
from sknorm.kernels.cpu import mathematics
from sknorm.kernels.cpu.compiler import scalar
from sknorm.kernels.cpu.mathematics import generic


def _scalars(real: type, exp: Callable, expm1: Callable, erf: Callable) -> dict[int, tuple]:
    """Function and derivative of each activation in one precision, by code."""
    zero, half, one, two, four = (real(v) for v in (0, 0.5, 1, 2, 4))
    slope, alpha, scale = (
        real(codes.LEAKY_SLOPE),
        real(codes.SELU_SCALE * codes.SELU_ALPHA),
        real(codes.SELU_SCALE),
    )
    root, density = real(np.sqrt(0.5)), real(1 / np.sqrt(2 * np.pi))
    far = real(18)  # beyond, tanh is 1 and mish is x to the last digit
    sigmoid = scalar(lambda x: one / (one + exp(-x)))

    @scalar
    def tanh(x):
        a = -far if x < -far else x
        e = expm1(two * (far if a > far else a))
        return e / (e + two)

    @scalar
    def dtanh(x):
        t = tanh(x)
        return one - t * t

    @scalar
    def dsigmoid(x):
        s = sigmoid(x)
        return s * (one - s)

    @scalar
    def dgelu(x):
        return half * (one + erf(x * root)) + x * density * exp(-half * x * x)

    @scalar
    def silu(x):
        return x * sigmoid(x)

    @scalar
    def dsilu(x):
        s = sigmoid(x)
        return s * (one + x * (one - s))

    @scalar
    def mish(x):
        e = exp(far if x > far else x)
        n = e * (e + two)
        return x * (n / (n + two))

    @scalar
    def dmish(x):
        x = far if x > far else x
        e = exp(x)
        n = e * (e + two)
        m = n + two
        return n / m + x * (four * (n + one) / (m * m)) * (e / (one + e))

    return {
        codes.IDENTITY: (scalar(lambda x: x), scalar(lambda x: one)),
        codes.LOGISTIC: (sigmoid, dsigmoid),
        codes.TANH: (tanh, dtanh),
        codes.RELU: (
            scalar(lambda x: zero if x <= zero else x),
            scalar(lambda x: one if x > zero else zero),
        ),
        codes.LEAKY_RELU: (
            scalar(lambda x: slope * x if x < zero else x),
            scalar(lambda x: slope if x <= zero else one),
        ),
        codes.ELU: (
            scalar(lambda x: expm1(x) if x < zero else x),
            scalar(lambda x: exp(x) if x <= zero else one),
        ),
        codes.SELU: (
            scalar(lambda x: alpha * expm1(x) if x < zero else scale * x),
            scalar(lambda x: alpha * exp(x) if x <= zero else scale),
        ),
        codes.GELU: (scalar(lambda x: half * x * (one + erf(x * root))), dgelu),
        codes.SILU: (silu, dsilu),
        codes.MISH: (mish, dmish),
    }


_SINGLE = _scalars(np.float32, mathematics._EXP32, mathematics._EXPM1_32, mathematics._ERF32)
_DOUBLE = _scalars(np.float64, mathematics._EXP64, mathematics._EXPM1_64, mathematics._ERF64)

FUNCTIONS = {code: generic(_SINGLE[code][0], _DOUBLE[code][0]) for code in _SINGLE}
DERIVATIVES = {code: generic(_SINGLE[code][1], _DOUBLE[code][1]) for code in _SINGLE}

# Derivatives that cost less to compute twice than to store in between.
CHEAP = frozenset({codes.IDENTITY, codes.RELU, codes.LEAKY_RELU})
