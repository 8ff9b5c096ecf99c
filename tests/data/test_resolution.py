"""How fine the bins of a column are: as fine as they tell more of the target of other rows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from sknorm import MLPClassifier, MLPRegressor
from sknorm.data import bins, resolution
from sknorm.data.classes import ClassTarget
from sknorm.data.numeric import NumericTarget
from sknorm.data.resolution import FINER, Sample, left_out
from sknorm.data.table import View
from sknorm.model_selection import StackedGridSearchCV
from sknorm.objective.losses import Quantile, SquaredError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TINY: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 2, "n_members": 1}


def rows_of(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers below 64, and the noise of a target."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 64, rows) * 1.0, rng.normal(size=rows)


def spiky(values: np.ndarray) -> np.ndarray:
    """What differs from each whole number to the next."""
    return np.where(values.astype(int) % 2 == 0, 1.0, -1.0)


def sample(y: np.ndarray, weight: np.ndarray | None = None) -> Sample:
    """Of numbers, or of labels where they are whole."""
    if y.dtype.kind in "iU":
        return Sample.of(ClassTarget.learn(y, None, soft=False), y, weight)
    zeros, ones = np.zeros(y[0].size), np.ones(y[0].size)
    return Sample.of(NumericTarget(SquaredError(), zeros, ones, y.ndim == 1), y, weight)


def counts(X: Any, y: np.ndarray, weight: np.ndarray | None = None) -> tuple[int, ...]:
    """Bins of each column."""
    X = X[:, None] if isinstance(X, np.ndarray) and X.ndim == 1 else X
    found = bins.learn(X, weight, sample(y, weight), lambda z, j: z)
    return () if found is None else found.counts


# The errors of rows that are left out


def by_hand(z: np.ndarray, y: np.ndarray, weight: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The same from a curve for each row, of all others."""
    height = np.eye(len(edges))
    inputs = np.column_stack([np.interp(z, edges, one) for one in height])
    steps = np.diff(height, axis=0)
    errors = np.zeros(len(z))
    for i in range(len(z)):
        others = np.delete(np.arange(len(z)), i)
        X, Y, w = inputs[others], y[others], weight[others, None]
        curve = np.linalg.solve(X.T @ (w * X) + steps.T @ steps, X.T @ (w * Y))
        errors[i] = weight[i] * np.square(y[i] - inputs[i] @ curve).sum()
    return errors


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_are_scored_by_the_curve_of_all_others(outputs: int, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    edges = np.sort(rng.normal(size=7))
    z = np.append(rng.uniform(edges[0], edges[-1], 40), edges)
    y = rng.normal(size=(len(z), outputs)) + z[:, None]
    weight = rng.uniform(0.2, 3.0, len(z)) if weighted else np.ones(len(z))
    low, gain = np.append(edges[:-1], np.inf), np.append(1.0 / np.diff(edges), 0.0)
    np.testing.assert_allclose(
        left_out(z, y, weight, low, gain), by_hand(z, y, weight, edges), rtol=1e-9
    )


# What columns have


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_smooth_columns_have_coarse_bins(seed: int) -> None:
    values, noise = rows_of(2000, seed)
    continuous = np.random.default_rng(seed).normal(size=2000)
    X = np.column_stack([values, continuous, values])
    y = noise + np.sin(values / 10.0) + continuous
    assert counts(X, y) == (16, 16, 16)


@pytest.mark.parametrize("kind", ["numbers", "two classes", "three classes", "several outputs"])
def test_columns_that_jump_have_fine_bins(kind: str) -> None:
    values, noise = rows_of(2000)
    signal = 0.5 * spiky(values) + noise
    targets = {
        "numbers": signal,
        "two classes": (signal > 0).astype(int),
        "three classes": np.where(signal > 0.5, "a", np.where(signal > -0.5, "b", "c")),
        "several outputs": np.column_stack([noise, signal]),
    }
    X = np.column_stack([values, noise[::-1]])
    assert counts(X, targets[kind]) == (63, 16)


def test_as_many_bins_as_it_takes() -> None:
    values = np.random.default_rng(0).uniform(size=20000)
    for waves, want in ((1, 16), (20, 128), (40, 256)):
        y = np.sin(2.0 * np.pi * waves * values) + rows_of(20000)[1]
        assert counts(values, y) == (want,)
    assert max(FINER) == 256


def test_values_that_hardly_recur_need_more_evidence() -> None:
    """The same steps, seen at whole numbers, and at numbers between them."""
    values, noise = rows_of(1500)
    y = 0.4 * spiky(values) + noise
    between = values + np.random.default_rng(1).uniform(0.0, 1.0, 1500)
    assert counts(np.column_stack([values, between]), y) == (63, 16)
    assert counts(between, y + 2.0 * spiky(values))[0] > 16


def test_few_values_have_a_bin_between_each_two() -> None:
    values, noise = rows_of(500)
    X = np.column_stack([values % 2, values % 3, values % 16, values % 17])
    assert counts(X, noise) == (0, 2, 15, 16)


def test_constant_targets_and_columns() -> None:
    values, noise = rows_of(300)
    assert counts(values, np.zeros(300)) == (16,)
    assert counts(np.zeros(300), noise) == ()
    assert counts(np.full(300, np.nan), noise) == ()


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1e9, 1e300])
def test_targets_of_any_size(unit: float) -> None:
    values, noise = rows_of(1500)
    assert counts(values, unit * (spiky(values) + noise)) == (63,)
    assert counts(values, unit * noise) == (16,)


def test_missing_values_do_not_count() -> None:
    values, noise = rows_of(3000)
    y = spiky(values) + noise
    gaps = np.arange(3000) % 3 == 0
    y[gaps] = 1e3 * noise[gaps]
    X = np.where(gaps, np.nan, values)
    assert counts(X, y) == counts(values[~gaps], y[~gaps]) == (63,)


def test_weights() -> None:
    """Rows of weight zero are left out, and units of weights mean nothing."""
    values, noise = rows_of(1500)
    heavy = np.arange(1500) % 2 == 0
    y = np.where(heavy, spiky(values), 0.0) + noise
    assert counts(values[heavy], y[heavy]) == (63,)
    for unit in (1e-6, 1.0, 1e6):
        assert counts(values, y, unit * np.where(heavy, 1.0, 1e-9)) == (63,)
        assert counts(values, y, unit * np.where(heavy, 1e-9, 1.0)) == (16,)


def test_of_large_tables_a_sample_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    values, noise = rows_of(4000)
    y = np.where(np.arange(4000) % 4 == 0, 3.0 * spiky(values), 0.0) + noise
    monkeypatch.setattr(resolution, "_NUMBERS", 1000)
    own = sample(y)
    assert own.step == 4 and len(own.target) == 1000
    assert sample(y, np.ones(4000)).weight.tolist() == [1.0] * 1000
    assert counts(values, y) == (63,)
    assert counts(np.roll(values, 1), np.roll(y, 1)) == (16,)


def test_a_sample_is_of_targets_not_of_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    y = NumericTarget(Quantile((0.1, 0.5, 0.9), listed=True), np.zeros(1), np.ones(1), True)
    monkeypatch.setattr(resolution, "_NUMBERS", 1000)
    assert Sample.of(y, np.arange(1000.0), None).step == 1


def test_views_are_the_rows_that_they_have() -> None:
    values, noise = rows_of(3000)
    table = np.column_stack([noise, values])
    index = np.random.default_rng(1).permutation(3000)[:2000]
    y = spiky(values)[index] + noise[index]
    assert counts(View(table, index, None), y) == counts(table[index], y)
    assert counts(table[index], y)[1] == 63


# Estimators


def settings(n_bins: Any) -> dict[str, Any]:
    return {"preset": "fast", "n_bins": n_bins, "random_state": 0}


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_they_help_with_columns_that_jump(kind: Any) -> None:
    values, noise = rows_of(3000)
    y: Any = spiky(values) + 0.5 * noise
    y = (y > 0).astype(int) if kind is MLPClassifier else y
    X = values[:, None]
    scores = {}
    for n_bins in ("auto", "adaptive", 16):
        model = kind(**settings(n_bins)).fit(X[:2000], y[:2000])
        scores[n_bins] = model.score(X[2000:], y[2000:])
    assert scores["auto"] == scores["adaptive"] > scores[16] + 0.1


def test_what_auto_is_and_what_others_are() -> None:
    values, noise = rows_of(2000)
    X, y = values[:, None], spiky(values) + noise

    def fitted(**changed: Any) -> Any:
        return MLPRegressor(**{**TINY, **changed}, random_state=0).fit(X, y)

    for preset in ("fast", "accurate", "best"):
        model = fitted(preset=preset)
        assert model.resolved_params_["n_bins"] == "adaptive"
        assert model._fitted.columns.bins.counts == (63,)
    assert fitted(preset="sklearn").resolved_params_["n_bins"] is None
    assert fitted(preset="sklearn", n_bins="adaptive")._fitted.columns.bins.counts == (63,)
    assert fitted(n_bins=16)._fitted.columns.bins.counts == (16,)


def test_estimators_say_how_many_bins_columns_have() -> None:
    values, noise = rows_of(2000)
    y = spiky(values) + noise
    words = np.where(noise > 0, "a", "b")
    frame = pd.DataFrame({"noise": noise[::-1], "word": words, "two": values > 30, "jumps": values})
    for X in (frame, frame[["jumps", "word", "two", "noise"]]):
        want = {"noise": 16, "word": 0, "two": 0, "jumps": 63}
        model = MLPRegressor(**TINY, random_state=0).fit(X, y)
        assert dict(zip(X.columns, model.n_bins_.tolist(), strict=True)) == want
        assert model.set_params(n_bins=None).fit(X, y).n_bins_.tolist() == [0, 0, 0, 0]
    with pytest.raises(NotFittedError):
        MLPRegressor().n_bins_  # noqa: B018


@pytest.mark.parametrize("loss", ["poisson", "quantile", "absolute_error"])
def test_other_losses_and_outputs(loss: str) -> None:
    values, noise = rows_of(2000)
    y = np.exp(spiky(values) + 0.1 * noise)
    own: Any = {"quantile": [0.1, 0.9]} if loss == "quantile" else {}
    model = MLPRegressor(loss, **TINY, **own, random_state=0).fit(values[:, None], y)
    assert model._fitted.columns.bins.counts == (63,)


def test_labels_of_several_outputs() -> None:
    values, noise = rows_of(2000)
    y = np.column_stack([spiky(values) + noise > 0, noise > 0]).astype(int)
    for labels in (y, sparse.csr_array(y)):
        model = MLPClassifier(**TINY, random_state=0).fit(values[:, None], labels)
        assert model._fitted.columns.bins.counts == (63,)


@pytest.mark.parametrize("n_bins", ["adaptive", 16])
def test_tables_that_cannot_have_bins_are_refused(n_bins: Any) -> None:
    X, y = np.eye(40)[:, :3], np.arange(40) % 2
    model = MLPClassifier(**TINY, n_bins=n_bins)
    with pytest.raises(ValueError, match=rf"n_bins={n_bins!r} embeds each number.*n_bins=None"):
        model.fit(sparse.csr_array(X), y)
    with pytest.raises(ValueError, match=rf"n_bins={n_bins!r} needs to see all rows"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=rf"n_bins={n_bins!r} embeds them"):
        model.set_params(input_dropout=0.2).fit(X, y)


@pytest.mark.parametrize("value", ["fine", "Adaptive", 1, 2.5, True])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="n_bins"):
        MLPRegressor(**TINY, n_bins=value).fit(np.eye(5), np.arange(5.0))


def test_folds_of_a_search_have_bins_of_their_own() -> None:
    """Which may differ: one fold here has too few rows of the first half to tell."""
    values, noise = rows_of(600)
    y = np.where(np.arange(600) < 300, 1.5 * spiky(values), 0.0) + noise
    folds = [(np.arange(0, 400), np.arange(400, 600)), (np.arange(250, 600), np.arange(0, 250))]
    X = values[:, None]
    model = MLPRegressor(**TINY, random_state=0)
    found = [model.fit(X[rows], y[rows])._fitted.columns.bins.counts for rows, _ in folds]
    assert found == [(63,), (16,)]
    grid = {"alpha": [1e-5, 0.1]}
    want = GridSearchCV(model, grid, cv=folds).fit(X, y).cv_results_["mean_test_score"]
    own = StackedGridSearchCV(model, grid, cv=folds).fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(own, want)
