"""Random orders of rows, which are drawn on the host for all backends."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import RandomState

# Rows to shuffle in compiled code: less than 10 ns each are too few to load it, where nothing else
# does, and to read and write a generator's state, which takes 0.05 ms.
_COMPILED_FROM = 1 << 16
_LONG = 1 << 10  # rows of one order that take compiled code less time than NumPy


def shuffle(rows: np.ndarray, random_state: RandomState) -> None:
    """Shuffle in place as ``random_state`` does, which ends in the same state; faster if large.

    Parameters
    ----------
    rows : array of shape (n,)
    random_state : numpy.random.RandomState
    """
    state = random_state.get_state(legacy=False) if len(rows) >= _COMPILED_FROM else {}
    if state.get("bit_generator") != "MT19937":
        random_state.shuffle(rows)
    else:
        _Shuffler(state)(rows)
        random_state.set_state(state)


def shufflers(random_states: list[RandomState], rows: int) -> list[Callable[[np.ndarray], None]]:
    """What shuffles as the generators do, for orders of so many rows.

    The generators may be left behind: nobody else must draw from them from now on.
    """
    if rows < _LONG or rows * len(random_states) < _COMPILED_FROM:
        return [state.shuffle for state in random_states]
    return [_Shuffler(state.get_state(legacy=False)) for state in random_states]


class _Shuffler:
    """Shuffles as a Mersenne Twister in this ``state`` does, which goes on with each shuffle."""

    def __init__(self, state: dict[str, Any]) -> None:
        from sknorm.kernels.cpu import shuffle as compiled  # loads Numba

        self._shuffle, self.state = compiled.shuffle, state

    def __call__(self, rows: np.ndarray) -> None:
        twister = self.state["state"]
        twister["pos"] = self._shuffle(twister["key"], twister["pos"], rows)
