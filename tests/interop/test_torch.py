"""Tensors of PyTorch on the host: NumPy's numbers, as tensors where scikit-learn dispatches."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor, load, save
from sknorm.metrics import roc_auc_score, roc_auc_scorer
from sknorm.model_selection import EnsembleClassifier, StackedGridSearchCV

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 2.0, (48, 4))
SIGNAL = X[:, 0] - X[:, 1]
WEIGHT = RNG.uniform(0.5, 2.0, 48)
TARGETS = {
    "binary": (SIGNAL > 0).astype(np.int64),
    "multiclass": np.digitize(SIGNAL, [-1.5, 1.5]) + 3,
    "multilabel": (X[:, :3] > 1.0).astype(np.int64),
    "words": np.where(SIGNAL > 0, "yes", "no"),
    "number": SIGNAL,
    "numbers": np.column_stack([SIGNAL, X[:, 2]]),
}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("binary", {}), ("multiclass", {"n_members": 2}), ("multilabel", {}),
    ("binary", {"normalization": None, "solver": "lbfgs"}), ("words", {}), ("number", {}),
    ("multiclass", {"early_stopping": True, "scoring": "balanced_accuracy"}),
    ("numbers", {"n_members": 2}), ("number", {"loss": "quantile", "quantile": [0.1, 0.9]}),
    ("number", {"backend": "numpy", "early_stopping": True, "scoring": "r2"}),
]  # fmt: skip
ATTRIBUTES = ("input_mean_", "input_scale_", "target_mean_", "target_scale_")


@pytest.fixture
def dispatching() -> Iterator[None]:
    with config_context(array_api_dispatch=True):
        yield


def put(values: np.ndarray) -> Any:
    """A tensor on the host; words stay where they are."""
    return values if values.dtype.kind == "U" else torch.asarray(values.copy())


def model(target: str, **changed: Any) -> Any:
    kind = MLPRegressor if target.startswith("number") else MLPClassifier
    common = {"hidden_layer_sizes": (4,), "max_iter": 3, "batch_size": 24, "random_state": 0}
    return kind(preset="sklearn", **common | changed)


def assert_tensor(found: Any, expected: np.ndarray) -> None:
    assert type(found) is torch.Tensor and found.device.type == "cpu"
    assert str(found.dtype) == f"torch.{expected.dtype}"
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)


def assert_array(found: Any, expected: np.ndarray) -> None:
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dispatch", [True, False])
@pytest.mark.parametrize(("target", "changed"), CASES)
def test_answers(target: str, changed: dict[str, Any], dispatch: bool) -> None:
    y = TARGETS[target]
    expected = model(target, **changed).fit(X, y, sample_weight=WEIGHT)
    with config_context(array_api_dispatch=dispatch):
        found = model(target, **changed).fit(put(X), put(y), sample_weight=put(WEIGHT))
        again = [found, pickle.loads(pickle.dumps(found))]
        for each in again:
            for method in ("predict", "predict_proba", "predict_log_proba"):
                if hasattr(expected, method):
                    as_numpy = not dispatch or (target == "words" and method == "predict")
                    check = assert_array if as_numpy else assert_tensor
                    check(getattr(each, method)(put(X)), getattr(expected, method)(X))
            for name in ATTRIBUTES:
                if hasattr(expected, name):
                    check = assert_tensor if dispatch else assert_array
                    check(getattr(each, name), getattr(expected, name))
            assert type(getattr(each, "classes_", X)) is np.ndarray


@pytest.mark.usefixtures("dispatching")
class TestDispatch:
    """Where scikit-learn computes in PyTorch."""

    def test_spread(self) -> None:
        expected = model("number", n_members=2).fit(X, SIGNAL).predict(X, return_std=True)
        found = model("number", n_members=2).fit(put(X), put(SIGNAL))
        for mine, other in zip(found.predict(put(X), return_std=True), expected, strict=True):
            assert_tensor(mine, other)

    def test_chunks_warm_starts_and_held_out_rows(self) -> None:
        y = TARGETS["binary"]
        answers = []
        for to in (put, np.asarray):
            given = to(X), to(y)
            chunks = model("binary").partial_fit(*given, classes=to(np.array([0, 1])))
            warm = model("binary", warm_start=True).fit(*given)
            held = model("binary", early_stopping=True)
            held.fit(*given, X_val=given[0], y_val=given[1], sample_weight_val=to(WEIGHT))
            fitted = chunks.partial_fit(*given), warm.fit(*given), held
            answers.append([each.predict_proba(given[0]) for each in fitted])
        for found, expected in zip(*answers, strict=True):
            assert_tensor(found, expected)

    @pytest.mark.parametrize("y_in", [put, np.asarray])
    @pytest.mark.parametrize("target", ["binary", "words", "number"])
    def test_scores(self, target: str, y_in: Any) -> None:
        y = TARGETS[target]
        expected = model(target).fit(X, y).score(X, y, WEIGHT)
        found = model(target).fit(put(X), y_in(y)).score(put(X), y_in(y), y_in(WEIGHT))
        assert float(found) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("name", ["accuracy", "neg_log_loss", "f1", roc_auc_scorer])
    def test_scorers(self, name: Any) -> None:
        y, scorer = TARGETS["binary"], get_scorer(name)
        expected = scorer(model("binary").fit(X, y), X, y)
        found = scorer(model("binary").fit(put(X), put(y)), put(X), put(y))
        assert float(found) == pytest.approx(float(expected), rel=1e-6)  # of PyTorch's float32

    @pytest.mark.parametrize("search", [GridSearchCV, StackedGridSearchCV])
    @pytest.mark.parametrize("target", ["multiclass", "number"])
    def test_searches(self, search: Any, target: str) -> None:
        y = TARGETS[target]
        pipeline = make_pipeline(StandardScaler(), model(target))
        grid = {f"{pipeline.steps[-1][0]}__alpha": [0.0, 10.0]}
        found, expected = (
            search(pipeline, grid, cv=KFold(2), error_score="raise").fit(to(X), to(y))
            for to in (put, np.asarray)
        )
        scores = [each.cv_results_["mean_test_score"] for each in (found, expected)]
        np.testing.assert_allclose(*scores, rtol=1e-6)  # means of float32 in PyTorch
        np.testing.assert_allclose(found.predict(put(X)).numpy(), expected.predict(X), rtol=1e-9)

    def test_cross_validation(self) -> None:
        """Also in other processes, whose models come back as tensors' again."""
        y = TARGETS["binary"]
        assert_tensor(
            cross_val_predict(model("binary"), put(X), put(y), cv=3),
            cross_val_predict(model("binary"), X, y, cv=3),
        )
        done = cross_validate(
            model("binary"), put(X), put(y), cv=2, n_jobs=2, return_estimator=True
        )
        assert all(type(each.predict(put(X))) is torch.Tensor for each in done["estimator"])

    def test_ensembles(self) -> None:
        y, members = TARGETS["multiclass"], [model("multiclass", random_state=k) for k in range(2)]
        expected = EnsembleClassifier(members, [1, 3]).fit(X, y)
        found = clone(expected).fit(put(X), put(y))
        for method in ("predict", "predict_proba", "predict_log_proba"):
            assert_tensor(getattr(found, method)(put(X)), getattr(expected, method)(X))

    def test_tables_of_another_library_than_fits_are_refused(self) -> None:
        """As scikit-learn's own estimators refuse them."""
        for first, second in ((put, np.asarray), (np.asarray, put)):
            fitted = model("number").fit(first(X), first(SIGNAL))
            with pytest.raises(ValueError, match="same namespace and the same device"):
                fitted.predict(second(X))


@pytest.mark.parametrize("dispatch", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32", "bool"])
def test_dtypes(dtype: str, dispatch: bool) -> None:
    """Single precision and half stay or become float32, whole numbers float64."""
    tensor = torch.asarray(X).to(getattr(torch, dtype))
    with config_context(array_api_dispatch=dispatch):
        found = model("number").fit(tensor, put(SIGNAL)).predict(tensor)
    as_numpy = tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
    expected = model("number").fit(as_numpy, SIGNAL).predict(as_numpy)
    (assert_tensor if dispatch else assert_array)(found, expected)


def test_a_tensor_that_was_answered_is_the_users_own() -> None:
    """Writing to it changes neither the model nor later answers."""
    with config_context(array_api_dispatch=True):
        fitted = model("number").fit(put(X), put(SIGNAL))
        before = fitted.predict(put(X)).clone()
        fitted.predict(put(X)).zero_()
        fitted.input_mean_.zero_()
        assert torch.equal(fitted.predict(put(X)), before)


@pytest.mark.parametrize("dispatch", [True, False])
def test_gradients_are_refused(dispatch: bool) -> None:
    layer, y = torch.nn.Parameter(torch.asarray(X)), TARGETS["binary"]
    with config_context(array_api_dispatch=dispatch):
        with pytest.raises(ValueError, match=r"requires gradients.*Pass its detach\(\)"):
            model("binary").fit(layer, y)
        fitted = model("binary").fit(layer.detach(), y)
        with pytest.raises(ValueError, match=r"requires gradients.*Pass its detach\(\)"):
            fitted.predict(layer)


def test_areas_under_the_curve_of_tensors() -> None:
    y, score = TARGETS["binary"], X[:, 0]
    expected = roc_auc_score(y, score, sample_weight=WEIGHT)
    for labels, weight in ((put(y), put(WEIGHT)), (y, WEIGHT), (TARGETS["words"], put(WEIGHT))):
        found = roc_auc_score(labels, put(score), sample_weight=weight)
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.usefixtures("dispatching")
def test_files_hold_arrays(tmp_path: Path) -> None:
    found = model("words").fit(put(X), TARGETS["words"])
    assert_tensor(found.input_mean_, found.input_mean_.numpy())
    save(found, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert_array(again.input_mean_, found.input_mean_.numpy())
    assert_array(again.predict_proba(X), found.predict_proba(put(X)).numpy())
