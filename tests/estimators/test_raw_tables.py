"""Data frames as they are: categories, text, booleans and missing values."""

import copy
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import EnsembleClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = 240
MANY = [f"level {i:02}" for i in range(25)]
SMALL: dict[str, Any] = {"hidden_layer_sizes": (12, 8), "max_iter": 6, "random_state": 0}
LONG: dict[str, Any] = {**SMALL, "max_iter": 80, "learning_rate_init": 0.01, "batch_size": 32}


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers with gaps, text of few and of many levels, a boolean, and labels that need each."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(ROWS, 2))
    few, many = rng.choice(list("abcd"), ROWS), rng.choice(MANY, ROWS)
    flag = rng.uniform(size=ROWS) < 0.3
    effect = dict(zip(MANY, rng.normal(size=len(MANY)), strict=True))
    signal = numbers[:, 0] + (few == "a") + flag + np.array([effect[level] for level in many])
    y = signal + 0.2 * rng.normal(size=ROWS) > 0.5
    numbers[rng.uniform(size=ROWS) < 0.15, 1] = np.nan
    many = np.where(rng.uniform(size=ROWS) < 0.1, None, many)
    frame = pd.DataFrame({"few": few, "x": numbers[:, 0], "gaps": numbers[:, 1], "flag": flag})
    return frame.assign(many=many, kind=pd.Categorical(rng.choice(["u", "v"], ROWS))), y


def one_hot(frame: pd.DataFrame) -> np.ndarray:
    """Numbers, and indicators of the levels of all categories that have no gaps."""
    parts = [frame[["x"]].to_numpy()]
    for name in ("few", "flag", "kind"):
        levels = np.unique(frame[name].astype(object))
        parts.append((frame[[name]].to_numpy() == levels).astype(float))
    return np.hstack(parts)


# One factor at a time; without input dropout, which drops indicators one by one.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "ghost": {"normalization": "ghost"},
    "layer": {"normalization": "layer"},
    "no norm": {"normalization": None, "scaling": "standard"},
    "dropout": {"dropout": 0.2},
    "mixup": {"mixup_alpha": 0.4},
    "noise": {"input_noise": 0.0},
    "members": {"n_members": 3},
    "no layers": {"hidden_layer_sizes": ()},
    "wide": {"hidden_layer_sizes": (130,), "dtype": "float32"},
    "sgd": {"solver": "sgd"},
    "lbfgs": {"solver": "lbfgs"},
    "l1": {"alpha": 0.02, "l1_ratio": 0.6},
    "early stopping": {"early_stopping": True},
    "early stopping by a scorer": {"early_stopping": True, "scoring": "roc_auc"},
    "population": {"norm_statistics": "population"},
    "swa": {"swa_fraction": 0.5},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_few_levels_are_one_hot_columns(table: Any, name: str) -> None:
    """The same network, from the same draws, as behind scikit-learn's one-hot encoder."""
    frame, y = table
    frame = frame[["few", "x", "flag", "kind"]]
    parameters = {**SMALL, **CONFIGURATIONS[name]}
    raw = MLPClassifier(**parameters, preset="sklearn").fit(frame, y)
    dense = MLPClassifier(**parameters, preset="sklearn").fit(one_hot(frame), y)
    tolerance = 1e-3 if parameters.get("dtype") == "float32" else 1e-7
    np.testing.assert_allclose(
        raw.predict_proba(frame), dense.predict_proba(one_hot(frame)), atol=tolerance
    )
    assert raw.n_iter_ == dense.n_iter_


def test_every_column_is_learned_from(table: Any) -> None:
    frame, y = table
    settings = {**LONG, "learning_rate": "cosine"}
    whole = MLPClassifier(**settings, preset="sklearn").fit(frame, y)
    assert whole.score(frame, y) > 0.93
    for name in ("few", "x", "flag", "many"):
        less = frame.drop(columns=name)
        assert MLPClassifier(**settings, preset="sklearn").fit(less, y).loss_ > 1.1 * whole.loss_


@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw", "lbfgs"])
def test_members_are_single_networks(table: Any, solver: str) -> None:
    frame, y = table
    stack = MLPClassifier(
        **SMALL, solver=solver, n_members=3, input_dropout=0.0, preset="sklearn"
    ).fit(frame, y)
    alone = [
        MLPClassifier(**{**SMALL, "random_state": int(seed)}, solver=solver, preset="sklearn").fit(
            frame, y
        )
        for seed in stack.member_seeds_
    ]
    mean = np.mean([model.predict_proba(frame) for model in alone], axis=0)
    np.testing.assert_allclose(stack.predict_proba(frame), mean, rtol=1e-12)
    joint = EnsembleClassifier(alone).fit(frame, y)
    np.testing.assert_allclose(joint.predict_proba(frame), mean, rtol=1e-12)


LIBRARIES = {
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "objects": lambda frame: frame.astype(object),
    "strings": lambda frame: frame.astype({"few": "category", "many": "string"}),
    "nullable": lambda frame: frame.convert_dtypes(),
    "arrow dtypes": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_tables_of_other_libraries_are_the_same(table: Any, library: str) -> None:
    frame, y = table
    other = LIBRARIES[library](frame)
    model = MLPClassifier(**SMALL, preset="sklearn").fit(frame, y)
    expected = model.predict_proba(frame)
    np.testing.assert_array_equal(model.predict_proba(other), expected)
    again = MLPClassifier(**SMALL, preset="sklearn").fit(other, y)
    np.testing.assert_array_equal(again.predict_proba(frame), expected)


def test_arrays_of_objects(table: Any) -> None:
    frame, y = table
    expected = MLPClassifier(**SMALL, preset="sklearn").fit(frame, y).predict_proba(frame)
    values = frame.to_numpy(dtype=object)
    model = MLPClassifier(**SMALL, preset="sklearn").fit(values, y)
    np.testing.assert_array_equal(model.predict_proba(values), expected)


def test_numbers_as_categories() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=200), rng.integers(0, 5, 200), rng.integers(0, 40, 200)])
    y = rng.normal(size=40)[X[:, 2].astype(int)] + (X[:, 1] == 2)
    fits = [
        MLPRegressor(**SMALL, categorical_features=told, preset="sklearn").fit(X, y).predict(X)
        for told in ([1, 2], [False, True, True], np.array([2, 1]))
    ]
    assert all(np.array_equal(fits[0], each) for each in fits[1:])
    assert np.any(fits[0] != MLPRegressor(**SMALL, preset="sklearn").fit(X, y).predict(X))
    names = pd.DataFrame(X, columns=list("abc"))
    named = MLPRegressor(**SMALL, categorical_features=["b", "c"], preset="sklearn").fit(names, y)
    np.testing.assert_array_equal(named.predict(names), fits[0])


def test_order_of_rows_and_of_levels_does_not_matter(table: Any) -> None:
    """Levels have places by their own order, not by that of the rows or of a dtype."""
    frame, y = table
    order = np.random.default_rng(0).permutation(ROWS)
    model = MLPClassifier(**SMALL, solver="lbfgs", preset="sklearn").fit(frame, y)
    other = MLPClassifier(**SMALL, solver="lbfgs", preset="sklearn").fit(
        frame.iloc[order], y[order]
    )
    assert [a.levels.tolist() for a in model._fitted.columns.categories] == [
        b.levels.tolist() for b in other._fitted.columns.categories
    ]
    backwards = frame.assign(few=pd.Categorical(frame["few"], categories=list("dcba")))
    same = MLPClassifier(**SMALL, solver="lbfgs", preset="sklearn").fit(backwards, y)
    np.testing.assert_array_equal(same.predict_proba(frame), model.predict_proba(frame))


def test_unknown_levels_are_levels_that_nobody_knows(table: Any) -> None:
    frame, y = table
    model = MLPClassifier(**SMALL, preset="sklearn").fit(frame, y)
    new = frame.assign(few="new", many="unheard of")
    other = frame.assign(few="newer", many="never heard of")
    found = model.predict_proba(new)
    np.testing.assert_array_equal(model.predict_proba(other), found)
    assert np.isfinite(found).all()
    assert np.any(found != model.predict_proba(frame.assign(few=None, many=None)))


def test_rare_levels_are_taken_together(table: Any) -> None:
    frame, y = table
    model = MLPClassifier(**SMALL, min_frequency=8, preset="sklearn").fit(frame, y)
    counts = frame["many"].value_counts()
    rare, common = counts[counts < 8].index, counts[counts >= 8].index
    assert len(rare) > 1 and len(common) > 1
    one, other = (model.predict_proba(frame.assign(many=level)) for level in rare[:2])
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(model.predict_proba(frame.assign(many="unknown")), one)
    assert np.any(model.predict_proba(frame.assign(many=common[0])) != one)
    share = MLPClassifier(**SMALL, min_frequency=8 / ROWS, preset="sklearn").fit(frame, y)
    np.testing.assert_array_equal(share.predict_proba(frame), model.predict_proba(frame))


def test_gaps_where_there_were_none(table: Any) -> None:
    """They are the middle of the column, and there is one warning."""
    frame, y = table
    model = MLPClassifier(**SMALL, preset="sklearn").fit(frame, y)
    gaps = frame.copy()
    gaps.loc[3, "x"] = np.nan
    with pytest.warns(UserWarning, match="Column 'x' of X has missing values, but no training"):
        found = model.predict_proba(gaps)
    gaps.loc[3, "x"] = frame["x"].mean()
    np.testing.assert_allclose(found, model.predict_proba(gaps), atol=1e-12)
    plain = MLPClassifier(**SMALL, preset="sklearn").fit(frame[["x"]].to_numpy(), y)
    with pytest.warns(UserWarning, match="Column 0 of X has missing values"):
        plain.predict(np.array([[np.nan]]))


def test_missing_numbers_tell(table: Any) -> None:
    """Where they are missing says what the label is."""
    frame, _ = table
    y = frame["gaps"].isna().to_numpy()
    model = MLPClassifier(**LONG, preset="sklearn").fit(frame, y)
    assert model.score(frame, y) == 1.0


@pytest.mark.parametrize("scaling", ["robust", "standard", None])
def test_scalings(table: Any, scaling: str | None) -> None:
    frame, y = table
    model = MLPClassifier(**SMALL, scaling=scaling, preset="sklearn").fit(frame, y)
    assert np.isfinite(model.predict_proba(frame)).all()
    moved = frame.assign(x=1e4 + 50.0 * frame["x"])
    other = MLPClassifier(**SMALL, scaling=scaling, preset="sklearn").fit(moved, y)
    same = np.allclose(other.predict_proba(moved), model.predict_proba(frame), atol=1e-6)
    assert same == (scaling is not None)


def test_pickles_and_copies(table: Any) -> None:
    frame, y = table
    model = MLPClassifier(**SMALL, n_members=2, preset="sklearn").fit(frame, y)
    expected = model.predict_proba(frame)
    text = pickle.dumps(model)
    for other in (pickle.loads(text), copy.copy(model), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict_proba(frame), expected)
    assert len(text) < 40_000
    np.testing.assert_array_equal(clone(model).fit(frame, y).predict_proba(frame), expected)


def test_partial_fit_over_chunks(table: Any) -> None:
    frame, y = table
    model = MLPClassifier(**{**SMALL, "learning_rate_init": 0.01}, preset="sklearn")
    for _ in range(20):
        for start in range(0, ROWS, 60):
            part = slice(start, start + 60)
            model.partial_fit(frame[part], y[part], classes=[False, True])
    assert model.score(frame, y) > 0.85


def test_partial_fit_knows_the_levels_of_the_first_call(table: Any) -> None:
    """Those of its rows, and those that a dtype has; later ones are unknown."""
    frame, y = table
    dtype = pd.CategoricalDtype(MANY)
    first = frame[:40].astype({"many": dtype})
    model = MLPClassifier(**SMALL, preset="sklearn").partial_fit(
        first, y[:40], classes=[False, True]
    )
    absent = next(level for level in MANY if level not in set(first["many"]))
    before = model.predict_proba(frame.assign(many=absent))
    assert np.any(before != model.predict_proba(frame.assign(many="unknown")))
    learned = MLPClassifier(**SMALL, preset="sklearn").partial_fit(
        frame[:40], y[:40], classes=[False, True]
    )
    np.testing.assert_array_equal(
        learned.predict_proba(frame.assign(many=absent)),
        learned.predict_proba(frame.assign(many="unknown")),
    )
    learned.partial_fit(frame[40:].assign(many=absent), y[40:])
    assert np.isfinite(learned.predict_proba(frame)).all()


LEVELS = [f"level {i:02d}" for i in range(30)]
DECLARED: dict[str, Any] = {
    "pandas": lambda text: pd.DataFrame({"a": pd.Categorical(text, LEVELS)}),
    "pandas of Arrow": lambda text: pd.DataFrame({"a": pd.Series(
        DECLARED["Arrow"](text).column("a").combine_chunks(),
        dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))}),
    "polars": lambda text: pl.DataFrame({"a": pl.Series(text, dtype=pl.Enum(LEVELS))}),
    "Arrow": lambda text: pa.table({"a": pa.DictionaryArray.from_arrays(
        pa.array([None if t is None else LEVELS.index(t) for t in text], pa.int32()), LEVELS)}),
}  # fmt: skip


@pytest.mark.parametrize("library", DECLARED)
def test_a_first_call_of_fewer_rows_than_the_dtype_has_levels(library: str) -> None:
    """The dtype names those that later calls bring."""
    made, y = DECLARED[library], np.arange(30.0)
    for first in (LEVELS[:3], LEVELS[:20], [None, None]):
        for told in ("from_dtype", [0]):
            model = MLPRegressor(random_state=0, preset="sklearn", categorical_features=told)
            model.partial_fit(made(first), y[: len(first)])
            for _ in range(2):
                model.partial_fit(made(LEVELS), y)
            assert len(np.unique(model.predict(made(LEVELS)))) == 30


def test_a_row_that_waits_for_others(table: Any) -> None:
    """It joins the rows of the next call, whose levels are others."""
    frame, y = table
    first = frame[:40], y[:40]
    models = [
        MLPClassifier(**SMALL, preset="sklearn").partial_fit(*first, classes=[False, True])
        for _ in range(2)
    ]
    one, other = models
    one.partial_fit(frame[40:41], y[40:41]).partial_fit(frame[41:80], y[41:80])
    other.partial_fit(frame[40:80], y[40:80])
    np.testing.assert_array_equal(one.predict_proba(frame), other.predict_proba(frame))


def test_warm_starts(table: Any) -> None:
    frame, y = table
    model = MLPClassifier(**SMALL, warm_start=True, preset="sklearn").fit(frame, y)
    before = model.loss_
    model.fit(frame.assign(few=frame["few"].replace("d", "new")), y)
    assert model.loss_ < before
    assert len(model.loss_curve_) == 2 * SMALL["max_iter"]


def test_held_out_rows_of_their_own(table: Any) -> None:
    frame, y = table
    held = frame[:60].assign(few="new")
    model = MLPClassifier(**SMALL, preset="sklearn").fit(
        frame[60:], y[60:], X_val=held, y_val=y[:60]
    )
    assert len(model.validation_scores_) == model.n_iter_
    with pytest.raises(ValueError, match=r"X_val or y_val: .*'few'"):
        MLPClassifier(**SMALL, preset="sklearn").fit(
            frame, y, X_val=held.assign(few=1.0), y_val=y[:60]
        )


def test_rows_of_weight_zero_are_absent(table: Any) -> None:
    """Their levels and their numbers, too."""
    frame, y = table
    weight = np.ones(ROWS)
    weight[200:] = 0.0
    changed = frame.copy()
    changed.loc[200:, "few"], changed.loc[200:, "x"] = "of no weight", 1e6
    model = MLPClassifier(**SMALL, preset="sklearn").fit(changed, y, sample_weight=weight)
    less = MLPClassifier(**SMALL, preset="sklearn").fit(frame[:200], y[:200])
    np.testing.assert_array_equal(model.predict_proba(frame), less.predict_proba(frame))


def test_importances_are_those_of_the_columns_of_x(table: Any) -> None:
    frame, y = table
    model = MLPClassifier(**LONG, alpha=0.01, l1_ratio=1.0, preset="sklearn").fit(frame, y)
    found = dict(zip(frame.columns, model.feature_importances_, strict=True))
    assert sum(found.values()) == pytest.approx(1.0)
    assert min(found[name] for name in ("x", "many", "few")) > max(found["kind"], found["gaps"])


def test_importances_of_a_category_are_deviations_of_what_it_adds(table: Any) -> None:
    frame, y = table
    frame = frame[["few", "x"]]
    model = MLPClassifier(**SMALL, normalization=None, scaling="standard", preset="sklearn").fit(
        frame, y
    )
    weight = model.network_["blocks.0.weight"][0]
    added = one_hot(frame.assign(flag=True, kind="u"))[:, 1:5] @ weight[1:]
    few = np.sqrt((added.std(axis=0) ** 2).sum())
    want = np.array([few, np.linalg.norm(weight[0])])
    np.testing.assert_allclose(model.feature_importances_, want / want.sum(), rtol=1e-10)


def test_attributes_have_an_entry_for_each_column(table: Any) -> None:
    frame, y = table
    model = MLPClassifier(**SMALL, preset="sklearn").fit(frame, y)
    numeric = np.array([False, True, True, False, False, False])
    np.testing.assert_array_equal(np.isfinite(model.input_mean_), numeric)
    np.testing.assert_array_equal(np.isfinite(model.input_scale_), numeric)
    np.testing.assert_allclose(model.input_mean_[[1, 2]], frame[["x", "gaps"]].mean())
    assert model.feature_names_in_.tolist() == frame.columns.tolist()


def test_tables_of_categories_alone(table: Any) -> None:
    frame, y = table
    for names in (["few", "flag"], ["many"], ["kind", "many"]):
        model = MLPClassifier(**SMALL, input_noise=0.1, preset="sklearn").fit(frame[names], y)
        assert np.isfinite(model.predict_proba(frame[names])).all()
        assert model.feature_importances_.sum() == pytest.approx(1.0)


TARGETS = {
    "text": lambda y: np.where(y, "yes", "no"),
    "series of text": lambda y: pd.Series(np.where(y, "yes", "no")),
    "categories": lambda y: pd.Series(pd.Categorical(np.where(y, "yes", "no"))),
    "nullable booleans": lambda y: pd.Series(y, dtype="boolean"),
    "nullable integers": lambda y: pd.Series(y.astype(int), dtype="Int64"),
    "arrow integers": lambda y: pd.Series(y.astype(int), dtype="int64[pyarrow]"),
    "polars": lambda y: pl.Series(y),
    "polars text": lambda y: pl.Series(np.where(y, "yes", "no").tolist()),
    "polars categories": lambda y: pl.Series(
        np.where(y, "yes", "no").tolist(), dtype=pl.Categorical
    ),
    "pyarrow": lambda y: pa.array(y.astype(int)),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_labels_of_any_kind(table: Any, kind: str) -> None:
    frame, y = table
    model = MLPClassifier(**SMALL, preset="sklearn").fit(frame, TARGETS[kind](y))
    expected = MLPClassifier(**SMALL, preset="sklearn").fit(frame, y)
    np.testing.assert_array_equal(model.predict_proba(frame), expected.predict_proba(frame))
    predicted = model.predict(frame)
    assert len(model.classes_) == 2
    np.testing.assert_array_equal(predicted == model.classes_[1], expected.predict(frame))


NUMBERS = {
    "booleans": lambda y: y,
    "nullable booleans": lambda y: pd.Series(y, dtype="boolean"),
    "nullable integers": lambda y: pd.Series(y.astype(int), dtype="Int64"),
    "arrow floats": lambda y: pd.Series(y.astype(float), dtype="float64[pyarrow]"),
    "polars": lambda y: pl.Series(y.astype(float)),
    "pyarrow": lambda y: pa.array(y.astype(float)),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numeric_targets_of_any_kind(table: Any, kind: str) -> None:
    frame, y = table
    model = MLPRegressor(**SMALL, preset="sklearn").fit(frame, NUMBERS[kind](y))
    expected = MLPRegressor(**SMALL, preset="sklearn").fit(frame, y.astype(float))
    np.testing.assert_array_equal(model.predict(frame), expected.predict(frame))


def test_missing_targets_are_refused(table: Any) -> None:
    frame, y = table
    for series in (pd.Series(y, dtype="boolean"), pd.Series(y.astype(int), dtype="Int64")):
        series = series.copy()
        series[5] = pd.NA
        for kind in (MLPClassifier, MLPRegressor):
            with pytest.raises(ValueError, match="y"):
                kind(**SMALL, preset="sklearn").fit(frame, series)
