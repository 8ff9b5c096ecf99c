"""Group normalization and its gradients."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from sknorm._typing import Array, Integer, Number
from sknorm.functional import arguments, norm
from sknorm.functional.layout import group_layout
from sknorm.functional.norm import NormCache


@overload
def group_norm(
    x: np.ndarray | Sequence[Any],
    groups: Integer,
    scale: Any = ...,
    shift: Any = ...,
    *,
    channel_axis: Integer = ...,
    eps: Number = ...,
) -> tuple[np.ndarray, NormCache]: ...


@overload
def group_norm(
    x: Array,
    groups: Integer,
    scale: Any = ...,
    shift: Any = ...,
    *,
    channel_axis: Integer = ...,
    eps: Number = ...,
) -> tuple[Array, NormCache]: ...


def group_norm(
    x: Any,
    groups: Integer,
    scale: Any = None,
    shift: Any = None,
    *,
    channel_axis: Integer = -1,
    eps: Number = 1e-5,
) -> tuple[Any, NormCache]:
    r"""Normalize groups of neighbouring channels of each sample.

    .. math::
        y = \frac{x - \mu_{ng}}{\sqrt{\sigma_{ng}^2 + \epsilon}} \cdot \mathrm{scale}_c
            + \mathrm{shift}_c

    with the mean and the biased variance over all values of the :math:`c / \mathrm{groups}`
    channels of group g in sample n. One group is a layer norm with a scale for each channel; as
    many groups as channels are an instance norm.

    Parameters
    ----------
    x : array of shape (n, ..., c) or (n, c, ...)
        Any array-API library; the first axis holds the samples. An array of one dimension is one
        channel of one sample. Real floating; integers become the library's default float.
        Anything that is not an array becomes a NumPy array.
    groups : int
        Number of groups; divides c.
    scale, shift : array of shape (c,), default=None
        None: no scale, no shift. For ``x`` of one dimension, of shape (1,).
    channel_axis : int, default=-1
        Axis of the channels: -1 for tables (n, c) and maps (n, h, w, c), 1 for maps
        (n, c, h, w).
    eps : float, default=1e-5
        Added to the variance. A group of one value has the variance 0, so that ``y`` is
        ``shift``; with an ``eps`` of 0, it is NaN.

    Returns
    -------
    y : array of the shape, dtype and device of ``x``
    cache : NormCache
        For :func:`group_norm_backward`.

    Raises
    ------
    TypeError
        If ``x`` or a parameter is of no real dtype or of different libraries, or ``groups`` is
        not an integer.
    ValueError
        If ``groups`` does not divide c, ``channel_axis`` is out of range or that of the samples,
        ``x`` has no values, ``scale`` or ``shift`` has another shape, or ``eps`` is negative.

    See Also
    --------
    batch_norm : The precision and the code that computes it are the same.

    References
    ----------
    Y. Wu and K. He (2018). Group normalization. ECCV.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import group_norm
    >>> y, cache = group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2)
    >>> y.round(4)
    array([[-1.,  1., -1.,  1.]])
    """
    x = arguments.normalizable(x)
    channel = arguments.channel_beside_samples(channel_axis, x.ndim)
    count = arguments.group_count(groups, x.shape[channel] if x.ndim > 1 else 1)
    layout = group_layout(tuple(x.shape), channel, count)
    return norm.forward("group_norm", x, (scale, shift), layout, eps)


@overload
def group_norm_backward(
    dy: np.ndarray | Sequence[Any], cache: NormCache
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


@overload
def group_norm_backward(dy: Array, cache: NormCache) -> tuple[Array, Array, Array]: ...


def group_norm_backward(dy: Any, cache: NormCache) -> tuple[Any, Any, Any]:
    r"""Gradients of :func:`group_norm`.

    With :math:`\hat x = (x - \mu) / \sqrt{\sigma^2 + \epsilon}`,
    :math:`g = \mathrm{dy} \cdot \mathrm{scale}`, and means over the values of a group,

    .. math::
        \mathrm{dx} = \frac{1}{\sqrt{\sigma^2 + \epsilon}}
            \left(g - \overline{g} - \hat x \, \overline{g \hat x}\right), \qquad
        \mathrm{dscale}_c = \sum \mathrm{dy} \, \hat x, \quad
        \mathrm{dshift}_c = \sum \mathrm{dy}

    with the last two sums over all values of channel c.

    Parameters
    ----------
    dy : array of the shape of x
        Gradient with respect to ``y``.
    cache : NormCache
        As :func:`group_norm` returned it.

    Returns
    -------
    dx : array of the shape, dtype and device of x
    dscale, dshift : arrays of shape (c,)
        Also where ``scale`` and ``shift`` were None: the gradients at 1 and 0.

    Raises
    ------
    TypeError
        If ``cache`` is not one of :func:`group_norm`, or ``dy`` of another library than x.
    ValueError
        If ``dy`` has another shape than x.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import group_norm, group_norm_backward
    >>> y, cache = group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2)
    >>> dx, dscale, dshift = group_norm_backward(np.ones((1, 4)), cache)
    >>> dscale.round(4), dshift
    (array([-1.,  1., -1.,  1.]), array([1., 1., 1., 1.]))
    """
    return norm.backward("group_norm", dy, cache)
