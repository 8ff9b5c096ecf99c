"""Training tasks: run whole, run in pieces, and let go of members on the way."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators.fitting import plan_training
from sknorm.estimators.preparing import prepare
from sknorm.estimators.stages import Given, HeldOut
from sknorm.network.network import Network
from sknorm.training.plan import Observer
from sknorm.training.run import Run
from sknorm.training.task import Task

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

STOPS = {"early_stopping": True, "n_iter_no_change": np.inf}
SETTINGS: list[dict[str, Any]] = [
    {}, STOPS, {**STOPS, "scoring": "accuracy"}, {"norm_statistics": "population"},
    {"norm_statistics": "population", **STOPS}, {"normalization": None, "dropout": 0.2},
]  # fmt: skip
each_setting = pytest.mark.parametrize("settings", SETTINGS, ids=str)


class Listener(Observer):
    """Notes the epochs, and may end training after some."""

    def __init__(self, stop_after: int = 0) -> None:
        self.begun, self.losses, self.stop_after = 0, [], stop_after

    def epoch_begins(self) -> None:
        self.begun += 1

    def epoch_ends(
        self, epoch: int, loss: float, score: float | None, snapshot: Callable[[], Network]
    ) -> bool:
        self.losses.append(loss)
        return len(self.losses) == self.stop_after


def model(kind: type = MLPClassifier, **changed: Any) -> Any:
    settings = {"hidden_layer_sizes": (6,), "max_iter": 6, "random_state": 0, "n_members": 3}
    return kind(preset="sklearn", **{**settings, "tol": 0.0, "learning_rate_init": 0.02, **changed})


def task(table: Table, kind: type = MLPClassifier, **changed: Any) -> Task:
    made = model(kind, **changed)
    return plan_training(made, prepare(made, Given(*table)), None, HeldOut())[1]


def run(table: Table, **changed: Any) -> Run:
    """A run that can be advanced."""
    return task(table, **changed).start()


def assert_same(found: Network, expected: Network) -> None:
    np.testing.assert_array_equal(found.parameters.flat, expected.parameters.flat)
    for ours, theirs in zip(found.statistics, expected.statistics, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_task_does_what_fit_does(
    binary: Table, kind: type, solver: str, early_stopping: bool
) -> None:
    settings = {"solver": solver, "early_stopping": early_stopping}
    made, listener = task(binary, kind, **settings), Listener()
    fitted = model(kind, **settings).fit(*binary)
    outcome = made.run(listener)
    assert_same(outcome.network, fitted.network_)
    assert made.rows == made.batches.rows.shape[1] == (216 if early_stopping else 240)
    assert outcome.epochs.max() == fitted.n_iter_
    if solver != "lbfgs":  # whose members come one after another
        assert listener.losses == fitted.loss_curve_ and listener.begun == fitted.n_iter_


@each_setting
@pytest.mark.parametrize("pieces", [(6,), (2, 4, 6), (1, 1, 3, 100)])
def test_training_in_pieces_is_training(
    binary: Table, settings: dict[str, Any], pieces: tuple[int, ...]
) -> None:
    whole, made = task(binary, **settings).run(), run(binary, **settings)
    for until in pieces:
        assert not made.ended
        made.advance(until)
        assert made.state.epoch == min(until, 6) and made.active == [0, 1, 2]
    assert made.ended
    outcome = made.outcome()
    assert_same(outcome.network, whole.network)
    np.testing.assert_array_equal(outcome.best, whole.best)
    assert outcome.used_up.all() and outcome.history.columns["loss"] != []


@each_setting
def test_so_far_is_what_shorter_training_leaves(binary: Table, settings: dict[str, Any]) -> None:
    """And asking for it changes nothing."""
    made = run(binary, **settings)
    for until in (1, 3, 5):
        made.advance(until)
        assert_same(made.so_far(), task(binary, **settings, max_iter=until).run().network)
    made.advance()
    assert_same(made.outcome().network, task(binary, **settings).run().network)


@each_setting
def test_members_that_are_told_to_leave_end_there(binary: Table, settings: dict[str, Any]) -> None:
    made = run(binary, **settings)
    made.advance(2)
    made.leave([1])
    assert made.active == [0, 2] and made.state.network.members == 2
    made.advance(4)
    made.leave([0, 1])
    assert made.active == [2]
    made.advance()
    outcome = made.outcome()
    assert outcome.epochs.tolist() == [4, 2, 6]
    assert outcome.used_up.tolist() == [False, False, True]
    for member, epochs in enumerate(outcome.epochs):
        alone = task(binary, **settings, max_iter=int(epochs)).run().network
        assert_same(outcome.network.take([member]), alone.take([member]))
    assert np.isnan(outcome.history.columns["loss"][4]).tolist() == [True, True, False]


def test_all_may_leave(binary: Table) -> None:
    made = run(binary)
    made.advance(2)
    made.leave([0, 1, 2])
    assert made.ended and made.active == []
    made.advance()
    outcome = made.outcome()
    assert outcome.epochs.tolist() == [2, 2, 2] and not outcome.exhausted


def test_settled_members_are_part_of_what_is_so_far(binary: Table) -> None:
    made = run(binary)
    made.advance(2)
    early = made.so_far()
    made.leave([1])
    made.advance(4)
    assert_same(made.so_far().take([1]), early.take([1]))
    changed = made.so_far().parameters.weights[0][[0, 2]] != early.parameters.weights[0][[0, 2]]
    assert changed.any(axis=(1, 2)).all()


def test_an_observer_may_end_training(binary: Table) -> None:
    outcome = task(binary).run(Listener(stop_after=2))
    assert outcome.epochs.tolist() == [2, 2, 2] and not outcome.exhausted
    assert_same(outcome.network, task(binary, max_iter=2).run().network)


def test_an_interrupted_run_goes_no_further(binary: Table) -> None:
    class Impatient(Listener):
        def epoch_begins(self) -> None:
            super().epoch_begins()
            if self.begun == 3:
                raise KeyboardInterrupt

    made = task(binary).start(Impatient())
    with pytest.warns(UserWarning, match="interrupted"):
        made.advance()
    assert made.interrupted and made.ended and made.state.epoch == 2
    made.advance()
    outcome = made.outcome()
    assert outcome.interrupted and outcome.epochs.tolist() == [2, 2, 2]
    assert_same(outcome.network, task(binary, max_iter=2).run().network)


@pytest.mark.parametrize(("solver", "members"), [("adam", [0, 2]), ("lbfgs", [1])])
def test_an_outcome_can_be_taken_apart(binary: Table, solver: str, members: list[int]) -> None:
    whole = task(binary, solver=solver, tol=0.05, n_iter_no_change=1, max_iter=20).run()
    part = whole.take(members)
    assert_same(part.network, whole.network.take(members))
    longest = int(whole.epochs[members].max())
    for name in ("epochs", "best", "used_up", "diverged"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[members])
    for key, rows in part.history.columns.items():
        assert len(rows) == min(longest, len(whole.history.columns[key]))
        expected = [row[members] for row in whole.history.columns[key][:longest]]
        np.testing.assert_array_equal(rows, expected)
