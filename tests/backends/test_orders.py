"""Orders of rows: compiled shuffles are NumPy's, bit for bit."""

import numpy as np
import pytest

from sknorm.backends import orders, shuffle, shufflers


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 31, 32, 33, 623, 625, 1024, 1025, 5000, 70_001])
def test_compiled_shuffle_is_numpys(monkeypatch: pytest.MonkeyPatch, rows: int, seed: int) -> None:
    """The order, and all that the generator draws later."""
    monkeypatch.setattr(orders, "_COMPILED_FROM", 0)
    mine, numpys = np.random.RandomState(seed), np.random.RandomState(seed)
    for state in (mine, numpys):
        state.normal(size=2 * seed + 1)  # a normal number is kept for later
        state.bytes(4 * 100 * seed)
    for _ in range(3):
        got, want = np.arange(rows) * 10, np.arange(rows) * 10
        shuffle(got, mine)
        numpys.shuffle(want)
        np.testing.assert_array_equal(got, want)
    assert mine.normal() == numpys.normal()
    np.testing.assert_array_equal(mine.bytes(3000), numpys.bytes(3000))


def test_other_generators_shuffle_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "_COMPILED_FROM", 0)
    got, want = np.arange(100), np.arange(100)
    shuffle(got, np.random.RandomState(np.random.PCG64(0)))
    np.random.RandomState(np.random.PCG64(0)).shuffle(want)
    np.testing.assert_array_equal(got, want)


def test_large_tables_are_shuffled_by_compiled_code() -> None:
    """A generator whose own shuffle fails."""

    class Mute(np.random.RandomState):
        def shuffle(self, x: object) -> None:
            raise AssertionError("NumPy shuffles")

    rows = np.arange(1 << 16)
    shuffle(rows, Mute(0))
    assert (np.sort(rows) == np.arange(1 << 16)).all() and (rows != np.arange(1 << 16)).any()
    with pytest.raises(AssertionError, match="NumPy shuffles"):
        shuffle(rows[:-1], Mute(0))


@pytest.mark.parametrize(("members", "rows"), [(3, 100), (1, 5000), (70, 1000), (70, 1024)])
def test_shufflers_follow_their_generators(members: int, rows: int) -> None:
    made = shufflers([np.random.RandomState(k) for k in range(members)], rows)
    numpys = [np.random.RandomState(k) for k in range(members)]
    for _ in range(3):
        for shuffle_as, numpy in zip(made, numpys, strict=True):
            got, want = np.arange(rows), np.arange(rows)
            shuffle_as(got)
            numpy.shuffle(want)
            np.testing.assert_array_equal(got, want)
    assert isinstance(made[0], orders._Shuffler) == (members * rows >= 1 << 16 and rows >= 1024)
