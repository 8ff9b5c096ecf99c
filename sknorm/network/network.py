"""A stack of networks: parameters and the statistics of their norms."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import RandomState

from sknorm.backends import Backend, resolve
from sknorm.network.architecture import Architecture
from sknorm.network.layers import draw
from sknorm.network.layout import layout
from sknorm.network.parameters import Parameters


@dataclass(eq=False)
class Network:
    """K networks of one architecture.

    Attributes
    ----------
    backend : Backend
        Where the arrays live.
    parameters : Parameters
        Weights, scales, shifts and output biases.
    statistics : list of float64 arrays of shape (K, 2, d)
        Mean and variance by which each hidden norm standardizes at inference; empty where
        norms need none. In float64: a mean may be large beside its deviation.
    """

    backend: Backend
    parameters: Parameters
    statistics: list[Any]
    _folded: Any = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """On the host: a network trained on a device loads where there is none."""
        on_host = self.on(resolve(np.zeros(0)))
        return {**on_host.__dict__, "_folded": None}

    def on(self, backend: Backend) -> "Network":
        """The same networks in another backend; itself if it is there."""
        if backend == self.backend:
            return self
        statistics = [backend.asarray(self.backend.to_numpy(each)) for each in self.statistics]
        return Network(backend, self.parameters.on(backend), statistics)

    def __getitem__(self, name: str) -> Any:
        """The parameter of this name, such as ``blocks.0.weight``, of shape (K, ...)."""
        return self.parameters[name]

    @property
    def architecture(self) -> Architecture:
        return self.parameters.architecture

    @property
    def members(self) -> int:
        return self.parameters.members

    def copy(self) -> "Network":
        """The same networks in arrays of their own."""
        statistics = [each + 0.0 for each in self.statistics]
        return Network(self.backend, self.parameters.copy(), statistics)

    def take(self, members: Sequence[int]) -> "Network":
        """A copy of some of the networks."""
        new = empty(self.backend, self.architecture, len(members), self.parameters.flat.dtype)
        new.assign(range(len(members)), self, members)
        return new

    def assign(self, targets: Sequence[int], source: "Network", members: Sequence[int]) -> None:
        """Overwrite networks ``targets`` by networks ``members`` of ``source``."""
        pairs = [*zip(self.parameters.views, source.parameters.views, strict=True)]
        pairs += zip(self.statistics, source.statistics, strict=True)
        for mine, theirs in pairs:
            for target, member in zip(targets, members, strict=True):
                mine[target, ...] = theirs[member, ...]

    def finite_flags(self) -> Any:
        """Whose parameters have finite sums of squares, (K,), without a look at them on the host.

        Parameters whose squares overflow predict infinities, or nothing but noise. A sum of finite
        squares may overflow: :meth:`is_finite` knows for sure.
        """
        xp, flat = self.backend.xp, self.parameters.flat
        if self.members == 1:
            return xp.isfinite(xp.vecdot(flat, flat))[None]
        views = [xp.reshape(view, (self.members, -1)) for view in self.parameters.views]
        sums = [xp.vecdot(view, view) for view in views]
        return xp.all(xp.isfinite(xp.stack(sums)), axis=0)

    def is_finite(self) -> np.ndarray:
        """Which members have parameters with finite squares."""
        xp = self.backend.xp
        finite = np.ones(self.members, dtype=bool)
        if bool(self.backend.to_numpy(xp.all(self.finite_flags()))):
            return finite  # one pass where, as nearly always, nothing is wrong
        for view in self.parameters.views:
            flags = xp.all(xp.reshape(xp.isfinite(view * view), (self.members, -1)), axis=1)
            finite &= self.backend.to_numpy(flags)
        return finite


def empty(backend: Backend, architecture: Architecture, members: int, dtype: Any) -> Network:
    """A stack without values."""
    xp = backend.xp
    flat = backend.zeros(members * layout(architecture).size, backend.dtype(dtype))
    statistics = []
    if architecture.keeps_statistics:
        for width in architecture.sizes[1:-1]:
            moments = backend.zeros((members, 2, width), xp.float64)
            moments[:, 1, :] = 1.0
            statistics.append(moments)
    return Network(backend, Parameters(architecture, members, flat), statistics)


def join_networks(parts: Sequence[Network]) -> Network:
    """The networks of several stacks of one architecture in one."""
    first, members = parts[0], sum(part.members for part in parts)
    whole = empty(first.backend, first.architecture, members, first.parameters.flat.dtype)
    start = 0
    for part in parts:
        whole.assign(range(start, start + part.members), part, range(part.members))
        start += part.members
    return whole


def initialize(
    backend: Backend, architecture: Architecture, random_states: Sequence[RandomState], dtype: Any
) -> Network:
    """A stack with each member's initial weights drawn from its own ``RandomState``."""
    network = empty(backend, architecture, len(random_states), dtype)
    for member, random_state in enumerate(random_states):
        for name, value in draw(architecture, random_state).items():
            network[name][member, ...] = backend.asarray(value, dtype=network[name].dtype)
    return network


def revive(network: Network, random_states: Sequence[RandomState]) -> None:
    """Give columns whose weights are all zero those that a member would start with, in place.

    Weights of zero are a saddle: a column that acts together with another one, which is off as
    well, has no gradient there, and would come back by the noise of batches alone.
    """
    backend, name = network.backend, network.parameters.layout.inputs.name
    first, groups = network[name], network.architecture.groups
    for member, random_state in enumerate(random_states):
        drawn = draw(network.architecture, random_state)[name]
        weight = backend.to_numpy(first[member, ...])
        on = np.logical_or.reduceat(weight.any(axis=1), groups[:-1])
        off = np.repeat(~on, np.diff(groups))
        new = np.where(off[:, None], drawn, weight)
        first[member, ...] = backend.asarray(new, dtype=first.dtype)
