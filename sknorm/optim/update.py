"""What the optimizers' steps have in common."""

from typing import Any, NamedTuple

from sknorm.network.members import Members
from sknorm.network.network import Network
from sknorm.network.parameters import Parameters
from sknorm.network.quantities import Quantities


class Update(NamedTuple):
    """What a step of an optimizer reads and writes, beside its own state.

    Attributes
    ----------
    network : Network
        Changed in place.
    gradient : Parameters
    segments : int64 array of shape (S, 3)
        Rows (offset, size per member, penalty code).
    members : Members
        As arrays of the backend.
    quantities : Quantities
    batch_size : int
        Weight of the batch in the monitor.
    monitor : float64 array of shape (K, 3)
    """

    network: Network
    gradient: Parameters
    segments: Any
    members: Members
    quantities: Quantities
    batch_size: int
    monitor: Any

    def arguments(self) -> dict[str, Any]:
        """Those that the kernels of all optimizers take, by name."""
        return {
            "parameters": self.network.parameters.flat,
            "gradient": self.gradient.flat,
            "segments": self.segments,
            "rate": self.quantities["learning_rate"],
            "alpha": self.members.alpha,
            "l1_ratio": self.members.l1_ratio,
            "batch_size": self.batch_size,
            "monitor": self.monitor,
        }
