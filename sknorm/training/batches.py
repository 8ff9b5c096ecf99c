"""How the rows of an epoch are drawn and cut into batches."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

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


@lru_cache(maxsize=16)
def _edges(rows: int, batch_size: int) -> tuple[tuple[int, int], ...]:
    return tuple(itertools.pairwise(boundaries(rows, batch_size)))


@dataclass
class Batches:
    """The rows of a stack, epoch by epoch.

    Attributes
    ----------
    rows : int64 array of shape (K, n)
        Each member's training rows, as they were given.
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
    _order: np.ndarray | None = field(default=None, repr=False)
    _shufflers: dict[int, Callable[[np.ndarray], None]] = field(default_factory=dict, repr=False)

    @property
    def order(self) -> np.ndarray:
        """The rows in their present order, an int64 array of shape (K, n)."""
        if self._order is None:
            self._order = self.rows.copy() if self.shuffle else self.rows
        return self._order

    @property
    def per_epoch(self) -> int:
        return len(self.edges)

    @property
    def sizes(self) -> set[int]:
        """The one or two batch sizes that occur."""
        return {stop - start for start, stop in self.edges}

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Where each batch of an epoch starts and ends."""
        return _edges(self.rows.shape[1], self.batch_size)

    def draw(self) -> np.ndarray:
        """Rows of the next epoch in their order, an int64 array of shape (K, n)."""
        rows = self.order
        if self.shuffle:
            for random_state, members in self._shared():
                if len(members) == 1:
                    self._shuffle(rows[members[0]], random_state)
                else:
                    order = np.arange(rows.shape[1])
                    self._shuffle(order, random_state)
                    for k in members:
                        rows[k] = rows[k, order]
        return rows

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

    def generators(self) -> list[str]:
        """What each member's generator would draw next, as JSON."""
        states = [
            getattr(self._shufflers.get(id(each)), "state", None) or each.get_state(legacy=False)
            for each in self.random_states
        ]
        return [json.dumps(state, default=lambda array: array.tolist()) for state in states]

    def set_generators(self, texts: list[str]) -> None:
        """Let the generators draw from where :meth:`generators` found them."""
        self._shufflers.clear()
        for random_state, text in zip(self.random_states, texts, strict=True):
            random_state.set_state(json.loads(text))

    def take(self, members: list[int]) -> "Batches":
        """The rows of some of the members."""
        states = [self.random_states[k] for k in members]
        how = self.batch_size, self.shuffle, states, self.private
        order = None if self._order is None else self._order[members]
        return Batches(self.rows[members], *how, order, self._shufflers)

    def forget(self) -> None:
        """Let go of the rows; the generators go on with those of other batches."""
        self.rows, self._order = self.rows[:, :0].copy(), None

    def copy(self) -> "Batches":
        """The same rows, of which others may be drawn."""
        return replace(self, _order=None if self._order is None else self._order.copy())
