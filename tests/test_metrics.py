"""Scores on arrays of any library, against scikit-learn's on NumPy arrays."""

import warnings
from collections.abc import Callable
from typing import Any

import array_api_strict
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.svm import LinearSVC

from sknorm import MLPClassifier
from sknorm.metrics import roc_auc_score, roc_auc_scorer

Convert = Callable[[np.ndarray], Any]


def _on(device: str) -> Convert:
    target = array_api_strict.Device(device)
    return lambda array: array_api_strict.asarray(array.copy(), device=target)


PLACES: dict[str, Convert] = {
    "numpy": lambda array: array, "strict": _on("CPU_DEVICE"), "device1": _on("device1"),
}  # fmt: skip
places = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
# Drawn rather than parametrized: how areas are averaged and where arrays are do not interact.
anywhere = st.sampled_from([(place, dtype) for place in PLACES for dtype in ("f4", "f8")])


def outcome(function: Callable, *args: Any, **options: Any) -> tuple[Any, bool]:
    """What a score is, and whether it warns that it is undefined."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = function(*args, **options)
    return value, any(w.category is UndefinedMetricWarning for w in caught)


def assert_as_sklearn(
    y: np.ndarray, score: np.ndarray, weight: np.ndarray | None, place: Convert, **options: Any
) -> None:
    """Equality for labels and weights on the host, and for those beside the scores."""
    want, undefined = outcome(
        sklearn.metrics.roc_auc_score, y, score, sample_weight=weight, **options
    )
    theirs = None if weight is None else place(weight)
    for labels, weights in ((y, weight), (place(y), theirs)):
        got, warned = outcome(roc_auc_score, labels, place(score), sample_weight=weights, **options)
        assert type(got) is (np.ndarray if isinstance(want, np.ndarray) else float)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
        assert warned == undefined


@st.composite
def rows(draw: st.DrawFn, columns: int | None = None) -> tuple:
    """Scores of few values, so with ties, row weights with zeros among them, and a generator."""
    n = draw(st.integers(2, 12))
    shape = n if columns is None else (n, columns)
    score = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([-1.5, 0.1, 0.3, 7e4])))
    values = st.sampled_from([0.0, 0.25, 1.0, 3.0]) | st.floats(1e-3, 1e3)
    weight = draw(st.none() | hnp.arrays(np.float64, n, elements=values))
    if weight is not None:
        weight[0] = max(weight[0], 1e-3)
    return score, weight


@settings(max_examples=100)
@given(anywhere, rows(), st.data())
def test_binary(where: tuple[str, str], problem: tuple, data: st.DataObject) -> None:
    score, weight = problem
    y = data.draw(hnp.arrays(np.int64, len(score), elements=st.sampled_from([0, 1])))
    assert_as_sklearn(y, score.astype(where[1]), weight, PLACES[where[0]])


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
@settings(max_examples=40)
@given(anywhere, rows(columns=3), st.data())
def test_multilabel(
    average: str | None, where: tuple[str, str], problem: tuple, data: st.DataObject
) -> None:
    score, weight = problem
    y = data.draw(hnp.arrays(np.int64, score.shape, elements=st.sampled_from([0, 1])))
    assert_as_sklearn(y, score.astype(where[1]), weight, PLACES[where[0]], average=average)


@pytest.mark.parametrize(
    ("multi_class", "average"),
    [("ovr", "macro"), ("ovr", "micro"), ("ovr", "weighted"), ("ovr", None),
     ("ovo", "macro"), ("ovo", "weighted")],
)  # fmt: skip
@settings(max_examples=40)
@given(anywhere, rows(columns=3), st.data())
def test_multiclass(
    multi_class: str, average: str | None, where: tuple[str, str], problem: tuple,
    data: st.DataObject,
) -> None:  # fmt: skip
    score, weight = problem
    counts = np.unique(score, return_inverse=True)[1].reshape(score.shape) + 1.0
    y = data.draw(hnp.arrays(np.int64, len(score) + 1, elements=st.sampled_from([-1, 3, 4])))
    y = np.concatenate([[-1, 3, 4], y])[: len(score) + 1]  # all classes, and few rows
    probability = np.concatenate([counts, counts[:1]])
    probability = (probability / probability.sum(axis=1, keepdims=True)).astype(where[1])
    if weight is not None:
        weight = np.append(weight, 1.0) if multi_class == "ovr" else None
    options = {"multi_class": multi_class, "average": average}
    assert_as_sklearn(y, probability, weight, PLACES[where[0]], **options)


@places
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64, np.bool_])
def test_dtypes_of_labels_and_scores(place: Convert, dtype: type) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 50).astype(dtype)
    score = rng.integers(0, 2 if dtype is np.bool_ else 5, 50).astype(dtype)
    assert_as_sklearn(y, score, None, place)
    assert_as_sklearn(y[:, None], score[:, None], None, place)
    assert_as_sklearn(np.stack([y, 1 - y.astype(int)], axis=1), np.stack([score] * 2, 1), y, place)


@places
def test_strings_and_lists_on_the_host(place: Convert) -> None:
    rng = np.random.default_rng(1)
    y, score = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60)
    names = np.array(["ash", "beech", "cedar"])[y]
    want = sklearn.metrics.roc_auc_score(y, score, multi_class="ovr")
    for labels in (names, names.astype(object), names.tolist()):
        got = roc_auc_score(labels, place(score), multi_class="ovr")
        assert got == pytest.approx(want, rel=1e-12)


def test_a_device_without_float64_sums_in_float32() -> None:
    rng = np.random.default_rng(2)
    y, score, weight = rng.integers(0, 2, 200), rng.normal(size=200), rng.uniform(size=200)
    place = _on("no_float64")
    got = roc_auc_score(y, place(score.astype(np.float32)), sample_weight=weight)
    assert got == pytest.approx(sklearn.metrics.roc_auc_score(y, score, sample_weight=weight), 1e-5)


@places
def test_sums_of_float32_scores_are_in_float64(place: Convert) -> None:
    """One heavy row would swallow the light ones' weights in float32."""
    n = 2_000
    rng = np.random.default_rng(3)
    y = np.arange(n) % 2
    score, weight = rng.normal(y, 1.0).astype(np.float32), np.ones(n, dtype=np.float32)
    weight[0] = 1e9
    assert_as_sklearn(y, score, weight, place)


@places
@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e308])
def test_scale_of_the_weights_does_not_matter(place: Convert, scale: float) -> None:
    rng = np.random.default_rng(4)
    y, score, weight = rng.integers(0, 2, 40), rng.integers(0, 9, 40), rng.uniform(size=40)
    want = roc_auc_score(y, score, sample_weight=weight)
    got = roc_auc_score(y, place(score), sample_weight=place(scale * weight))
    assert got == pytest.approx(want, rel=1e-12)


@places
def test_separated_scores_are_exactly_one_and_zero(place: Convert) -> None:
    rng = np.random.default_rng(5)
    y, weight = rng.integers(0, 2, 1000), rng.uniform(size=1000)
    score = y + 0.5 * rng.uniform(size=1000)
    for weights in (None, place(weight)):
        assert roc_auc_score(y, place(score), sample_weight=weights) == 1.0
        assert roc_auc_score(y, place(-score), sample_weight=weights) == 0.0


def test_labels_without_any_positive_row_score_zero_when_weighted() -> None:
    assert_as_sklearn(PAIRS * 0, SIMPLEX[:, :2], None, PLACES["device1"], average="weighted")


@places
def test_one_class_warns_and_is_nan(place: Convert) -> None:
    score = place(np.array([0.2, 0.4, 0.6]))
    with pytest.warns(UndefinedMetricWarning, match="Only one class is present in y_true") as seen:
        assert np.isnan(roc_auc_score(["a", "a", "a"], score))
    assert seen[0].filename == __file__
    with pytest.warns(UndefinedMetricWarning, match="positive sample_weight"):
        assert np.isnan(roc_auc_score([0, 1, 1], score, sample_weight=[0, 1, 1]))


# Errors

BINARY, SCORE = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.35, 0.8])
THREE, SIMPLEX = np.array([0, 1, 2, 1]), np.full((4, 3), 1 / 3)
PAIRS = np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "NaN": (BINARY, np.array([0.1, np.nan, 0, 1]), {}, "y_score contains NaN"),
    "infinity": (BINARY, np.array([0.1, np.inf, 0, 1]), {}, "y_score contains NaN or inf"),
    "no rows": (BINARY[:0], SCORE[:0], {}, r"y_score has shape \(0,\)"),
    "axes": (BINARY, np.ones((4, 1, 1)), {}, r"y_score has shape \(4, 1, 1\)"),
    "rows": (BINARY[:3], SCORE, {}, r"y_true has shape \(3,\)"),
    "both columns": (BINARY, SIMPLEX[:, :2], {}, r"y_score\[:, 1\]"),
    "classes": (BINARY, SIMPLEX, {"multi_class": "ovr"}, "y_score .* but y_true has 2 classes"),
    "scores of three": (THREE, SCORE, {"multi_class": "ovr"}, "y_score .* y_true has 3 classes"),
    "labels": (PAIRS, SIMPLEX, {}, "y_score .* but y_true has 2 labels"),
    "no multi_class": (THREE, SIMPLEX, {}, "multi_class must be 'ovr' or 'ovo'"),
    "multi_class": (THREE, SIMPLEX, {"multi_class": "ovx"}, "multi_class='ovx' must be one of"),
    "average": (PAIRS, SIMPLEX[:, :2], {"average": "samples"}, "average='samples' must be one of"),
    "micro pairs": (THREE, SIMPLEX, {"multi_class": "ovo", "average": "micro"}, "average='micro'"),
    "sum": (THREE, 2 * SIMPLEX, {"multi_class": "ovr"}, "y_score must hold probabilities"),
    "continuous": (SCORE, SCORE, {}, "y_true does not hold classes"),
    "no indicator": (PAIRS + 1, SIMPLEX[:, :2], {}, "y_true has several columns"),
    "negative": (BINARY, SCORE, {"sample_weight": -SCORE}, "sample_weight holds a negative"),
    "NaN weight": (BINARY, SCORE, {"sample_weight": SCORE * np.nan}, "sample_weight holds"),
    "zeros": (BINARY, SCORE, {"sample_weight": 0 * SCORE}, "sample_weight .* only zeros"),
    "weights": (BINARY, SCORE, {"sample_weight": SCORE[:3]}, r"sample_weight has shape \(3,\)"),
    "weighted pairs": (
        THREE, SIMPLEX, {"multi_class": "ovo", "sample_weight": SCORE}, "sample_weight must be None"
    ),
}  # fmt: skip


@places
@pytest.mark.parametrize("case", REFUSED)
def test_refused(place: Convert, case: str) -> None:
    y, score, options, message = REFUSED[case]
    weight = {k: place(v) for k, v in options.items() if k == "sample_weight"}
    for labels, extra in ((y, options), (place(y), options | weight)):
        with pytest.raises(ValueError, match=message):
            roc_auc_score(labels, place(score), **extra)


def test_pairs_have_no_single_areas() -> None:
    with pytest.raises(NotImplementedError, match=r"average=None .* multi_class='ovo'"):
        roc_auc_score(THREE, SIMPLEX, multi_class="ovo", average=None)


def test_refused_types() -> None:
    place, other = PLACES["device1"], PLACES["strict"]
    with pytest.raises(TypeError, match="y_score does not hold real numbers"):
        roc_auc_score(BINARY, ["low", "high", "low", "high"])
    with pytest.raises(TypeError, match="y_score has dtype complex128"):
        roc_auc_score(BINARY, SCORE + 0j)
    with pytest.raises(TypeError, match="sample_weight does not hold real numbers"):
        roc_auc_score(BINARY, place(SCORE), sample_weight=["a"] * 4)
    with pytest.raises(TypeError, match="y_true is a array_api_strict Array, but y_score a numpy"):
        roc_auc_score(place(BINARY), SCORE)
    with pytest.raises(ValueError, match=r"y_true is on device .*CPU_.* y_score on .*device1"):
        roc_auc_score(other(BINARY), place(SCORE))
    with pytest.raises(ValueError, match="sample_weight is on device"):
        roc_auc_score(BINARY, place(SCORE), sample_weight=other(SCORE))


# Scorer


class Probabilities(ClassifierMixin, BaseEstimator):
    """Takes the table's columns for the probabilities of its classes."""

    def __init__(self, names: tuple = (0, 1)) -> None:
        self.names = names

    @property
    def classes_(self) -> np.ndarray:
        return np.array(self.names)

    def predict_proba(self, X: Any) -> Any:
        return X


class Decisions(ClassifierMixin, BaseEstimator):
    """Decides between two classes by the difference of the table's columns."""

    classes_ = np.array([0, 1])

    def decision_function(self, X: Any) -> Any:
        return X[:, 1] - X[:, 0]


@pytest.mark.parametrize("names", [(0, 1), ("no", "yes"), ("a", "b", "c")])
@pytest.mark.parametrize("weighted", [False, True])
@places
def test_scorer_leaves_arrays_where_they_are(place: Convert, names: tuple, weighted: bool) -> None:
    rng = np.random.default_rng(6)
    codes, weight = rng.integers(0, len(names), 80), rng.uniform(size=80)
    X = rng.dirichlet(np.ones(len(names)), 80)
    want = sklearn.metrics.roc_auc_score(
        codes, X[:, 1] if len(names) == 2 else X, multi_class="ovr",
        sample_weight=weight if weighted else None,
    )  # fmt: skip
    extra = {"sample_weight": place(weight)} if weighted else {}
    got = roc_auc_scorer(Probabilities(names), place(X), np.array(names)[codes], **extra)
    assert isinstance(got, float)
    assert got == pytest.approx(want, rel=1e-12)


def test_scorer_uses_decisions_where_there_are_no_probabilities() -> None:
    rng = np.random.default_rng(7)
    y, X = rng.integers(0, 2, 60), rng.normal(size=(60, 2))
    want = sklearn.metrics.roc_auc_score(y, X[:, 1] - X[:, 0])
    assert want != pytest.approx(sklearn.metrics.roc_auc_score(y, X[:, 1]))
    place = PLACES["device1"]
    got = roc_auc_scorer(Decisions(), place(X), place(y))
    assert got == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("table", ["binary", "multiclass"])
def test_scorer_in_searches(table: str, request: pytest.FixtureRequest) -> None:
    X, y = request.getfixturevalue(table)
    model = LogisticRegression()
    want = cross_val_score(model, X, y, scoring="roc_auc_ovr", cv=3)
    got = cross_val_score(model, X, y, scoring=roc_auc_scorer, cv=3)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    search = GridSearchCV(model, {"C": [1e-3, 1.0]}, scoring=roc_auc_scorer, cv=3).fit(X, y)
    assert search.best_score_ == pytest.approx(search.score(X, y), abs=0.05)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"][1], want.mean(), rtol=1e-12)


def test_scorer_without_probabilities_in_a_search(binary: tuple) -> None:
    X, y = binary
    want = cross_val_score(LinearSVC(), X, y, scoring="roc_auc", cv=3)
    got = cross_val_score(LinearSVC(), X, y, scoring=roc_auc_scorer, cv=3)
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("table", ["binary", "multiclass"])
def test_scorer_in_early_stopping(table: str, request: pytest.FixtureRequest) -> None:
    X, y = request.getfixturevalue(table)
    weight = np.random.default_rng(8).uniform(0.5, 2.0, len(y))
    names = np.array(["ash", "beech", "cedar"])[y]
    scores = [
        MLPClassifier(
            (8,), max_iter=5, early_stopping=True, scoring=scoring, random_state=0, preset="sklearn"
        ).fit(X, names, sample_weight=weight).validation_scores_
        for scoring in (roc_auc_scorer, "roc_auc_ovr")
    ]  # fmt: skip
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-9)
