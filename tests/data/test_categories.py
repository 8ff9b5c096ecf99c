"""What a fit learns of code columns: which levels are known, and their places."""

from typing import Any

import numpy as np
import pytest

from sknorm.data.categories import Category, embedding_width, learn
from sknorm.data.coded import CodeColumn, CodedTable, stacked


def table(*columns: tuple[str, list[Any], list[int]]) -> CodedTable:
    """Code columns given by kind, levels and codes."""
    coded = [CodeColumn(i, kind, np.array(levels)) for i, (kind, levels, _) in enumerate(columns)]
    codes = np.array([codes for *_, codes in columns], dtype=np.int32).T
    return CodedTable(np.zeros((len(codes), 1)), (), codes, tuple(coded), len(columns))


def learned(*columns: Any, least: float = 1, weight: Any = None, **how: Any) -> list[Category]:
    made = table(*columns)
    own = None if weight is None else np.array(weight)
    return list(learn(made.coded, made.codes, own, least, **how))


def test_levels_have_places_in_their_order() -> None:
    (known,) = learned(("text", ["a", "b", "c"], [3, 1, 1, 2]))
    assert known.levels.tolist() == ["a", "b", "c"]
    assert (known.size, known.rows, known.width, known.first) == (3, 3, 0, 0)
    np.testing.assert_allclose(known.shares, [0.5, 0.25, 0.25])
    # A missing value and an unknown level have none: no training row had such.
    assert known.places(np.array(["b", "a", "new", "c"])).tolist() == [-1, 1, 0, -1, 2]


def test_missing_values_and_rare_levels_have_places_of_their_own() -> None:
    codes = [0, 1, 1, 2, 2, 2, 3]
    (known,) = learned(("text", ["a", "b", "c"], codes), least=2)
    assert known.has_missing and known.has_other
    assert known.levels.tolist() == ["a", "b"]
    np.testing.assert_allclose(known.shares, np.array([1, 1, 2, 3]) / 7)
    assert known.places(np.array(["a", "b", "c", "new"])).tolist() == [0, 2, 3, 1, 1]


def test_a_share_of_the_rows_is_a_threshold() -> None:
    (known,) = learned(("text", ["a", "b"], [1] * 9 + [2]), least=0.2)
    assert known.levels.tolist() == ["a"] and known.has_other
    (known,) = learned(("text", ["a", "b"], [1] * 8 + [2] * 2), least=0.2)
    assert known.levels.tolist() == ["a", "b"] and not known.has_other


def test_a_share_that_is_exact_but_for_rounding_is_reached() -> None:
    (known,) = learned(("text", ["a", "b"], [1] * 93 + [2] * 7), least=0.07)
    assert known.levels.tolist() == ["a", "b"]


def test_levels_are_known_beyond_float32() -> None:
    (known,) = learned(("number", [1.0, 1e300], [1, 2]))
    assert known.places(np.array([1.0, np.inf], dtype=np.float32)).tolist() == [-1, 0, 1]


def test_levels_without_rows_are_unknown_unless_others_may_come() -> None:
    column = ("text", ["a", "b", "c"], [1, 3, 1])
    (known,) = learned(column)
    assert known.levels.tolist() == ["a", "c"]
    (known,) = learned(column, keeps_unused=True)
    assert known.levels.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(known.shares, [2 / 3, 0, 1 / 3])


def test_weights_are_shares_of_rows() -> None:
    (known,) = learned(("text", ["a", "b"], [1, 1, 2]), weight=[1.0, 2.0, 1.0])
    np.testing.assert_allclose(known.shares, [0.75, 0.25])


@pytest.mark.parametrize("codes", [[0, 0, 0], [1, 1, 1]])
def test_a_column_of_one_value_has_no_place(codes: list[int]) -> None:
    (known,) = learned(("text", ["a", "b"], codes))
    assert known.size == 0
    assert known.places(np.array(["a", "b"])).tolist() == [-1, -1, -1]


def test_a_level_beside_missing_values_tells() -> None:
    (known,) = learned(("text", ["a"], [0, 1, 1]))
    assert known.has_missing and known.size == 2


@pytest.mark.parametrize(("codes", "size"), [([0, 1, 0], 1), ([0, 0, 0], 0), ([1, 1, 1], 0)])
def test_indicators_of_missing_numbers(codes: list[int], size: int) -> None:
    """Where all or none are missing, nothing is told."""
    (known,) = learned(("missing", [True], codes), least=10)
    assert known.size == size
    assert known.places(np.array([True])).tolist() == [-1, 0 if size else -1]


def test_columns_follow_each_other() -> None:
    many = [f"{i:02}" for i in range(12)]
    codes = [*range(1, 13)]
    few, vectors, flags = learned(
        ("boolean", [False, True], [1, 2] * 6), ("text", many, codes),
        ("missing", [True], [1] + [0] * 11),
    )  # fmt: skip
    assert (few.first, few.rows) == (0, 2)
    assert (vectors.first, vectors.rows, vectors.size) == (0, 0, 12)
    assert vectors.width == embedding_width(12) > 0
    assert (flags.first, flags.rows) == (2, 1)


def test_numbers_that_are_equal_are_one_level() -> None:
    (known,) = learned(("number", [1.0, 2.0], [1, 2, 2]))
    assert known.places(np.array([2, 1, 3])).tolist() == [-1, 1, 0, -1]


@pytest.mark.parametrize("levels", [1, 2, 8])
def test_few_levels_have_rows(levels: int) -> None:
    assert embedding_width(levels) == 0


def test_rows_are_counted_a_part_at_a_time() -> None:
    rng = np.random.default_rng(0)
    codes, weight = rng.integers(0, 3, 50_001), rng.uniform(size=50_001)
    column = ("text", ["a", "b"], codes.tolist())
    for own in (None, weight):
        (known,) = learned(column, weight=own)
        total = np.ones(50_001) if own is None else own
        want = [total[codes == code].sum() / total.sum() for code in range(3)]
        np.testing.assert_allclose(known.shares, want)


@pytest.mark.parametrize("levels", [9, 1000, 100_000])
def test_many_levels_have_vectors(levels: int) -> None:
    assert embedding_width(levels) == 8


def test_rows_of_two_tables_under_each_other() -> None:
    """Codes follow the levels of both; what one lacks is 0 in its rows."""
    first = table(("text", ["a", "c"], [1, 2, 0]))
    second = table(("text", ["b", "c"], [1, 2]))
    both = stacked(first, second)
    assert both.coded[0].levels.tolist() == ["a", "b", "c"]
    assert both.codes[:, 0].tolist() == [1, 3, 0, 2, 3]
    numbers = np.array([[1.0, 2.0], [3.0, 4.0]])
    gaps = CodedTable(
        np.array([[np.nan, 5.0]]), (0, 1), np.ones((1, 1), np.int32),
        (CodeColumn(0, "missing", np.array([True])),), 2,
    )  # fmt: skip
    both = stacked(numbers, gaps)
    assert both.codes[:, 0].tolist() == [0, 0, 1]
    np.testing.assert_array_equal(both.numbers[:2], numbers)
