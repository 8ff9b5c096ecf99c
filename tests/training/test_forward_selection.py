"""Greedy forward selection: against a naive greedy, and who must never be chosen."""

import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from sknorm.training.forward_selection import forward_selection

Score = Callable[[np.ndarray], float]
ROWS, CANDIDATES = 30, 6


def classification(seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Noisy probabilities of three classes, and the labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, ROWS)
    logits = 1.5 * np.eye(3)[y] + 1.5 * rng.normal(size=(CANDIDATES, ROWS, 3))
    odds = np.exp(logits)
    return list(odds / odds.sum(axis=2, keepdims=True)), y


def scores(y: np.ndarray) -> dict[str, Score]:
    return {
        "log loss": lambda p: -log_loss(y, p),
        "accuracy": lambda p: accuracy_score(y, p.argmax(axis=1)),
        "squared error": lambda p: -float(np.mean((p - np.eye(3)[y]) ** 2)),
    }


def naive(candidates: Sequence[np.ndarray], score: Score, rounds: int) -> np.ndarray:
    """Greedy selection that computes the mean of every multiset anew."""
    path: list[int] = []
    reached = []
    for _ in range(rounds):
        values = [
            score(np.mean([candidates[i] for i in [*path, c]], axis=0))
            for c in range(len(candidates))
        ]
        tied = [c for c, v in enumerate(values) if v >= max(values) - 1e-12 * abs(max(values))]
        path.append(min(tied, key=lambda c: (c not in path, c)))
        reached.append(values[path[-1]])
    best = next(k for k, v in enumerate(reached) if v >= max(reached) - 1e-12 * abs(max(reached)))
    return np.bincount(path[: best + 1], minlength=len(candidates)) / (best + 1)


@pytest.mark.parametrize("name", ["log loss", "accuracy", "squared error"])
@pytest.mark.parametrize("seed", range(5))
def test_each_step_is_the_best_of_all_additions(name: str, seed: int) -> None:
    candidates, y = classification(seed)
    score = scores(y)[name]
    for rounds in (1, 2, 3, 12):
        found = forward_selection(candidates, score, max_rounds=rounds, patience=rounds)
        assert found.dtype == np.float64 and found.sum() == pytest.approx(1.0)
        np.testing.assert_allclose(found, naive(candidates, score, rounds), rtol=1e-12)


def test_the_selection_is_better_than_the_best_candidate() -> None:
    """Two candidates err in opposite directions; a third is better than either."""
    rng = np.random.default_rng(0)
    y, bias = rng.normal(size=200), rng.normal(size=200)
    candidates = [y + bias, y - bias + 0.05 * rng.normal(size=200), y + 0.5 * rng.normal(size=200)]

    def score(prediction: np.ndarray) -> float:
        return -float(np.mean((prediction - y) ** 2))

    weights = forward_selection(candidates, score)
    singles = [score(each) for each in candidates]
    assert int(np.argmax(singles)) == 2
    assert score(np.average(candidates, axis=0, weights=weights)) > 0.05 * max(singles)
    assert weights[0] > 0.3 and weights[1] > 0.3


@pytest.mark.parametrize("name", ["log loss", "accuracy"])
def test_the_selection_is_never_worse_than_the_best_candidate(name: str) -> None:
    for seed in range(5):
        candidates, y = classification(seed)
        score = scores(y)[name]
        weights = forward_selection(candidates, score)
        reached = score(np.average(candidates, axis=0, weights=weights))
        assert reached >= max(score(each) for each in candidates) - 1e-12


def test_ties_go_to_the_first_and_to_small_ensembles() -> None:
    """Equal candidates add nothing to each other; nor do candidates that leave a score as it is."""
    candidates, y = classification(1)
    best = max(candidates, key=lambda p: accuracy_score(y, p.argmax(axis=1)))
    for score in scores(y).values():
        weights = forward_selection([0.0 * best + 1 / 3, best, best.copy(), best.copy()], score)
        np.testing.assert_array_equal(weights, [0.0, 1.0, 0.0, 0.0])
    right = np.eye(3)[y]
    almost = 0.8 * right + 0.2 / 3
    weights = forward_selection([almost, right], scores(y)["accuracy"])
    np.testing.assert_array_equal(weights, [1.0, 0.0])


def test_rounding_breaks_no_ties() -> None:
    """Sums of equal numbers in another order differ by rounding only."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first = rng.normal(size=50)
        candidates = [first, *(rng.permutation(first) for _ in range(4))]
        weights = forward_selection(candidates, lambda p: -float(np.exp(sum(p) / p.size)))
        assert weights.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_patience_ends_the_selection() -> None:
    candidates, y = classification(0)
    asked: list[float] = []

    def score(prediction: np.ndarray) -> float:
        asked.append(accuracy_score(y, prediction.argmax(axis=1)))
        return asked[-1]

    for patience in (1, 3):
        asked.clear()
        forward_selection(candidates, score, patience=patience)
        rounds = np.array(asked).reshape(-1, CANDIDATES).max(axis=1)
        better = np.flatnonzero(rounds[1:] > np.maximum.accumulate(rounds)[:-1]) + 1
        assert len(rounds) == (better.max(initial=0) + 1) + patience


def test_a_longer_patience_may_find_more() -> None:
    """Equal parts are worse than the first candidate alone; two parts to one are better."""
    candidates = [np.ones(2), np.full(2, -4.0)]

    def score(prediction: np.ndarray) -> float:
        return -float(np.abs(prediction).max())

    assert forward_selection(candidates, score, patience=1).tolist() == [1.0, 0.0]
    weights = forward_selection(candidates, score, max_rounds=3, patience=2)
    np.testing.assert_allclose(weights, [2 / 3, 1 / 3])


@pytest.mark.parametrize("max_rounds", [1, 2, 7])
def test_weights_are_shares_of_so_many_additions(max_rounds: int) -> None:
    candidates, y = classification(3)
    weights = forward_selection(candidates, scores(y)["log loss"], max_rounds=max_rounds)
    sizes = [k for k in range(1, max_rounds + 1) if np.allclose(weights * k, np.rint(weights * k))]
    assert sizes and (max_rounds > 1) == (np.count_nonzero(weights) > 1)


def test_rows_in_no_test_fold_do_not_matter() -> None:
    candidates, y = classification(0)
    absent = np.arange(ROWS) % 5 == 2
    with_gaps = [np.where(absent[:, None], np.nan, each) for each in candidates]
    inside = scores(y[~absent])["log loss"]
    expected = forward_selection([each[~absent] for each in candidates], inside)
    found = forward_selection(with_gaps, lambda p: inside(p[~absent]))
    assert np.count_nonzero(expected) > 1
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(slice(0, 10), slice(None)), (7, 1), (slice(None), slice(None))])
def test_failed_candidates_are_never_chosen(wrong: float, where: Any) -> None:
    """However a score takes their values."""
    candidates, y = classification(0)
    score = scores(y)["squared error"]
    expected = forward_selection(candidates, score)
    failed = np.eye(3)[y]
    failed[where] = wrong
    found = forward_selection([failed, *candidates], lambda p: score(np.nan_to_num(p)))
    np.testing.assert_array_equal(found, [0.0, *expected])


def test_candidates_without_a_score_are_chosen_last() -> None:
    candidates, y = classification(0)
    score = scores(y)["log loss"]
    alone = [candidates[0], 0.9 * candidates[0] + 0.1 / 3]

    def picky(prediction: np.ndarray) -> float:
        return np.nan if np.array_equal(prediction, alone[0]) else score(prediction)

    assert forward_selection(alone, picky, max_rounds=1).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("device", ["CPU_DEVICE", "device1"])
def test_arrays_of_other_libraries(dtype: str, device: str) -> None:
    candidates, y = classification(0)
    given = [each.astype(dtype) for each in candidates]
    given[0][4] = np.nan
    place = strict.Device(device)
    target = strict.asarray(np.eye(3)[y], device=place)

    def score(mean: Any) -> float:
        assert mean.dtype == strict.float64 and mean.device == place
        return -float(strict.mean((mean - target) ** 2))

    found = forward_selection([strict.asarray(each, device=place) for each in given], score)
    expected = forward_selection(given, scores(y)["squared error"])
    np.testing.assert_allclose(found, expected)
    assert np.count_nonzero(found) > 1


def test_predictions_are_not_changed() -> None:
    candidates, y = classification(0)
    for each in candidates:
        each.setflags(write=False)
    forward_selection(candidates, scores(y)["log loss"])


def test_memory_does_not_grow_with_candidates_and_rounds() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=100_000)
    candidates = [y + rng.normal(size=y.size) for _ in range(12)]
    tracemalloc.start()
    forward_selection(candidates, lambda p: -float(np.abs(p - y).sum()), max_rounds=15)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * y.nbytes


@pytest.mark.parametrize(
    ("predictions", "given", "message"),
    [
        ([], {}, "predictions is empty"),
        ([np.zeros(3)], {"max_rounds": 0}, "max_rounds must be an integer of at least 1, got 0"),
        ([np.zeros(3)], {"patience": 0}, "patience must be an integer of at least 1"),
        ([np.zeros(3)], {"patience": 1.5}, "patience must be an integer of at least 1"),
        ([np.zeros(3), np.zeros(4)], {}, r"candidate 1 have \(4,\), and those of candidate 0 \(3,"),
        ([np.full(3, np.nan)] * 2, {}, "none of the candidates has finite predictions"),
        ([np.array([1.0, np.inf])], {}, "none of the candidates has finite predictions"),
        ([np.array([1.0, np.nan]), np.array([np.nan, 1.0])], {}, "all of them failed or diverged"),
    ],
    ids=str,
)
def test_selections_that_are_none_are_refused(predictions: list, given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forward_selection(predictions, lambda p: 0.0, **given)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_score_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"none of the candidates has a score"):
        forward_selection([np.zeros(3)] * 2, lambda p: value)
