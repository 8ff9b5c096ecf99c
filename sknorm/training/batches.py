"""How the rows of an epoch are drawn and cut into batches."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.random import RandomState

from sknorm.backends import shuffle, shufflers


def boundaries(rows: int, batch_size: int) -> list[int]:
    """Where ``ceil(rows / batch_size)`` batches start and end; sizes differ by at most one.

    No row is left out. Batches of one row, of which a norm has no statistics, occur only if
    they are asked for: 3 rows in batches of 2 make one batch of 3.
    """
    count = -(-rows // batch_size)
    if batch_size > 1:
        count = max(1, min(count, rows // 2))
    return [i * rows // count for i in range(count + 1)]


@dataclass
class Batches:
    """The rows of a stack, epoch by epoch.

    Attributes
    ----------
    rows : int64 array of shape (K, n)
        Each member's training rows, in their present order.
    batch_size : int
        Largest number of rows of a batch.
    shuffle : bool
        Whether each epoch draws a new order.
    random_states : list of K numpy.random.RandomState
        Where the orders come from, as in scikit-learn's MLP. Members with one generator
        between them get the same orders.
    private : bool
        Whether nobody else draws from the generators, which then may be left behind.
    """

    rows: np.ndarray
    batch_size: int
    shuffle: bool
    random_states: list[RandomState]
    private: bool = False
    _shufflers: dict[int, Callable[[np.ndarray], None]] = field(default_factory=dict, repr=False)

    @property
    def per_epoch(self) -> int:
        return len(self.edges)

    @property
    def sizes(self) -> set[int]:
        """The one or two batch sizes that occur."""
        return {stop - start for start, stop in self.edges}

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Where each batch of an epoch starts and ends."""
        return list(itertools.pairwise(boundaries(self.rows.shape[1], self.batch_size)))

    def draw(self) -> np.ndarray:
        """Rows of the next epoch in their order, an int64 array of shape (K, n)."""
        if self.shuffle:
            for random_state, members in self._shared():
                if len(members) == 1:
                    self._shuffle(self.rows[members[0]], random_state)
                else:
                    order = np.arange(self.rows.shape[1])
                    self._shuffle(order, random_state)
                    for k in members:
                        self.rows[k] = self.rows[k, order]
        return self.rows

    def _shuffle(self, rows: np.ndarray, random_state: RandomState) -> None:
        if not self.private:
            shuffle(rows, random_state)
            return
        if not self._shufflers:
            made = shufflers(self.random_states, len(rows))
            self._shufflers.update(zip(map(id, self.random_states), made, strict=True))
        self._shufflers[id(random_state)](rows)

    def _shared(self) -> list[tuple[RandomState, list[int]]]:
        """Each generator, and the members that have it."""
        found: dict[int, tuple[RandomState, list[int]]] = {}
        for k, random_state in enumerate(self.random_states):
            found.setdefault(id(random_state), (random_state, []))[1].append(k)
        return list(found.values())

    def take(self, members: list[int]) -> "Batches":
        """The rows of some of the members."""
        states = [self.random_states[k] for k in members]
        how = self.batch_size, self.shuffle, states, self.private, self._shufflers
        return Batches(self.rows[members], *how)
