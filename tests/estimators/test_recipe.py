"""What ``"auto"`` stands for, and that nothing else is changed by it."""

import copy
import pickle
import warnings
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators import recipe

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_preset = pytest.mark.parametrize("preset", ["accurate", "fast"])
any_preset = pytest.mark.parametrize("preset", recipe.PRESETS)

# Values that are no preset's.
OWN: dict[str, Any] = {
    "hidden_layer_sizes": (3,), "activation": "tanh", "learning_rate": "one_cycle",
    "learning_rate_init": 0.037, "max_iter": 2, "n_iter_no_change": 5, "beta_2": 0.87,
    "dropout": 0.33, "n_bins": 7, "n_members": 2, "scaling": None,
}  # fmt: skip
FACTS = {
    f"{rows} x {numbers} {task}{' sparse' if is_sparse else ''}": recipe.Facts(
        rows, numbers, is_sparse=is_sparse, task=task
    )
    for rows in (None, 30, 300, 10**6)
    for numbers, is_sparse in ((0, False), (5, False), (5, True), (500, False))
    for task in ("binary", "multiclass", "regression")
}
# scikit-learn's defaults.
PLAIN = {
    "hidden_layer_sizes": (100,), "activation": "relu", "learning_rate": "constant",
    "learning_rate_init": 0.001, "max_iter": 200, "n_iter_no_change": 10, "beta_2": 0.999,
    "dropout": 0.0, "n_bins": None, "n_members": 1, "scaling": "standard",
}  # fmt: skip
TINY: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}


@pytest.fixture
def tables(binary: Table, multiclass: Table, regression: Table) -> dict[str, Table]:
    return {"binary": binary, "multiclass": multiclass, "regression": regression}


def kind_of(task: str) -> Any:
    return MLPRegressor if task == "regression" else MLPClassifier


def outputs(model: Any, X: Any) -> np.ndarray:
    return model.predict_proba(X) if isinstance(model, MLPClassifier) else model.predict(X)


def test_tables_name_every_parameter() -> None:
    assert OWN.keys() == PLAIN.keys() == set(recipe.AUTO)
    for estimator in (MLPClassifier(), MLPRegressor()):
        defaults = estimator.get_params()
        assert all(recipe.is_auto(defaults[name]) for name in recipe.AUTO)
        assert estimator.preset == "accurate"


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_best_is_accurate_with_more_networks_and_patience(task: str) -> None:
    facts = recipe.Facts(5_000, 5, is_sparse=False, task=task)
    best, usual = (recipe.resolve(kind_of(task)(preset=p), facts) for p in ("best", "accurate"))
    assert best == {**usual, "n_members": 16, "n_iter_no_change": 12}
    assert usual["n_iter_no_change"] == (8 if task == "binary" else 12)


# What users set


@any_preset
@each_estimator
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_values_that_are_set_are_no_business_of_recipes(
    estimator: Any, preset: str, solver: str
) -> None:
    for facts in FACTS.values():
        every = recipe.resolve(estimator(preset=preset, solver=solver), facts)
        assert every.keys() == set(recipe.AUTO)
        for name, value in OWN.items():
            model = estimator(preset=preset, solver=solver, **{name: value})
            assert recipe.resolve(model, facts).keys() == set(recipe.AUTO) - {name}
        assert recipe.resolve(estimator(preset=preset, solver=solver, **OWN), facts) == {}


@any_preset
@pytest.mark.parametrize("name", OWN)
def test_values_that_are_set_are_trained_under(binary: Table, preset: str, name: str) -> None:
    settings = {**TINY, "preset": preset, name: OWN[name]}
    model = MLPClassifier(**settings).fit(*binary)
    found = model.resolved_params_
    assert found[name] == OWN[name]
    assert found["hidden_layer_sizes"] == settings["hidden_layer_sizes"]
    assert found["max_iter"] == settings["max_iter"]
    assert model.get_params()[name] == OWN[name]


@any_preset
@each_estimator
def test_all_values_that_are_set_give_one_model(binary: Table, estimator: Any, preset: str) -> None:
    """Early stopping and the precision, which depend on the preset too, are set as well."""
    settings = {**OWN, "early_stopping": False, "dtype": "float64", "random_state": 0}
    settings |= {"standardize_target": True} if estimator is MLPRegressor else {}
    model = estimator(preset=preset, **settings).fit(*binary)
    assert model.resolved_params_ == OWN
    want = estimator(preset="sklearn", **settings).fit(*binary)
    np.testing.assert_array_equal(outputs(model, binary[0]), outputs(want, binary[0]))


@each_preset
def test_values_that_are_resolved_are_those_that_are_written_out(
    regression: Table, preset: str
) -> None:
    """But for a schedule, which then goes on to its end."""
    settings = {**TINY, "preset": preset, "early_stopping": False}
    model = MLPRegressor(**settings).fit(*regression)
    written = MLPRegressor(**{**settings, **model.resolved_params_}).fit(*regression)
    np.testing.assert_array_equal(model.predict(regression[0]), written.predict(regression[0]))


@each_preset
def test_scores_end_training_under_a_schedule_that_nobody_has_asked_for(
    binary: Table, preset: str
) -> None:
    settings = {"hidden_layer_sizes": (6,), "early_stopping": True, "random_state": 0, "tol": 10.0}
    short = MLPClassifier(preset=preset, **settings).fit(*binary)
    patience, longest = (short.resolved_params_[n] for n in ("n_iter_no_change", "max_iter"))
    assert short.n_iter_ < longest and short.n_iter_ == patience + 2
    asked = MLPClassifier(preset=preset, learning_rate="cosine", max_iter=15, **settings)
    with pytest.warns(UserWarning, match="n_iter_no_change=10 ends nothing"):
        assert asked.fit(*binary).n_iter_ == 15


# What is learned


def facts_of(X: np.ndarray, task: str) -> recipe.Facts:
    return recipe.Facts(len(X), X.shape[1], is_sparse=False, task=task)


@each_preset
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_small_tables_are_learned(tables: dict[str, Table], preset: str, task: str) -> None:
    X, y = tables[task]
    model = kind_of(task)(preset=preset, random_state=0, max_iter=24)
    want = recipe.resolve(model, facts_of(X[:180], task))
    model.fit(X[:180], y[:180])
    assert model.score(X[180:], y[180:]) > 0.7
    found = model.resolved_params_
    assert found == {**want, "max_iter": 24} and not any(map(recipe.is_auto, found.values()))
    assert found["n_members"] == model.network_.members
    assert found["activation"] == model.network_.architecture.activation
    assert found["hidden_layer_sizes"] == model.network_.architecture.sizes[1:-1]
    assert (found["n_bins"] is None) == (model._fitted.columns.bins is None)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_larger_tables_are_learned(tables: dict[str, Table], task: str) -> None:
    X, y = tables[task]
    model = kind_of(task)(preset="fast", random_state=0)
    want = recipe.resolve(model, facts_of(X, task))
    assert want != recipe.resolve(model, facts_of(X[:180], task))
    assert model.fit(X, y).resolved_params_ == want
    assert np.isfinite(outputs(model, X)).all() and model.score(X, y) > 0.8


@any_preset
@pytest.mark.parametrize("rows", [2, 3, 20])
def test_tables_of_few_rows(preset: str, rows: int) -> None:
    X = np.random.default_rng(0).normal(size=(rows, 3))
    for task, y in (("binary", np.arange(rows) % 2), ("regression", X[:, 0])):
        model = kind_of(task)(preset=preset, random_state=0, max_iter=2).fit(X, y)
        assert np.isfinite(outputs(model, X)).all()


@any_preset
def test_tables_of_all_kinds_of_columns(preset: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "text": rng.choice(list("abc"), 120),
            "flag": rng.random(120) < 0.5,
            "gaps": np.where(rng.random(120) < 0.3, np.nan, rng.normal(size=120)),
            "few": rng.integers(0, 4, 120),
            "same": 1.0,
        }
    )
    y = (frame["few"] > 1).to_numpy()
    for columns in (list(frame), ["text", "flag"], ["same"], ["flag", "same"]):
        model = MLPClassifier(**TINY, preset=preset).fit(frame[columns], y)
        assert np.isfinite(model.predict_proba(frame[columns])).all()
        assert len(model.feature_importances_) == len(columns)


# Where scikit-learn's values stand for it


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@any_preset
@each_estimator
def test_other_solvers_have_the_values_of_scikit_learn(
    estimator: Any, preset: str, solver: str
) -> None:
    for facts in FACTS.values():
        model = estimator(preset=preset, solver=solver)
        assert recipe.resolve(model, facts) == PLAIN
        assert recipe.resolve(estimator(preset="sklearn"), facts) == PLAIN
        model.set_params(normalization=None)
        assert recipe.resolve(model, facts) == {**PLAIN, "scaling": None}


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@each_preset
def test_other_solvers_train_as_under_the_preset_of_scikit_learn(
    binary: Table, preset: str, solver: str
) -> None:
    settings = {"solver": solver, "max_iter": 5, "random_state": 0}
    model = MLPClassifier(preset=preset, **settings).fit(*binary)
    assert model.resolved_params_ == {**PLAIN, "max_iter": 5}
    want = MLPClassifier(preset="sklearn", **settings).fit(*binary)
    np.testing.assert_array_equal(outputs(model, binary[0]), outputs(want, binary[0]))


@each_preset
@each_estimator
def test_parts_of_a_table_are_learned_under_the_values_of_scikit_learn(
    binary: Table, estimator: Any, preset: str
) -> None:
    X, y = binary
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    model = estimator(preset=preset, random_state=0).partial_fit(X[:100], y[:100], **extra)
    model.partial_fit(X[100:], y[100:])
    assert model.resolved_params_ == PLAIN
    want = estimator(preset="sklearn", random_state=0).partial_fit(X[:100], y[:100], **extra)
    want.partial_fit(X[100:], y[100:])
    np.testing.assert_array_equal(outputs(model, X), outputs(want, X))


@each_preset
@each_estimator
def test_parts_after_a_fit_go_on_with_its_networks(
    binary: Table, estimator: Any, preset: str
) -> None:
    X, y = binary
    model = estimator(preset=preset, random_state=0, max_iter=2, hidden_layer_sizes=(6, 6))
    before = model.fit(X[:150], y[:150])
    architecture, fitted = before.network_.architecture, before.resolved_params_
    columns = before._fitted.columns
    model.partial_fit(X[150:], y[150:])
    assert model.network_.architecture == architecture
    assert model._fitted.columns.bins is columns.bins is not None
    plans = {"learning_rate": "constant", "n_iter_no_change": 10}  # which only whole fits have
    assert model.resolved_params_ == {**fitted, **plans}
    assert np.isfinite(outputs(model, X)).all()


def test_a_schedule_without_an_end_has_the_epochs_of_scikit_learn() -> None:
    facts = recipe.Facts(5_000, 5, is_sparse=False, task="binary")
    for learning_rate, most in (("constant", 200), ("adaptive", 200), ("cosine", 64)):
        values = recipe.resolve(MLPClassifier(learning_rate=learning_rate), facts)
        assert values["max_iter"] == most


# Dropout


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("preset", ["accurate", "fast"])
def test_fewer_rows_have_no_less_dropout(preset: str, task: str) -> None:
    kind = MLPClassifier if task != "regression" else MLPRegressor
    model = kind(preset=preset)
    rates = [
        recipe.resolve(model, recipe.Facts(rows, 5, is_sparse=False, task=task))["dropout"]
        for rows in (200, 499, 500, 999, 1_000, 10_000, 10**6)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[3] > rates[4] == rates[-1]


# Held-out rows


@pytest.mark.parametrize("preset", ["accurate", "fast", "best"])
@pytest.mark.parametrize(
    ("task", "classes", "least"),
    [
        ("binary", 0, 500), ("regression", 0, 1_000), ("multiclass", 3, 400),
        ("multiclass", 9, 400), ("multiclass", 10, 1_500), ("multiclass", 26, 2_600),
    ],
)  # fmt: skip
def test_rows_are_held_out_where_they_can_be_spared(
    preset: str, task: str, classes: int, least: int
) -> None:
    model = kind_of(task)(preset=preset)
    for rows, want in ((least - 1, False), (least, True), (10**6, True)):
        facts = recipe.Facts(rows, 5, is_sparse=False, task=task, classes=classes)
        assert recipe.stops_early(model, facts) is want
        assert recipe.stops_early(model.set_params(early_stopping=not want), facts) is not want
        model.set_params(early_stopping="auto")


@pytest.mark.parametrize(("classes", "holds"), [(2, False), (3, True), (9, True), (10, False)])
def test_classes_decide_on_held_out_rows(classes: int, holds: bool) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(450, 3)), np.resize(np.arange(classes), 450)
    model = MLPClassifier(**{**TINY, "max_iter": 1}).fit(X, y)
    assert (model.validation_scores_ is not None) == holds
    labels = np.eye(4, dtype=int)[np.resize(np.arange(4), 450)]  # of several outputs, two each
    assert MLPClassifier(**{**TINY, "max_iter": 1}).fit(X, labels).validation_scores_ is None


# Bins


def test_bins_are_for_dense_tables_of_some_numbers() -> None:
    model = MLPClassifier()
    for numbers, is_sparse, want in (
        (1, False, True), (60, False, True), (61, False, False), (0, False, False), (5, True, False)
    ):  # fmt: skip
        facts = recipe.Facts(300, numbers, is_sparse=is_sparse, task="binary")
        assert (recipe.resolve(model, facts)["n_bins"] is not None) == want
    facts = recipe.Facts(300, 5, is_sparse=False, task="binary")
    assert recipe.resolve(model.set_params(input_dropout=0.1), facts)["n_bins"] is None


@each_preset
@each_estimator
def test_tables_without_bins(binary: Table, estimator: Any, preset: str) -> None:
    X, y = binary
    settings = {**TINY, "preset": preset}
    zeros = sparse.csr_array(np.where(np.abs(X) < 0.5, 0.0, X))
    wide = np.tile(X, (1, 11))
    for table, more in ((zeros, {}), (wide, {}), (X, {"input_dropout": 0.2})):
        model = estimator(**settings, **more).fit(table, y)
        assert model.resolved_params_["n_bins"] is None and model._fitted.columns.bins is None
        assert np.isfinite(outputs(model, table)).all()
    assert estimator(**settings, n_bins=4).fit(wide, y)._fitted.columns.bins is not None


@any_preset
@each_estimator
def test_bins_that_are_asked_for_where_there_can_be_none(
    binary: Table, estimator: Any, preset: str
) -> None:
    X, y = binary
    model = estimator(**TINY, preset=preset, n_bins=4)
    with pytest.raises(ValueError, match=r"n_bins=4 embeds each number.*sparse.*n_bins=None"):
        model.fit(sparse.csr_array(X), y)
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    with pytest.raises(ValueError, match=r"n_bins=4 needs to see all rows.*n_bins=None"):
        model.partial_fit(X, y, **extra)
    with pytest.raises(ValueError, match=r"input_dropout=0.2 drops numbers.*n_bins=4"):
        model.set_params(input_dropout=0.2).fit(X, y)
    assert not hasattr(model, "network_")


def test_more_bins_than_values_are_clipped_with_a_word(binary: Table) -> None:
    X, y = np.round(binary[0]), binary[1]
    most = max(len(np.unique(column)) for column in X.T) - 1
    small: dict[str, Any] = {"preset": "sklearn", "hidden_layer_sizes": (3,), "max_iter": 1}
    with pytest.warns(UserWarning, match=f"n_bins=1000 .* clipped to {most}"):
        MLPClassifier(n_bins=1000, **small).fit(X, y)
    with pytest.warns(UserWarning, match="n_bins=4 .* numbers are taken as they are"):
        MLPClassifier(n_bins=4, **small).fit(X > 0, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier(preset="fast", max_iter=1).fit(np.asarray(X > 0, dtype=float), y)
        MLPClassifier(preset="fast", n_bins="adaptive", max_iter=1).fit(
            np.asarray(X > 0, dtype=float), y
        )


def test_a_warm_start_keeps_its_bins(regression: Table) -> None:
    model = MLPRegressor(**TINY, preset="fast", warm_start=True).fit(*regression)
    for n_bins in (None, 4):
        with pytest.raises(ValueError, match=f"n_bins={n_bins}, but the model .* under 'adaptive'"):
            model.set_params(n_bins=n_bins).fit(*regression)
    model.set_params(n_bins="adaptive").fit(*regression)


# What is kept


@each_preset
@each_estimator
def test_parameters_stay_as_they_are(binary: Table, estimator: Any, preset: str) -> None:
    model = estimator(preset=preset, max_iter=2, hidden_layer_sizes=(4,), random_state=0)
    before = model.get_params()
    with pytest.raises(NotFittedError):
        model.resolved_params_  # noqa: B018
    model.fit(*binary)
    assert model.get_params() == before and model.dropout == "auto"
    assert not hasattr(model, recipe.MAY_END)
    assert clone(model).get_params() == before
    model.set_params(dropout=0.3).set_params(dropout="auto")
    assert model.get_params() == before
    found = model.resolved_params_
    assert found.keys() == set(recipe.AUTO)
    found["dropout"] = 0.9  # of a copy
    assert model.resolved_params_["dropout"] != 0.9
    want = outputs(model, binary[0])
    np.testing.assert_array_equal(outputs(clone(model).fit(*binary), binary[0]), want)


@each_preset
@each_estimator
def test_copies_keep_what_was_resolved(
    binary: Table, estimator: Any, preset: str, tmp_path: Any
) -> None:
    model = estimator(preset=preset, max_iter=2, hidden_layer_sizes=(4,), random_state=0)
    model.fit(*binary)
    joblib.dump(model, tmp_path / "model")
    copies = [pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model)]
    for other in (*copies, joblib.load(tmp_path / "model")):
        assert other.resolved_params_ == model.resolved_params_
        assert other.get_params() == model.get_params()
        np.testing.assert_array_equal(outputs(other, binary[0]), outputs(model, binary[0]))
        other.set_params(warm_start=True).fit(*binary)
        assert other.resolved_params_ == model.resolved_params_


@each_preset
@each_estimator
def test_a_warm_start_keeps_what_was_resolved(binary: Table, estimator: Any, preset: str) -> None:
    """On a table of another size, for which other values would stand."""
    X, y = binary
    settings = {"preset": preset, "max_iter": 2, "random_state": 0}
    model = estimator(**settings, warm_start=True).fit(X[:100], y[:100])
    before = model.resolved_params_
    task = "binary" if estimator is MLPClassifier else "regression"
    anew = recipe.resolve(estimator(**settings), facts_of(X, task))
    assert anew["hidden_layer_sizes"] != before["hidden_layer_sizes"]
    model.fit(X, y)
    assert model.resolved_params_ == before and len(model.loss_curve_) == 4
    model.set_params(dropout=0.2).fit(X, y)  # what is set is followed, here too
    assert model.resolved_params_ == {**before, "dropout": 0.2}


@each_preset
@each_estimator
@pytest.mark.parametrize("changed", [{"preset": "sklearn"}, {"solver": "lbfgs"}], ids=str)
def test_a_warm_start_under_the_values_of_scikit_learn(
    binary: Table, estimator: Any, preset: str, changed: dict
) -> None:
    """It keeps the networks; to train them as before, L-BFGS would meet with random dropout."""
    model = estimator(preset=preset, hidden_layer_sizes=(4,), max_iter=2, random_state=0)
    before = model.set_params(warm_start=True).fit(*binary).resolved_params_
    assert before["beta_2"] == 0.95
    model.set_params(**changed).fit(*binary)
    shape = {n: before[n] for n in ("hidden_layer_sizes", "activation", "n_members", "n_bins")}
    shape |= {"max_iter": 2, "scaling": "robust"}
    assert model.resolved_params_ == {**PLAIN, **shape}


@pytest.mark.parametrize("n_bins", ["auto", 16])
@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_numbers_that_are_embedded_are_not_dropped_later(
    regression: Table, n_bins: Any, call: str
) -> None:
    model = MLPRegressor(**TINY, preset="fast", warm_start=True).fit(*regression)
    before = model.predict(regression[0])
    model.set_params(input_dropout=0.2, n_bins=n_bins)
    with pytest.raises(ValueError, match=r"input_dropout=0.2 drops numbers"):
        getattr(model, call)(*regression)
    np.testing.assert_array_equal(model.predict(regression[0]), before)
