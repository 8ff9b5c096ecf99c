"""Runs that are stopped, written out, read back and resumed end as if they had gone on."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sknorm
from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators.fitting import plan_training
from sknorm.estimators.preparing import prepare
from sknorm.estimators.stages import Given, HeldOut
from sknorm.training.plan import Outcome
from sknorm.training.run import Run
from sknorm.training.state import State
from sknorm.training.task import Task

Table = tuple[np.ndarray, np.ndarray]

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Training of member . became non-finite:RuntimeWarning"),
]

STOPS = {"early_stopping": True, "n_iter_no_change": 2}
LEAVE = {"tol": 0.03, "n_iter_no_change": 0, "n_members": 4, "max_iter": 12}
DIVERGES = {"loss": "squared_error", "solver": "sgd", "normalization": None, "n_members": 4}
CASES: list[dict[str, Any]] = [
    {},
    *({"normalization": name} for name in ("ghost", "layer", None)),
    *({"norm_statistics": name, **more} for name in ("cumulative", "population")
      for more in ({}, STOPS)),
    *({"solver": name, **more} for name in ("sgd", "adamw") for more in (LEAVE, STOPS)),
    *({"solver": "sgd", "learning_rate": name, "n_members": 2}
      for name in ("invscaling", "adaptive", "cosine", "one_cycle")),
    {"solver": "sgd", "learning_rate": "adaptive", **LEAVE},
    *({"penalty": name, "alpha": 0.01} for name in ("l0", "group_lasso")),
    {"dropout": 0.3, "input_noise": 0.1, "mixup_alpha": 0.3},
    {"shuffle": False}, {"dtype": "float32", "n_members": 3}, {"max_grad_norm": 0.1},
    LEAVE, {**LEAVE, **STOPS}, {**STOPS, "scoring": "accuracy"},
    {**DIVERGES, "learning_rate_init": 0.2}, {**DIVERGES, "learning_rate_init": 0.3},
    {"swa_fraction": 0.5}, {"swa_fraction": 0.7, **STOPS, "n_members": 2},
    {"solver": "lbfgs", "n_members": 3}, {"solver": "lbfgs", "n_members": 3, **STOPS},
]  # fmt: skip
WEIGHT = np.random.default_rng(0).uniform(0.2, 3.0, 240)


def task(table: Table, **changed: Any) -> Task:
    """A training run before it runs, the same each time."""
    settings = {"hidden_layer_sizes": (6,), "max_iter": 6, "random_state": 0, "batch_size": 50}
    kind: Any = MLPRegressor if "loss" in changed else MLPClassifier
    model = kind(
        preset="sklearn", **{**settings, "tol": 0.0, "learning_rate_init": 0.02, **changed}
    )
    return plan_training(model, prepare(model, Given(*table, WEIGHT)), None, HeldOut())[1]


def written(state: State) -> Any:
    """What a file without pickles keeps of a state."""
    file = io.BytesIO()
    np.savez(file, **state.to_arrays())
    file.seek(0)
    return np.load(file, allow_pickle=False)


def assert_same(found: Outcome, expected: Outcome) -> None:
    for mine, theirs in zip(_arrays(found), _arrays(expected), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert found.faults == expected.faults


def _arrays(outcome: Outcome) -> list[Any]:
    columns = outcome.history.columns
    network = [outcome.network.parameters.flat, *outcome.network.statistics]
    numbers = [outcome.epochs, outcome.best, outcome.used_up, outcome.diverged]
    return [*network, *numbers, *(rows for key, rows in columns.items() if key != "seconds")]


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_a_run_is_resumed_after_any_epoch(binary: Table, settings: dict[str, Any]) -> None:
    whole, made = task(binary, **settings), task(binary, **settings).start()
    expected = whole.run()
    while not made.ended:
        other = task(binary, **settings)
        resumed = Run(other, state=State.from_arrays(other, written(made.state)))
        assert resumed.active == made.active
        resumed.advance()
        assert_same(resumed.outcome(), expected)
        for k in made.active:
            mine, theirs = (each.batches.random_states[k].get_state() for each in (other, whole))
            np.testing.assert_equal(mine, theirs)
        made.advance(made.state.epoch + 1)
    assert made.state.epoch == (3 if "lbfgs" in settings.values() else expected.epochs.max())
    assert_same(made.outcome(), expected)


def longer(table: Table) -> Task:
    """Of four members two train for longer."""
    settings = {"max_iter": 12, "n_members": 4, "learning_rate": "adaptive_cosine", **STOPS}
    made = task(table, **settings, learning_rate_init=0.001)
    made.schedule.enough[:] = [-1e9, np.inf, -1e9, np.inf]
    return made


def test_a_run_in_which_some_train_for_longer_is_resumed_after_any_epoch(binary: Table) -> None:
    made, expected = longer(binary).start(), longer(binary).run()
    assert expected.epochs.tolist() == [12, 4, 12, 4]
    while not made.ended:
        other = longer(binary)
        resumed = Run(other, state=State.from_arrays(other, written(made.state)))
        resumed.advance()
        assert_same(resumed.outcome(), expected)
        made.advance(made.state.epoch + 1)


def test_members_leave_on_the_way(binary: Table) -> None:
    """What cases before count on."""
    assert len(set(task(binary, **LEAVE).run().epochs.tolist())) > 2


def test_an_ended_run_is_read_back_as_it_was(binary: Table) -> None:
    made = task(binary, **LEAVE).start()
    made.advance()
    other = task(binary, **LEAVE)
    resumed = Run(other, state=State.from_arrays(other, written(made.state)))
    assert resumed.ended
    assert_same(resumed.outcome(), made.outcome())


RESUME = """
import sys
import numpy as np
from sklearn.datasets import make_regression
from sknorm import MLPRegressor
from sknorm.estimators.fitting import plan_training
from sknorm.estimators.preparing import prepare
from sknorm.estimators.stages import Given, HeldOut
from sknorm.training.run import Run
from sknorm.training.state import State

def start():
    model = MLPRegressor(hidden_layer_sizes=(6,), max_iter=6, random_state=0, n_members=2)
    table = make_regression(200, 5, random_state=0)
    return plan_training(model, prepare(model, Given(*table)), None, HeldOut())[1]

def train(path, until):
    task = start()
    known = np.load(path) if until is None else None
    run = Run(task, state=None if known is None else State.from_arrays(task, known))
    run.advance(until)
    if until is not None:
        np.savez(path, **run.state.to_arrays())
    return run.outcome().network.parameters.flat
"""


def test_another_process_resumes(tmp_path: Path) -> None:
    path, result = tmp_path / "state.npz", tmp_path / "result.npy"
    made: dict[str, Any] = {}
    exec(RESUME, made)
    made["train"](path, 3)
    script = f"{RESUME}\nnp.save({str(result)!r}, train({str(path)!r}, None))"
    root = Path(sknorm.__file__).parents[1]
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, cwd=root)
    np.testing.assert_array_equal(np.load(result), made["start"]().run().network.parameters.flat)


def test_what_is_taken_back_has_not_happened(regression: Table) -> None:
    """Also where the optimizer and the schedule have changed since."""
    settings = {"hidden_layer_sizes": (6,), "max_iter": 9, "random_state": 0, "n_members": 2}
    model: Any = MLPRegressor(**settings, solver="sgd", learning_rate="adaptive", preset="sklearn")
    _, made = plan_training(model, prepare(model, Given(*regression)), None, HeldOut())
    made = made.start()
    made.advance(2)
    before, network = made.state.to_arrays(), made.state.network.copy()
    saved = made.state.save(network)
    made.advance(5)
    made.state.start_anew()
    made.state.restore(saved)
    after = made.state.to_arrays()
    for name in before.keys() - {"history." + key for key in made.state.history.columns}:
        if not name.startswith("random_states"):
            np.testing.assert_array_equal(after[name], before[name], name)
