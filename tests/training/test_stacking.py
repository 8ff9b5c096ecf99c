"""Several training runs in one: each ends bit for bit as it does alone."""

import copy
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from sknorm import MLPClassifier, MLPRegressor
from sknorm.data.table import engine_table
from sknorm.estimators.fitting import plan_training
from sknorm.estimators.preparing import prepare
from sknorm.estimators.stages import Given, HeldOut
from sknorm.training.plan import Outcome
from sknorm.training.stacking import JointScore, signature, stack
from sknorm.training.task import Task
from sknorm.training.validation_loss import HeldOutLoss

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Training of member"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 3.0, (80, 5)) * np.array([1.0, 10.0, 0.1, 1.0, 1.0])
NUMBERS = X[:, [0]] * np.linspace(1.0, 30.0, 80)[:, None] + 0.1 * X[:, [1]]
TARGETS = {
    "number": NUMBERS[:, 0],
    "number above 0": np.abs(NUMBERS[:, 0]),
    "numbers": np.column_stack([NUMBERS, X[:, 2]]),
    "binary": (X[:, 0] > 1.0).astype(int),
    "multiclass": np.digitize(X[:, 0], [0.0, 2.5]),
}
WEIGHT = RNG.integers(0, 3, 80).astype(float)
FOLDS = [np.r_[0:20, 40:80], np.r_[20:80]]
STOPS = {"early_stopping": True, "validation_fraction": 0.3, "tol": 0.05, "n_iter_no_change": 1}
HELD = (X[:18], None, None)


@dataclass
class Run:
    """A training run, and the rows of the common table that it is about."""

    model: Any
    rows: np.ndarray
    task: Task


def run(
    rows: np.ndarray, target: str, X: Any = X, weight: Any = None, given: Any = None, **changed: Any
) -> Run:
    """The training of a small network on some rows."""
    kind = MLPRegressor if target.startswith("number") else MLPClassifier
    settings = {"hidden_layer_sizes": (7,), "max_iter": 14, "batch_size": 16, "random_state": 0}
    model = kind(
        preset="sklearn", **{**settings, "learning_rate_init": 0.05, "tol": 0.0, **changed}
    )
    y = TARGETS[target]
    prepared = prepare(model, Given(X[rows], y[rows], None if weight is None else weight[rows]))
    held = HeldOut() if given is None else HeldOut(given[0], y[: len(given[0])])
    _, task = plan_training(model, prepared, None, held)
    kept = prepared.rows.positions
    return Run(model, rows if kept is None else rows[kept], task)


def together(runs: Sequence[Run], X: Any = X) -> list[Outcome]:
    """What each leaves behind where all are trained in one stack."""
    assert len({signature(each.task) for each in runs}) == 1
    table = engine_table(runs[0].task.network.backend, X)
    whole = stack([each.task for each in runs], table, [each.rows for each in runs])
    outcome = whole.run()
    ends = np.cumsum([len(each.task.members) for each in runs])
    parts = zip(ends, runs, strict=True)
    return [outcome.take(list(range(end - len(r.task.members), end))) for end, r in parts]


def assert_as_alone(found: Outcome, alone: Outcome) -> None:
    np.testing.assert_array_equal(found.network.parameters.flat, alone.network.parameters.flat)
    for ours, theirs in zip(found.network.statistics, alone.network.statistics, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("epochs", "best", "used_up", "diverged", "interrupted"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), name)
    ours, theirs = found.history.columns, alone.history.columns
    for key in ours.keys() - {"seconds"}:
        np.testing.assert_array_equal(ours[key], theirs[key], key)


VARIED: list[dict[str, Any]] = [
    {"alpha": 0.0}, {"alpha": 1.0, "l1_ratio": 0.5}, {"dropout": 0.3, "random_state": 1},
    {"learning_rate_init": 0.2, "input_noise": 0.1, "input_dropout": 0.2},
]  # fmt: skip


COMMON: list[dict[str, Any]] = [
    {}, {"normalization": None}, {"normalization": "layer", "solver": "adamw"}, STOPS,
    {"shuffle": False, "normalization": "ghost"}, {"dtype": "float32", **STOPS},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
    {"solver": "sgd", "learning_rate": "invscaling"}, {"learning_rate": "one_cycle"},
    {"norm_statistics": "population", **STOPS}, {"norm_statistics": "cumulative"},
    {"norm_statistics": "population"}, {"swa_fraction": 0.5}, {"swa_fraction": 0.5, **STOPS},
    {"n_members": 2}, {"n_members": 2, **STOPS}, {"penalty": "group_lasso", "alpha": 0.1},
    {"max_grad_norm": 0.1}, {"tol": 0.1, "n_iter_no_change": 2}, {"scoring": None, **STOPS},
    {"learning_rate": "adaptive_cosine", **STOPS},
]  # fmt: skip


def targets_and_settings() -> list[Any]:
    """Half of the targets with every setting; what they share with the others is thorough."""
    return [
        pytest.param(
            target,
            common,
            id=f"{target}-{common}",
            marks=pytest.mark.thorough if target in ("numbers", "binary") and place > 3 else [],
        )
        for target in ("number", "numbers", "binary", "multiclass")
        for place, common in enumerate(COMMON)
    ]


@pytest.mark.parametrize(("target", "common"), targets_and_settings())
def test_each_run_ends_as_it_does_alone(target: str, common: dict[str, Any]) -> None:
    """Folds with statistics of their own, members that differ, and some that leave early."""
    varied = [{k: v for k, v in each.items() if k != "l1_ratio"} for each in VARIED]
    changes = VARIED if common.get("penalty") is None else varied
    made = [[run(rows, target, **{**common, **c}) for c in changes for rows in FOLDS] for _ in "ab"]
    for found, alone in zip(together(made[0]), made[1], strict=True):
        assert_as_alone(found, alone.task.run())


@pytest.mark.parametrize("share", [0.3, 0.6, 0.75])
def test_those_that_train_for_longer_do_so_as_alone(
    monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """Each member is told by its own held-out loss whether to go on."""
    monkeypatch.setattr("sknorm.estimators.fitting._NOISELESS", share)
    common = {"learning_rate": "adaptive_cosine", "max_iter": 30, **STOPS}
    made = [[run(rows, "number", **common, **c) for c in VARIED for rows in FOLDS] for _ in "ab"]
    epochs = []
    for found, alone in zip(together(made[0]), made[1], strict=True):
        assert_as_alone(found, alone.task.run())
        epochs.append(int(found.epochs[0]))
    assert min(epochs) <= 10 < max(epochs) <= 30


def test_members_leave_at_different_epochs() -> None:
    """What the case before counts on."""
    changes = [{**STOPS, **each} for each in VARIED]
    outcomes = together([run(rows, "number", **c) for c in changes for rows in FOLDS])
    assert len({int(outcome.epochs[0]) for outcome in outcomes}) > 2


@pytest.mark.parametrize("target", ["number", "multiclass"])
@pytest.mark.parametrize("given", [None, HELD])
def test_weights_zeros_among_them_and_given_rows(target: str, given: Any) -> None:
    """Rows of weight zero are not in a run's own table: how many there are does not matter."""
    kept, left_out = np.flatnonzero(WEIGHT > 0), np.flatnonzero(WEIGHT == 0)
    folds = [np.sort(np.r_[kept[k : k + 40], left_out[: 5 + k]]) for k in range(2)]
    settings = {**STOPS, "weight": WEIGHT, "given": given}
    made = [[run(rows, target, **settings) for rows in folds] for _ in "ab"]
    assert all(len(each.rows) == 40 for each in made[0])
    for found, alone in zip(together(made[0]), made[1], strict=True):
        assert_as_alone(found, alone.task.run())


def test_sparse_tables() -> None:
    table = sparse.csr_array(X * (X > 1.0))
    made = [[run(rows, "number", X=table, **STOPS) for rows in FOLDS] for _ in "ab"]
    for found, alone in zip(together(made[0], table), made[1], strict=True):
        assert_as_alone(found, alone.task.run())


def test_runs_on_the_same_data_share_a_view() -> None:
    """Two candidates in two folds: two views, not four."""
    folds = [run(rows, "number") for rows in FOLDS]
    tasks = [copy.copy(each.task) for each in folds for _ in range(2)]
    whole = stack(tasks, X, [each.rows for each in folds for _ in range(2)])
    assert whole.data.X is X and whole.data.scaling.offset.shape == (2, 5)
    assert whole.data.y.shape == (160, 1) and whole.data.weight.shape == (1, 160)
    assert len(whole.members) == len(whole.batches.rows) == whole.network.members == 4
    assert (whole.batches.rows // 80).tolist() == [[view] * 60 for view in (0, 0, 1, 1)]
    for member, rows in enumerate(whole.batches.rows):
        own = folds[member // 2]
        np.testing.assert_array_equal(rows % 80, own.rows)
        np.testing.assert_array_equal(whole.data.y[rows], own.task.data.y)
    assert not np.array_equal(whole.data.y[80:][40:60], whole.data.y[:80][40:60])  # own units


def test_generators_in_one_state_become_one() -> None:
    """They go on giving the same orders; others have orders of their own."""
    seeds = [0, 1, 0, 1, 0]
    made = [run(FOLDS[k % 2], "number", random_state=seed) for k, seed in enumerate(seeds)]
    states = [each.task.batches.random_states[0] for each in made]
    whole = stack([each.task for each in made], X, [each.rows for each in made])
    shared = whole.batches.random_states
    assert [shared.index(state) for state in shared] == [0, 1, 0, 1, 0]
    assert [pickle.dumps(a) for a in shared] == [pickle.dumps(b) for b in states]
    first = whole.batches.draw() % 80
    np.testing.assert_array_equal(first[0], first[4])
    for k in range(2):
        order = run(FOLDS[k], "number", random_state=seeds[k]).task.batches.draw()[0]
        np.testing.assert_array_equal(first[k], FOLDS[k][order])


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"alpha": 1.0, "l1_ratio": 1.0, "dropout": 0.5, "random_state": 3}, True),
        ({"learning_rate_init": 0.5, "norm_momentum": 0.3, "input_noise": 0.1}, True),
        ({"mixup_alpha": 0.5, "input_dropout": 0.1, "standardize_target": False}, True),
        ({"hidden_layer_sizes": (8,)}, False), ({"activation": "tanh"}, False),
        ({"batch_size": 20}, False), ({"shuffle": False}, False), ({"max_iter": 3}, False),
        ({"solver": "adamw"}, False), ({"beta_1": 0.5}, False), ({"tol": 1.0}, False),
        ({"loss": "huber"}, False), ({"loss": "poisson"}, False), ({"penalty": "l0"}, False),
        ({"normalization": None}, False), ({"dtype": "float32"}, False), (STOPS, False),
        ({"learning_rate": "cosine"}, False), ({"swa_fraction": 0.5}, False),
        ({"max_grad_norm": 1.0}, False), ({"norm_statistics": "cumulative"}, False),
        ({"solver": "lbfgs"}, False), ({"n_iter_no_change": 3}, False),
    ],
    ids=str,
)  # fmt: skip
def test_what_can_be_trained_in_one_stack(changed: dict[str, Any], same: bool) -> None:
    first, second = (run(FOLDS[0], "number above 0", **each).task for each in ({}, changed))
    assert (signature(first) == signature(second)) is same


def test_folds_of_different_sizes_and_searches_of_lbfgs_stay_apart() -> None:
    assert signature(run(FOLDS[0], "number").task) != signature(run(FOLDS[0][1:], "number").task)
    held = [run(FOLDS[0], "number", **{**STOPS, "validation_fraction": f}).task for f in (0.2, 0.4)]
    assert signature(held[0]) != signature(held[1])
    searches = [run(rows, "number", solver="lbfgs").task for rows in FOLDS]
    assert signature(searches[0]) != signature(searches[1])


@pytest.mark.parametrize("settings", [{}, STOPS, {"n_members": 2}])
def test_lbfgs_is_a_stack_of_its_own(settings: dict[str, Any]) -> None:
    settings = {**settings, "solver": "lbfgs", "max_iter": 8}
    made, alone = (run(FOLDS[1], "number", **settings) for _ in "ab")
    assert_as_alone(together([made])[0], alone.task.run())


def test_scores_on_own_rows_and_on_given_ones_are_joined() -> None:
    """As many held-out rows, but of different tables: the tasks' own scores are asked."""
    made = [
        [run(FOLDS[0], "number", **STOPS), run(FOLDS[1], "number", given=HELD, **STOPS)]
        for _ in "ab"
    ]
    for runs in made:  # the same rows to train on, so that only the scores differ
        runs[1].task.batches.rows = runs[1].task.batches.rows[:, :42]
    whole = stack([r.task for r in made[0]], X, [r.rows for r in made[0]])
    assert isinstance(whole.score, JointScore)
    for found, alone in zip(together(made[0]), made[1], strict=True):
        assert_as_alone(found, alone.task.run())


def test_held_out_loss_of_own_rows_stays_one_pass() -> None:
    made = [run(rows, "number", **STOPS) for rows in FOLDS]
    whole = stack([each.task for each in made], X, [each.rows for each in made])
    assert isinstance(whole.score, HeldOutLoss) and whole.score.data is whole.data
    alone = [each.task.score(each.task.network, [0])[0] for each in made]
    np.testing.assert_array_equal(whole.score(whole.network, [0, 1]), alone)
    np.testing.assert_array_equal(whole.score(whole.network.take([1]), [1]), alone[1:])


def test_joint_scores_ask_each_task_for_its_own_active_members() -> None:
    asked: list[tuple[str, int, list[int]]] = []

    def scorer(name: str) -> Any:
        def score(network: Any, active: list[int]) -> np.ndarray:
            asked.append((name, network.members, active))
            return network["head.bias"][:, 0] + np.array(active)

        return score

    network = run(FOLDS[0], "number", n_members=5).task.network
    network["head.bias"][:, 0] = [10.0, 20.0, 30.0, 40.0, 50.0]
    joint = JointScore([scorer("a"), scorer("b"), scorer("c")], [2, 1, 2])
    np.testing.assert_array_equal(joint(network, [0, 1, 2, 3, 4]), [10, 21, 30, 40, 51])
    assert asked == [("a", 2, [0, 1]), ("b", 1, [0]), ("c", 2, [0, 1])]
    asked.clear()
    np.testing.assert_array_equal(joint(network.take([1, 4]), [1, 4]), [21, 51])
    assert asked == [("a", 1, [1]), ("c", 1, [1])]


def test_a_diverging_run_leaves_and_the_others_do_not_notice() -> None:
    settings = {"normalization": None, "solver": "sgd"}
    rates = [1e-4, 1e6, 2e-4]
    made = [
        [run(rows, "number", **settings, learning_rate_init=r) for r in rates for rows in FOLDS]
        for _ in "ab"
    ]
    with pytest.warns(RuntimeWarning, match="non-finite"):
        found = together(made[0])
    assert [bool(each.diverged[0]) for each in found] == [False, False, True, True, False, False]
    for k, alone in enumerate(made[1]):
        if not found[k].diverged.any():
            assert_as_alone(found[k], alone.task.run())


def test_models_stay_what_they_were(regression: Any) -> None:
    """Stacking reads tasks: training the stack changes none of them."""
    made = [run(rows, "number") for rows in FOLDS]
    before = [pickle.dumps((r.task.network, r.task.batches.rows)) for r in made]
    together(made)
    assert [pickle.dumps((r.task.network, r.task.batches.rows)) for r in made] == before
    assert clone(made[0].model).get_params() == made[0].model.get_params()
