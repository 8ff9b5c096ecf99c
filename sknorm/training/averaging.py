"""Stochastic weight averaging: the mean of the weights over the last epochs."""

from sknorm.data.dataset import TrainingData
from sknorm.network.network import Network
from sknorm.network.population import set_population_statistics


class Averaging:
    """Running means of the parameters at the ends of the last epochs.

    Izmailov et al. (2018), Averaging weights leads to wider optima and better generalization.
    The norms' statistics of the mean network are those of the training rows under it.

    Parameters
    ----------
    network : Network
        The whole stack.
    share : float
        Share of ``max_iter`` epochs, at the end, that are averaged, one at least; 0 is none.
    max_iter : int
    """

    def __init__(self, network: Network, share: float, max_iter: int) -> None:
        self.first = max_iter - (max(1, round(share * max_iter)) if share > 0 else 0)
        self.counts = [0] * network.members
        self.mean = network.take(range(network.members)) if share > 0 else network

    def observe(self, epoch: int, active: list[int], network: Network) -> None:
        """Take in the parameters of the active members after epoch number ``epoch``."""
        if epoch < self.first:
            return
        for k, member in enumerate(active):
            self.counts[member] += 1
            weight = 1.0 / self.counts[member]
            views = zip(self.mean.parameters.views, network.parameters.views, strict=True)
            for mine, theirs in views:
                mine[member, ...] += weight * (theirs[k, ...] - mine[member, ...])

    def averaged(self, members: list[int]) -> list[int]:
        """Those of the members that have a mean."""
        return [member for member in members if self.counts[member] > 0]

    def network(self, members: list[int], data: TrainingData, rows: object) -> Network:
        """The mean networks of these members, ready for inference."""
        stack = self.mean.take(members)
        set_population_statistics(stack, data, rows)
        return stack
