"""Graphs of models of raw tables: an input for each column, with what is missing or unknown."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from onnx_case import LABELS, ROWS, TARGET, agree, classifier, compare, feed, regressor, session_of

import sknorm
from sknorm.data.categories import ONE_HOT
from sknorm.model_selection import EnsembleClassifier


def make_frame() -> pd.DataFrame:
    """Columns of all kinds, of which some have missing values."""
    rng = np.random.default_rng(0)
    gaps = rng.random((ROWS, 4)) < 0.2

    def text(levels: int, place: int | None = None) -> np.ndarray:
        values = np.array([f"level {k}" for k in rng.integers(0, levels, ROWS)], dtype=object)
        return values if place is None else np.where(gaps[:, place], None, values)

    return pd.DataFrame(
        {
            "number": np.where(gaps[:, 0], np.nan, 100.0 * rng.normal(size=ROWS) + 30.0),
            "few": text(3),
            "many": text(3 * ONE_HOT),
            "label": rng.normal(size=ROWS).astype(np.float32),
            "text gaps": text(4, 1),
            "flag": rng.random(ROWS) < 0.5,
            "flag gaps": pd.array(np.where(gaps[:, 2], None, gaps[:, 3]), dtype="boolean"),
            "count": rng.integers(0, 9, ROWS),
            "code": pd.Categorical(rng.choice([3, 7, 2**60], ROWS)),
            "share": pd.Categorical(rng.choice([0.1, 0.7, np.nan], ROWS)),
            "rare": ["once", *["often"] * (ROWS - 1)],
            "empty": pd.Categorical([None] * ROWS),
            "last": rng.normal(size=ROWS),
        }
    )


FRAME = make_frame()


def strange(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with unknown levels, and gaps where no training row had one."""
    new = frame.copy()
    new.loc[:9, "few"] = "new"
    new.loc[10:19, "few"] = None
    new.loc[5:14, "many"] = "new"
    new.loc[15:24, "many"] = np.nan
    new.loc[:5, "text gaps"] = "new"
    new.loc[:5, "empty"] = np.nan
    new["code"] = pd.Categorical(np.where(np.arange(ROWS) < 6, 5, new["code"].to_numpy()))
    new["share"] = pd.Categorical(np.where(np.arange(ROWS) < 6, 0.3, new["share"].to_numpy()))
    return new


@pytest.mark.parametrize(
    "settings",
    (
        {},
        {"dtype": "float64"},
        {"n_members": 3},
        {"min_frequency": 5},
        {"n_bins": 4, "scaling": "robust", "n_members": 2},
        {"hidden_layer_sizes": (), "n_bins": 4},
        {"preset": "fast", "activation": "auto", "normalization": "layer"},
    ),
    ids=("plain", "float64", "members", "min_frequency", "bins", "no_layer", "fast"),
)
def test_all_kinds_of_columns(settings: dict[str, Any]) -> None:
    model = classifier(**{"dtype": "float32", **settings}).fit(FRAME, LABELS)
    for given in (None, FRAME):
        agree(model, FRAME, given)
        agree(model, strange(FRAME), given)


def test_inputs_are_called_and_typed_as_the_columns() -> None:
    model = classifier(dtype="float32").fit(FRAME, LABELS)
    session = session_of(sknorm.to_onnx(model))
    found = {each.name: each.type[len("tensor(") : -1] for each in session.get_inputs()}
    assert list(found) == list(FRAME)
    assert found == {
        **dict.fromkeys(("number", "label", "count", "flag gaps", "last"), "float"),
        **dict.fromkeys(("few", "many", "text gaps", "rare", "empty"), "string"),
        "flag": "bool",
        "code": "int64",
        "share": "double",
    }
    assert all(each.shape == ["N", 1] for each in session.get_inputs())
    # a column has the name of an output
    assert [each.name for each in session.get_outputs()] == ["label1", "probabilities"]
    typed = session_of(sknorm.to_onnx(model, FRAME))
    found = {each.name: each.type[len("tensor(") : -1] for each in typed.get_inputs()}
    assert (found["number"], found["label"], found["count"]) == ("double", "float", "int64")
    assert [each.type for each in typed.get_outputs()] == ["tensor(int64)", "tensor(double)"]


def test_inputs_take_columns_as_they_are() -> None:
    frame = FRAME[["number", "few", "flag", "count", "many"]]
    model = classifier().fit(frame, LABELS)
    session = session_of(sknorm.to_onnx(model, frame))
    compare(model, frame, session.run(None, {name: frame[[name]].to_numpy() for name in frame}))
    table = pl.from_pandas(frame)
    model = classifier().fit(table, LABELS)
    session = session_of(sknorm.to_onnx(model, table))
    inputs = {name: table[[name]].to_numpy() for name in table.columns}
    compare(model, table, session.run(None, inputs))


@pytest.mark.parametrize("word", ("nan", "None", "<NA>", "NaT"))
def test_words_for_missing_text(word: str) -> None:
    """A word that a runtime makes of a missing value is one, unless a level is called that."""
    frame = FRAME[["text gaps"]]
    model = regressor().fit(frame, TARGET)
    session = session_of(sknorm.to_onnx(model))
    (found,) = session.run(None, {"text gaps": np.array([[word], ["level 1"], ["new"]])})
    expected = model.predict(pd.DataFrame({"text gaps": [None, "level 1", "new"]}))
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    named = frame.fillna(word)
    model = regressor().fit(named, TARGET)
    agree(model, named)


def test_arrays_of_objects() -> None:
    frame = FRAME[["number", "few", "flag"]]
    table = frame.to_numpy(dtype=object)
    model = regressor().fit(table, TARGET)
    session = session_of(sknorm.to_onnx(model))
    assert [each.name for each in session.get_inputs()] == ["x0", "x1", "x2"]
    named = frame.set_axis(["x0", "x1", "x2"], axis=1)
    compare(model, table, session.run(None, feed(session, named)))


def test_only_categories_and_categories_that_say_nothing() -> None:
    for names in (["few", "many"], ["empty"], ["flag", "empty"]):
        agree(classifier(n_members=2).fit(FRAME[names], LABELS), FRAME[names])


def test_numbers_as_categories() -> None:
    """Of an array of numbers, by their places; float32 finds the levels of float64."""
    table = np.stack([FRAME["count"] + 0.1, FRAME["label"]], axis=1)
    for dtype in (np.float32, np.float64):
        model = regressor(categorical_features=[0]).fit(table.astype(dtype), TARGET)
        for given in (np.float32, np.float64):
            agree(model, strange_counts(table).astype(given), table.astype(given))


def test_levels_that_rounding_joins_are_those_of_predict() -> None:
    pick = np.random.default_rng(0).integers
    near = np.array([0.1, 0.2, 0.3, 16777217.0, 16777216.0])[pick(0, 5, ROWS)]
    table = np.stack([near, FRAME["label"]], axis=1)
    model = regressor(categorical_features=[0]).fit(table, TARGET)
    for given in (np.float32, np.float64):
        agree(model, table.astype(given), table.astype(given))
    frame = FRAME[["label"]].assign(code=pd.Categorical(2**53 + pick(0, 4, ROWS)))
    asked = frame.assign(code=2.0**53 + np.arange(ROWS) % 4)
    agree(classifier().fit(frame, LABELS), asked, asked)


def test_levels_beyond_float32() -> None:
    near = np.array([0.1, 0.2, 1e300])[np.arange(ROWS) % 3]
    table = np.stack([near, FRAME["label"]], axis=1)
    model = regressor(categorical_features=[0]).fit(table, TARGET)
    table[near > 1.0, 0] = 0.7
    agree(model, table.astype(np.float32), table.astype(np.float32))


def strange_counts(table: np.ndarray) -> np.ndarray:
    new = table.copy()
    new[:4, 0] = [50.0, np.nan, 0.2, 0.1]
    return new


def test_frames_of_numbers_are_one_input() -> None:
    frame = FRAME[["number", "count", "label"]]
    agree(regressor().fit(frame, TARGET), frame, frame)


def test_ensembles_of_raw_tables() -> None:
    members = [classifier(min_frequency=k, dtype="float32") for k in (1, 6)]
    model = EnsembleClassifier(members, weights=[1, 3]).fit(FRAME, LABELS)
    agree(model, FRAME)
    agree(model, strange(FRAME))


def test_what_does_not_fit_is_refused() -> None:
    frame = FRAME[["number", "few"]]
    model = regressor().fit(frame, TARGET)
    with pytest.raises(ValueError, match="Column 'number' was numeric in fit, but is text"):
        sknorm.to_onnx(model, frame.astype({"number": str}))
    swapped = frame.assign(few=1.5)
    with pytest.raises(ValueError, match="Column 'few' was a category of text in fit, but its"):
        sknorm.to_onnx(model, swapped)
    large = frame.assign(few=pd.Categorical(np.uint64(2**63) + np.arange(ROWS, dtype="u8") % 2))
    with pytest.raises(ValueError, match=f"Column 'few' has the category {2**63 + 1}, beyond"):
        sknorm.to_onnx(regressor().fit(large, TARGET))
    nameless = frame.set_axis(["number", ""], axis=1)
    with pytest.raises(ValueError, match="Column 1 of X has the name ''"):
        sknorm.to_onnx(regressor().fit(nameless, TARGET))


def test_tables_of_other_columns_are_refused() -> None:
    """A column would take the type of another one, and the graph what predict refuses."""
    frame = FRAME[["last", "count"]]
    model = regressor(categorical_features=["count"]).fit(frame, TARGET)
    with pytest.raises(ValueError, match="Column 0 of X is 'count', and was 'last' in fit"):
        sknorm.to_onnx(model, frame[["count", "last"]])
    with pytest.raises(ValueError, match="Column 1 of X is 'other', and was 'count' in fit"):
        sknorm.to_onnx(model, frame.rename(columns={"count": "other"}))
    agree(model, frame)


@pytest.mark.parametrize("dtype", [">f8", np.longdouble], ids=str)
def test_columns_of_a_dtype_that_graphs_lack(dtype: Any) -> None:
    """Their inputs are typed as without a table."""
    for frame in FRAME[["last", "label"]], FRAME[["last", "few"]]:
        odd = frame.astype({"last": dtype})
        model = regressor().fit(odd, TARGET)
        types = [each.type for each in session_of(sknorm.to_onnx(model, odd)).get_inputs()]
        assert types[0] == "tensor(double)"
        agree(model, frame)
