"""Instance normalization and its gradients."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from sknorm._typing import Array, Integer, Number
from sknorm.functional import arguments, norm
from sknorm.functional.layout import instance_layout
from sknorm.functional.norm import NormCache


@overload
def instance_norm(
    x: np.ndarray | Sequence[Any],
    scale: Any = ...,
    shift: Any = ...,
    *,
    channel_axis: Integer = ...,
    eps: Number = ...,
) -> tuple[np.ndarray, NormCache]: ...


@overload
def instance_norm(
    x: Array,
    scale: Any = ...,
    shift: Any = ...,
    *,
    channel_axis: Integer = ...,
    eps: Number = ...,
) -> tuple[Array, NormCache]: ...


def instance_norm(
    x: Any,
    scale: Any = None,
    shift: Any = None,
    *,
    channel_axis: Integer = -1,
    eps: Number = 1e-5,
) -> tuple[Any, NormCache]:
    r"""Normalize each channel of each sample over its own values.

    .. math::
        y = \frac{x - \mu_{nc}}{\sqrt{\sigma_{nc}^2 + \epsilon}} \cdot \mathrm{scale}_c
            + \mathrm{shift}_c

    with the mean and the biased variance over the values of channel c in sample n. In a table
    (n, c), that is one value, whose variance is 0: ``y`` is ``shift``.

    Parameters
    ----------
    x : array of shape (n, ..., c) or (n, c, ...)
        Any array-API library; the first axis holds the samples. An array of one dimension is one
        channel of one sample. Real floating; integers become the library's default float.
        Anything that is not an array becomes a NumPy array.
    scale, shift : array of shape (c,), default=None
        None: no scale, no shift. For ``x`` of one dimension, of shape (1,).
    channel_axis : int, default=-1
        Axis of the channels: -1 for maps (n, h, w, c), 1 for maps (n, c, h, w).
    eps : float, default=1e-5
        Added to the variance. With 0, a channel of one single value is NaN.

    Returns
    -------
    y : array of the shape, dtype and device of ``x``
    cache : NormCache
        For :func:`instance_norm_backward`. It may share the memory of ``x``, which must not
        change before the backward pass.

    Raises
    ------
    TypeError
        If ``x`` or a parameter is of no real dtype, or of different libraries.
    ValueError
        If ``channel_axis`` is out of range or that of the samples, ``x`` has no values,
        ``scale`` or ``shift`` has another shape, or ``eps`` is negative.

    See Also
    --------
    batch_norm : The precision and the code that computes it are the same.

    References
    ----------
    D. Ulyanov, A. Vedaldi and V. Lempitsky (2016). Instance normalization: the missing
    ingredient for fast stylization. arXiv:1607.08022.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import instance_norm
    >>> signals = np.array([[[1.0, 3.0], [10.0, 30.0]]])  # one sample, 2 channels, 2 values
    >>> y, cache = instance_norm(signals, channel_axis=1)
    >>> y.round(4)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    x = arguments.normalizable(x)
    channel = arguments.channel_beside_samples(channel_axis, x.ndim)
    layout = instance_layout(tuple(x.shape), channel)
    return norm.forward("instance_norm", x, (scale, shift), layout, eps)


@overload
def instance_norm_backward(
    dy: np.ndarray | Sequence[Any], cache: NormCache
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


@overload
def instance_norm_backward(dy: Array, cache: NormCache) -> tuple[Array, Array, Array]: ...


def instance_norm_backward(dy: Any, cache: NormCache) -> tuple[Any, Any, Any]:
    r"""Gradients of :func:`instance_norm`.

    With :math:`\hat x = (x - \mu) / \sqrt{\sigma^2 + \epsilon}`, and means over the values of a
    channel in a sample,

    .. math::
        \mathrm{dx} = \frac{\mathrm{scale}_c}{\sqrt{\sigma^2 + \epsilon}}
            \left(\mathrm{dy} - \overline{\mathrm{dy}}
            - \hat x \, \overline{\mathrm{dy} \, \hat x}\right), \qquad
        \mathrm{dscale}_c = \sum \mathrm{dy} \, \hat x, \quad
        \mathrm{dshift}_c = \sum \mathrm{dy}

    with the last two sums over all values of channel c.

    Parameters
    ----------
    dy : array of the shape of x
        Gradient with respect to ``y``.
    cache : NormCache
        As :func:`instance_norm` returned it.

    Returns
    -------
    dx : array of the shape, dtype and device of x
    dscale, dshift : arrays of shape (c,)
        Also where ``scale`` and ``shift`` were None: the gradients at 1 and 0.

    Raises
    ------
    TypeError
        If ``cache`` is not one of :func:`instance_norm`, or ``dy`` of another library than x.
    ValueError
        If ``dy`` has another shape than x.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import instance_norm, instance_norm_backward
    >>> y, cache = instance_norm(np.array([[[1.0, 3.0], [10.0, 30.0]]]), channel_axis=1)
    >>> dx, dscale, dshift = instance_norm_backward(y, cache)
    >>> dscale.round(4)
    array([2., 2.])
    """
    return norm.backward("instance_norm", dy, cache)
