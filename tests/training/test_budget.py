"""Training that may take some time only."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators.fitting import plan_training
from sknorm.estimators.preparing import prepare
from sknorm.estimators.stages import Given, HeldOut
from sknorm.optim.schedules import Cosine
from sknorm.training import budget as module
from sknorm.training.budget import Budget, budget_of, within
from sknorm.training.task import Task

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.normal(size=60)


class Clock:
    """Time that passes only where it is told to, or at each look at it."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now, self.tick = 100.0, tick

    def perf_counter(self) -> float:
        self.now += self.tick
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize("cost", [1e-4, 0.01, 0.3, 4.0])
@pytest.mark.parametrize("between", [0.0, 0.2])
@pytest.mark.parametrize("per_epoch", [1, 7, 1000])
def test_steps_end_in_time(clock: Clock, cost: float, between: float, per_epoch: int) -> None:
    budget, taken, epochs = Budget(3.0), 0, 0
    while True:
        for piece in budget.pieces(per_epoch):
            clock.now += piece * cost
            taken += piece
        clock.now += between
        epochs += 1
        if budget.is_over:
            break
    over = clock.now - 103.0
    assert over <= cost + between + 1e-9  # what ends the first epoch is not known before it
    spare = cost + between + 1e-6  # that nothing fits into
    assert taken == 1 or 3.0 - taken * cost - epochs * between < spare + between + cost


def test_what_ends_an_epoch_is_kept_free(clock: Clock) -> None:
    budget = Budget(10.0)
    for _ in range(2):
        for piece in budget.pieces(100):
            clock.now += 0.02 * piece
        clock.now += 1.0
    assert list(_taken(budget, clock, 1000, 0.02))
    assert 0.0 <= budget.left - 1.0 < 0.02 + 1e-6


def _taken(budget: Budget, clock: Clock, steps: int, cost: float) -> Iterator[int]:
    for piece in budget.pieces(steps):
        clock.now += piece * cost
        yield piece


def test_steps_are_foretold(clock: Clock) -> None:
    budget = Budget(10.0)
    assert budget.steps_in_all(0, 50) == np.inf
    list(_taken(budget, clock, 50, 0.02))
    clock.now += 1.0
    next(budget.pieces(50))
    assert budget.steps_in_all(50, 50) == pytest.approx(50 + 8.0 / (0.02 + 1.0 / 50))


def test_fits_end_within_what_is_around_them(clock: Clock) -> None:
    assert budget_of(None) is None
    with within(Budget(5.0)):
        clock.now += 1.0
        for own, left in [(None, 4.0), (3.0, 3.0), (9.0, 4.0)]:
            found = budget_of(own)
            assert found is not None
            assert found.left == pytest.approx(left)
    assert budget_of(None) is None


class Cut(Budget):
    """All the time there is, in pieces of one to three steps."""

    is_over = False

    def __init__(self) -> None:
        super().__init__(1e9)

    def pieces(self, steps: int) -> Iterator[int]:
        done = 0
        while done < steps:
            piece = min(steps - done, 1 + done % 3)
            yield piece
            done += piece


@pytest.mark.parametrize(
    "changed",
    [
        {"n_members": 3, "dropout": 0.3},
        {"learning_rate": "cosine", "mixup_alpha": 0.3},
        {"solver": "sgd", "norm_statistics": "cumulative"},
        {"alpha": 0.1, "l1_ratio": 1.0},
    ],
    ids=str,
)
def test_pieces_of_an_epoch_are_the_epoch(changed: dict[str, Any]) -> None:
    made = [_trained(changed, budget) for budget in (None, Cut())]
    for name in ("loss", "learning_rate", "gradient_norm"):
        columns = [outcome.history.columns[name] for outcome in made]
        np.testing.assert_array_equal(*columns)
    flats = [outcome.network.parameters.flat for outcome in made]
    np.testing.assert_array_equal(*flats)


@dataclass
class Asked(Cosine):
    """A cosine that notes the steps whose rates it is asked for."""

    noted: list[int] = field(default_factory=list)

    def rate(self, step: int) -> np.ndarray:
        self.noted.append(step)
        return super().rate(step)


def test_a_piece_asks_for_its_own_rates() -> None:
    """Which an epoch of many pieces would take long to do for all steps each time."""
    task = _task({"learning_rate": "cosine"}, Cut())
    task.schedule = schedule = Asked(task.schedule.initial, total=24)
    task.run()
    assert schedule.noted == list(range(24))


def _trained(changed: dict[str, Any], budget: Budget | None) -> Any:
    return _task(changed, budget).run()


def _task(changed: dict[str, Any], budget: Budget | None) -> Task:
    settings = {"hidden_layer_sizes": (8,), "batch_size": 8, "max_iter": 3, "random_state": 0}
    model = MLPRegressor(**{**settings, **changed}, preset="sklearn")
    _, task = plan_training(model, prepare(model, Given(X, Y)), None, HeldOut())
    task.budget = budget
    return task


SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (8,),
    "batch_size": 8,
    "max_iter": 1000,
    "tol": 0.0,
    "random_state": 0,
    "preset": "sklearn",
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("learning_rate", ["constant", "cosine"])
def test_time_enough_changes_nothing(learning_rate: str) -> None:
    settings = {**SMALL, "max_iter": 4, "learning_rate": learning_rate, "early_stopping": True}
    plain, timed = (MLPRegressor(**settings, max_time=t).fit(X, Y) for t in (None, 1e6))
    assert not (plain.timed_out_ or timed.timed_out_)
    np.testing.assert_array_equal(plain.predict(X), timed.predict(X))


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("members", [1, 2])
def test_training_ends_after_some_epochs(clock: Clock, members: int) -> None:
    clock.tick = 0.019
    model = MLPRegressor(**SMALL, max_time=1.0, n_members=members).fit(X, Y)
    assert model.timed_out_
    assert 1 < model.n_iter_ < 100
    assert {len(column) for column in model.history_.values()} == {model.n_iter_}
    assert clock.now < 101.0 + 0.1


def test_training_ends_in_the_middle_of_an_epoch(clock: Clock) -> None:
    clock.tick = 0.2
    model = MLPRegressor(**{**SMALL, "batch_size": 2}, max_time=1.5).fit(X, Y)
    assert model.timed_out_
    assert model.n_iter_ == len(model.loss_curve_) == 1
    assert 0 < model.t_ < len(X)
    assert np.isfinite(model.loss_)


class Short(Budget):
    """Time for three steps."""

    is_over = True

    def __init__(self) -> None:
        super().__init__(1e9)

    def pieces(self, steps: int) -> Iterator[int]:
        yield 3


def test_training_ends_in_an_epoch_in_which_a_member_leaves() -> None:
    task = _task({"solver": "sgd", "normalization": None, "n_members": 2}, Short())
    task.schedule.initial[0] = 1e300
    with pytest.warns(RuntimeWarning, match="member 0 became non-finite"):
        outcome = task.run()
    assert outcome.diverged.tolist() == [True, False]
    assert outcome.timed_out
    assert outcome.epochs.tolist() == [1, 1]
    assert outcome.rows_missed == 60 - task.batches.edges[2][1]


def test_one_step_is_taken_in_no_time(clock: Clock) -> None:
    clock.tick = 1.0
    model = MLPRegressor(**SMALL, max_time=1e-9).fit(X, Y)
    assert model.timed_out_
    assert model.t_ == 7
    assert np.isfinite(model.predict(X)).all()


def test_a_planned_rate_comes_to_its_end(clock: Clock) -> None:
    clock.tick = 0.01
    model = MLPRegressor(**SMALL, max_time=5.0, learning_rate="cosine").fit(X, Y)
    rates = np.array(model.history_["learning_rate"])
    assert model.timed_out_
    assert model.n_iter_ > 10
    assert rates[-1] < 0.01 * rates[0]
    assert (np.diff(rates[:-1]) < 0).mean() > 0.9


def test_weights_of_the_last_epochs_are_averaged(clock: Clock) -> None:
    clock.tick = 0.01
    models = [
        MLPRegressor(**SMALL, max_time=2.0, swa_fraction=share).fit(X, Y) for share in (0.0, 0.5)
    ]
    assert all(model.timed_out_ for model in models)
    assert (models[0].predict(X) != models[1].predict(X)).any()


def test_the_best_epoch_is_kept(clock: Clock) -> None:
    clock.tick = 0.01
    settings = {**SMALL, "early_stopping": True, "learning_rate_init": 0.3, "n_iter_no_change": 500}
    model = MLPRegressor(**settings, max_time=2.0).fit(X[:50], Y[:50], X_val=X[50:], y_val=Y[50:])
    scores = model.validation_scores_
    assert scores is not None
    assert model.timed_out_
    assert scores[-1] < model.best_validation_score_ == max(scores)
    loss = np.mean((model.predict(X[50:]) - Y[50:]) ** 2) / 2
    assert loss < np.mean((Y[50:] - Y[:50].mean()) ** 2)


def test_members_of_lbfgs_share_the_time(clock: Clock) -> None:
    clock.tick = 0.1
    settings = {**SMALL, "batch_size": "auto", "solver": "lbfgs", "n_members": 3}
    model = MLPRegressor(**settings, max_time=6.0).fit(X, Y)
    epochs = np.isfinite(np.array(model.history_["loss"])).sum(axis=0)
    assert model.timed_out_
    assert epochs.min() > 1
    assert epochs.max() < 2 * epochs.min()


def test_users_are_told(clock: Clock, capsys: pytest.CaptureFixture) -> None:
    clock.tick = 0.1
    MLPClassifier(**SMALL, max_time=0.5, verbose=True).fit(X, Y > 0)
    assert capsys.readouterr().out.endswith("max_time=0.5 is over. Stopping.\n")


def test_parts_know_no_time() -> None:
    model = MLPRegressor(**SMALL, max_time=1e-9).partial_fit(X, Y)
    assert model.t_ == 60
    assert not model.timed_out_
