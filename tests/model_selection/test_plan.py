"""How candidates and folds are gathered: what shares a stack, a prefix and a preparation."""

import threading
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_case import classifier, regressor
from sklearn import config_context
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold, ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sknorm.model_selection.context import Context
from sknorm.model_selection.plan import STACKED, Candidate, Job, candidates_of, plan

X = np.zeros((60, 5))


def planned(
    model: Any, grid: Any, folds: int = 2, rows: int = 60, workers: int = 1, table: Any = X
) -> list[list[Job]]:
    splits = list(KFold(folds).split(np.zeros(rows)))
    candidates = candidates_of(model, list(ParameterGrid(grid)))
    context = Context(table, None, splits, {}, {}, check_scoring(model))
    return plan(context, candidates, range(folds), workers)


def pair(model: Any, first: dict[str, Any], second: dict[str, Any]) -> list[Candidate]:
    return candidates_of(model, [first, second])


def piped(*steps: Any, model: Any = None) -> Pipeline:
    named = [(f"s{k}", step) for k, step in enumerate(steps)]
    return Pipeline([*named, ("mlp", classifier() if model is None else model)])


OTHERS: dict[str, Any] = {
    "hidden_layer_sizes": (5,), "activation": "tanh", "solver": "adamw", "alpha": 0.5,
    "batch_size": 7, "learning_rate": "cosine", "learning_rate_init": 0.5, "power_t": 0.25,
    "max_iter": 7, "shuffle": False, "random_state": 7, "tol": 0.5, "verbose": True,
    "warm_start": True, "momentum": 0.5, "nesterovs_momentum": False, "early_stopping": True,
    "validation_fraction": 0.5, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 0.5,
    "n_iter_no_change": 3, "max_fun": 7, "normalization": "layer", "norm_momentum": 0.5,
    "norm_epsilon": 0.5, "norm_affine": False, "norm_statistics": "population",
    "ghost_batch_size": 7, "dropout": 0.5, "input_dropout": 0.5, "input_noise": 0.5,
    "mixup_alpha": 0.5, "residual": True, "swa_fraction": 0.5, "penalty": "group_lasso",
    "l1_ratio": 0.5, "class_weight": "balanced", "label_smoothing": 0.5, "scoring": "accuracy",
    "max_grad_norm": 0.5, "n_members": 2, "backend": "numpy", "matmul_precision": "high",
    "dtype": "float32", "loss": "huber", "quantile": 0.25, "huber_delta": 0.5,
    "standardize_target": False, "scaling": "robust", "categorical_features": [0],
    "min_frequency": 5, "preset": "fast", "n_bins": 5, "member_space": "default",
    "max_time": 7.0, "checkpoint": "fit.ckpt", "checkpoint_every": 7.0,
    "stale_checkpoint": "set_aside", "calibration": None,
}  # fmt: skip
PREPARING = {"normalization", "mixup_alpha", "backend", "dtype", "class_weight", "loss", "quantile",
             "huber_delta", "standardize_target", "scaling", "categorical_features",
             "min_frequency", "preset", "solver", "input_dropout", "n_bins"}  # fmt: skip
PARAMETERS = [(make, name) for make in (classifier, regressor) for name in make().get_params()]


@pytest.mark.parametrize(
    ("make", "name"), PARAMETERS, ids=[f"{make.__name__}-{name}" for make, name in PARAMETERS]
)
def test_each_parameter_may_differ_in_a_stack_or_not(make: Any, name: str) -> None:
    """And the preparation of the table depends on it or not."""
    first, second = pair(make(), {}, {name: OTHERS[name]})
    assert first.fault is None and second.fault is None
    assert (first.stack == second.stack) == (name in STACKED)
    assert (first.preparation == second.preparation) == (name not in PREPARING)
    assert first.before is second.before is None


@pytest.mark.filterwarnings("ignore:The total space of parameters")
@given(st.integers(1, 9), st.integers(2, 5), st.integers(1, 5))
def test_each_job_is_in_one_unit(candidates: int, folds: int, workers: int) -> None:
    made = planned(classifier(), {"alpha": np.linspace(0.1, 1.0, candidates)}, folds, 60, workers)
    jobs = [job.key for unit in made for job in unit]
    assert sorted(jobs) == [(c, f) for c in range(candidates) for f in range(folds)]
    sizes = [len(unit) for unit in made]
    assert max(sizes) - min(sizes) <= 1 and max(sizes) <= min(64, -(-len(jobs) // workers))


def test_folds_of_different_sizes_and_other_networks_stay_apart() -> None:
    assert len(planned(classifier(), {"alpha": [0.1, 1.0]}, folds=3, rows=60)) == 1
    made = planned(classifier(), {"alpha": [0.1, 1.0]}, folds=3, rows=59)
    assert sorted(len(unit) for unit in made) == [2, 4]
    made = planned(classifier(), {"alpha": [0.1, 1.0], "tol": [0.1, 0.2]}, folds=3)
    assert [len(unit) for unit in made] == [6, 6]
    for unit in made:
        assert len({job.candidate.network.tol for job in unit}) == 1


def test_units_have_the_epochs_of_their_networks() -> None:
    made = planned(classifier(), {"max_iter": [3, 8]})
    assert [unit[0].candidate.epochs for unit in made] == [3, 8]


@pytest.mark.parametrize(("width", "size"), [(8, 64), (600, 31), (5000, 1)])
def test_stacks_have_a_size(width: int, size: int) -> None:
    """On the host, where it was measured; stacks of a device are as large as memory allows."""
    model, grid = classifier(hidden_layer_sizes=(width, width)), {"alpha": np.linspace(0, 1, 96)}
    made = planned(model, grid)
    most = max(len(unit) for unit in made)
    assert most <= size
    assert size * (len(made) - 1) < 192
    device = strict.asarray(X, device=strict.Device("device1"))
    assert len(planned(model, grid, table=device)) == 1
    assert len(planned(model, grid, table=device, workers=3)) == 3
    model.set_params(backend="numpy")
    assert len(planned(model, grid, table=device)) == len(made)


def test_tables_without_columns_are_planned_for() -> None:
    made = planned(piped(StandardScaler()), {}, table=["text"] * 60)
    assert [len(unit) for unit in made] == [1, 1]


def test_candidates_that_cannot_be_fitted_are_units_without_epochs() -> None:
    grid = [{"alpha": [-1, 1.0]}, {"hidden_layer_sizes": ["a"]}, {"max_iter": ["x"], "tol": [9.0]}]
    made = planned(piped(StandardScaler()), [{f"mlp__{k}": v for k, v in g.items()} for g in grid])
    faulty = [unit for unit in made if unit[0].candidate.fault is not None]
    assert [unit[0].candidate.epochs for unit in faulty] == [0]
    assert {job.candidate.number for job in faulty[0]} == {0, 2, 3}
    assert all(job.candidate.fault is None for u in made if u not in faulty for job in u)
    assert sum(len(unit) for unit in made) == 8


@pytest.mark.parametrize("steps", [(), (None,), ("passthrough", None)])
def test_nothing_to_fit_before_is_no_prefix(steps: tuple) -> None:
    made = planned(piped(*steps), {"mlp__alpha": [0.1, 1.0]})
    assert len(made) == 1 and made[0][0].candidate.before is None and len(made[0]) == 4


def test_units_share_the_steps_before_in_a_fold() -> None:
    grid = {"s0__k": [1, 2], "mlp__alpha": [0.1, 1.0], "mlp__tol": [0.1, 0.2]}
    made = planned(piped(SelectKBest(k=1)), grid)
    assert len(made) == 8  # 2 settings of the step, 2 folds, 2 kinds of networks
    by_fold: dict[Any, list[list[Job]]] = {}
    for unit in made:
        (fold,) = {job.fold for job in unit}
        by_fold.setdefault(fold, []).append(unit)
    assert len(by_fold) == 4
    for fold, shared in by_fold.items():
        assert fold.uses == len(shared) == 2
        found = {(fold.split, job.candidate.model["s0"].k) for unit in shared for job in unit}
        assert len(found) == 1


def scale(table: Any) -> Any:
    return 2.0 * table


def unnamed() -> Any:
    return lambda table: 2.0 * table


FROZEN = [FrozenEstimator(StandardScaler().fit(np.eye(3) * k)) for k in (1.0, 2.0)]
LOCKED = FrozenEstimator(StandardScaler().fit(np.eye(3)))
LOCKED.estimator.lock_ = threading.Lock()
SAME = unnamed()
STEPS = {
    "equal": (StandardScaler(), StandardScaler(), True),
    "parameters": (StandardScaler(), StandardScaler(with_mean=False), False),
    "kinds": (SelectKBest(k=1), StandardScaler(), False),
    "a function": (FunctionTransformer(scale), FunctionTransformer(scale), True),
    "two functions": (FunctionTransformer(scale), FunctionTransformer(np.sqrt), False),
    "one without a name": (FunctionTransformer(SAME), FunctionTransformer(SAME), True),
    "two without a name": (FunctionTransformer(unnamed()), FunctionTransformer(unnamed()), False),
    "a lock": (LOCKED, LOCKED, True),
    "frozen": (FROZEN[0], FROZEN[0], True),
    "frozen after other fits": (FROZEN[0], FROZEN[1], False),
    "nested": (Pipeline([("a", StandardScaler())]), Pipeline([("a", StandardScaler())]), True),
    "nested, different": (Pipeline([("a", StandardScaler())]),
                          Pipeline([("a", StandardScaler(with_std=False))]), False),
    "arrays": (FunctionTransformer(kw_args={"a": np.ones(3)}),
               FunctionTransformer(kw_args={"a": np.ones(3)}), True),
    "other arrays": (FunctionTransformer(kw_args={"a": np.ones(3)}),
                     FunctionTransformer(kw_args={"a": np.zeros(3)}), False),
    "number or truth": (FunctionTransformer(kw_args={"a": 1}),
                        FunctionTransformer(kw_args={"a": True}), False),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "same"), STEPS.values(), ids=STEPS)
def test_steps_are_compared_by_all_that_decides_what_they_give(
    one: Any, other: Any, same: bool
) -> None:
    first, second = pair(piped("passthrough"), {"s0": one}, {"s0": other})
    assert (first.before == second.before) is same
    assert first.stack == second.stack


def test_the_pipeline_itself_decides_too() -> None:
    first, second = pair(piped(StandardScaler()), {}, {"transform_input": ["X_val"]})
    assert first.before != second.before
    with config_context(enable_metadata_routing=True):
        asking = [classifier().set_fit_request(sample_weight=each) for each in (True, False, True)]
        made = candidates_of(piped(StandardScaler()), [{"mlp": model} for model in asking])
    assert made[0].before == made[2].before != made[1].before
    assert made[0].stack == made[2].stack != made[1].stack


def test_parameters_that_cannot_be_compared_are_equal_to_themselves() -> None:
    class Splitter(KFold):  # of no name that another process could look up
        pass

    for make in (unnamed, lambda: Splitter(3)):
        name = "scoring" if make is unnamed else "validation_fraction"
        one = make()
        first, second, third = candidates_of(
            classifier(), [{name: one}, {name: one, "alpha": 1.0}, {name: make()}]
        )
        assert first.stack != third.stack
        assert (first.stack == second.stack) == (make is unnamed)  # splitters are copied


def test_candidates_are_numbered_and_leave_their_parameters_alone() -> None:
    given: list[dict[str, Any]] = [{"mlp": classifier(alpha=0.5)}, {"mlp__alpha": 2.0}]
    made = candidates_of(piped(StandardScaler()), given)
    assert [each.number for each in made] == [0, 1]
    assert [each.network.alpha for each in made] == [0.5, 2.0]
    assert made[0].parameters is given[0] and made[0].network is not given[0]["mlp"]
    assert made[1].network is made[1].model["mlp"]


def test_what_cannot_be_a_candidate() -> None:
    with pytest.raises(ValueError, match="Invalid parameter 'spam'"):
        candidates_of(classifier(), [{"spam": 1}])
    with pytest.raises(TypeError, match="ends in scikit-learn's LogisticRegression"):
        candidates_of(piped(StandardScaler()), [{"mlp": LogisticRegression()}])
