"""Batch normalization and its gradients."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from sknorm._typing import Array, Integer, Number
from sknorm.functional import arguments, norm
from sknorm.functional.layout import batch_layout
from sknorm.functional.norm import NormCache


@overload
def batch_norm(
    x: np.ndarray | Sequence[Any],
    scale: Any = ...,
    shift: Any = ...,
    *,
    channel_axis: Integer = ...,
    eps: Number = ...,
    sample_weight: Any = ...,
) -> tuple[np.ndarray, NormCache]: ...


@overload
def batch_norm(
    x: Array,
    scale: Any = ...,
    shift: Any = ...,
    *,
    channel_axis: Integer = ...,
    eps: Number = ...,
    sample_weight: Any = ...,
) -> tuple[Array, NormCache]: ...


def batch_norm(
    x: Any,
    scale: Any = None,
    shift: Any = None,
    *,
    channel_axis: Integer = -1,
    eps: Number = 1e-5,
    sample_weight: Any = None,
) -> tuple[Any, NormCache]:
    r"""Normalize each channel over all other axes.

    .. math::
        y = \frac{x - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} \cdot \mathrm{scale}_c
            + \mathrm{shift}_c, \qquad
        \mu_c = \frac{\sum_i w_i x_{ic}}{\sum_i w_i}, \quad
        \sigma_c^2 = \frac{\sum_i w_i (x_{ic} - \mu_c)^2}{\sum_i w_i}

    with i over all values of channel c. The variance is biased (divided by the number of
    values). This is the norm of training; there are no running statistics.

    Parameters
    ----------
    x : array of shape (n, c) or (n, c, h, w) or of more axes
        Any array-API library, any number of dimensions from 1 on. An array of one dimension is
        one channel of n values. Real floating; integers become the library's default float.
        Anything that is not an array (a list) becomes a NumPy array.
    scale, shift : array of shape (c,), default=None
        None: no scale, no shift. For ``x`` of one dimension, of shape (1,).
    channel_axis : int, default=-1
        Axis of the channels: -1 for tables (n, c) and maps (n, h, w, c), 1 for maps
        (n, c, h, w).
    eps : float, default=1e-5
        Added to the variance. With 0, a channel of one single value is NaN.
    sample_weight : array of shape (n,), default=None
        Weights of the indices of the first axis (of the second one if the channels are on the
        first). An integer weight equals repetition in mean and variance, and 0 absence: such a
        row may hold anything, NaN for example. It changes nothing in other rows and in the
        gradients; its own ``y`` and ``dx`` are 0. A common factor of the weights does not matter.

    Returns
    -------
    y : array of the shape, dtype and device of ``x``
    cache : NormCache
        For :func:`batch_norm_backward`. It may share the memory of ``x``, which must not change
        before the backward pass.

    Raises
    ------
    TypeError
        If ``x`` or a parameter is of no real dtype, or of different libraries.
    ValueError
        If ``channel_axis`` is out of range, ``x`` has no values, ``scale``, ``shift`` or
        ``sample_weight`` has another shape, a weight is negative or infinite, or ``eps`` is.

    Notes
    -----
    The mean is kept in two parts, and the variance is that of the corrected two-pass algorithm,
    with sums in float64 where the device has it: results are right to rounding also where the
    mean is far larger than the deviation. NumPy arrays in float32 and float64 are computed by
    compiled kernels, which the first call of a process loads (the first ever compiles them);
    float16 and bfloat16 are computed in float32. Channels on the last axis are the fastest.
    Deviations whose squares overflow the dtype (from about 1e18 on in float32) come out as zeros
    or NaN: multiply such arrays by a small number first.

    References
    ----------
    S. Ioffe and C. Szegedy (2015). Batch normalization: accelerating deep network training by
    reducing internal covariate shift. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import batch_norm
    >>> y, cache = batch_norm(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), eps=1e-8)
    >>> y.round(4)
    array([-1.4142, -0.7071,  0.    ,  0.7071,  1.4142])

    Maps (n, c, h, w): each of the 3 channels is normalized over its 2 * 4 * 4 values.

    >>> maps = np.random.default_rng(0).normal(5.0, 2.0, size=(2, 3, 4, 4))
    >>> y, cache = batch_norm(maps, channel_axis=1)
    >>> y.std(axis=(0, 2, 3)).round(4)
    array([1., 1., 1.])
    """
    x = arguments.normalizable(x)
    channel = arguments.one_axis(channel_axis, "channel_axis", x.ndim)
    layout = batch_layout(tuple(x.shape), channel)
    weight = arguments.sample_weights(sample_weight, layout.shape[layout.spatial[0]], x)
    return norm.forward("batch_norm", x, (scale, shift), layout, eps, weight)


@overload
def batch_norm_backward(
    dy: np.ndarray | Sequence[Any], cache: NormCache
) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


@overload
def batch_norm_backward(dy: Array, cache: NormCache) -> tuple[Array, Array, Array]: ...


def batch_norm_backward(dy: Any, cache: NormCache) -> tuple[Any, Any, Any]:
    r"""Gradients of :func:`batch_norm`.

    With :math:`\hat x = (x - \mu) / \sqrt{\sigma^2 + \epsilon}` and :math:`W = \sum_i w_i`,
    over the rows of positive weight (elsewhere ``dy`` is not looked at, and ``dx`` is 0),

    .. math::
        \mathrm{dx}_i = \frac{\mathrm{scale}}{\sqrt{\sigma^2 + \epsilon}} \left(
            \mathrm{dy}_i - \frac{w_i}{W} \Big(\sum_j \mathrm{dy}_j
            + \hat x_i \sum_j \mathrm{dy}_j \hat x_j\Big)\right), \qquad
        \mathrm{dscale} = \sum_i \mathrm{dy}_i \hat x_i, \quad
        \mathrm{dshift} = \sum_i \mathrm{dy}_i.

    Parameters
    ----------
    dy : array of the shape of x
        Gradient with respect to ``y``.
    cache : NormCache
        As :func:`batch_norm` returned it.

    Returns
    -------
    dx : array of the shape, dtype and device of x
    dscale, dshift : arrays of shape (c,)
        Also where ``scale`` and ``shift`` were None: the gradients at 1 and 0.

    Raises
    ------
    TypeError
        If ``cache`` is not one of :func:`batch_norm`, or ``dy`` of another library than x.
    ValueError
        If ``dy`` has another shape than x.

    Examples
    --------
    >>> import numpy as np
    >>> from sknorm.functional import batch_norm, batch_norm_backward
    >>> y, cache = batch_norm(np.array([[1.0], [2.0], [6.0]]))
    >>> dx, dscale, dshift = batch_norm_backward(np.array([[1.0], [1.0], [1.0]]), cache)
    >>> float(abs(dx).max()) < 1e-15, dshift
    (True, array([3.]))
    """
    return norm.backward("batch_norm", dy, cache)
