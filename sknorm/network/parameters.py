"""The parameters of a stack of networks in one flat buffer."""

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from sknorm.backends import Backend, to_host
from sknorm.kernels.codes import UNPENALIZED

NORMALIZATIONS = ("batch", "ghost", "layer")


@dataclass(frozen=True)
class Architecture:
    """What all networks of a stack have in common.

    Attributes
    ----------
    sizes : tuple of int
        Widths of the input, the hidden layers and the output.
    activation : str
        Name of the hidden activation.
    normalization : {"batch", "ghost", "layer"} or None
        Norm between each hidden Linear and its activation.
    norm_epsilon : float
        Added to the variance before its root.
    norm_affine : bool
        Whether norms have a learned scale and shift.
    ghost_batch_size : int
        Rows whose statistics are taken together under ghost norm.
    residual : bool
        Whether a hidden block's input is added to its output where their widths agree.
    """

    sizes: tuple[int, ...]
    activation: str
    normalization: str | None
    norm_epsilon: float
    norm_affine: bool
    ghost_batch_size: int
    residual: bool = False

    @property
    def hidden(self) -> int:
        """Number of hidden blocks."""
        return len(self.sizes) - 2

    @property
    def keeps_statistics(self) -> bool:
        """Whether inference needs statistics gathered in training."""
        return self.normalization in ("batch", "ghost")

    def skips(self, layer: int) -> bool:
        """Whether hidden block ``layer`` adds its input: the table itself is never added."""
        return self.residual and layer > 0 and self.sizes[layer] == self.sizes[layer + 1]

    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of one network's parameters: weights, then scales, shifts, output bias."""
        weights: list[tuple[int, ...]] = list(pairwise(self.sizes))
        widths = [(d,) for d in self.sizes[1:-1]]
        learned = self.normalization is None or self.norm_affine
        scales = widths if self.normalization is not None and self.norm_affine else []
        return [*weights, *scales, *(widths if learned else []), (self.sizes[-1],)]

    def segments(self, members: int, penalty: int) -> np.ndarray:
        """Rows (offset, size per member, penalty code) of the flat buffer of a stack.

        ``penalty`` is the code of the weight matrices; nothing else is penalized.
        """
        sizes = [int(np.prod(shape)) for shape in self.shapes()]
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]) * members
        codes = [penalty if len(shape) == 2 else UNPENALIZED for shape in self.shapes()]
        return np.stack([offsets, sizes, codes], axis=1).astype(np.int64)


@cache
def _sizes(architecture: Architecture) -> list[tuple[tuple[int, ...], int]]:
    """Shapes of one network's parameters, and how many numbers each holds."""
    return [(shape, math.prod(shape)) for shape in architecture.shapes()]


class Parameters:
    """Views of a flat buffer, parameter after parameter, each ``(K, ...)`` and contiguous.

    Parameters
    ----------
    architecture : Architecture
    members : int
        Number of networks K.
    flat : array of shape (K * parameters per network,)

    Attributes
    ----------
    weights : list of arrays of shape (K, d_in, d_out)
    scales, shifts : list of arrays of shape (K, d_out)
        Of the hidden blocks; empty where the norm has none. Without a norm the shifts are
        the biases.
    bias : array of shape (K, n_outputs)
    """

    def __init__(self, architecture: Architecture, members: int, flat: Any) -> None:
        self.architecture = architecture
        self.members = members
        self.flat = flat
        views, start, xp = [], 0, array_namespace(flat)
        for shape, size in _sizes(architecture):
            stop = start + members * size
            # Steps on the flat buffer must show in the views: never a copy.
            views.append(xp.reshape(flat[start:stop], (members, *shape), copy=False))
            start = stop
        self.views = views
        hidden = architecture.hidden
        self.weights = views[: hidden + 1]
        rest = views[hidden + 1 : -1]
        has_scales = len(rest) == 2 * hidden
        self.scales = rest[:hidden] if has_scales else []
        self.shifts = rest[-hidden:] if rest else []
        self.bias = views[-1]

    def on(self, backend: Backend) -> "Parameters":
        """The same parameters as arrays of a backend."""
        return Parameters(self.architecture, self.members, backend.asarray(to_host(self.flat)))

    def copy(self) -> "Parameters":
        """The same parameters in an array of their own."""
        return Parameters(self.architecture, self.members, self.flat + 0.0)

    def __reduce__(self) -> tuple:
        return Parameters, (self.architecture, self.members, self.flat)


def zeros_like(parameters: Parameters) -> Parameters:
    """Zeros in the layout of ``parameters``."""
    flat = array_namespace(parameters.flat).zeros_like(parameters.flat)
    return Parameters(parameters.architecture, parameters.members, flat)


def take_parameters(parameters: Parameters, members: list[int]) -> Parameters:
    """Copies of some members' entries."""
    xp = array_namespace(parameters.flat)
    each = parameters.flat.shape[0] // parameters.members
    flat = xp.zeros_like(parameters.flat[: each * len(members)])
    new = Parameters(parameters.architecture, len(members), flat)
    for mine, theirs in zip(new.views, parameters.views, strict=True):
        for target, member in enumerate(members):
            mine[target, ...] = theirs[member, ...]
    return new
