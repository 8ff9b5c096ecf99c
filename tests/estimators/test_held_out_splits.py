"""Which split of a splitter counts, and on how many rows training stops early."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import (
    BaseCrossValidator,
    KFold,
    LeaveOneOut,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_validate,
)

from sknorm import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = np.random.default_rng(0).normal(size=(120, 3))
Y = X[:, 0] + 0.1 * X[:, 1]


class Growing(BaseCrossValidator):
    """Training sides that grow, held-out rows before them: not in time."""

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 3

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple]:
        for size in (90, 95, 100):
            yield np.arange(20, 20 + size), np.arange(10)


def sides(how: Any, **given: Any) -> tuple[int, list[int]]:
    """The number of training rows and the held-out rows of a fit."""
    rows: list[int] = []

    def score(model: Any, X_held: np.ndarray, y_held: np.ndarray) -> float:
        rows[:] = y_held.astype(int).tolist()
        return 0.0

    model = MLPRegressor(
        hidden_layer_sizes=(4,),
        early_stopping=True,
        validation_fraction=how,
        scoring=score,
        max_iter=1,
        preset="sklearn",
    )
    model.fit(X, np.arange(120.0), **given)
    return model.t_, rows


IN_TIME = TimeSeriesSplit(5)
CASES: dict[str, tuple[Any, int, list[int]]] = {
    "in time": (IN_TIME, 100, list(range(100, 120))),
    "with a gap": (TimeSeriesSplit(4, test_size=10, gap=5), 105, list(range(110, 120))),
    "windows": (TimeSeriesSplit(3, max_train_size=60), 60, list(range(90, 120))),
    "pairs": (list(IN_TIME.split(X)), 100, list(range(100, 120))),
    "generator": (IN_TIME.split(X), 100, list(range(100, 120))),
    "masks": ([(np.arange(120) < 50, np.arange(120) >= n) for n in (100, 90)], 50,
              list(range(90, 120))),
    "shrinking": ([(np.arange(100), [110, 111]), (np.arange(90), [112, 113])], 100, [110, 111]),
    "not in time": (Growing(), 90, list(range(10))),
    "folds": (KFold(5), 96, list(range(24))),
    "folds of unequal size": (KFold(7), 102, list(range(18))),
    "one row each": (LeaveOneOut(), 0, []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_last_split_in_time_counts_and_else_the_first(name: str) -> None:
    how, training, held = CASES[name]
    if name == "one row each":
        with pytest.raises(ValueError, match="validation set is too small"):
            sides(how)
    else:
        assert sides(how) == (training, held)


def test_splits_in_time_of_the_rows_that_count() -> None:
    """Rows of weight zero are none."""
    weight = np.where(np.arange(120) < 110, 1.0, 0.0)
    training, held = sides(TimeSeriesSplit(4), sample_weight=weight)
    assert training == 88 and held == list(range(88, 110))


@pytest.mark.parametrize(
    ("how", "warned"),
    [(ShuffleSplit(1, train_size=0.4, random_state=0), True), (ShuffleSplit(1), False),
     (KFold(2), False), (TimeSeriesSplit(2), False), (np.arange(80), False),
     ([(np.arange(30), np.arange(30, 120))], False)],
    ids=["little", "much", "half", "time", "rows", "pairs"],
)  # fmt: skip
def test_splitters_that_leave_little_to_train_on_are_warned_of(how: Any, warned: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sides(how)
    found = [str(w.message) for w in caught if "for training" in str(w.message)]
    assert len(found) == warned
    assert not warned or "leaves 48 of 120 rows" in found[0]


@pytest.mark.parametrize("text", [False, True], ids=["gaps", "text"])
def test_splitters_are_handed_the_values_of_tables_with_categories_and_gaps(text: bool) -> None:
    table: Any = pd.DataFrame({"x": np.arange(60.0), "z": np.arange(60.0)})
    table.loc[3, "x"] = np.nan
    if text:
        table["town"] = np.where(np.arange(60) % 3, "b", "a")
    seen: list[Any] = []

    class Recording:
        def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple]:
            seen.append(X)
            return KFold(3).split(X, y, groups)

    MLPRegressor(
        hidden_layer_sizes=(2,), max_iter=1, early_stopping=True, validation_fraction=Recording()
    ).fit(table, np.arange(60.0))
    assert type(seen[0]) is np.ndarray
    found = pd.DataFrame(seen[0], columns=table.columns)
    pd.testing.assert_frame_equal(found, table, check_dtype=False)


@pytest.mark.parametrize("rows", [2_500, 2_501, 2_223, 4_001])
def test_folds_of_one_table_decide_alike(rows: int) -> None:
    """On both sides of the 2,000 rows above which training stops early, by and large."""
    table = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    folds = {2_500: 5, 2_501: 5, 2_223: 10, 4_001: 2}[rows]
    model = MLPClassifier((2,), max_iter=1, batch_size=1_000, random_state=0, preset="sklearn")
    found = cross_validate(model, table, table[:, 0] > 0, cv=folds, return_estimator=True)
    assert len({each.validation_scores_ is None for each in found["estimator"]}) == 1


def test_auto_stops_early_above_two_thousand_rows_rounded_to_hundreds() -> None:
    for rows, stops in ((2_049, False), (2_050, True)):
        table = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
        model = MLPRegressor(
            hidden_layer_sizes=(2,), max_iter=1, batch_size=1_000, preset="sklearn"
        ).fit(table, table[:, 0])
        assert (model.validation_scores_ is not None) is stops


def test_a_pair_that_is_in_no_list_is_refused() -> None:
    model = MLPRegressor(
        early_stopping=True, validation_fraction=(np.arange(80), np.arange(80, 120))
    )
    with pytest.raises(ValueError, match=r"or \(training, held-out\) pairs of indices; got"):
        model.fit(X, Y)


@pytest.mark.parametrize("made", [np.array, list, pd.Series], ids=["array", "list", "series"])
def test_a_mask_of_zeros_and_ones_is_no_list_of_rows(made: Any) -> None:
    """As row numbers, they would hold out two rows, whatever they mark."""
    mask = np.arange(len(X)) % 10 == 0
    model = MLPRegressor(early_stopping=True, validation_fraction=made(mask.astype(int)))
    with pytest.raises(ValueError, match=r"holds 120 zeros and ones.*mask\.astype\(bool\)"):
        model.fit(X, Y)
    assert sides(made(mask)) == (108, np.flatnonzero(mask).tolist())
    assert sides([0, 1]) == (118, [0, 1])
