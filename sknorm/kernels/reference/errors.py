r"""The error function, which the array-API standard lacks, by Cody's rational approximations.

Each is a ratio of polynomials, accurate to the last digits of float64 on its interval:

.. math::
    \mathrm{erf}(x) &\approx x R_1(x^2), & |x| &\le 0.46875 \\
    \mathrm{erfc}(y) &\approx e^{-y^2} R_2(y), & 0.46875 &< y \le 4 \\
    \mathrm{erfc}(y) &\approx \frac{e^{-y^2}}{y}
        \left(\frac{1}{\sqrt\pi} + \frac{1}{y^2} R_3(y^{-2})\right), & y &> 4

References
----------
W. J. Cody (1969). Rational Chebyshev approximations for the error function. Mathematics of
Computation 23(107), 631-637.
"""

import math
from collections.abc import Sequence

from sknorm.kernels.reference.arrays import Array, array_namespace

# Coefficients from the highest power down, numerator and denominator.
_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (
        1.0,
        2.36012909523441209e1,
        2.44024637934444173e2,
        1.28261652607737228e3,
        2.84423683343917062e3,
    ),
)
_MIDDLE = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
_LARGE = (
    (
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)


def erf(x: Array) -> Array:
    r"""Error function :math:`\frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt`, to 1e-15 in float64."""
    xp = array_namespace(x)
    near = _erf_small(x)
    far = xp.sign(x) * (1.0 - _erfc_positive(xp.abs(x)))
    return xp.where(xp.abs(x) <= 0.46875, near, far)


def erfc(x: Array) -> Array:
    """Complement ``1 - erf(x)``, with full relative accuracy where it is small."""
    xp = array_namespace(x)
    tail = _erfc_positive(xp.abs(x))
    far = xp.where(x < 0.0, 2.0 - tail, tail)
    return xp.where(xp.abs(x) <= 0.46875, 1.0 - _erf_small(x), far)


def _erf_small(x: Array) -> Array:
    xp = array_namespace(x)
    # Outside of its interval the ratio is not used, but must not overflow there.
    inside = xp.clip(x, -0.46875, 0.46875)
    return inside * _ratio(_SMALL, inside * inside)


def _erfc_positive(y: Array) -> Array:
    xp = array_namespace(y)
    middle = _ratio(_MIDDLE, xp.clip(y, 0.0, 4.0))
    # Beyond 30 the exponential is zero in float64; the bound keeps squares finite.
    far = xp.clip(y, 4.0, 30.0)
    square = 1.0 / (far * far)
    large = (1.0 / math.sqrt(math.pi) - square * _ratio(_LARGE, square)) / far
    return _exp_minus_square(y) * xp.where(y <= 4.0, middle, large)


def _exp_minus_square(y: Array) -> Array:
    """exp(-y^2) without the rounding error of y^2: y is cut where its square is exact."""
    xp = array_namespace(y)
    bounded = xp.clip(y, 0.0, 30.0)
    head = xp.trunc(bounded * 16.0) / 16.0
    return xp.exp(-head * head) * xp.exp(-(bounded - head) * (bounded + head))


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Array) -> Array:
    numerator, denominator = coefficients
    return _horner(numerator, x) / _horner(denominator, x)


def _horner(coefficients: Sequence[float], x: Array) -> Array:
    result = x * 0.0 + coefficients[0]
    for coefficient in coefficients[1:]:
        result = result * x + coefficient
    return result
