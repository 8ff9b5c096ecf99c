"""``partial_fit``: classes, parameters that change between calls, and calls that fail."""

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
each_norm = pytest.mark.parametrize("normalization", ["batch", None])

SMALL = {"hidden_layer_sizes": (8, 6), "random_state": 0, "learning_rate_init": 0.02}


def outputs(fitted: Any, X: Any) -> np.ndarray:
    return fitted.predict_proba(X) if hasattr(fitted, "predict_proba") else fitted.predict(X)


def started(estimator: type, table: Table, **settings: Any) -> Any:
    """A model after two calls."""
    model = estimator(preset="sklearn", **{**SMALL, **settings})
    extra = {"classes": np.unique(table[1])} if estimator is MLPClassifier else {}
    return model.partial_fit(*table, **extra).partial_fit(*table)


@pytest.mark.parametrize("names", [["a", "b", "c"], [-7, 2, 40], [0.0, 1.0, 2.0]], ids=str)
def test_classes_are_known_from_the_first_call_on(multiclass: Table, names: list) -> None:
    """Parts need not hold all of them, and they may be given in any order."""
    X, y = multiclass
    labels = np.array(names)[y]
    order = np.argsort(y, kind="stable")  # so that a part holds one class
    model = MLPClassifier(**SMALL, preset="sklearn")
    for _ in range(10):
        for part in np.array_split(order, 3):
            model.partial_fit(X[part], labels[part], classes=names[::-1])
    assert model.classes_.tolist() == sorted(names)
    assert set(model.predict(X)) <= set(names)
    assert model.predict_proba(X).shape == (240, 3)
    assert model.partial_fit(X, labels) is model


@each_norm
def test_class_that_comes_late_is_learned(multiclass: Table, normalization: str | None) -> None:
    X, y = multiclass
    model = MLPClassifier(**SMALL, normalization=normalization, preset="sklearn")
    model.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    for _ in range(30):
        model.partial_fit(X, y)
    assert model.score(X[y == 2], y[y == 2]) > 0.6


def test_classes_of_the_calls_have_to_agree(binary: Table) -> None:
    X, y = binary
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        MLPClassifier(preset="sklearn").partial_fit(X, y)
    with pytest.raises(ValueError, match="at least 2 classes"):
        MLPClassifier(preset="sklearn").partial_fit(X, np.zeros(240), classes=[0])
    with pytest.raises(ValueError, match=r"classes not in `self\.classes_`"):
        MLPClassifier(preset="sklearn").partial_fit(X, y, classes=[2, 3])
    model = started(MLPClassifier, binary)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        model.partial_fit(X, y, classes=[1, 2])
    with pytest.raises(ValueError, match=r"`self.classes_` has \[0 1\]. 'y' has \[0 1 2\]"):
        model.partial_fit(X[:3], [0, 1, 2])


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_multilabel_targets(binary: Table, container: Any) -> None:
    X, _ = binary
    Y = np.column_stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 0] > X[:, 1]]).astype(int)
    model = MLPClassifier(**SMALL, preset="sklearn")
    for _ in range(30):
        model.partial_fit(X, container(Y), classes=[0, 1, 2])
    predicted = model.predict(X)
    assert sparse.issparse(predicted) == (container is sparse.csr_matrix)
    assert np.mean((predicted.toarray() if sparse.issparse(predicted) else predicted) == Y) > 0.9
    with pytest.raises(ValueError, match="labels, expected 3"):
        model.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="one label a row"):
        model.partial_fit(X, Y[:, 0])


@each_estimator
@each_norm
def test_rows_of_weight_zero_are_absent(
    binary: Table, estimator: type, normalization: str | None
) -> None:
    X, y = binary
    weight = np.random.default_rng(0).integers(0, 3, 240).astype(float)
    kept = weight > 0
    wild = np.where(kept[:, None], X, 1e5)
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    models = [estimator(preset="sklearn", **SMALL, normalization=normalization) for _ in range(2)]
    for _ in range(3):
        models[0].partial_fit(wild, y, sample_weight=weight, **extra)
        models[1].partial_fit(X[kept], y[kept], sample_weight=weight[kept], **extra)
    np.testing.assert_array_equal(outputs(models[0], X), outputs(models[1], X))


def test_class_weights_by_name_are_row_weights(binary: Table) -> None:
    X, y = binary
    by_class = started(MLPClassifier, binary, class_weight={0: 3.0, 1: 0.5})
    by_row = MLPClassifier(**SMALL, preset="sklearn")
    for _ in range(2):
        by_row.partial_fit(X, y, np.where(y == 0, 3.0, 0.5), classes=[0, 1])
    np.testing.assert_array_equal(outputs(by_class, X), outputs(by_row, X))


PLANS = [
    ({"early_stopping": True}, "partial_fit does not support early_stopping=True"),
    ({"learning_rate": "cosine"}, "partial_fit does not support learning_rate='cosine'"),
    ({"learning_rate": "one_cycle"}, "partial_fit does not support learning_rate='one_cycle'"),
    ({"norm_statistics": "population"}, "partial_fit does not support norm_statistics"),
    ({"swa_fraction": 0.5}, "partial_fit does not support swa_fraction=0.5"),
]


@each_estimator
@pytest.mark.parametrize(("settings", "message"), PLANS, ids=str)
def test_what_needs_the_whole_of_training_is_refused(
    binary: Table, estimator: type, settings: dict, message: str
) -> None:
    """In the first call as after a fit."""
    X, y = binary
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    for model in (
        estimator(preset="sklearn", **SMALL, **settings),
        estimator(**SMALL, max_iter=1, preset="sklearn").fit(X, y),
    ):
        with pytest.raises(ValueError, match=message):
            model.set_params(**settings).partial_fit(X, y, **extra)


@each_estimator
@pytest.mark.parametrize("wrong", [{"learning_rate_init": 0.0}, {"dropout": 1.0}, {"dtype": "f2"}])
def test_parameters_are_checked_in_later_calls_too(
    binary: Table, estimator: type, wrong: dict
) -> None:
    model = started(estimator, binary)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        model.set_params(**wrong).partial_fit(*binary)


def test_balanced_class_weights_are_refused(binary: Table) -> None:
    with pytest.raises(ValueError, match="class_weight='balanced' needs to know all rows"):
        MLPClassifier(class_weight="balanced", preset="sklearn").partial_fit(
            *binary, classes=[0, 1]
        )


@each_estimator
def test_lbfgs_has_no_partial_fit(binary: Table, estimator: type) -> None:
    model = estimator(preset="sklearn", solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    assert hasattr(model.set_params(solver="adam"), "partial_fit")


@each_estimator
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_single_row_waits_for_the_next_call(
    binary: Table, estimator: type, container: Any, weighted: bool
) -> None:
    """A norm has no statistics of it; a pickle in between keeps it."""
    X, y = binary
    weight = np.linspace(1.0, 2.0, 240) if weighted else np.ones(240)
    table = container(X)
    model, other = started(estimator, binary), started(estimator, binary)
    before = outputs(model, X)
    model.partial_fit(table[:1], y[:1], weight[:1] if weighted else None)
    np.testing.assert_array_equal(outputs(model, X), before)
    assert model.t_ == 480 and len(model.loss_curve_) == 2
    model = pickle.loads(pickle.dumps(model))
    for each, first in ((model, 1), (other, 0)):
        each.partial_fit(table[first:30], y[first:30], weight[first:30] if weighted else None)
    np.testing.assert_array_equal(outputs(model, X), outputs(other, X))
    assert model.t_ == other.t_ == 510


@each_estimator
def test_a_single_row_after_a_fit_waits_too(binary: Table, estimator: type) -> None:
    X, y = binary
    model, other = (estimator(preset="sklearn", **SMALL, max_iter=2).fit(X, y) for _ in range(2))
    model.partial_fit(X[:1], y[:1]).partial_fit(X[1:9], y[1:9])
    other.partial_fit(X[:9], y[:9])
    np.testing.assert_array_equal(outputs(model, X), outputs(other, X))


@each_estimator
def test_the_first_call_needs_two_rows_under_batch_norm(binary: Table, estimator: type) -> None:
    extra = {"classes": [0, 1]} if estimator is MLPClassifier else {}
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        estimator(preset="sklearn", **SMALL).partial_fit(binary[0][:1], binary[1][:1], **extra)


BAD: dict[str, Any] = {
    "infinity": lambda X, y: (np.where(X.max() - 1 < X, np.inf, X), y, {}, None),
    "columns": lambda X, y: (X[:, :4], y, {}, None),
    "rows": lambda X, y: (X, y[:-1], {}, None),
    "target": lambda X, y: (10 * X, np.column_stack([y, 2 + y, y]), {}, None),
    "negative weight": lambda X, y: (10 * X, y, {}, np.full(240, -1.0)),
    "no weight": lambda X, y: (10 * X, y, {}, np.zeros(240)),
    "huge column": lambda X, y: (1e300 * X, y, {}, None),
    "batch": lambda X, y: (10 * X, y, {"batch_size": 1}, None),
    "layers": lambda X, y: (10 * X, y, {"hidden_layer_sizes": (8, 7)}, None),
    "activation": lambda X, y: (10 * X, y, {"activation": "tanh"}, None),
    "norm": lambda X, y: (10 * X, y, {"normalization": "layer"}, None),
    "members": lambda X, y: (10 * X, y, {"n_members": 2}, None),
}


@each_estimator
@pytest.mark.parametrize("bad", BAD)
def test_a_failed_call_leaves_the_model_as_it_was(binary: Table, estimator: type, bad: str) -> None:
    X, y = binary
    model, other = started(estimator, binary), started(estimator, binary)
    expected = outputs(model, X)
    X_bad, y_bad, settings, weight = BAD[bad](X, y)
    good = {name: model.get_params()[name] for name in settings}
    with pytest.raises(ValueError):
        model.set_params(**settings).partial_fit(X_bad, y_bad, sample_weight=weight)
    model.set_params(**good)
    np.testing.assert_array_equal(outputs(model, X), expected)
    assert model.t_ == 480 and len(model.loss_curve_) == 2
    for each in (model, other):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(outputs(model, X), outputs(other, X))


def test_a_new_class_leaves_the_model_as_it_was(binary: Table) -> None:
    X, y = binary
    model = started(MLPClassifier, binary)
    before = outputs(model, X)
    with pytest.raises(ValueError, match="classes not in"):
        model.partial_fit(10 * X, y + 1)
    np.testing.assert_array_equal(outputs(model, X), before)


@each_estimator
@each_norm
@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": 1.0},
        {"solver": "sgd"},
        {"solver": "adamw", "alpha": 0.1},
        {"learning_rate_init": 1e-4},
        {"dropout": 0.4},
        {"l1_ratio": 1.0, "alpha": 0.5},
        {"penalty": "group_lasso", "alpha": 0.1},
        {"max_grad_norm": 1e-3, "solver": "sgd"},
        {"batch_size": 20},
        {"shuffle": False},
    ],
    ids=str,
)
def test_parameters_may_change_between_calls(
    binary: Table, estimator: type, normalization: str | None, settings: dict
) -> None:
    """They act from the next call on; without a change, training goes on otherwise."""
    X, y = binary
    start = {"normalization": normalization, "dtype": "float64"}
    changed, same = started(estimator, binary, **start), started(estimator, binary, **start)
    changed.set_params(**settings)
    for _ in range(5):
        changed.partial_fit(X, y)
        same.partial_fit(X, y)
    assert np.isfinite(outputs(changed, X)).all()
    assert np.abs(outputs(changed, X) - outputs(same, X)).max() > 1e-8
    if settings.get("l1_ratio"):
        assert changed.sparsity_.max() > 0.1 > same.sparsity_.max()
    assert changed.history_["learning_rate"][-1] == settings.get("learning_rate_init", 0.02)


@pytest.mark.parametrize("learning_rate", ["constant", "adaptive", "invscaling"])
def test_a_pickle_takes_on_other_rates_as_well(binary: Table, learning_rate: str) -> None:
    settings = {"solver": "sgd", "learning_rate": learning_rate, "n_members": 2}
    model = started(MLPRegressor, binary, **settings)
    models = [model, pickle.loads(pickle.dumps(model))]
    for change in ({}, {"learning_rate_init": 1e-4}, {"solver": "adam"}):
        models = [pickle.loads(pickle.dumps(each)) for each in models[:1]] + models[1:]
        for each in models:
            each.set_params(**change).partial_fit(*binary)
        rates = [each.history_["learning_rate"][-1] for each in models]
        np.testing.assert_array_equal(*rates)
        assert rates[0].max() <= change.get("learning_rate_init", 0.02)
        np.testing.assert_array_equal(*(outputs(each, binary[0]) for each in models))


@each_estimator
@each_norm
def test_a_call_that_diverges_is_taken_back(
    binary: Table, estimator: type, normalization: str | None
) -> None:
    """And training goes on from there with a smaller step."""
    X, y = binary
    model = started(estimator, binary, normalization=normalization, solver="sgd")
    before = outputs(model, X)
    model.set_params(learning_rate_init=1e200)
    with pytest.warns(
        RuntimeWarning, match="became non-finite.*weights before the call are kept"
    ) as caught:
        model.partial_fit(X, y)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(outputs(model, X), before)
    model.set_params(learning_rate_init=0.01).partial_fit(X, y)
    assert np.isfinite(model.loss_) and np.any(outputs(model, X) != before)
