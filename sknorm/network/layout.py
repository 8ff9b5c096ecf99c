"""Where the parameters of a network stand in the flat buffer of a stack, by name."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from sknorm.kernels.codes import UNPENALIZED
from sknorm.network.architecture import Architecture
from sknorm.network.layers import all_layers

_KINDS = ("weight", "scale", "shift", "bias", "table")  # in the order of the buffer


class Segment(NamedTuple):
    """A parameter of one network.

    Attributes
    ----------
    name : str
        Such as ``blocks.0.weight``, ``blocks.0.scale``, ``blocks.0.shift`` (the bias, where the
        block has no norm), ``head.weight``, ``head.bias``, ``numbers.table`` and
        ``categories.table``.
    offset, size : int
        Numbers that stand before it, and its own. In the buffer of a stack of K there are K times
        as many.
    shape : tuple of int
    layer : int
        The block that it belongs to, or stands before; the head comes after the last.
    is_normalized : bool
        Whether a norm follows, to which the length of the weights makes no difference.
    """

    name: str
    offset: int
    size: int
    shape: tuple[int, ...]
    layer: int
    is_normalized: bool = False

    @property
    def ndim(self) -> int:
        """How many axes it has: two of a matrix of weights."""
        return len(self.shape)


@dataclass(frozen=True)
class Layout:
    """The parameters of a network in the order of the buffer.

    Attributes
    ----------
    segments : dict of str to Segment
        By their names.
    size : int
        Numbers of one network.
    """

    segments: dict[str, Segment]
    size: int

    @property
    def weights(self) -> list[Segment]:
        """The matrices of weights, from the input to the output."""
        return [segment for segment in self.segments.values() if segment.ndim == 2]

    @property
    def inputs(self) -> Segment:
        """The matrix whose rows belong to the columns of the table."""
        return self.weights[0]

    def views(self, flat: Any, members: int) -> dict[str, Any]:
        """Views ``(members, ...)`` of a buffer of a stack, by name.

        Steps on the flat buffer must show in the views: never a copy.
        """
        xp, made = array_namespace(flat), {}
        for name, start, size, shape, *_ in self.segments.values():
            values = flat[members * start : members * (start + size)]
            made[name] = xp.reshape(values, (members, *shape), copy=False)
        return made

    def table(self, members: int, penalty: Any = None) -> np.ndarray:
        """Rows (offset, size per member, penalty code) of the buffer of a stack, for kernels."""

        def code(segment: Segment) -> int:
            acts = penalty is not None and penalty.applies_to(segment, segment.layer)
            return penalty.code if acts else UNPENALIZED

        rows = [(members * s.offset, s.size, code(s)) for s in self.segments.values()]
        return np.array(rows, dtype=np.int64)


@cache
def layout(architecture: Architecture) -> Layout:
    """The layout of networks of this architecture: all weights, all scales, all shifts, a bias."""
    segments, offset = {}, 0
    for kind in _KINDS:
        for layer in all_layers(architecture):
            if (shape := layer.shapes().get(kind)) is None:
                continue
            name = f"{layer.name}.{kind}"
            place = name, offset, math.prod(shape), shape
            segments[name] = Segment(*place, layer.index, layer.is_normalized)
            offset += segments[name].size
    return Layout(segments, offset)
