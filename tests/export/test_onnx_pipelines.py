"""Whole Pipelines, searches and other estimators around ours, as skl2onnx converts them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skl2onnx
from onnx_case import LABELS, TARGET, X, classifier, compare, feed, regressor, session_of
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier, VotingRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknorm.export import register_converters
from sknorm.model_selection import EnsembleClassifier, EnsembleRegressor, StackedGridSearchCV

NUMBERS = np.nan_to_num(X)
TEXT = np.array(["b", "c", "a"])[LABELS]
FRAME = pd.DataFrame(NUMBERS.astype(float), columns=list("abcd")).assign(
    town=np.array(["x", "y", "z"], dtype=object)[LABELS[::-1]],
    flag=TARGET > 0.0,
    count=np.arange(len(LABELS), dtype=np.int32),
)
GRID = {"alpha": [0.0, 1.0]}


@pytest.fixture(autouse=True)
def converters() -> Iterator[None]:
    register_converters()
    register_converters()  # as a second call changes nothing
    yield


def converted(model: Any, table: Any, zipmap: Any = False, **settings: Any) -> Any:
    options = {"zipmap": zipmap} if hasattr(model, "predict_proba") else None
    return session_of(skl2onnx.to_onnx(model, table[:1], options=options, **settings))


def check(model: Any, table: Any, **settings: Any) -> None:
    session = converted(model, table, **settings)
    compare(model, table, session.run(None, feed(session, table)))


def piped(model: Any) -> Any:
    return make_pipeline(StandardScaler(), model)


@pytest.mark.parametrize("dtype", (np.float32, np.float64, np.int64))
def test_estimators_by_themselves(dtype: Any) -> None:
    table = (3.0 * NUMBERS).astype(dtype)
    check(classifier(n_members=2).fit(table, TEXT), table)
    check(regressor(dtype="float32").fit(table, TARGET), table)


def test_pipelines() -> None:
    check(piped(classifier(n_bins=3)).fit(NUMBERS, LABELS), NUMBERS)
    targets = np.stack([TARGET, -TARGET], axis=1)
    check(piped(regressor(loss="quantile", quantile=[0.1, 0.9])).fit(NUMBERS, targets), NUMBERS)
    encoder = make_column_transformer(
        (StandardScaler(), ["a", "b"]), (OneHotEncoder(sparse_output=False), ["town"])
    )
    check(make_pipeline(encoder, classifier()).fit(FRAME, TEXT), FRAME)


def test_raw_tables() -> None:
    """Each column is an input of the Pipeline, and the network reads it."""
    check(make_pipeline(classifier()).fit(FRAME, TEXT), FRAME)
    check(classifier().fit(FRAME, TEXT), FRAME)


def test_ensembles() -> None:
    model = EnsembleClassifier([classifier(), classifier(alpha=1.0)], weights=[2, 1])
    check(piped(model).fit(NUMBERS, TEXT), NUMBERS)
    check(EnsembleRegressor([regressor(), regressor(alpha=1.0)]).fit(NUMBERS, TARGET), NUMBERS)


@pytest.mark.parametrize("refit", (True, "ensemble"))
def test_searches(refit: Any) -> None:
    search = StackedGridSearchCV(classifier(), GRID, cv=2, refit=refit).fit(NUMBERS, TEXT)
    check(search, NUMBERS)
    check(piped(search).fit(NUMBERS, TEXT), NUMBERS)


def test_scikit_learns_estimators_around_ours() -> None:
    check(GridSearchCV(classifier(), GRID, cv=2).fit(NUMBERS, TEXT), NUMBERS)
    check(CalibratedClassifierCV(classifier(), cv=2).fit(NUMBERS, LABELS), NUMBERS)
    check(StackingClassifier([("one", classifier())], cv=2).fit(NUMBERS, LABELS), NUMBERS)
    check(VotingRegressor([("one", regressor())]).fit(NUMBERS, TARGET), NUMBERS)


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("labels", (LABELS, TEXT, LABELS > 1, LABELS.astype(float)))
def test_maps_of_probabilities(labels: np.ndarray, dtype: Any) -> None:
    table = NUMBERS.astype(dtype)
    model = piped(classifier()).fit(table, labels)
    session = converted(model, table, True)
    assert [each.name for each in session.get_outputs()] == ["output_label", "output_probability"]
    label, maps = session.run(None, {"X": table})
    assert np.array_equal(label, model.predict(table))
    assert list(maps[0]) == model.classes_.tolist()
    np.testing.assert_allclose([[*m.values()] for m in maps], model.predict_proba(table), atol=1e-5)


def test_other_options_of_classifiers() -> None:
    model = classifier().fit(NUMBERS, TEXT)
    session = converted(model, NUMBERS, "columns")
    assert [each.name for each in session.get_outputs()] == ["output_label", "sa", "sb", "sc"]
    options = {"zipmap": False, "nocl": True}
    session = session_of(skl2onnx.to_onnx(model, NUMBERS, options=options))
    (label,) = session.run(["label"], {"X": NUMBERS.astype(np.float32)})
    assert np.array_equal(model.classes_[label], model.predict(NUMBERS))


def test_multilabel() -> None:
    model = piped(classifier()).fit(NUMBERS, (NUMBERS > 0.0).astype(int))
    check(model, NUMBERS)


def test_versions_of_operators() -> None:
    model = make_pipeline(classifier()).fit(FRAME, TEXT)
    check(model, FRAME, target_opset={"": 13, "ai.onnx.ml": 2})
    with pytest.raises(ValueError, match="asks for version 12 of the domain '', but"):
        converted(model, FRAME, target_opset=12)
    with pytest.raises(ValueError, match=r"asks for version 1 of the domain 'ai\.onnx\.ml'"):
        converted(model, FRAME, target_opset={"": 15, "ai.onnx.ml": 1})


def test_inputs_of_other_columns_are_refused() -> None:
    model = classifier().fit(NUMBERS, LABELS)
    with pytest.raises(ValueError, match="have 3 columns, but the model was fitted to 4"):
        converted(model, NUMBERS[:, :3])
