"""What a file gives back is the model that it was saved of."""

from pathlib import Path
from typing import Any

import export_case as case
import numpy as np
import pandas as pd
import pytest
from export_case import X, again, assert_same, classifier, outputs, regressor
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import sknorm
from sknorm.model_selection import (
    EnsembleClassifier,
    EnsembleRegressor,
    StackedGridSearchCV,
    StackedRandomizedSearchCV,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FRAME = pd.DataFrame(
    {
        "number": np.where(X[:, 0] > 1, np.nan, X[:, 0]),
        "few": np.resize(["a", "b", None], 40),
        "many": np.resize([f"ü{k}" for k in range(12)], 40),
        "flag": np.resize([True, False, True], 40),
        "level": pd.Categorical(np.resize([1.5, 2.5], 40)),
    }
)
TABLES: dict[str, tuple[Any, Any, Any]] = {  # a model, X and y
    "classes": (classifier(), X, case.CLASSES),
    "two classes": (classifier(), X, case.BINARY),
    "multilabel": (classifier(), X, case.LABELS),
    "calibrated": (classifier(n_members=2, calibration="temperature"), X, case.CLASSES),
    "sparse labels": (classifier(), X, sparse.csr_matrix(case.LABELS)),
    "numbers": (regressor(), X, case.NUMBERS),
    "outputs": (regressor(loss="huber", huber_delta=2), X, X[:, :2]),
    "quantiles": (regressor(loss="quantile", quantile=[0.1, 0.9]), X, case.NUMBERS),
    "quantiles of outputs": (regressor(loss="quantile", quantile=(0.1, 0.9)), X, X[:, :2]),
    "poisson": (regressor(loss="poisson"), X, np.abs(case.NUMBERS)),
    "raw": (classifier(scaling="robust", min_frequency=2), FRAME, case.BINARY),
    "raw, embedded": (regressor(n_bins=4), FRAME, case.NUMBERS),
    "sparse": (classifier(), sparse.csr_matrix(np.where(X > 0, X, 0)), case.CLASSES),
    "frame": (regressor(), pd.DataFrame(X, columns=["a", "b", "ü"]), case.NUMBERS),
    "float32": (regressor(), X.astype(np.float32), case.NUMBERS),
}
SETTINGS: list[dict[str, Any]] = [
    {"normalization": "layer", "dropout": 0.2},
    {"normalization": "ghost", "ghost_batch_size": 8, "norm_statistics": "population"},
    {"normalization": None, "penalty": "group_lasso", "activation": "tanh"},
    {"norm_affine": False, "norm_statistics": "cumulative", "residual": True},
    {"n_members": 3, "dtype": "float32", "hidden_layer_sizes": [4, np.int64(4)]},
    {"n_members": 3, "member_space": {"alpha": [0.0, 1e-3]}, "early_stopping": True},
    {"early_stopping": True, "swa_fraction": 0.5, "learning_rate": "cosine", "max_iter": 4},
    {"solver": "sgd", "learning_rate": "adaptive", "dtype": "float64"},
    {"max_iter": 50, "tol": 0.0, "alpha": np.float32(0.1)},
]


def restored_and_original(model: Any, table: Any, y: Any, folder: Path) -> tuple[Any, Any]:
    model = clone(model).fit(table, y)
    restored = again(model, folder)
    assert_same(restored, model)
    assert_same(outputs(restored, table), outputs(model, table))
    assert repr(restored) == repr(model)
    assert_same(restored.get_params(), model.get_params())
    return restored, model


@pytest.mark.parametrize("name", TABLES)
def test_tables_and_targets(name: str, tmp_path: Path) -> None:
    _, table, y = TABLES[name]
    restored, model = restored_and_original(*TABLES[name], tmp_path)
    assert_same(restored.resolved_params_, model.resolved_params_)
    assert_same(restored.history_, model.history_)
    assert_same(outputs(clone(restored).fit(table, y), table), outputs(model, table))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("make", [classifier, regressor])
def test_settings(make: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    y = case.CLASSES if make is classifier else case.NUMBERS
    restored_and_original(make(**settings), X, y, tmp_path)


def test_lbfgs(tmp_path: Path) -> None:
    restored_and_original(regressor(solver="lbfgs", n_members=2), X, case.NUMBERS, tmp_path)


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(0)], ids=["seed", "generator"])
def test_partial_fit_goes_on(n_members: int, random_state: Any, tmp_path: Path) -> None:
    model = clone(classifier(n_members=n_members, random_state=random_state, solver="sgd"))
    model.partial_fit(X, case.CLASSES, classes=[1, 2, 3]).partial_fit(X, case.CLASSES)
    restored = again(model, tmp_path)
    for each in (restored, model):
        each.partial_fit(X[:30], case.CLASSES[:30]).partial_fit(X, case.CLASSES)
    assert_same(outputs(restored, X), outputs(model, X))


@pytest.mark.parametrize("table", [X, sparse.csr_matrix(X), FRAME], ids=["X", "sparse", "frame"])
def test_a_row_that_waits_is_saved(table: Any, tmp_path: Path) -> None:
    model = regressor().partial_fit(table, case.NUMBERS)
    model.partial_fit(table[:1], case.NUMBERS[:1])
    restored = again(model, tmp_path)
    for each in (restored, model):
        each.partial_fit(table, case.NUMBERS)
    assert_same(outputs(restored, table), outputs(model, table))


def test_a_warm_start_goes_on(tmp_path: Path) -> None:
    model = regressor(warm_start=True, early_stopping=True).fit(X, case.NUMBERS)
    restored = again(model, tmp_path)
    for each in (restored, model):
        each.fit(X, case.NUMBERS)
        assert len(each.loss_curve_) == 4
    assert_same(outputs(restored, X), outputs(model, X))


@pytest.mark.parametrize("kind", [EnsembleClassifier, EnsembleRegressor])
def test_ensembles(kind: Any, tmp_path: Path) -> None:
    make, y = {EnsembleClassifier: (classifier, case.BINARY)}.get(kind, (regressor, case.NUMBERS))
    members = [make(alpha=1.0), make(n_members=2, normalization=None), make()]
    restored_and_original(kind(members, weights=[2, np.float64(1), 0]), X, y, tmp_path)
    ensemble = kind.from_fitted([each.fit(X, y) for each in members])
    restored = again(ensemble, tmp_path)
    assert_same(outputs(restored, X), outputs(ensemble, X))
    assert all(map(lambda a, b: a is b, restored.estimators, restored.estimators_))


SEARCHES: dict[str, Any] = {
    "stacked": lambda model: StackedGridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2),
    "ensemble": lambda model: StackedRandomizedSearchCV(
        model, {"alpha": [0.1, 1.0]}, n_iter=2, cv=2, refit="ensemble", random_state=0
    ),
    "scikit-learn's": lambda model: GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_best_estimators_of_searches(name: str, tmp_path: Path) -> None:
    search = SEARCHES[name](classifier())
    with pytest.raises(TypeError, match=r"got \w+SearchCV. Pass search.best_estimator_"):
        sknorm.save(search, tmp_path / "model.safetensors")
    search.fit(X, case.BINARY)
    with pytest.raises(TypeError, match=r"got \w+SearchCV. Pass search.best_estimator_"):
        sknorm.save(search, tmp_path / "model.safetensors")
    restored = again(search.best_estimator_, tmp_path)
    assert_same(outputs(restored, X), outputs(search, X))


def test_files_of_earlier_versions_load() -> None:
    """The file of the first version with this format; it stays as it is."""
    model = sknorm.load(Path(__file__).parent / "format_1.safetensors")
    table = pd.DataFrame(
        {
            "x": [0.5, np.nan, -2.0],
            "level": ["low", None, "new"],
            "many": ["ü3", "other", "ü11"],
        }
    )
    expected = [[0.26618331, 0.73381669], [0.50205517, 0.49794483], [0.40355689, 0.59644311]]
    np.testing.assert_allclose(model.predict_proba(table), expected, atol=1e-6)
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(model.history_["loss"][2], [0.73868402, 0.81468083])
    assert model.hidden_layer_sizes == (4,) and model.resolved_params_["n_members"] == 2
    assert_same(clone(model).get_params(), model.get_params())
