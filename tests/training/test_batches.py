"""Batches: every row once an epoch, in pieces of nearly equal size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sknorm.backends import orders
from sknorm.training.batches import Batches, boundaries

rows_and_sizes = st.integers(2, 3000), st.integers(2, 700)


def batches(rows: int, size: int, shuffle: bool = True, members: int = 2) -> Batches:
    states = [np.random.RandomState(k) for k in range(members)]
    order = np.stack([np.arange(rows, dtype=np.int64) * 10 + k for k in range(members)])
    return Batches(order, size, shuffle, states)


def epoch(made: Batches) -> list[np.ndarray]:
    """The rows of each batch of the next epoch."""
    order = made.draw().copy()
    return [order[:, start:stop] for start, stop in made.edges]


@given(*rows_and_sizes)
def test_sizes_differ_by_at_most_one(rows: int, size: int) -> None:
    sizes = np.diff(boundaries(rows, size))
    assert sizes.sum() == rows
    assert sizes.max() - sizes.min() <= 1


@given(*rows_and_sizes)
def test_no_batch_has_a_single_row(rows: int, size: int) -> None:
    assert np.diff(boundaries(rows, size)).min() >= 2


@given(st.integers(2, 3000), st.integers(3, 700))
def test_batches_are_as_few_as_their_size_allows(rows: int, size: int) -> None:
    edges = boundaries(rows, size)
    assert len(edges) - 1 == -(-rows // size)
    assert np.diff(edges).max() <= size


@pytest.mark.parametrize(("rows", "size"), [(100, 10), (101, 10), (7, 7), (50, 64), (9, 4)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_epoch_takes_every_row_of_each_member_once(rows: int, size: int, shuffle: bool) -> None:
    made = batches(rows, size, shuffle)
    for _ in range(3):
        taken = epoch(made)
        assert len(taken) == made.per_epoch
        assert {batch.shape[1] for batch in taken} == made.sizes
        assert all(batch.dtype == np.int64 for batch in taken)
        joined = np.concatenate(taken, axis=1)
        for k in range(2):
            np.testing.assert_array_equal(np.sort(joined[k]), np.arange(rows) * 10 + k)
            if not shuffle:
                np.testing.assert_array_equal(joined[k], np.arange(rows) * 10 + k)


def test_each_epoch_has_its_own_order() -> None:
    made = batches(50, 50)
    first, second = (epoch(made)[0] for _ in range(2))
    assert np.any(first != second) and np.any(first[0] // 10 != first[1] // 10)


def test_members_that_stay_go_on_as_before() -> None:
    """Their orders do not depend on who left the stack."""
    whole, left = batches(30, 8, members=3), batches(30, 8, members=3)
    for made in (whole, left):
        made.draw()
    left = left.take([2])
    for ours, theirs in zip(epoch(whole), epoch(left), strict=True):
        np.testing.assert_array_equal(ours[[2]], theirs)


def test_private_generators_make_the_same_orders() -> None:
    """Also those that are left when others have gone, and those that several members share."""
    rows, states = 2000, [np.random.RandomState(k) for k in range(40)]
    states[5] = states[3]
    shared = [np.random.RandomState(k) for k in range(40)]
    shared[5] = shared[3]
    order = np.tile(np.arange(rows), (40, 1))
    private = Batches(order.copy(), 10, True, states, private=True)
    plain = Batches(order.copy(), 10, True, shared)
    for members in (range(40), range(40), [5, 7, 3], [2, 0]):
        private, plain = private.take(list(members)), plain.take(list(members))
        for _ in range(2):
            np.testing.assert_array_equal(private.draw(), plain.draw())


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.PCG64, np.random.Philox])
def test_orders_go_on_elsewhere(monkeypatch: pytest.MonkeyPatch, private: bool, kind: type) -> None:
    """Whoever draws: NumPy, or compiled code that leaves private generators behind."""
    monkeypatch.setattr(orders, "_COMPILED_FROM", 0)
    monkeypatch.setattr(orders, "_LONG", 0 if kind is np.random.MT19937 else 10**9)
    rows = np.tile(np.arange(40), (2, 1))

    def made(seed: int) -> Batches:
        states = [np.random.RandomState(kind(seed + k)) for k in range(2)]
        return Batches(rows, 10, True, states, private=private)

    one, other = made(0), made(5)
    one.draw()
    other.order[...] = one.order
    other.set_generators(one.generators())
    for _ in range(2):
        np.testing.assert_array_equal(one.draw(), other.draw())
