r"""Elementary functions in a form that the compiler turns into vector code.

All build on :math:`e^x = 2^n e^r`, :math:`n = \lfloor x / \ln 2 + 1/2 \rfloor`,
:math:`|r| \le \ln(2) / 2`, with the Taylor polynomial of :math:`e^r - 1` (degree 7 in
float32, 13 in float64; truncation below half a unit in the last place). NaN passes
through, overflow gives inf, results below the normal numbers are zero. The scalar
functions of the C library would be called one element at a time, fifteen times slower.
The logarithm and the cosine have a series of their own.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from sknorm.kernels.cpu.compiler import inlined, scalar


def generic(single: Any, double: Any) -> Any:
    """One name for the float32 and the float64 version of a scalar function."""

    def stub(x: float) -> float:
        raise NotImplementedError("callable from compiled code only")

    @overload(stub, jit_options=inlined())
    def choose(x):
        if x == types.float32:
            return lambda x: single(x)
        return lambda x: double(x)

    stub.__qualname__ = "_or_".join(f.py_func.__qualname__ for f in (single, double))
    return stub


def _exponentials(
    real: type, integer: type, degree: int, fraction: int, bias: int, lowest: float, highest: float
) -> tuple[Callable, Callable]:
    """``exp`` and ``expm1`` for one precision; powers are 2^(n-1), which cannot overflow."""
    zero, half, two, inf = real(0), real(0.5), real(2), real(np.inf)
    log2e, lowest, highest = real(1 / math.log(2)), real(lowest), real(highest)
    # ln 2 in two parts; the first has so few digits that n times it is exact.
    high = real(0.693359375) if real is np.float32 else float.fromhex("0x1.62e42fee00000p-1")
    low = real(math.log(2) - 0.693359375)
    low = low if real is np.float32 else float.fromhex("0x1.a39ef35793c76p-33")
    shift, bias = integer(fraction), integer(bias - 1)
    taylor = tuple(real(1 / math.factorial(k)) for k in range(degree, 1, -1))
    series = horner(taylor)

    @scalar
    def parts(x):
        x = lowest if x < lowest else x
        x = highest if x > highest else x
        n = np.floor(x * log2e + half)
        r = (x - n * high) - n * low
        power = integer((integer(n) + bias) << shift).view(real)
        return power, series(r) * (r * r) + r

    @scalar
    def exp(x):
        power, rest = parts(x)
        y = two * (power * rest + power)
        y = zero if x < lowest else y
        y = inf if x > highest else y
        return y if x == x else x

    @scalar
    def expm1(x):
        power, rest = parts(x)
        y = two * (power * rest + (power - half))
        y = inf if x > highest else y
        return y if x == x else x

    return exp, expm1


def horner(coefficients: tuple) -> Callable:
    """The polynomial with these coefficients, highest power first, unrolled.

    Four steps are one function, as each function takes some time to compile.
    """
    if len(coefficients) == 1:
        constant = coefficients[0]
        return scalar(lambda x: constant)
    if len(coefficients) > 4:
        head, (a, b, c, d) = horner(coefficients[:-4]), coefficients[-4:]
        return scalar(lambda x: (((head(x) * x + a) * x + b) * x + c) * x + d)
    head, last = horner(coefficients[:-1]), coefficients[-1]
    return scalar(lambda x: head(x) * x + last)


# Cody (1969), Rational Chebyshev approximations for the error function, Math. Comp. 23,
# 631-637: numerators and denominators for |x| <= 0.46875, up to 4, and above.
# fmt: off
_NEAR = ((1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2,
          3.77485237685302021e2, 3.20937758913846947e3),
         (1.0, 2.36012909523441209e1, 2.44024637934444173e2,
          1.28261652607737228e3, 2.84423683343917062e3))
_MIDDLE = ((2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594,
            6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
            1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
           (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
            1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
            3.43936767414372164e3, 1.23033935480374942e3))
_FAR = ((1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
         1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
        (1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1,
         6.05183413124413191e-2, 2.33520497626869185e-3))
# fmt: on


def _error_function(real: type, exp: Callable) -> Callable:
    """``erf`` for one precision."""

    def rational(pair: tuple) -> list[Callable]:
        return [horner(tuple(real(c) for c in part)) for part in pair]

    p1, q1 = rational(_NEAR)
    p2, q2 = rational(_MIDDLE)
    p3, q3 = rational(_FAR)
    one, near, middle, last = real(1), real(0.46875), real(4), real(6)
    root = real(1 / math.sqrt(math.pi))

    @scalar
    def erf(x):
        a = abs(x)
        a = last if a > last else a  # erf(6) is 1 in both precisions
        s = a * a
        tail = exp(-s)
        b = near if a < near else a
        u = one / (b * b)
        far = tail / b * (root - u * p3(u) / q3(u))
        rest = tail * p2(a) / q2(a)
        close = a * p1(s) / q1(s)
        y = one - (far if a > middle else rest)
        y = close if a < near else y
        y = -y if x < 0 else y
        return y if x == x else x

    return erf


def _logarithm() -> Callable:
    """``log`` in float64: n log 2 + 2 artanh((m - 1) / (m + 1)) for x = 2^n m, m^2 in [1/2, 2).

    Numbers below the normal ones count as zero.
    """
    # The squared argument of artanh is at most 0.0295, so ten terms reach the last digit.
    series = horner(tuple(2.0 / (2 * k + 1) for k in range(9, 0, -1)))
    fraction, root = np.int64(52), np.float64(math.sqrt(0.5)).view(np.int64)
    one, tiny, inf, nan = 1.0, float(np.finfo(np.float64).tiny), math.inf, math.nan
    high, low = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")

    @scalar
    def log(x):
        word = np.float64(x).view(np.int64)
        n = (word - root) >> fraction
        m = np.int64(word - (n << fraction)).view(np.float64)
        s = (m - one) / (m + one)
        u = s * s
        y = n * high + (n * low + (s * u * series(u) + (s + s)))
        y = -inf if x < tiny else y
        y = inf if x == inf else y
        return y if x >= 0.0 else nan

    return log


def _cosine() -> Callable:
    """Cosine of so many turns over 2^32, in float64: cos(2 pi t) = sin(pi (1/2 - |t|))."""
    signs = (math.pi * (-1) ** k / math.factorial(2 * k + 1) for k in range(10, -1, -1))
    series = horner(tuple(signs))
    half, unit, pi2 = 0.5, 0.5**31, math.pi**2

    @scalar
    def cosine(word):
        r = half - abs(np.float64(np.int32(word))) * unit  # exact, and at most 1/2
        return r * series(r * r * pi2)

    return cosine


_EXP32, _EXPM1_32 = _exponentials(np.float32, np.int32, 7, 23, 127, -86.9, 88.722839)
_EXP64, _EXPM1_64 = _exponentials(np.float64, np.int64, 13, 52, 1023, -708.0, 709.782712893384)
_ERF32, _ERF64 = _error_function(np.float32, _EXP32), _error_function(np.float64, _EXP64)

exp = generic(_EXP32, _EXP64)
expm1 = generic(_EXPM1_32, _EXPM1_64)
erf = generic(_ERF32, _ERF64)
log = _logarithm()
cosine = _cosine()
