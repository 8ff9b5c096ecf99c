"""Searches that go on from a file after any end."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from killed_case import EndedError, end_after, run_killed
from scipy.stats import uniform
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.exceptions import CheckpointError
from sknorm.files import disk
from sknorm.model_selection import StackedGridSearchCV, StackedRandomizedSearchCV, race, train

X, Y = make_regression(60, 3, noise=5.0, random_state=0)
FRAME = pd.DataFrame(X, columns=list("abc"))
CLASSES = make_classification(60, 4, n_informative=3, n_redundant=0, random_state=0)
SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "tol": 0.0,
    "random_state": 0,
    "preset": "sklearn",
}
GRID = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(4,), (8,), (4, 4)]}
SEARCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "threads": {"n_jobs": 2},
    "training scores": {"return_train_score": True},
    "several metrics": {"scoring": ["r2", "neg_mean_absolute_error"], "refit": "r2"},
    "ensemble": {"refit": "ensemble"},
    "race over folds": {"racing": True, "cv": 4},
    "race over epochs": {"racing": True, "cv": 2},
    "no refit": {"refit": False},
}
each_search = pytest.mark.parametrize("changed", SEARCHES.values(), ids=SEARCHES)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "search.ckpt"


def regressors(**changed: Any) -> StackedGridSearchCV:
    settings = {"estimator": MLPRegressor(**SMALL), "param_grid": GRID, "cv": 3}
    return StackedGridSearchCV(**{**settings, **changed})


def assert_same(search: Any, whole: Any, X: Any = X) -> None:
    assert search.cv_results_.keys() == whole.cv_results_.keys()
    for name, values in whole.cv_results_.items():
        if "time" not in name:
            np.testing.assert_array_equal(search.cv_results_[name], values, err_msg=name)
    if whole.refit:
        np.testing.assert_array_equal(search.predict(X), whole.predict(X))


@pytest.mark.filterwarnings("ignore:.*being processed by the workers have been cancelled")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of joblib
@each_search
def test_searches_go_on_to_the_same_results(
    changed: dict, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = regressors(**changed).fit(X, Y)
    with monkeypatch.context() as patch, pytest.raises(EndedError):
        end_after(patch, "append", 1)
        regressors(**changed, checkpoint=path, checkpoint_every=0).fit(X, Y)
    search = regressors(**changed, checkpoint=path, checkpoint_every=0).fit(X, Y)
    assert_same(search, whole)
    alone = search.refit in (False, "ensemble")
    left = {"search.ckpt"} if alone else {"search.ckpt", "search.ckpt.refit"}
    assert {each.name for each in path.parent.iterdir()} == left


def test_finished_fits_are_not_repeated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    settings = {"checkpoint": path, "verbose": 2, "n_jobs": 1}
    with monkeypatch.context() as patch, pytest.raises(EndedError):
        end_after(patch, "append", 1)
        regressors(**settings).fit(X, Y)
    settle = train.Stack._settled

    def counted(stack: Any, trial: Any, outcome: Any) -> Any:
        told.append(str(trial.job.key))
        return settle(stack, trial, outcome)

    monkeypatch.setattr(train.Stack, "_settled", counted)
    regressors(**settings).fit(X, Y)
    assert 0 < len(set(told)) == len(told) < 18
    told.clear()
    regressors(**settings).fit(X, Y)
    assert not told


def test_a_finished_race_over_epochs_is_not_repeated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"checkpoint": path, "racing": True, "cv": 2, "refit": "ensemble"}
    whole = regressors(**settings).fit(X, Y)
    assert whole.cv_results_["left_epoch"].count() > 0
    trained: list[Any] = []
    monkeypatch.setattr(race, "begin", lambda *given: trained.append(given))
    assert_same(regressors(**settings).fit(X, Y), whole)
    assert not trained


def test_a_race_by_another_score_is_another_search(path: Path) -> None:
    scoring = {"r2": "r2", "worst": make_scorer(r2_score, greater_is_better=False)}

    def search(cv: int, refit: str) -> StackedGridSearchCV:
        settings = {"param_grid": {"alpha": np.logspace(-4, 3, 6)}, "racing": True, "cv": cv}
        return regressors(**settings, scoring=scoring, refit=refit, checkpoint=path)

    search(2, "r2").fit(X, Y)
    with pytest.raises(CheckpointError, match="other settings"):
        search(2, "worst").fit(X, Y)
    path.unlink()
    search(3, "r2").fit(X, Y)  # whose fits all are whole ones
    found = search(3, "worst").fit(X, Y)
    path.unlink()
    assert_same(search(3, "worst").fit(X, Y), found)


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_classifiers_with_failing_candidates_go_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = {"alpha": [1e-4, 1.0], "learning_rate_init": [1e-3, 1e18], "hidden_layer_sizes": [3, 4]}

    def search(**changed: Any) -> StackedGridSearchCV:
        model = make_pipeline(StandardScaler(), MLPClassifier(**SMALL, normalization=None))
        names = {f"mlpclassifier__{name}": values for name, values in grid.items()}
        return StackedGridSearchCV(model, names, cv=2, refit="ensemble", **changed)

    with pytest.warns(FitFailedWarning):
        whole = search().fit(*CLASSES)
    with monkeypatch.context() as patch, pytest.raises(EndedError):
        end_after(patch, "append", 1)
        search(checkpoint=path).fit(*CLASSES)
    with pytest.warns(FitFailedWarning):
        again = search(checkpoint=path).fit(*CLASSES)
    assert_same(again, whole, CLASSES[0])


def test_frames_are_known_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(X, columns=list("abc"))
    frame["d"] = np.where(X[:, 0] > 0, "yes", None)
    frame["e"] = pd.Categorical(np.where(X[:, 1] > 0, "u", "v"))
    regressors(checkpoint=path).fit(frame, pd.Series(Y))
    told: list[str] = []
    end_after(monkeypatch, "append", 0)
    regressors(checkpoint=path).fit(frame.copy(), pd.Series(Y))
    assert not told
    changed = frame.assign(d=frame["d"].replace("yes", "yeah"))
    with pytest.raises(CheckpointError, match="other data"):
        regressors(checkpoint=path).fit(changed, Y)


@pytest.mark.parametrize(
    "kind", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"]
)
def test_columns_may_have_the_names_of_attributes(kind: Any, path: Path) -> None:
    table = kind(FRAME.rename(columns={"a": "column_names", "b": "shape"}).to_dict("list"))
    settings = {"checkpoint": path, "cv": 2, "refit": False}
    whole = regressors(**settings).fit(table, Y)
    assert_same(regressors(**settings).fit(table, Y), whole)


def words_of(text: list[str]) -> list[str]:
    return text


def test_rows_may_have_different_lengths(path: Path) -> None:
    table = [["a"] * (row % 3) + ["b"] for row in range(60)]
    model = make_pipeline(CountVectorizer(analyzer=words_of), MLPRegressor(**SMALL))
    settings = {"estimator": model, "param_grid": {}, "checkpoint": path}
    whole = regressors(**settings).fit(table, Y)
    assert_same(regressors(**settings).fit(table, Y), whole, table)
    with pytest.raises(CheckpointError, match="other data"):
        regressors(**settings).fit([["b"], *table[1:-1], ["a"]], Y)


@pytest.mark.parametrize(
    "kind", [pd.Series, pl.Series, pa.array], ids=["pandas", "polars", "arrow"]
)
def test_weights_that_differ_in_the_middle_are_other_data(kind: Any, path: Path) -> None:
    weight = np.ones(80)
    settings = {"checkpoint": path, "cv": 2, "refit": False}
    table, y = np.resize(X, (80, 3)), np.resize(Y, 80)
    regressors(**settings).fit(table, y, sample_weight=kind(weight))
    weight[30:50] = 5.0
    with pytest.raises(CheckpointError, match="other data"):
        regressors(**settings).fit(table, y, sample_weight=kind(weight))


def test_masked_arrays_are_known_by_their_masks(path: Path) -> None:
    settings = {"checkpoint": path, "cv": 2, "refit": False}
    whole = regressors(**settings).fit(np.ma.MaskedArray(X, X > 1.0), Y)
    assert_same(regressors(**settings).fit(np.ma.MaskedArray(X, X > 1.0), Y), whole)
    with pytest.raises(CheckpointError, match="other data"):
        regressors(**settings).fit(np.ma.MaskedArray(X, X > 1.5), Y)


def test_numbers_are_other_data_as_categories(path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abc")).assign(a=np.arange(60) % 3)
    settings = {"checkpoint": path, "cv": 2, "refit": False}
    regressors(**settings).fit(frame, Y)
    with pytest.raises(CheckpointError, match="other data"):
        regressors(**settings).fit(frame.astype({"a": "category"}), Y)


def test_generators_are_known_by_their_states(path: Path) -> None:
    def search(seed: int) -> StackedGridSearchCV:
        generator = np.random.RandomState(seed)
        model = MLPRegressor(**{**SMALL, "random_state": generator})
        return regressors(estimator=model, checkpoint=path, cv=2, refit=False)

    whole = search(0).fit(X, Y)
    assert_same(search(0).fit(X, Y), whole)
    with pytest.raises(CheckpointError, match="other candidates"):
        search(1).fit(X, Y)


def test_generators_of_other_steps_are_known_by_their_states(path: Path) -> None:
    def search(seed: int) -> StackedGridSearchCV:
        noise = FunctionTransformer(_noisy, kw_args={"generator": np.random.default_rng(seed)})
        model = make_pipeline(noise, MLPRegressor(**SMALL))
        settings = {"checkpoint": path, "cv": 2, "refit": False}
        return StackedGridSearchCV(model, {"mlpregressor__alpha": [0.1, 1.0]}, **settings)

    search(0).fit(X, Y)
    search(0).fit(X, Y)
    with pytest.raises(CheckpointError, match="other candidates"):
        search(1).fit(X, Y)


def _noisy(table: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return table + generator.normal(size=table.shape)


def kept(columns: np.ndarray, only: Any) -> np.ndarray:
    return columns[:, sorted(only)]


class Factor:
    """A function of no text."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        return self.factor * columns


class Foreign:
    """A transformer with a text of its own, which does not say what it does."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"factor": self.factor}

    def fit(self, X: Any, y: Any = None) -> "Foreign":
        return self

    def transform(self, X: Any) -> Any:
        return self.factor * X

    def __repr__(self) -> str:
        return "Foreign()"


def after(step: Any, **changed: Any) -> Pipeline:
    return make_pipeline(step, MLPRegressor(**SMALL, **changed))


PAIRS: dict[str, tuple[Any, Any]] = {
    "distributions": (
        MLPRegressor(**SMALL, n_members=2, member_space={"dropout": uniform(0.0, 0.1)}),
        MLPRegressor(**SMALL, n_members=2, member_space={"dropout": uniform(0.0, 0.5)}),
    ),
    "selectors of columns": (
        after(ColumnTransformer([("s", StandardScaler(), make_column_selector("a|b"))])),
        after(ColumnTransformer([("s", StandardScaler(), make_column_selector("a|c"))])),
    ),
    "callable objects": (
        after(FunctionTransformer(Factor(1.0))),
        after(FunctionTransformer(Factor(2.0))),
    ),
    "steps of other libraries": (after(Foreign(1.0)), after(Foreign(2.0))),
    "frozen steps": (
        after(FrozenEstimator(StandardScaler().fit(FRAME))),
        after(FrozenEstimator(StandardScaler().fit(2.0 * FRAME))),
    ),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_objects_are_known_by_what_they_hold(one: Any, other: Any, path: Path) -> None:
    settings = {"param_grid": {}, "cv": 2, "refit": False, "checkpoint": path}
    whole = regressors(estimator=one, **settings).fit(FRAME, Y)
    assert_same(regressors(estimator=clone(one), **settings).fit(FRAME, Y), whole)
    with pytest.raises(CheckpointError, match="other candidates"):
        regressors(estimator=other, **settings).fit(FRAME, Y)


def test_sets_are_known_in_any_order(path: Path) -> None:
    """It is another one in each process."""
    assert repr({0, 8}) != repr({8, 0})
    table = np.tile(X, 3)
    for only in ({0, 8}, {8, 0}):
        step = FunctionTransformer(kept, kw_args={"only": only})
        regressors(estimator=after(step), param_grid={}, checkpoint=path).fit(table, Y)


OTHERS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "grid": ({"param_grid": {"alpha": [0.1]}}, Y, "other candidates"),
    "estimator": ({"estimator": MLPRegressor(**SMALL, dropout=0.1)}, Y, "other candidates"),
    "folds": ({"cv": ShuffleSplit(3, random_state=1)}, Y, "other folds"),
    "targets": ({}, Y + 1.0, "other data"),
    "scoring": ({"scoring": "neg_mean_absolute_error"}, Y, "other settings"),
    "training scores": ({"return_train_score": True}, Y, "other settings"),
}


@pytest.mark.parametrize(("changed", "y", "text"), OTHERS.values(), ids=OTHERS)
def test_files_of_other_searches_are_refused(changed: dict, y: Any, text: str, path: Path) -> None:
    regressors(checkpoint=path, refit=False).fit(X, Y)
    before = path.read_bytes()
    other = regressors(checkpoint=path, refit=False).set_params(**changed)
    with pytest.raises(CheckpointError, match=rf"search\.ckpt is a .* another search.*{text}"):
        other.fit(X, y)
    assert path.read_bytes() == before
    other.set_params(stale_checkpoint="set_aside")
    with pytest.warns(UserWarning, match=r"It is now .*\.stale, and the search begins anew"):
        other.fit(X, y)
    assert Path(f"{path}.stale").read_bytes() == before


def test_scorers_are_not_known_by_the_names_that_a_search_gives_them(path: Path) -> None:
    settings = {"checkpoint": path, "refit": "error"}
    regressors(**settings, scoring={"error": "neg_mean_absolute_error"}).fit(X, Y)
    with pytest.raises(CheckpointError, match="other settings"):
        regressors(**settings, scoring={"error": "neg_mean_squared_error"}).fit(X, Y)


def test_an_entry_that_was_cut_off_is_left_out(path: Path) -> None:
    whole = regressors(checkpoint=path, n_jobs=1, max_stack_bytes=40_000).fit(X, Y)
    data = path.read_bytes()
    first = 16 + int.from_bytes(data[:8], "little")  # after its length and the inverse
    for size in (first, first + 3, first + 100, len(data) - 1):
        path.write_bytes(data[:size])
        assert_same(regressors(checkpoint=path, max_stack_bytes=40_000).fit(X, Y), whole)


def test_an_entry_of_another_search_is_not_cut_off(path: Path) -> None:
    """It may be in the middle of writing it."""
    regressors(checkpoint=path, refit=False).fit(X, Y)
    data = path.read_bytes()[:-1]
    path.write_bytes(data)
    other = regressors(checkpoint=path, refit=False, return_train_score=True)
    with pytest.raises(CheckpointError, match="other settings"):
        other.fit(X, Y)
    assert path.read_bytes() == data
    with pytest.warns(UserWarning, match="begins anew"):
        other.set_params(stale_checkpoint="set_aside").fit(X, Y)
    assert Path(f"{path}.stale").read_bytes() == data


def test_damaged_files_are_refused(path: Path) -> None:
    regressors(checkpoint=path, refit=False).fit(X, Y)
    data = path.read_bytes()
    headers = [each.start() for each in re.finditer(rb'\{"__metadata__"', data)]
    assert len(headers) > 2
    lengths = [header - 24 for header in headers]  # of entries, before those of headers
    for place in (*lengths, lengths[1] + 2, *range(16, len(data), 501)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(CheckpointError, match=r"search\.ckpt .* Delete the file"):
            regressors(checkpoint=path, refit=False).fit(X, Y)
    for content in (b"", b"\x80\x04N.", os.urandom(99)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"search\.ckpt .* Delete the file"):
            regressors(checkpoint=path, refit=False).fit(X, Y)


def test_a_full_disk_costs_a_warning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), args[0])

    monkeypatch.setattr(disk, "append", full)
    with pytest.warns(RuntimeWarning, match="The search goes on without a new checkpoint.*space"):
        search = regressors(checkpoint=path).fit(X, Y)
    assert_same(search, regressors().fit(X, Y))


def test_fits_that_lacked_memory_are_tried_again(path: Path) -> None:
    with pytest.raises(ValueError, match="Raise max_stack_bytes"):
        regressors(checkpoint=path, max_stack_bytes=1000).fit(X, Y)
    assert_same(regressors(checkpoint=path).fit(X, Y), regressors().fit(X, Y))


def test_draws_without_a_seed_are_other_candidates(path: Path) -> None:
    for attempt in range(2):
        search = StackedRandomizedSearchCV(
            *(MLPRegressor(**SMALL), {"alpha": np.logspace(-5, 0, 99)}),
            n_iter=3,
            cv=2,
            checkpoint=path,
        )
        if attempt:
            with pytest.raises(CheckpointError, match="other candidates"):
                search.fit(X, Y)
        else:
            search.fit(X, Y)


KILLED = """
import sys, warnings
import numpy as np
from killed_case import kill_until_done
from sknorm import MLPRegressor
from sknorm.model_selection import StackedGridSearchCV
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(90, 4))
y = X[:, 0] + rng.normal(size=90)
model = MLPRegressor(hidden_layer_sizes=(8,), batch_size=8, max_iter=12, tol=0.0, random_state=0,
                     preset="sklearn")
grid = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(4,), (8,), (4, 4)]}
whole = StackedGridSearchCV(model, grid, cv=3).fit(X, y)

def fit():
    search = StackedGridSearchCV(model, grid, cv=3, checkpoint=sys.argv[1], checkpoint_every=0)
    search.fit(X, y)
    np.savez(sys.argv[2], scores=search.cv_results_["mean_test_score"], answers=search.predict(X))

killed = kill_until_done(fit, 20, float(sys.argv[3]), 1)
found = np.load(sys.argv[2])
np.testing.assert_array_equal(found["scores"], whole.cv_results_["mean_test_score"])
np.testing.assert_array_equal(found["answers"], whole.predict(X))
print("killed", killed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no SIGKILL")
def test_a_search_that_is_killed_goes_on(tmp_path: Path) -> None:
    left = run_killed(KILLED, tmp_path, "search.ckpt", 0.2)
    assert left == {"search.ckpt", "search.ckpt.refit", "found.npz"}


class Subclass(MLPRegressor):
    """Fitted by its own method, one fit after the other."""

    def fit(self, X: Any, y: Any) -> Any:
        return super().fit(X, y)


@pytest.mark.parametrize("kind", [MLPRegressor, Subclass])
def test_candidates_do_not_share_the_file_of_a_fit(path: Path, kind: Any) -> None:
    model = kind(**SMALL, checkpoint=path)
    search = StackedGridSearchCV(model, {"alpha": [1e-4, 1.0]}, cv=2).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert path.exists()  # of the refit
    np.testing.assert_array_equal(
        search.predict(X), kind(**SMALL, **search.best_params_).fit(X, Y).predict(X)
    )
