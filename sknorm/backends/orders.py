"""Random orders of rows, which are drawn on the host for all backends."""

import numpy as np
from numpy.random import RandomState

# Rows to shuffle in compiled code: less than 10 ns each are too few to load it, where nothing else
# does, and to read and write a generator's state, which takes 0.05 ms.
_COMPILED_FROM = 1 << 16


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
        return
    from sknorm.kernels.cpu import shuffle as compiled  # loads Numba

    inner = state["state"]
    inner["pos"] = compiled.shuffle(inner["key"], inner["pos"], rows)
    random_state.set_state(state)
