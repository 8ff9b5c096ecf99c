"""Class labels and levels of categories of every kind come back as they were."""

from pathlib import Path
from typing import Any

import export_case as case
import numpy as np
import pandas as pd
import polars as pl
import pytest
from export_case import X, again, assert_same, classifier, outputs, regressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PLACES = np.resize([0, 1, 2], 40)
LABELS: dict[str, Any] = {
    **{name: np.array([1, 0, 3], name) for name in ("i1", "i2", "i4", "i8", "u1", "u2", "u4")},
    "u8": np.array([0, 1, 2**64 - 1], "u8"),
    "int": np.array([-(2**63), 0, 2**63 - 1]),
    "other byte order": np.array([1, 256, 3], ">i4"),
    "bool": np.array([True, False, True]),
    "float": np.array([1.0, 2.0, -0.0]),
    "float32": np.array([1.0, 2.0, 3.0], "f4"),
    "float16": np.array([1.0, 2.0, 3.0], "f2"),
    "str": np.array(["a", "ü" * 9, ""]),
    "str, other byte order": np.array(["a", "bc", ""]).astype(">U2"),
    "objects": np.array(["a\0b", "\ud800", "😀\n"], object),
    "numpy's str as objects": np.array([np.str_("a"), np.str_("b"), "c"], object),
    "list of str": ["a", "b", "c"],
    "list of int": [3, 1, 2],
    "pandas": pd.Series(["a", "b", "c"]),
    "pandas' categories": pd.Series(["a", "b", "c"], dtype="category"),
    "pandas' Int64": pd.Series([5, 6, 7], dtype="Int64"),
    "dates": np.array(["2020-01-01", "2021-01-01", "2022-01-01"], "M8[D]"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(name: str, tmp_path: Path) -> None:
    labels = LABELS[name]
    y = [labels[k] for k in PLACES] if isinstance(labels, list) else labels[PLACES]
    if isinstance(y, pd.Series):
        y = y.reset_index(drop=True)
    model = classifier().fit(X, y)
    restored = again(model, tmp_path)
    assert_same(restored, model)
    assert_same(restored.classes_, model.classes_)
    assert_same(restored.predict(X), model.predict(X))


LEVELS: dict[str, Any] = {
    "text": pd.Series(["ü", "b\0c", "\ud800"], dtype=object),
    "booleans": np.array([True, False, True]),
    "whole numbers": pd.Categorical([3, 1, 2]),
    "numbers": pd.Categorical([0.1, -0.0, 1e300]),
    "float32": pd.Categorical(np.array([0.1, 0.2, 0.3], "f4")),
    "nothing": pd.Series([None] * 3, dtype=object),
    "large": pd.Categorical(np.array([0, 1, 2**64 - 1], "u8")),
}


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("partial", [False, True], ids=["fit", "partial_fit"])
def test_levels(name: str, partial: bool, tmp_path: Path) -> None:
    column = pd.Series(LEVELS[name])[PLACES].reset_index(drop=True)
    table = pd.DataFrame({"number": X[:, 0], "level": column})
    model = getattr(regressor(), "partial_fit" if partial else "fit")(table, case.NUMBERS)
    restored = again(model, tmp_path)
    assert_same(restored, model)
    assert_same(outputs(restored, table), outputs(model, table))


def test_names_of_polars(tmp_path: Path) -> None:
    table = pl.DataFrame({"zahl": X[:, 0], "größe": np.resize(["klein", "groß"], 40)})
    model = regressor().fit(table, case.NUMBERS)
    restored = again(model, tmp_path)
    assert_same(restored.feature_names_in_, model.feature_names_in_)
    assert_same(outputs(restored, table), outputs(model, table))


def test_many_levels_do_not_fill_the_header(tmp_path: Path) -> None:
    levels = pd.DataFrame({"id": [f"level {k:05}" for k in range(2000)]})
    model = regressor(hidden_layer_sizes=(2,)).fit(levels, np.arange(2000.0))
    assert_same(again(model, tmp_path), model)
    data = (tmp_path / "model.safetensors").read_bytes()
    assert int.from_bytes(data[:8], "little") < 20_000
