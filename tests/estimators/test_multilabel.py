"""Label indicator matrices: several labels a row, each with a probability of its own."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict

from sknorm import MLPClassifier

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_norm = pytest.mark.parametrize("normalization", ["batch", "ghost", "layer", None])
SPARSE = [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array]


@pytest.fixture(scope="module")
def labels(binary: Table) -> Table:
    """Three labels, one of them rare."""
    X, _ = binary
    return X, np.column_stack([X[:, 0] > 0, X[:, 1] > X[:, 2], X[:, 3] > 2.5]).astype(int)


def small(**settings: Any) -> MLPClassifier:
    sizes = {"hidden_layer_sizes": (16,), "max_iter": 40, "random_state": 0}
    return MLPClassifier(**{**sizes, "learning_rate_init": 0.03, **settings}, preset="sklearn")


def dense(y: Any) -> np.ndarray:
    return y.toarray() if sparse.issparse(y) else y


@each_norm
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
def test_labels_are_learned(labels: Table, normalization: str | None, solver: str) -> None:
    X, y = labels
    fitted = small(normalization=normalization, solver=solver, batch_size=40).fit(X, y)
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.n_outputs_ == 3 and fitted.out_activation_ == "logistic"
    predicted, probability = fitted.predict(X), fitted.predict_proba(X)
    assert predicted.shape == probability.shape == y.shape
    assert predicted.dtype.kind == "i" and set(np.unique(predicted)) == {0, 1}
    np.testing.assert_array_equal(predicted, probability > 0.5)
    assert np.mean(predicted == y) > 0.93
    assert fitted.score(X, y) == accuracy_score(y, predicted)


def test_loss_is_the_sum_over_the_labels(labels: Table) -> None:
    X, y = labels
    settings = {"normalization": None, "learning_rate_init": 1e-300, "max_iter": 1, "alpha": 0.0}
    fitted = small(**settings).fit(X, y)
    p = fitted.predict_proba(X)
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1).mean()
    assert fitted.loss_ == pytest.approx(expected, rel=1e-9)


def test_a_label_does_not_depend_on_the_others_without_hidden_layers(labels: Table) -> None:
    X, y = labels
    settings = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 0.1, "max_iter": 500}
    together = small(**settings, tol=1e-8).fit(X, y).predict_proba(X)
    for label in range(3):
        alone = small(**settings, tol=1e-8).fit(X, y[:, label]).predict_proba(X)
        np.testing.assert_allclose(together[:, label], alone[:, 1], atol=1e-3)


@pytest.mark.parametrize("container", SPARSE)
@each_norm
def test_sparse_labels_are_answered_with_sparse_ones(
    labels: Table, container: Any, normalization: str | None
) -> None:
    X, y = labels
    plain = small(normalization=normalization).fit(X, y)
    fitted = small(normalization=normalization).fit(X, container(y))
    predicted = fitted.predict(X)
    assert sparse.issparse(predicted) and predicted.format == "csr"
    np.testing.assert_array_equal(predicted.toarray(), plain.predict(X))
    np.testing.assert_array_equal(fitted.predict_proba(X), plain.predict_proba(X))
    assert fitted.score(X, container(y)) == plain.score(X, y)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32, np.float64])
def test_dtype_of_the_labels_does_not_matter(labels: Table, dtype: type) -> None:
    X, y = labels
    fitted = small(max_iter=3).fit(X, y.astype(dtype))
    expected = small(max_iter=3).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)


def test_lists_of_lists_are_labels(labels: Table) -> None:
    X, y = labels
    fitted = small(max_iter=3).fit(X.tolist(), y.tolist())
    expected = small(max_iter=3).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)


def test_one_column_is_one_label_a_row(labels: Table) -> None:
    X, y = labels
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        fitted = small(max_iter=3).fit(X, y[:, :1])
    assert fitted.predict(X).shape == (240,) and fitted.predict_proba(X).shape == (240, 2)


def test_labels_that_are_never_or_always_present(labels: Table) -> None:
    X, y = labels
    y = np.column_stack([y[:, 0], np.zeros(240), np.ones(240)]).astype(int)
    predicted = small().fit(X, y).predict(X)
    np.testing.assert_array_equal(predicted[:, 1:], y[:, 1:])


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 1.0, 2: 1.0}], ids=str)
def test_class_weights_are_ambiguous(labels: Table, class_weight: Any) -> None:
    with pytest.raises(ValueError, match=r"class_weight=.* is ambiguous with multilabel targets"):
        small(class_weight=class_weight).fit(*labels)


@each_norm
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_rows_of_weight_zero_are_absent(
    labels: Table, normalization: str | None, solver: str
) -> None:
    X, y = labels
    weight = np.random.default_rng(0).integers(0, 3, 240).astype(float)
    kept = weight > 0
    settings = {"normalization": normalization, "solver": solver, "max_iter": 5}
    everything = small(**settings).fit(X, y, weight)
    present = small(**settings).fit(X[kept], y[kept], weight[kept])
    np.testing.assert_array_equal(everything.predict_proba(X), present.predict_proba(X))


SCORES: dict[Any, Any] = {
    "accuracy": lambda m, X, y: accuracy_score(y, m.predict(X)),
    "f1_macro": lambda m, X, y: f1_score(dense(y), dense(m.predict(X)), average="macro"),
    "roc_auc_ovr": lambda m, X, y: roc_auc_score(y, m.predict_proba(X), average="macro"),
    None: lambda m, X, y: m.score(X, y),
}


@pytest.mark.parametrize(
    ("scoring", "container"),
    [
        *((scoring, np.asarray) for scoring in ("loss", *SCORES)),
        *((scoring, sparse.csr_matrix) for scoring in ("loss", "accuracy", "f1_macro", None)),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_early_stopping_on_any_score(labels: Table, scoring: Any, container: Any) -> None:
    X, y = labels[0], container(labels[1])
    settings = {"early_stopping": True, "scoring": scoring, "n_iter_no_change": 3, "tol": 1e-3}
    fitted = small(**settings, validation_fraction=0.3, max_iter=100).fit(X, y)
    assert len(fitted.validation_scores_) == fitted.n_iter_ < 100
    assert fitted.best_validation_score_ == max(fitted.validation_scores_)
    given = small(**settings, validation_fraction=np.arange(160, 240)).fit(X, y)
    if scoring != "loss":
        held = SCORES[scoring](given, X[160:], y[160:])
        assert held == pytest.approx(given.best_validation_score_)


@pytest.mark.parametrize("settings", [{"n_members": 3}, {"dropout": 0.2}], ids=str)
def test_members_and_masks_are_averaged(labels: Table, settings: dict) -> None:
    X, y = labels
    fitted = small(**settings, max_iter=5).fit(X, y)
    n_samples = 4 if "dropout" in settings else None
    mean, std = fitted.predict_proba(X, return_std=True, n_samples=n_samples)
    assert mean.shape == std.shape == y.shape
    assert (std > 0).any() and (mean > 0).all() and (mean < 1).all()


def test_warm_start_wants_the_same_number_of_labels(labels: Table) -> None:
    X, y = labels
    fitted = small(warm_start=True, max_iter=3).fit(X, y)
    with pytest.raises(ValueError, match="expected 3"):
        fitted.fit(X, y[:, :2])
    with pytest.raises(ValueError, match="one label a row"):
        fitted.fit(X, np.arange(240) % 3)
    with pytest.raises(ValueError, match="a label indicator matrix"):
        small(warm_start=True, max_iter=3).fit(X, np.arange(240) % 3).fit(X, y)
    assert fitted.fit(X, y).n_iter_ == 3


def test_searches_and_cross_validation(labels: Table) -> None:
    X, y = labels
    search = GridSearchCV(small(max_iter=3), {"alpha": [1e-4, 1e-2]}, cv=2, scoring="f1_macro")
    assert search.fit(X, y).predict(X).shape == y.shape
    held = cross_val_predict(small(), X, y, cv=3, method="predict_proba")
    assert held.shape == y.shape and roc_auc_score(y, held) > 0.9


@pytest.mark.parametrize("numbers", [(-1, 1), (0, 2), (-1.0, 0.0)], ids=str)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_indicators_of_other_numbers_are_refused(
    labels: Table, numbers: Any, container: Any
) -> None:
    """A probability of -1 or 2 has no loss: all labels came out alike, without a word."""
    X, y = labels
    other = container(np.array(numbers)[y])
    message = r"holds zeros and ones, but y holds .* at row .*\(y == y\.max\(\)\)\.astype\(int\)"
    with pytest.raises(ValueError, match=message):
        small().fit(X, other)
    with pytest.raises(ValueError, match=message):
        small().partial_fit(X, other, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=f"y_val: .*{message}"):
        small(early_stopping=True).fit(X, y, X_val=X, y_val=other)
