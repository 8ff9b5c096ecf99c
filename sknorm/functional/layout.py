"""Over which axes each norm takes its moments, and along which its scale and shift vary."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which of the four parts each axis plays in a norm.

    ============  ===================  ========================  ==========================
    axes          moments are          scale and shift           for example
    ============  ===================  ========================  ==========================
    ``samples``   one for each index   the same for all indices  n of an instance norm
    ``spatial``   over all indices     the same for all indices  h and w of a map
    ``channels``  one for each index   one for each index        c of a batch norm
    ``features``  over all indices     one for each index        the columns of a layer norm
    ============  ===================  ========================  ==========================
    """

    shape: Shape  # of x, with groups of channels on an axis of their own
    parameters: Shape  # of scale and shift as the caller has them
    pooled: Shape  # axes that mean and variance are taken over
    shared: Shape  # axes along which scale and shift do not vary

    @property
    def samples(self) -> Shape:
        return tuple(axis for axis in self.shared if axis not in self.pooled)

    @property
    def spatial(self) -> Shape:
        return tuple(axis for axis in self.shared if axis in self.pooled)

    @property
    def channels(self) -> Shape:
        return _without(range(len(self.shape)), {*self.pooled, *self.shared})

    @property
    def features(self) -> Shape:
        return tuple(axis for axis in self.pooled if axis not in self.shared)

    @property
    def channels_last(self) -> bool:
        return len(self.shape) - 1 in self.channels

    def size(self, axes: Shape) -> int:
        """Number of values along some axes."""
        return math.prod(self.shape[axis] for axis in axes)

    def kept(self, axes: Shape) -> Shape:
        """The shape with length 1 along some axes."""
        return tuple(1 if axis in axes else n for axis, n in enumerate(self.shape))


def batch_layout(shape: Shape, channel: int) -> Layout:
    """Moments of each channel over everything else; a 1-d array is one channel."""
    shape, channel = (shape, channel) if len(shape) > 1 else ((*shape, 1), 1)
    others = _without(range(len(shape)), {channel})
    return Layout(shape, (shape[channel],), others, others)


def instance_layout(shape: Shape, channel: int) -> Layout:
    """Moments of each channel of each sample; a 1-d array is one channel of one sample."""
    shape, channel = (shape, channel) if len(shape) > 1 else ((1, *shape, 1), 2)
    axes = range(len(shape))
    return Layout(shape, (shape[channel],), _without(axes, {0, channel}), _without(axes, {channel}))


def layer_layout(shape: Shape, axes: Shape) -> Layout:
    """Moments over ``axes``, along which scale and shift vary."""
    parameters = tuple(shape[axis] for axis in axes)
    return Layout(shape, parameters, axes, _without(range(len(shape)), set(axes)))


def group_layout(shape: Shape, channel: int, groups: int) -> Layout:
    """Moments of groups of neighbouring channels of each sample; a 1-d array is one channel."""
    shape, channel = (shape, channel) if len(shape) > 1 else ((1, *shape, 1), 2)
    count = shape[channel]
    split = (*shape[:channel], groups, count // groups, *shape[channel + 1 :])
    axes = range(len(split))
    pooled, shared = _without(axes, {0, channel}), _without(axes, {channel, channel + 1})
    return Layout(split, (count,), pooled, shared)


def _without(axes: Iterable[int], left_out: set[int]) -> Shape:
    return tuple(axis for axis in axes if axis not in left_out)
