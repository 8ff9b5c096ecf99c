"""Activation functions and their derivatives with respect to the input, elementwise."""

import math
from collections.abc import Callable

from sknorm.kernels import codes
from sknorm.kernels.reference.arrays import Array, array_namespace
from sknorm.kernels.reference.errors import erfc


def activate(activation: int, x: Array) -> Array:
    """Value of an activation function.

    Parameters
    ----------
    activation : int
        One of :mod:`sknorm.kernels.codes`.
    x : array of float, any shape

    Returns
    -------
    array, shape and dtype of x
    """
    return _FUNCTIONS[activation][0](x)


def derivative(activation: int, x: Array) -> Array:
    """Derivative of an activation function at its input x; at a kink, that from the left.

    Parameters
    ----------
    activation : int
        One of :mod:`sknorm.kernels.codes`.
    x : array of float, any shape

    Returns
    -------
    array, shape and dtype of x
    """
    return _FUNCTIONS[activation][1](x)


def identity(x: Array) -> Array:
    """The input itself."""
    return x


def identity_derivative(x: Array) -> Array:
    """One everywhere."""
    return array_namespace(x).ones_like(x)


def logistic(x: Array) -> Array:
    r"""Sigmoid :math:`\sigma(x) = 1 / (1 + e^{-x})`, by the exponential that cannot overflow."""
    xp = array_namespace(x)
    e = xp.exp(-xp.abs(x))
    return xp.where(x >= 0.0, 1.0 / (1.0 + e), e / (1.0 + e))


def logistic_derivative(x: Array) -> Array:
    r""":math:`\sigma (1 - \sigma)`, written as :math:`e^{-|x|} / (1 + e^{-|x|})^2`."""
    xp = array_namespace(x)
    e = xp.exp(-xp.abs(x))
    return e / ((1.0 + e) * (1.0 + e))


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return array_namespace(x).tanh(x)


def tanh_derivative(x: Array) -> Array:
    r""":math:`1 - \tanh^2(x)`."""
    t = tanh(x)
    return 1.0 - t * t


def relu(x: Array) -> Array:
    r""":math:`\max(x, 0)`."""
    return array_namespace(x).maximum(x, 0.0)


def relu_derivative(x: Array) -> Array:
    """One where x is positive, else zero."""
    xp = array_namespace(x)
    return xp.astype(x > 0.0, x.dtype)


def leaky_relu(x: Array) -> Array:
    """x where it is positive, else 0.01 x."""
    return array_namespace(x).where(x > 0.0, x, codes.LEAKY_SLOPE * x)


def leaky_relu_derivative(x: Array) -> Array:
    """One where x is positive, else 0.01."""
    xp = array_namespace(x)
    return xp.where(x > 0.0, xp.ones_like(x), codes.LEAKY_SLOPE)


def elu(x: Array) -> Array:
    r""":math:`x` where it is positive, else :math:`e^x - 1` (Clevert et al., 2016)."""
    xp = array_namespace(x)
    return xp.where(x > 0.0, x, xp.expm1(xp.minimum(x, 0.0)))


def elu_derivative(x: Array) -> Array:
    r"""One where x is positive, else :math:`e^x`."""
    xp = array_namespace(x)
    return xp.exp(xp.minimum(x, 0.0))


def selu(x: Array) -> Array:
    r""":math:`\lambda x` where x is positive, else :math:`\lambda \alpha (e^x - 1)`.

    References
    ----------
    G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter (2017). Self-normalizing neural
    networks. NeurIPS.
    """
    xp = array_namespace(x)
    negative = codes.SELU_ALPHA * xp.expm1(xp.minimum(x, 0.0))
    return codes.SELU_SCALE * xp.where(x > 0.0, x, negative)


def selu_derivative(x: Array) -> Array:
    r""":math:`\lambda` where x is positive, else :math:`\lambda \alpha e^x`."""
    xp = array_namespace(x)
    negative = codes.SELU_ALPHA * xp.exp(xp.minimum(x, 0.0))
    return codes.SELU_SCALE * xp.where(x > 0.0, xp.ones_like(x), negative)


def gelu(x: Array) -> Array:
    r"""Exact Gaussian error linear unit :math:`x \Phi(x)`.

    :math:`\Phi(x) = \mathrm{erfc}(-x / \sqrt 2) / 2` keeps its digits for negative x, where
    :math:`1 + \mathrm{erf}` would cancel.

    References
    ----------
    D. Hendrycks and K. Gimpel (2016). Gaussian error linear units. arXiv:1606.08415.
    """
    return x * _normal_distribution(x)


def gelu_derivative(x: Array) -> Array:
    r""":math:`\Phi(x) + x \varphi(x)` with the normal density :math:`\varphi`."""
    xp = array_namespace(x)
    # The density is zero in float64 beyond 40, where the square of x may overflow.
    near = xp.clip(x, -40.0, 40.0)
    density = xp.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi)
    return _normal_distribution(x) + near * density


def silu(x: Array) -> Array:
    r""":math:`x \sigma(x)`."""
    return x * logistic(x)


def silu_derivative(x: Array) -> Array:
    r""":math:`\sigma(x) + x \sigma'(x)`."""
    return logistic(x) + x * logistic_derivative(x)


def mish(x: Array) -> Array:
    r""":math:`x \tanh(\log(1 + e^x))`, rational in the exponential that cannot overflow.

    With :math:`e = e^{-|x|}`, the hyperbolic tangent of the softplus is
    :math:`(1 + 2e) / (1 + 2e + 2e^2)` for positive and :math:`(e^2 + 2e) / (e^2 + 2e + 2)` for
    negative x.

    References
    ----------
    D. Misra (2019). Mish: a self regularized non-monotonic activation function.
    arXiv:1908.08681.
    """
    return x * _tanh_softplus(x)


def mish_derivative(x: Array) -> Array:
    r""":math:`t + x \sigma(x) (1 - t^2)` with :math:`t = \tanh(\log(1 + e^x))`."""
    xp = array_namespace(x)
    e = xp.exp(-xp.abs(x))
    positive = 2.0 * e * (1.0 + e) / (1.0 + 2.0 * e + 2.0 * (e * e))
    negative = 2.0 * (1.0 + e) / (e * (e + 2.0) + 2.0)
    root = xp.where(x >= 0.0, positive, negative)
    return _tanh_softplus(x) + x * logistic(x) * (root * root)


def _normal_distribution(x: Array) -> Array:
    return 0.5 * erfc(-math.sqrt(0.5) * x)


def _tanh_softplus(x: Array) -> Array:
    xp = array_namespace(x)
    e = xp.exp(-xp.abs(x))
    positive = (1.0 + 2.0 * e) / (1.0 + 2.0 * e + 2.0 * (e * e))
    negative = e * (e + 2.0) / (e * (e + 2.0) + 2.0)
    return xp.where(x >= 0.0, positive, negative)


_FUNCTIONS: dict[int, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    codes.IDENTITY: (identity, identity_derivative),
    codes.LOGISTIC: (logistic, logistic_derivative),
    codes.TANH: (tanh, tanh_derivative),
    codes.RELU: (relu, relu_derivative),
    codes.LEAKY_RELU: (leaky_relu, leaky_relu_derivative),
    codes.ELU: (elu, elu_derivative),
    codes.SELU: (selu, selu_derivative),
    codes.GELU: (gelu, gelu_derivative),
    codes.SILU: (silu, silu_derivative),
    codes.MISH: (mish, mish_derivative),
}
