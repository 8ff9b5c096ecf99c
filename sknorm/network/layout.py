"""Where the parameters of a network stand in the flat buffer of a stack, by name."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from sknorm.kernels.codes import UNPENALIZED
from sknorm.network.architecture import Architecture

_KINDS = ("weight", "scale", "shift", "bias")  # in the order of the buffer


class Segment(NamedTuple):
    """A parameter of one network.

    Attributes
    ----------
    name : str
        Such as ``blocks.0.weight``, ``blocks.0.scale``, ``blocks.0.shift`` (the bias, where the
        block has no norm), ``head.weight`` and ``head.bias``.
    offset : int
        Numbers that stand before it. In the buffer of a stack of K there are K times as many.
    shape : tuple of int
    layer : int
        The block that it belongs to; the head comes after the last.
    is_normalized : bool
        Whether a norm follows, to which the length of the weights makes no difference.
    group : str
        Label of parameters that are trained alike.
    """

    name: str
    offset: int
    shape: tuple[int, ...]
    layer: int
    is_normalized: bool = False
    group: str = "default"

    @property
    def owner(self) -> str:
        """The layer's name."""
        return self.name.rpartition(".")[0]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

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
        xp = array_namespace(flat)
        return {
            name: xp.reshape(
                flat[members * s.offset : members * (s.offset + s.size)],
                (members, *s.shape), copy=False,
            )
            for name, s in self.segments.items()
        }  # fmt: skip

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
    segments, offset, hidden = {}, 0, architecture.hidden
    shapes = [_shapes(architecture, layer) for layer in range(hidden + 1)]
    for kind in _KINDS:
        for layer in range(hidden + 1):
            if kind not in shapes[layer]:
                continue
            name = f"blocks.{layer}.{kind}" if layer < hidden else f"head.{kind}"
            normalized = layer < hidden and architecture.normalization is not None
            segments[name] = Segment(name, offset, shapes[layer][kind], layer, normalized)
            offset += segments[name].size
    return Layout(segments, offset)


def _shapes(architecture: Architecture, layer: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a layer's parameters."""
    vector = architecture.sizes[layer + 1 : layer + 2]
    if layer == architecture.hidden:
        vectors = ["bias"]
    elif architecture.normalization is None:
        vectors = ["shift"]
    else:
        vectors = ["scale", "shift"] if architecture.norm_affine else []
    return {"weight": architecture.sizes[layer : layer + 2], **dict.fromkeys(vectors, vector)}
