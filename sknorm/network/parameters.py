"""The parameters of a stack of networks in one flat buffer."""

from typing import Any

from sknorm.backends import Backend, resolve, to_host
from sknorm.network.architecture import Architecture
from sknorm.network.layers import Layer
from sknorm.network.layout import Layout, layout


class Parameters:
    """Views of a flat buffer by name, parameter after parameter, each ``(K, ...)`` and contiguous.

    Parameters
    ----------
    architecture : Architecture
    members : int
        Number of networks K.
    flat : array of shape (K * parameters per network,)

    Attributes
    ----------
    layout : Layout
        The names, and what is known of each parameter.
    """

    def __init__(self, architecture: Architecture, members: int, flat: Any) -> None:
        self.architecture, self.members, self.flat = architecture, members, flat
        self.layout: Layout = layout(architecture)
        self._by_name = self.layout.views(flat, members)

    def __getitem__(self, name: str) -> Any:
        return self._by_name[name]

    def of(self, layer: Layer) -> dict[str, Any]:
        """Those of a layer, by what comes after its name."""
        return {kind: self[f"{layer.name}.{kind}"] for kind in layer.shapes()}

    def get(self, name: str) -> Any:
        """The parameter of this name, None where the networks have none."""
        return self._by_name.get(name)

    @property
    def views(self) -> list[Any]:
        """All parameters, in the order of the buffer."""
        return list(self._by_name.values())

    @property
    def weights(self) -> list[Any]:
        """Arrays (K, d_in, d_out), from the input to the output."""
        return [self._by_name[segment.name] for segment in self.layout.weights]

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
    flat = resolve(parameters.flat).zeros(parameters.flat.shape, parameters.flat.dtype)
    return Parameters(parameters.architecture, parameters.members, flat)


def take_parameters(parameters: Parameters, members: list[int]) -> Parameters:
    """Copies of some members' entries."""
    size = parameters.layout.size * len(members)
    flat = resolve(parameters.flat).zeros(size, parameters.flat.dtype)
    new = Parameters(parameters.architecture, len(members), flat)
    for mine, theirs in zip(new.views, parameters.views, strict=True):
        for target, member in enumerate(members):
            mine[target, ...] = theirs[member, ...]
    return new
