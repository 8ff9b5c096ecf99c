"""Scores of stacked searches are those of scikit-learn's searches over the same estimators."""

from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import numpy as np
import polars as pl
import pytest
from scipy import sparse
from scipy.stats import loguniform
from search_case import (
    ERROR,
    FRAME,
    LOSS,
    PA,
    ROWS,
    STOPS,
    Case,
    T,
    assert_same_results,
    assert_same_search,
    classifier,
    piped,
    regressor,
)
from sklearn import config_context
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
)
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, StandardScaler

from sknorm.model_selection import StackedGridSearchCV, plan

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:n_iter_no_change=1 ends nothing"),
]

A: dict[str, Any] = {"alpha": [1e-4, 0.1, 1.0]}
WEIGHT, X = T["weight"], T["X"]
HELD = {"X_val": X[:20], "y_val": T["multiclass"][:20]}


def own_scorer(model: Any, X: Any, y: Any) -> float:
    return -float(np.mean((np.reshape(model.predict(X), (len(y), -1)) - y[:, None]) ** 2))


def several(model: Any, X: Any, y: Any) -> dict[str, float]:
    return {"accuracy": model.score(X, y), "certainty": float(model.predict_proba(X).max())}


TARGETS = [
    Case("binary", classifier(), A, "binary", LOSS),
    Case("multiclass", classifier(), A, "multiclass", LOSS),
    Case("words", classifier(), A, "words", LOSS),
    Case("multilabel", classifier(), A, "multilabel", {"scoring": "roc_auc"}),
    Case("accuracy", classifier(), A),
    Case("number", regressor(), A, "number", ERROR),
    Case("r2", regressor(), A, "number"),
    Case("numbers", regressor(), A, "numbers", ERROR),
    Case("counts", regressor(loss="poisson"), A, "counts",
         {"scoring": "neg_mean_poisson_deviance"}),
    Case("huber", regressor(loss="huber"), A, "number", ERROR),
    Case("quantiles", regressor(loss="quantile", quantile=[0.1, 0.9]), A, "number",
         {"scoring": own_scorer}),
]  # fmt: skip
FOLDS = [
    Case("shuffled", classifier(), A,
         search={**LOSS, "cv": KFold(3, shuffle=True, random_state=0)}),
    Case("uneven", classifier(), A, search={**LOSS, "cv": KFold(4)}),
    Case("groups", classifier(), A, search={**LOSS, "cv": GroupKFold(3)},
         fit={"groups": T["groups"]}),
    Case("one group", regressor(**STOPS), A, "number", {**ERROR, "cv": LeaveOneGroupOut()},
         {"groups": T["groups"]}),
    Case("predefined", classifier(), A,
         search={**LOSS, "cv": PredefinedSplit(np.arange(ROWS) % 3 - 1)}),
    Case("masks", classifier(), A,
         search={**LOSS, "cv": [(np.arange(ROWS) % 3 > k, np.arange(ROWS) % 3 == 0)
                                for k in range(2)]}),
    Case("lists, rows twice, negative", classifier(), A,
         search={**LOSS, "cv": [([*range(60), *range(30)], [*range(60, 90)]),
                                ([*range(59, -1, -1)], [-1, -2, -3, -30])]}),
    Case("weights", classifier(), A, search=LOSS, fit={"sample_weight": WEIGHT}),
    Case("weights of numbers", regressor(), A, "number", ERROR, {"sample_weight": WEIGHT}),
    Case("weights in columns", classifier(), A, search=LOSS, fit={"sample_weight": WEIGHT},
         X=np.asfortranarray(X)),
    Case("weights as a list", classifier(), A, search=LOSS, fit={"sample_weight": WEIGHT.tolist()}),
    Case("weights in a Pipeline", piped(classifier(), StandardScaler()), PA, search=LOSS,
         fit={"mlp__sample_weight": WEIGHT, "s0__sample_weight": WEIGHT[::-1]}),
    Case("weights, nothing before", piped(classifier(), None), PA, search=LOSS,
         fit={"mlp__sample_weight": WEIGHT}),
]  # fmt: skip
STOPPING = [
    Case("loss", classifier(**STOPS), A, search=LOSS),
    Case("scorer", classifier(**STOPS, scoring="accuracy"), A, search=LOSS),
    Case("scorer without a name", classifier(**STOPS, scoring=lambda m, X, y: m.score(X, y)), A,
         search=LOSS),
    Case("scorer of numbers", regressor(**STOPS, scoring="r2"), A, "number", ERROR),
    Case("weights", classifier(**STOPS, batch_size=10), A, search=LOSS,
         fit={"sample_weight": WEIGHT}),
    Case("members", classifier(**STOPS, n_members=2), A, search=LOSS),
    Case("members by scorer", classifier(**STOPS, n_members=2, scoring="accuracy"), A, search=LOSS),
    Case("splitter", classifier(**{**STOPS, "validation_fraction": KFold(3)}), A, search=LOSS),
    Case("splitter with a state", classifier(**{**STOPS, "validation_fraction": KFold(
        3, shuffle=True, random_state=np.random.RandomState(0))}), A, search=LOSS),
    Case("row numbers", classifier(**{**STOPS, "validation_fraction": [1, 2, 3, 5, 9]}), A,
         search=LOSS),
    Case("given rows", classifier(**STOPS), A, search=LOSS, fit=HELD),
    Case("given rows, scorer", classifier(**STOPS, scoring="accuracy"), A, search=LOSS, fit=HELD),
    Case("given rows, weights", regressor(**STOPS), A, "number", ERROR,
         {"X_val": X[:20], "y_val": T["number"][:20], "sample_weight_val": np.arange(1.0, 21.0)}),
    Case("given rows in a Pipeline", piped(classifier(**STOPS), StandardScaler()), PA, search=LOSS,
         fit={f"mlp__{name}": value for name, value in HELD.items()}),
    Case("given rows recorded only", classifier(early_stopping=False), A, search=LOSS, fit=HELD),
    Case("by training loss", regressor(tol=0.05, n_iter_no_change=1, max_iter=30), A, "number",
         ERROR),
    Case("averages", classifier(swa_fraction=0.5, **STOPS), A, search=LOSS),
    Case("population", classifier(norm_statistics="population", **STOPS), A, search=LOSS),
    Case("early_stopping and its share in the grid", classifier(n_iter_no_change=2, tol=0.05),
         {"early_stopping": [True, False], "validation_fraction": [0.1, 0.3]}, search=LOSS),
]  # fmt: skip
NETWORKS = [
    *(Case(solver, classifier(solver=solver), A, search=LOSS)
      for solver in ("adam", "adamw", "sgd", "lbfgs")),
    Case("lbfgs stops", classifier(solver="lbfgs", n_members=2, **STOPS), A, search=LOSS),
    *(Case(f"normalization {norm}", classifier(normalization=norm), A, search=LOSS)
      for norm in ("ghost", "layer", None)),
    *(Case(rate, classifier(solver="sgd", learning_rate=rate, tol=0.05, n_iter_no_change=1,
                            max_iter=12), {"learning_rate_init": [0.001, 0.1, 0.3]}, search=LOSS)
      for rate in ("constant", "adaptive", "invscaling", "cosine", "one_cycle")),
    Case("cumulative", classifier(norm_statistics="cumulative"), A, search=LOSS),
    Case("averages", classifier(swa_fraction=0.5), A, search=LOSS),
    Case("clipped", classifier(max_grad_norm=0.1), A, search=LOSS),
    Case("residual", classifier(hidden_layer_sizes=(6, 6), residual=True), A, search=LOSS),
    Case("not shuffled", classifier(shuffle=False), A, search=LOSS),
    Case("linear", classifier(hidden_layer_sizes=()), A, search=LOSS),
    Case("warm start", classifier(warm_start=True), A, search=LOSS),
    Case("members", classifier(n_members=2), A, search=LOSS),
    Case("a generator", classifier(random_state=np.random.RandomState(3)), A, search=LOSS),
]  # fmt: skip
GRIDS = [
    Case("nothing", classifier(), {}, search=LOSS),
    Case("some without dropout", classifier(),
         {"dropout": [0.0, 0.3], "l1_ratio": [0.0, 0.5], "input_noise": [0.0, 0.2]}, search=LOSS),
    Case("some without mixup", classifier(),
         {"label_smoothing": [0.0, 0.3], "mixup_alpha": [0.0, 0.5], "input_dropout": [0.0, 0.2]},
         search=LOSS),
    Case("mixed numbers", regressor(), {"mixup_alpha": [0.0, 0.5], "norm_momentum": [0.1, 0.3]},
         "number", ERROR),
    Case("class weights", classifier(),
         {"class_weight": [None, "balanced", {0: 2.0, 1: 1.0, 2: 1.0}, {0: 1.0, 1: 1.0, 2: 0.0}]}),
    Case("weights of words", classifier(),
         {"class_weight": [None, "balanced", {"ant": 3.0, "bee": 1, "cow": 1}]}, "words", LOSS),
    Case("states", classifier(),
         {"random_state": [0, 1, np.random.RandomState(3), np.random.RandomState(4)]}, search=LOSS),
    Case("list of grids", classifier(),
         [A, {"dropout": [0.5]}, {"hidden_layer_sizes": [(4,), (4, 4), 5]}], search=LOSS),
    Case("several stacks", regressor(),
         {"hidden_layer_sizes": [(4,), (8,)], "loss": ["squared_error", "huber"],
          "batch_size": [20, "auto"], "alpha": [0, np.float32(1.0)]}, "number", ERROR),
    Case("penalties", regressor(),
         {"penalty": ["elasticnet", "group_lasso", "l0"], "alpha": [0.0, 0.1]}, "number", ERROR),
    Case("quantiles", regressor(loss="quantile"), {"quantile": [0.1, 0.5]}, "number", ERROR),
    Case("units of targets", regressor(), {"standardize_target": [True, False], **A}, "number",
         ERROR),
    Case("norms", classifier(), {"normalization": ["batch", "ghost", "layer", None], **A},
         search=LOSS),
    Case("epochs and members", classifier(), {"max_iter": [1, 3], "n_members": [1, 3], **A},
         search=LOSS),
    Case("precisions", classifier(), {"dtype": ["float32", "float64", "auto"], **A}, search=LOSS),
    Case("drawn", classifier(), {"alpha": loguniform(1e-4, 1.0), "dropout": [0.0, 0.3]},
         search={**LOSS, "n_iter": 4, "random_state": 1}, kind="randomized"),
    Case("drawn from several", classifier(), [{"alpha": loguniform(1e-4, 1.0)}, {"dropout": [0.1]}],
         search={**LOSS, "n_iter": 4, "random_state": 1}, kind="randomized"),
]  # fmt: skip
TABLES = [
    Case("csr", classifier(), A, search=LOSS, X=sparse.csr_matrix(X * (X > 0))),
    Case("csc array", classifier(), A, search=LOSS, X=sparse.csc_array(X * (X > 0))),
    Case("coo array", regressor(), A, "number", ERROR, X=sparse.coo_array(X * (X > 0))),
    Case("frame", classifier(), A, search=LOSS, X=FRAME),
    Case("frame with an index", classifier(), A, search=LOSS,
         X=FRAME.set_index(np.arange(ROWS)[::-1] * 7)),
    Case("frame of several dtypes", classifier(), A, search=LOSS,
         X=FRAME.assign(a=FRAME.a > 0, b=FRAME.b.astype(np.float32), c=FRAME.c.astype(int))),
    Case("polars", classifier(), A, search=LOSS, X=pl.DataFrame(X, schema=list("abcdef"))),
    Case("columns", classifier(), A, search=LOSS, X=np.asfortranarray(X)),
    Case("every second column", classifier(), A, search=LOSS, X=np.repeat(X, 2, axis=1)[:, ::2]),
    Case("lists", classifier(), A, search=LOSS, X=X.tolist()),
    Case("integers", classifier(), A, search=LOSS, X=(3 * X).astype(int)),
    Case("objects", classifier(), A, search=LOSS, X=X.astype(object)),
    Case("a constant, a flag and an offset", classifier(), A, search=LOSS,
         X=np.column_stack([X * 1e-3 + 1e5, np.ones(ROWS), np.arange(ROWS) < 45])),
]  # fmt: skip
SCORES = [
    Case("of training rows", classifier(), A, search={**LOSS, "return_train_score": True}),
    Case("several", classifier(), A, search={
        "scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss",
        "return_train_score": True}),
    Case("several by name", piped(classifier(), KBinsDiscretizer(
        3, quantile_method="averaged_inverted_cdf")), PA,
        search={"scoring": {"a": "accuracy", "b": get_scorer("f1_macro")}, "refit": "b"}),
    Case("of one function", classifier(), A, search={"scoring": several, "refit": "certainty"}),
    Case("refit by a function", classifier(), A, search={
        "scoring": ["accuracy", "neg_log_loss"], "refit": lambda table: 1}),
    Case("several, not refitted", classifier(), A, search={
        "scoring": ["accuracy", "neg_log_loss"], "refit": False}),
    Case("not refitted", classifier(), A, search={**LOSS, "refit": False}),
    Case("weighted", classifier(), A, search={
        "scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy", "return_train_score": True},
         fit={"sample_weight": WEIGHT}),
]  # fmt: skip
FAMILIES = {
    "target": TARGETS, "folds": FOLDS, "stopping": STOPPING, "network": NETWORKS, "grid": GRIDS,
    "table": TABLES, "scores": SCORES,
}  # fmt: skip
# Of what others have, too: fits of the same table in another container, another scorer or rate.
SELDOM = {
    "target: accuracy", "target: words", "target: r2", "folds: weights in columns",
    "folds: weights as a list", "stopping: scorer of numbers", "stopping: members by scorer",
    "stopping: splitter", "stopping: given rows, scorer", "network: adam", "network: constant",
    "network: invscaling", "network: one_cycle", "network: members", "grid: drawn from several",
    "grid: weights of words", "table: csc array", "table: coo array", "table: columns",
    "table: lists", "table: integers", "table: frame with an index", "scores: not refitted",
}  # fmt: skip
CASES = [
    pytest.param(
        case,
        id=(name := f"{family}: {case.name}"),
        marks=pytest.mark.thorough if name in SELDOM else [],
    )
    for family, cases in FAMILIES.items()
    for case in cases
]
assert {case.id for case in CASES} >= SELDOM


@pytest.mark.parametrize("case", CASES)
def test_results_are_those_of_scikit_learn(case: Case) -> None:
    assert_same_search(case.stacked(), case.plain(), case.data[0])


@pytest.mark.parametrize("case", [*TARGETS[:5], *TARGETS[6:8]], ids=lambda case: case.name)
def test_float32_ranks_the_candidates_alike(case: Case) -> None:
    case = Case(case.name, case.model, case.grid, case.target, case.search, X=X.astype(np.float32))
    ours, theirs = case.stacked(), case.plain()
    assert ours.best_estimator_.network_.parameters.flat.dtype == np.float32
    for key in theirs.cv_results_:
        if key.startswith("rank"):
            np.testing.assert_array_equal(ours.cv_results_[key], theirs.cv_results_[key])
        elif "_test_" in key:
            np.testing.assert_allclose(ours.cv_results_[key], theirs.cv_results_[key], 1e-4, 1e-5)


BASE = Case(
    "base", classifier(**STOPS), {"alpha": [1e-4, 1.0], "dropout": [0.0, 0.3], "tol": [0.0, 0.05]},
    search={**LOSS, "cv": GroupKFold(3), "return_train_score": True}, fit={"groups": T["groups"]},
)  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What the base case gives in the usual stacks."""
    return BASE.stacked().cv_results_


@pytest.mark.parametrize(
    ("size", "n_jobs"), [(1, 1), (1, 3), (2, 2), (7, 1), (7, 3), (100, 1), (100, 2)]
)
def test_results_do_not_depend_on_how_the_work_is_cut(
    monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any], size: int, n_jobs: int
) -> None:
    """To the last bit."""
    monkeypatch.setattr(plan, "_MOST", size)
    assert_same_results(BASE.stacked(n_jobs=n_jobs).cv_results_, expected, rtol=0.0)


def test_read_only_memory_maps(tmp_path: Any) -> None:
    for order, name in ((np.ascontiguousarray, "rows"), (np.asfortranarray, "columns")):
        np.save(tmp_path / name, order(X))
        mapped = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        case = Case(name, classifier(), A, search={**LOSS, "n_jobs": 2}, X=mapped)
        assert_same_search(case.stacked(), case.plain(n_jobs=1), mapped)


def test_names_of_columns_reach_the_result() -> None:
    """And no warning that they were missing: warnings are errors."""
    search = Case("names", classifier(), A, X=FRAME).stacked()
    assert search.feature_names_in_.tolist() == list("abcdef")
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        search.predict(X)


@pytest.mark.parametrize(
    ("target", "settings", "steps", "scoring"),
    [
        ("multiclass", {}, (), "accuracy"), ("multilabel", {}, (MinMaxScaler(),), None),
        ("number", STOPS, (), "r2"), ("multiclass", {**STOPS, "scoring": "accuracy"},
                                      (MinMaxScaler(),), "accuracy"),
    ],
)  # fmt: skip
def test_arrays_on_a_device(
    target: str, settings: dict[str, Any], steps: tuple, scoring: str | None
) -> None:
    """Scores of arrays that stay there are those of NumPy's."""
    make: Callable = regressor if target == "number" else classifier
    model, device = piped(make(**{**settings, "max_iter": 3}), *steps), strict.Device("device1")
    search: dict[str, Any] = {"cv": KFold(2), "return_train_score": True, "scoring": scoring}
    given = [strict.asarray(T[name], device=device) for name in ("X", target)]
    with config_context(array_api_dispatch=True):
        found = StackedGridSearchCV(model, PA, **search).fit(*given)
        plain = GridSearchCV(model, PA, **search).fit(*given)
        answers = found.predict(given[0])
    host = Case("host", model, PA, target, search).stacked()
    assert_same_results(found.cv_results_, plain.cv_results_)
    assert_same_results(found.cv_results_, host.cv_results_)
    assert answers.device == device
