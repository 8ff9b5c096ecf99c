"""What training leaves behind of each member: its last weights, its best, their average."""

import numpy as np

from sknorm.network.network import Network


class Keeper:
    """Networks of the whole stack as they were when they were last kept.

    Training keeps each member's weights as it leaves in one, those of its best epoch in another.

    Parameters
    ----------
    network : Network
        The whole stack as training begins, which is kept of members that nothing else is of.

    Attributes
    ----------
    network : Network
        What is kept.
    """

    def __init__(self, network: Network) -> None:
        self.network = network.copy()

    def keep(self, members: list[int], source: Network, places: list[int]) -> None:
        """Keep the networks at these places of ``source`` for these members."""
        mine = self.network
        if not members:
            return
        if len(members) == mine.members == source.members:  # all of them, in their order
            mine.parameters.flat[...] = source.parameters.flat
            for ours, theirs in zip(mine.statistics, source.statistics, strict=True):
                ours[...] = theirs
        else:
            mine.assign(members, source, places)


class Nothing(Keeper):
    """Keeps nothing, where training goes on for ever and nobody asks what was."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def keep(self, members: list[int], source: Network, places: list[int]) -> None:
        pass


class Average(Keeper):
    """The mean of all parameters that were kept; statistics of norms are those of the first ones.

    Izmailov et al. (2018), Averaging weights leads to wider optima and better generalization.

    Attributes
    ----------
    counts : int64 array of shape (K,)
        How many networks each mean is of.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.counts = np.zeros(network.members, dtype=np.int64)

    def keep(self, members: list[int], source: Network, places: list[int]) -> None:
        """Take these networks into the means of these members."""
        views = [*zip(self.network.parameters.views, source.parameters.views, strict=True)]
        for member, k in zip(members, places, strict=True):
            self.counts[member] += 1
            weight = 1.0 / int(self.counts[member])
            for mine, theirs in views:
                mine[member, ...] += weight * (theirs[k, ...] - mine[member, ...])


def first_averaged(share: float, epochs: int) -> int:
    """From which epoch on weights are averaged: the last share of them, and one at least."""
    return epochs - max(1, round(share * epochs))
