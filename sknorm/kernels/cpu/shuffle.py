"""The shuffle of NumPy's ``RandomState``, bit for bit, in a quarter of the time.

NumPy goes through a function pointer for each random word, and mispredicts every third comparison
of a word with its bound. Here words come 624 at a time, and those that are accepted are collected
without a branch before their values are swapped.

References
----------
Matsumoto and Nishimura (1998), Mersenne Twister: a 623-dimensionally equidistributed uniform
pseudo-random number generator. Fisher and Yates (1938); Durstenfeld (1964), Algorithm 235: random
permutation.
"""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel

_WORDS, _AHEAD = 624, 397
_UPPER, _LOWER = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
_TWIST = np.uint32(0x9908B0DF)
_MASK_1, _MASK_2 = np.uint32(0x9D2C5680), np.uint32(0xEFC60000)
_ONE, _S7, _S11, _S15, _S18 = (np.uint32(n) for n in (1, 7, 11, 15, 18))


@kernel
def shuffle(key, position, rows):
    """Shuffle ``rows`` in place as ``RandomState.shuffle`` does.

    Parameters
    ----------
    key : array of uint32, shape (624,)
        State of the Mersenne Twister; updated.
    position : int
        How many of its words have been used.
    rows : array of shape (n,)
        Fewer than 2**32.

    Returns
    -------
    int
        The new ``position``.
    """
    words, accepted = np.empty(_WORDS, np.uint32), np.empty(_WORDS, np.uint32)
    _temper(key, words)
    left, mask = np.int64(rows.shape[0]) - 1, np.uint32(0)
    while mask < left:
        mask = np.uint32((mask << _ONE) | _ONE)
    while left > 0:
        if position == _WORDS:
            _refill(key)
            _temper(key, words)
            position = 0
        while np.uint32(mask >> _ONE) >= left:
            mask = np.uint32(mask >> _ONE)
        # The mask holds for so many more values.
        end = min(_WORDS, position + left - np.int64(mask >> _ONE))
        count = _accept(words, position, end, mask, left, accepted)
        position = end
        for i in range(count):
            here, there = left - i, np.int64(accepted[i])
            value = rows[here]
            rows[here] = rows[there]
            rows[there] = value
        left -= count
    return position


@helper
def _accept(words, start, end, mask, most, accepted):
    """Collect the words that are at most ``most``, which falls by one with each."""
    count, bound = np.int64(0), np.uint32(most)
    for i in range(start, end):
        word = np.uint32(words[i] & mask)
        accepted[count] = word
        fits = np.uint32(word <= bound)
        count += np.int64(fits)
        bound = np.uint32(bound - fits)
    return count


@helper
def _refill(key):
    """The next 624 words of the state."""
    for i in range(_WORDS - _AHEAD):
        key[i] = key[i + _AHEAD] ^ _twisted(key[i], key[i + 1])
    for i in range(_WORDS - _AHEAD, _WORDS - 1):
        key[i] = key[i + _AHEAD - _WORDS] ^ _twisted(key[i], key[i + 1])
    key[_WORDS - 1] = key[_AHEAD - 1] ^ _twisted(key[_WORDS - 1], key[0])


@helper
def _twisted(word, following):
    """A word's upper bit and the next one's lower bits, times the matrix of the recurrence."""
    joined = np.uint32((word & _UPPER) | (following & _LOWER))
    return np.uint32((joined >> _ONE) ^ np.uint32(_TWIST * np.uint32(joined & _ONE)))


@helper
def _temper(key, words):
    """The random words that the state stands for."""
    for i in range(_WORDS):
        word = key[i]
        word = np.uint32(word ^ (word >> _S11))
        word = np.uint32(word ^ (np.uint32(word << _S7) & _MASK_1))
        word = np.uint32(word ^ (np.uint32(word << _S15) & _MASK_2))
        words[i] = np.uint32(word ^ (word >> _S18))
