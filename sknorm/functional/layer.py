"""Layer normalization and its gradients."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from sknorm._typing import Array, Integer, Number
from sknorm.functional import arguments, norm
from sknorm.functional.layout import layer_layout
from sknorm.functional.norm import NormCache


@overload
def layer_norm(
    x: np.ndarray | Sequence[Any],
    scale: Any = ...,
    shift: Any = ...,
    *,
    axis: Integer | tuple[Integer, ...] = ...,
    eps: Number = ...,
) -> tuple[np.ndarray, NormCache]: ...


@overload
def layer_norm(
    x: Array,
    scale: Any = ...,
    shift: Any = ...,
    *,
    axis: Integer | tuple[Integer, ...] = ...,
    eps: Number = ...,
) -> tuple[Array, NormCache]: ...


def layer_norm(
    x: Any,
    scale: Any = None,
    shift: Any = None,
    *,
    axis: Integer | tuple[Integer, ...] = -1,
    eps: Number = 1e-5,
) -> tuple[Any, NormCache]:
    r"""Normalize each sample over one or more axes.

    .. math::
        y_{ij} = \frac{x_{ij} - \mu_i}{\sqrt{\sigma_i^2 + \epsilon}} \cdot \mathrm{scale}_j
            + \mathrm{shift}_j, \qquad
        \mu_i = \frac{1}{d} \sum_j x_{ij}, \quad
        \sigma_i^2 = \frac{1}{d} \sum_j (x_{ij} - \mu_i)^2

    with j over the d places along ``axis``, and i over all others.

    Parameters
    ----------
    x : array of shape (..., d)
        Any array-API library, any number of dimensions from 1 on. Real floating; integers become
        the library's default float. Anything that is not an array becomes a NumPy array.
    scale, shift : array of the shape of ``x`` along ``axis``, default=None
        None: no scale, no shift. With several axes, they are in the order that they have in x.
    axis : int or tuple of int, default=-1
        What to normalize over: the last k axes are PyTorch's ``normalized_shape`` of k sizes.
    eps : float, default=1e-5
        Added to the variance. A sample of one value has the variance 0, so that ``y`` is
        ``shift``; with an ``eps`` of 0, it is NaN.

    Returns
    -------
    y : array of the shape, dtype and device of ``x``
    cache : NormCache
        For :func:`layer_norm_backward`.

    Raises
    ------
    TypeError
        If ``x`` or a parameter is of no real dtype, or of different libraries.
    ValueError
        If ``axis`` is out of range, empty or repeated, ``x`` has no values, ``scale`` or
        ``shift`` has another shape, or ``eps`` is negative.

    See Also
    --------
    batch_norm : The precision and the code that computes it are the same.

    References
    ----------
    J. L. Ba, J. R. Kiros and G. E. Hinton (2016). Layer normalization. arXiv:1607.06450.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import layer_norm
    >>> y, cache = layer_norm(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    >>> y.round(4)
    array([[-1.2247,  0.    ,  1.2247],
           [-1.2247,  0.    ,  1.2247]])
    """
    x = arguments.normalizable(x)
    axes = arguments.several_axes(axis, "axis", x.ndim)
    layout = layer_layout(tuple(x.shape), axes)
    return norm.forward("layer_norm", x, (scale, shift), layout, eps)


@overload
def layer_norm_backward(
    dy: np.ndarray | Sequence[Any], cache: NormCache
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


@overload
def layer_norm_backward(dy: Array, cache: NormCache) -> tuple[Array, Array, Array]: ...


def layer_norm_backward(dy: Any, cache: NormCache) -> tuple[Any, Any, Any]:
    r"""Gradients of :func:`layer_norm`.

    With :math:`\hat x = (x - \mu) / \sqrt{\sigma^2 + \epsilon}`,
    :math:`g = \mathrm{dy} \cdot \mathrm{scale}`, and means over the places of a sample,

    .. math::
        \mathrm{dx} = \frac{1}{\sqrt{\sigma^2 + \epsilon}}
            \left(g - \overline{g} - \hat x \, \overline{g \hat x}\right), \qquad
        \mathrm{dscale} = \sum_i \mathrm{dy}_i \hat x_i, \quad
        \mathrm{dshift} = \sum_i \mathrm{dy}_i.

    Parameters
    ----------
    dy : array of the shape of x
        Gradient with respect to ``y``.
    cache : NormCache
        As :func:`layer_norm` returned it.

    Returns
    -------
    dx : array of the shape, dtype and device of x
    dscale, dshift : arrays of the shape of x along the normalized axes
        Also where ``scale`` and ``shift`` were None: the gradients at 1 and 0.

    Raises
    ------
    TypeError
        If ``cache`` is not one of :func:`layer_norm`, or ``dy`` of another library than x.
    ValueError
        If ``dy`` has another shape than x.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import layer_norm, layer_norm_backward
    >>> y, cache = layer_norm(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    >>> dx, dscale, dshift = layer_norm_backward(np.ones((2, 3)), cache)
    >>> dscale.round(4), dshift
    (array([-2.4495,  0.    ,  2.4495]), array([2., 2., 2.]))
    """
    return norm.backward("layer_norm", dy, cache)
