"""Searches that may take some time only."""

import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_regression

from sknorm import MLPRegressor
from sknorm.model_selection import StackedGridSearchCV, StackedRandomizedSearchCV, race
from sknorm.model_selection.plan import candidates_of
from sknorm.model_selection.race import fits_of, share_out
from sknorm.model_selection.time_shares import SharedTime
from sknorm.training import budget

X, Y = make_regression(60, 3, random_state=0)
SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (8,),
    "batch_size": 8,
    "max_iter": 4,
    "random_state": 0,
    "preset": "sklearn",
    "learning_rate": "cosine",
}
GRID = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(4,), (8,)]}


class Clock:
    """Time that passes where it is told to."""

    now = 50.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    return clock


def test_each_fit_has_its_share_of_what_is_left(clock: Clock) -> None:
    shared = SharedTime(10.0, 5)
    assert shared.grant(1).left == pytest.approx(2.0)
    assert shared.grant(1, side_by_side=2).left == pytest.approx(4.0)
    clock.now += 1.0  # it took less
    shared.finish(1)
    assert shared.grant(3).left == pytest.approx(9.0 * 3 / 4)
    clock.now += 8.5  # they took more
    shared.finish(3)
    assert shared.grant(1).left == pytest.approx(0.5)
    clock.now += 8.5
    assert shared.grant(1).left == 0.0


@pytest.mark.parametrize(
    ("parameters", "work"),
    [({}, 4), ({"n_members": 6}, 24), ({"max_iter": 10}, 10), ({"n_members": "few"}, 0)],
    ids=str,
)
def test_work_is_in_epochs_of_one_network(parameters: dict[str, Any], work: int) -> None:
    (candidate,) = candidates_of(MLPRegressor(**SMALL), [parameters])
    assert candidate.work == work


def test_a_refit_has_time_for_all_its_networks(clock: Clock, monkeypatch: Any) -> None:
    monkeypatch.setattr(race, "time", clock)
    candidates = candidates_of(MLPRegressor(**SMALL), [{"alpha": a} for a in (0.0, 0.1, 1.0)])
    final = candidates_of(MLPRegressor(**SMALL), [{"alpha": 0.0, "n_members": 6}] * 3)
    half = np.arange(30)
    folds: Any = SimpleNamespace(splits=[(half, half + 30), (half + 30, half)], count=60)
    search = StackedGridSearchCV(MLPRegressor(**SMALL), GRID, max_time=18.0)
    shared = share_out(search, folds, candidates, final, started=clock.now)
    # Six fits of one network to half of the rows, and one of six networks to all of them.
    assert shared.grant(candidates[0].work).left == pytest.approx(1.0)
    clock.now += 6.0
    shared.finish(sum(2 * each.work for each in candidates))
    assert shared.work == 2 * final[0].work
    assert shared.left == pytest.approx(12.0)


def test_longer_candidates_have_longer_shares(monkeypatch: Any) -> None:
    granted = []
    grant = SharedTime.grant

    def spy(shared: SharedTime, work: float, side_by_side: int = 1) -> Any:
        granted.append(work / shared.work)
        return grant(shared, work, side_by_side)

    monkeypatch.setattr(SharedTime, "grant", spy)
    grid = {"max_iter": [2, 8]}
    model = MLPRegressor(**SMALL)
    StackedGridSearchCV(model, grid, cv=2, refit=False, max_time=1e6).fit(X, Y)
    assert granted == pytest.approx([4 / 20, 16 / 16])


def test_another_machine_has_another_clock(clock: Clock) -> None:
    sent = pickle.dumps(SharedTime(10.0, 5))
    clock.now = 3.0
    assert pickle.loads(sent).grant(1).left == pytest.approx(2.0)


@pytest.mark.parametrize("refit", [True, "ensemble"])
def test_time_enough_changes_nothing(refit: Any) -> None:
    searches = [
        StackedGridSearchCV(MLPRegressor(**SMALL), GRID, cv=3, refit=refit, max_time=t).fit(X, Y)
        for t in (None, 1e6)
    ]
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(*(each.cv_results_[name] for each in searches))
    np.testing.assert_array_equal(*(each.predict(X) for each in searches))


@pytest.mark.parametrize(
    "changed",
    [{}, {"n_jobs": 2}, {"refit": "ensemble"}, {"racing": True, "cv": 4}, {"refit": False}],
    ids=str,
)
def test_all_fits_end_at_once_in_no_time(changed: dict[str, Any]) -> None:
    settings = {"cv": 2, **changed, "max_time": 1e-6}
    model = MLPRegressor(**{**SMALL, "max_iter": 100_000})
    search = StackedRandomizedSearchCV(model, GRID, n_iter=4, random_state=0, **settings)
    search.fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    if search.refit is True:
        assert search.best_estimator_.timed_out_
        assert search.best_estimator_.n_iter_ == 1


def test_a_time_of_each_fit_is_that_of_a_stack() -> None:
    models = [MLPRegressor(**{**SMALL, "max_iter": 100_000}, max_time=t) for t in (1e-6, 1e6)]
    search = StackedGridSearchCV(models[0], {"alpha": [1e-4, 1.0]}, cv=2).fit(X, Y)
    assert search.best_estimator_.timed_out_
    assert search.best_estimator_.max_time == 1e-6


def test_races_over_epochs_share_no_time_out() -> None:
    search = StackedGridSearchCV(MLPRegressor(**SMALL), GRID, cv=2, racing=True, max_time=60.0)
    with pytest.raises(ValueError, match=r"max_time shares .* Use more folds, or racing=False"):
        search.fit(X, Y)


@pytest.mark.parametrize(("candidates", "folds"), [(30, 5), (4, 3), (100, 10)])
def test_fits_of_a_race_are_known(candidates: int, folds: int) -> None:
    grid = {"alpha": np.logspace(-4, 0, candidates).tolist()}
    model = MLPRegressor(**{**SMALL, "max_iter": 1})
    search = StackedGridSearchCV(model, grid, cv=folds, racing=True, refit=False).fit(X, Y)
    scores = np.stack([search.cv_results_[f"split{k}_test_score"] for k in range(folds)])
    assert np.isfinite(scores).sum() == fits_of(candidates, folds)


@pytest.mark.parametrize("value", [0, -1.0, "1h"])
def test_times_are_positive(value: Any) -> None:
    search = StackedGridSearchCV(MLPRegressor(**SMALL), GRID, max_time=value)
    with pytest.raises(ValueError, match="'max_time' parameter"):
        search.fit(X, Y)
