"""Graphs of single estimators and of ensembles answer as the models do."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_case import LABELS, ROWS, TARGET, X, agree, answers, classifier, regressor, session_of
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknorm
from sknorm import MLPClassifier
from sknorm.export.onnx.activations import ACTIVATIONS as FORMS
from sknorm.export.onnx.convert import DEFAULT_OPSET
from sknorm.export.onnx.graph import Graph, numbered
from sknorm.export.onnx.network import NORMS
from sknorm.export.onnx.proto import Output, assemble
from sknorm.export.onnx.table import Input
from sknorm.export.onnx.targets import LINKS
from sknorm.kernels.codes import ACTIVATIONS
from sknorm.kernels.reference.activations import activate
from sknorm.model_selection import (
    EnsembleClassifier,
    EnsembleRegressor,
    StackedGridSearchCV,
)
from sknorm.network.architecture import NORMALIZATIONS
from sknorm.objective.losses import CLASSIFICATION, LOSSES


def in_each_precision(name: str) -> list[Any]:
    """In float32 all but some are thorough, as kernels would be compiled for these cases alone."""
    seldom = [] if name in ("relu", "gelu", "mish") else [pytest.mark.thorough]
    return [(name, "float64"), pytest.param(name, "float32", marks=seldom)]


@pytest.mark.parametrize(
    ("activation", "dtype"), [case for name in ACTIVATIONS for case in in_each_precision(name)]
)
def test_activations(activation: str, dtype: str) -> None:
    """Without a norm, in front of which each would be compiled anew."""
    model = classifier(activation=activation, dtype=dtype, normalization=None)
    agree(model.fit(X, LABELS), X.astype(dtype))


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forms_of_activations(activation: str, dtype: Any) -> None:
    """From values that vanish to those that overflow where they are exponents."""
    size = np.logspace(-8, 4, 200)
    x = np.concatenate([size, -size, [0.0]]).astype(dtype)
    graph, kind = Graph(numbered(["x", "out"])), np.dtype(dtype)
    graph.write("out", "Identity", FORMS[activation](graph, "x", dtype))
    ports = [Input("x", kind, 1)], [Output("out", kind, (1,))]
    session = session_of(assemble(graph, *ports, DEFAULT_OPSET, activation))
    (found,) = session.run(None, {"x": x[:, None]})
    expected = activate(ACTIVATIONS[activation], x.astype(np.float64))
    assert found.dtype == dtype
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("members", (1, 3))
@pytest.mark.parametrize("residual", (False, True))
@pytest.mark.parametrize("norm", (*NORMALIZATIONS, None))
def test_norms(norm: Any, residual: bool, members: int) -> None:
    settings = {"residual": residual, "n_members": members, "dtype": "float32"}
    agree(classifier(normalization=norm, **settings).fit(X, LABELS), X)


def test_layer_norm_far_from_zero() -> None:
    """Its statistics have all digits, also where a row lies far from zero."""
    model = regressor(normalization="layer", dtype="float32", scaling=None)
    agree(model.fit(X + np.float32(1e4), TARGET), X + np.float32(1e4))


@pytest.mark.parametrize("outputs", (1, 2))
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_of_the_regressor(loss: str, outputs: int) -> None:
    y = np.abs(TARGET) + 0.1
    y = y if outputs == 1 else np.stack([y, 100.0 * y], axis=1)
    agree(regressor(loss=loss, dtype="float32").fit(X, y), X)


def test_every_loss_activation_and_norm_has_a_form() -> None:
    links = {loss.output_activation for loss in (*LOSSES.values(), *CLASSIFICATION)}
    assert links == set(LINKS)
    assert set(ACTIVATIONS) == set(FORMS)
    assert {*NORMALIZATIONS, None} == set(NORMS)


@pytest.mark.parametrize("outputs", (1, 2))
@pytest.mark.parametrize("quantile", (0.3, [0.3], [0.1, 0.5, 0.9]))
def test_quantiles_are_in_order(quantile: Any, outputs: int) -> None:
    y = TARGET if outputs == 1 else np.stack([TARGET, -TARGET], axis=1)
    model = regressor(loss="quantile", quantile=quantile, n_members=2).fit(X, y)
    agree(model, X)
    (found,) = answers(model, X)
    assert np.ndim(quantile) == 0 or (np.diff(found, axis=-1) >= 0).all()


@pytest.mark.parametrize("scale", (1e-42, 1e40, 1e290))
def test_targets_in_units_that_float32_does_not_hold(scale: float) -> None:
    model = regressor(dtype="float32").fit(X, TARGET * scale)
    (found,) = answers(model, X, X)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[:, 0], model.predict(X), rtol=1e-5, atol=1e-6 * scale)


def test_numbers_that_float32_does_not_hold() -> None:
    table = X[:, [0, 2]].astype(np.float64) * 1e100 + 1e100
    agree(regressor().fit(table, TARGET), table)


def test_numbers_that_are_zero_or_one_in_float32_alone() -> None:
    """onnxruntime drops sums with a zero and products with a one."""
    wide = X[:, :1].astype(np.float64)
    signs = np.where(np.arange(ROWS) % 2, 1.0, -1.0) * (1.0 + 1e-9)
    for y in ((TARGET + 3.0) * 1e-100, signs):
        model = regressor(dtype="float64").fit(wide, y)
        (found,) = answers(model, wide, wide)
        np.testing.assert_allclose(found[:, 0], model.predict(wide), rtol=1e-12)
    norm = {"normalization": "layer", "norm_epsilon": 1e-60, "scaling": None, "n_bins": None}
    model = regressor(dtype="float64", **norm).fit(np.zeros((ROWS, 1)), TARGET)
    assert np.isfinite(answers(model, np.zeros((3, 1)), np.zeros((3, 1)))[0]).all()


@pytest.mark.parametrize("scaling", ("standard", "robust", None))
@pytest.mark.parametrize("bins", (None, 3, 30))
def test_numbers(scaling: Any, bins: Any) -> None:
    table = X.copy()
    model = regressor(scaling=scaling, n_bins=bins, n_members=2, dtype="float32").fit(table, TARGET)
    table[:3] = [[1e30], [-1e30], [np.nan]] if scaling == "robust" else [[9.0], [-9.0], [np.nan]]
    with pytest.warns(UserWarning, match="have missing values"):
        agree(model, table)


def test_bins_that_are_too_narrow() -> None:
    table = X.copy()
    table[:, 3] = np.arange(ROWS) % 4 + np.where(np.arange(ROWS) < 9, 1e-9, 0.0)
    table = table.astype(np.float64)
    table[:9, 3] += 1e-9
    model = regressor(n_bins=30).fit(table, TARGET)
    assert not np.isfinite(model._fitted.columns.bins.low).all()  # type: ignore[union-attr]
    agree(model, table, table)


@pytest.mark.parametrize("loss", ("poisson", "gamma"))
def test_means_that_overflow_are_held(loss: str) -> None:
    model = regressor(loss=loss, dtype="float32", hidden_layer_sizes=())
    model.fit(X, np.abs(TARGET) + 0.1)
    far = np.concatenate([1e4 * X, -1e4 * X]).astype(np.float32)
    (found,) = answers(model, far)
    assert np.isfinite(found).all() and found.max() > 1e30
    np.testing.assert_allclose(found[:, 0], model.predict(far), rtol=1e-2)


@pytest.mark.parametrize("preset", ("accurate", "fast"))
def test_presets(preset: str) -> None:
    model = classifier(preset=preset, activation="auto", dtype="float32", n_bins="auto")
    agree(model.fit(X, LABELS), X)


def test_no_hidden_layer() -> None:
    agree(classifier(hidden_layer_sizes=(), n_members=2, n_bins=3).fit(X, LABELS), X)


@pytest.mark.parametrize(
    "names",
    (
        ["b", "a", "c"],
        [3, 1, 2**40],
        [False, True],
        [0.0, 1.0, 2.0],
        np.array([1, 2], dtype=np.uint8),
        np.array(["é", "ß"], dtype=object),
    ),
    ids=("text", "integers", "booleans", "floats", "uint8", "objects"),
)
def test_labels(names: Any) -> None:
    names = np.asarray(names)
    model = classifier(dtype="float32").fit(X, names[LABELS % len(names)])
    agree(model, X)
    label, maps = answers(model, X, zipmap=True)
    assert np.array_equal(label, model.predict(X))
    expected = model.predict_proba(X)
    for row, found in zip(expected, maps, strict=True):
        assert list(found) == model.classes_.tolist()
        np.testing.assert_allclose(list(found.values()), row, atol=1e-5)


@pytest.mark.parametrize("members", (1, 2))
def test_multilabel(members: int) -> None:
    agree(classifier(n_members=members).fit(X, (np.nan_to_num(X) > 0.0).astype(int)), X)


def test_weights_of_members() -> None:
    """Members that are selected have shares of their own."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 3)).astype(np.float32)
    y = (table[:, 0] + rng.normal(size=300) > 0).astype(int)
    settings = {"n_members": 4, "member_space": "default", "early_stopping": True}
    model = classifier(**settings, dtype="float32", max_iter=4).fit(table, y)
    assert len(set(model.member_weights_)) > 1
    agree(model, table)


@pytest.mark.parametrize("kind", ("binary", "multiclass", "multilabel"))
def test_members_that_are_averaged_in_raw_outputs(kind: str) -> None:
    y = {"binary": LABELS > 0, "multiclass": LABELS, "multilabel": np.eye(3, dtype=int)[LABELS]}
    settings = {"n_members": 3, "early_stopping": True, "calibration": "temperature"}
    agree(classifier(**settings, dtype="float32").fit(X, y[kind]), X)


def test_ensembles() -> None:
    members = [classifier(activation=a, dtype="float32") for a in ("relu", "tanh")]
    agree(EnsembleClassifier(members, weights=[3, 1]).fit(X, LABELS), X)
    y = np.stack([TARGET, 10.0 * TARGET], axis=1)
    settings = {"loss": "quantile", "quantile": [0.1, 0.9]}
    regressors = [regressor(**settings, alpha=alpha) for alpha in (0.0, 1.0)]
    agree(EnsembleRegressor(regressors, weights=[1, 2]).fit(X, y), X)


def test_searches_are_what_they_have_refitted() -> None:
    grid = {"alpha": [0.0, 1.0]}
    search = GridSearchCV(classifier(), grid, cv=2).fit(X, LABELS)
    agree(search, X)
    stacked = StackedGridSearchCV(classifier(), grid, cv=2, refit="ensemble").fit(X, LABELS)
    agree(stacked, X)
    with pytest.raises(NotFittedError, match="no best_estimator_: call fit, with refit=True"):
        sknorm.to_onnx(StackedGridSearchCV(classifier(), grid, cv=2, refit=False).fit(X, LABELS))


@pytest.mark.parametrize("dtype", (np.float32, np.float64, np.int64))
def test_the_input_is_as_it_is_given(dtype: Any) -> None:
    """The predictions are those of a table of this dtype; a float64 column keeps its digits."""
    table = np.nan_to_num(X).astype(np.float64) * 100.0
    table[:, 0] += 1e8
    model = regressor(dtype="float32").fit(table, TARGET)
    given = table.astype(dtype)
    session = session_of(sknorm.to_onnx(model, given))
    (found,) = session.run(None, {"X": given})
    np.testing.assert_allclose(found[:, 0], model.predict(given), atol=1e-5)


def test_columns_far_from_zero_are_float64() -> None:
    table = np.nan_to_num(X).astype(np.float64)
    near, far, constant = (table + np.array([offset, 0, 0, 0]) for offset in (0.0, 1e9, 0.0))
    constant[:, 0] = 2.0**20
    models = [regressor(dtype="float32").fit(each, TARGET) for each in (near, far, constant)]
    kinds = [session_of(sknorm.to_onnx(model)).get_inputs()[0].type for model in models]
    assert kinds == ["tensor(float)", "tensor(double)", "tensor(float)"]


def test_the_number_of_rows_is_free_and_may_be_zero() -> None:
    for model in (
        classifier().fit(X, LABELS),
        classifier(n_members=2, n_bins=3, normalization="layer").fit(X, LABELS),
        regressor(loss="quantile", quantile=[0.1, 0.9]).fit(X, TARGET),
    ):
        session = session_of(sknorm.to_onnx(model))
        assert [each.shape[0] for each in session.get_outputs()] == ["N"] * len(
            session.get_outputs()
        )
        kind = np.float32 if session.get_inputs()[0].type == "tensor(float)" else np.float64
        assert all(len(found) == 0 for found in session.run(None, {"X": X[:0].astype(kind)}))


def test_names_and_metadata() -> None:
    graph = sknorm.to_onnx(classifier(dtype="float32").fit(X, LABELS))
    assert (graph.producer_name, graph.producer_version) == ("sknorm", sknorm.__version__)
    assert graph.graph.name == "MLPClassifier" and graph.ir_version == 8
    assert {each.domain: each.version for each in graph.opset_import} == {"": 18, "ai.onnx.ml": 3}
    session = session_of(graph)
    assert [each.name for each in session.get_inputs()] == ["X"]
    assert [each.name for each in session.get_outputs()] == ["label", "probabilities"]
    assert [each.shape for each in session.get_outputs()] == [["N"], ["N", 3]]
    session = session_of(sknorm.to_onnx(regressor().fit(X, TARGET)))
    assert [(each.name, each.shape) for each in session.get_outputs()] == [("variable", ["N", 1])]


@pytest.mark.parametrize("opset", (13, 17, 21, onnx.defs.onnx_opset_version()))
def test_versions_of_operators(opset: int) -> None:
    model = classifier(normalization="layer", n_members=2, dtype="float32").fit(X, LABELS)
    graph = sknorm.to_onnx(model, target_opset=np.int64(opset))
    assert graph.opset_import[0].version == opset
    np.testing.assert_allclose(
        session_of(graph).run(None, {"X": X})[1], model.predict_proba(X), atol=1e-5
    )


def test_a_file_is_read_without_this_library(tmp_path: Path) -> None:
    model = classifier(dtype="float32", n_members=2).fit(X, LABELS)
    onnx.save(sknorm.to_onnx(model), tmp_path / "model.onnx")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, numpy as np, onnxruntime\n"
        "sys.modules['sknorm'] = sys.modules['sklearn'] = None\n"
        f"X = np.load({str(tmp_path / 'X.npy')!r})\n"
        f"session = onnxruntime.InferenceSession({str(tmp_path / 'model.onnx')!r})\n"
        f"np.save({str(tmp_path / 'p.npy')!r}, session.run(['probabilities'], dict(X=X))[0])\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), model.predict_proba(X), atol=1e-5)


def test_the_model_stays_as_it_is() -> None:
    model = classifier().fit(X, LABELS)
    before = model.predict_proba(X)
    first, second = (sknorm.to_onnx(model).SerializeToString() for _ in range(2))
    assert first == second
    assert np.array_equal(before, model.predict_proba(X))


class Halved(MLPClassifier):
    """Predicts by code of its own."""

    def predict_proba(self, X: Any, return_std: Any = False, n_samples: Any = None) -> Any:
        return super().predict_proba(X) / 2.0


def test_what_has_no_graph_is_refused() -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        sknorm.to_onnx(classifier())
    with pytest.raises(TypeError, match="a fitted estimator, got the class MLPClassifier"):
        sknorm.to_onnx(MLPClassifier)
    pipeline = make_pipeline(StandardScaler(), classifier()).fit(X, LABELS)
    with pytest.raises(TypeError, match=r"got Pipeline\. .* sknorm\.export\.register_converters"):
        sknorm.to_onnx(pipeline)
    with pytest.raises(TypeError, match="has a member that is a Pipeline"):
        sknorm.to_onnx(EnsembleClassifier.from_fitted([pipeline]))
    own = Halved(hidden_layer_sizes=(3,), preset="sklearn", max_iter=1, learning_rate="cosine")
    with pytest.raises(TypeError, match="Halved has a method predict_proba of its own"):
        sknorm.to_onnx(own.fit(X, LABELS))


def test_wrong_arguments_are_refused() -> None:
    model, numbers = classifier().fit(X, LABELS), regressor().fit(X, TARGET)
    for opset in (12, 10**6, True, 13.0, "18"):
        with pytest.raises(ValueError, match=r"target_opset must be an integer from 13 to \d+"):
            sknorm.to_onnx(model, target_opset=opset)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the model is a regressor"):
        sknorm.to_onnx(numbers, zipmap=True)
    with pytest.raises(ValueError, match="X has 2 columns, but the model was fitted to 4"):
        sknorm.to_onnx(model, X[:, :2])
    labels = np.array([2**63, 2**63 + 1], dtype=np.uint64)[LABELS % 2]
    with pytest.raises(ValueError, match="are neither all text nor all integers"):
        sknorm.to_onnx(classifier().fit(X, labels))


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier().fit(X, LABELS)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'needs onnx, .* pip install "sknorm\[onnx\]"'):
        sknorm.to_onnx(model)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="needs skl2onnx"):
        sknorm.export.register_converters()
