"""Random tables of any library: what must hold of models of them, whatever the columns hold.

All draws follow from the number of the table, which a failure names. A call works, or is refused
with an error that names a column or a parameter.
"""

import pickle
import re
import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import StackedGridSearchCV

TABLES, PARTS, SEARCHED = 280, 14, 10  # of the tables, every tenth is searched over
OFTEN = 6  # parts in the default run

Rng = np.random.Generator

# What users may be told of; any other warning fails the test.
TOLD = (
    (ConvergenceWarning, ""),
    (UserWarning, "missing values, but no training|feature names|larger than the|counts as const"),
    (
        UserWarning,
        "test scores are non-finite|another scale|Scoring failed|fits failed|never a fin",
    ),
    (RuntimeWarning, "reaches|overflow"),
)
SETTINGS: dict[str, list[Any]] = {
    "hidden_layer_sizes": [(3,), (3,), (4, 4)],
    "max_iter": [1, 2],
    "normalization": ["batch", "batch", "layer", None],
    "scaling": ["auto", "robust", "standard", None],
    "min_frequency": [1, 1, 2, 0.2, 1000],
    "n_members": [1, 1, 1, 2],
    "early_stopping": [False, False, False, True],
}
LEVELS = (1, 2, 5, 9, 30, 60)
UNITS = (1.0, 1.0, 1e-8, 1e6, 1e-300, 1e150)
KINDS = ("text", "text", "boolean", "number", "numeric", "numeric", "integers", "constant")
CATEGORIES = ("text", "boolean", "number")
NAMED = re.compile(
    r"'c\d'|[Cc]olumn \d|sample_weight|validation_fraction|normalization|hidden_layer_sizes|"
    r"scaling|min_frequency|MLPClassifier needs at least 2 classes|sample\(s\)"
)


class Column(NamedTuple):
    """What a column holds, and values; None where one is missing."""

    kind: str
    values: list[Any]

    @property
    def is_category(self) -> bool:
        return self.kind in CATEGORIES


def draw(rng: Rng, kind: str, rows: int) -> Column:
    levels = int(rng.choice(LEVELS))
    share = rng.choice([0.0, 0.0, 0.2, 1.0], p=[0.4, 0.3, 0.25, 0.05])
    codes, unit = rng.integers(0, levels, rows), float(rng.choice(UNITS))
    made: dict[str, Any] = {
        "text": lambda: [f"l{code}_" for code in codes],
        "boolean": lambda: [bool(code) for code in codes % 2],
        "number": lambda: (codes * 3 - 5).tolist(),
        "numeric": lambda: (unit * rng.normal(size=rows)).tolist(),
        "integers": lambda: rng.integers(-1000, 1000, rows).tolist(),
        "constant": lambda: [float(rng.choice([0.0, 3.7, -1e9]))] * rows,
    }
    holes = rng.random(rows) < share
    return Column(kind, [None if hole else v for hole, v in zip(holes, made[kind](), strict=True)])


def in_pandas(rng: Rng, column: Column) -> Any:
    held: dict[str, list[Any]] = {
        "text": [object, "str", "string", "category", "ordered", pd.ArrowDtype(pa.string())],
        "boolean": [object, "boolean", "category", pd.ArrowDtype(pa.bool_())],
        "number": ["category"],
        "numeric": [object, "float64", "Float64", pd.ArrowDtype(pa.float64())],
        "integers": [object, "float64", "Int64", "Int16", pd.ArrowDtype(pa.int32())],
        "constant": [object, "float64", "Float64"],
    }
    choices = held[column.kind]
    dtype = choices[rng.integers(len(choices))]
    if dtype not in ("category", "ordered"):
        return pd.Series(column.values, dtype=dtype)
    levels = list({value for value in column.values if value is not None})
    levels = [levels[i] for i in rng.permutation(len(levels))]
    if column.kind == "text":
        levels.append("unused_")
    return pd.Categorical(column.values, levels, ordered=dtype == "ordered")


def in_polars(rng: Rng, column: Column) -> Any:
    if column.kind == "text":
        enum = pl.Enum([*sorted({v for v in column.values if v is not None}), "unused_"])
        return pl.Series(column.values, dtype=[pl.String, pl.Categorical, enum][rng.integers(3)])
    dtypes: Any = {"boolean": pl.Boolean, "number": pl.Int64, "integers": pl.Int32}
    return pl.Series(column.values, dtype=dtypes.get(column.kind, pl.Float64), strict=False)


def in_pyarrow(rng: Rng, column: Column) -> Any:
    types: Any = {"text": pa.string(), "boolean": pa.bool_(), "integers": pa.int64()}
    types["number"] = pa.int16()
    made = pa.array(column.values, types.get(column.kind, pa.float64()))
    coded = column.kind == "number" or (column.kind == "text" and rng.random() < 0.5)
    return made.dictionary_encode() if coded else made


def in_objects(columns: list[Column]) -> np.ndarray:
    made = np.empty((len(columns[0].values), len(columns)), dtype=object)
    for j, column in enumerate(columns):
        made[:, j] = column.values
    return made


class Table:
    """Columns that several libraries hold, and what is learned of them."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.rows = int(rng.choice([2, 3, 8, 20, 40, 60]))
        count = int(rng.integers(1, 6))
        self.columns = [draw(rng, str(rng.choice(KINDS)), self.rows) for _ in range(count)]
        kinds = {column.kind for column in self.columns}
        self.named = bool(rng.random() < 0.4)
        self.libraries = ["pandas", "pandas", "pyarrow"]
        if self.named or "number" not in kinds:
            self.libraries += ["polars", "objects"]
        if not kinds & {"text", "boolean"} and (self.named or "number" not in kinds):
            self.libraries += ["floats"]

    def build(self, library: str, columns: list[Column] | None = None) -> Any:
        columns = self.columns if columns is None else columns
        if library == "objects":
            return in_objects(columns)
        if library == "floats":
            return in_objects(columns).astype(float)
        build: Any = {"pandas": in_pandas, "polars": in_polars, "pyarrow": in_pyarrow}[library]
        frame: Any = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[library]
        return frame({f"c{j}": build(self.rng, each) for j, each in enumerate(columns)})

    def any(self, columns: list[Column] | None = None) -> Any:
        return self.build(str(self.rng.choice(self.libraries)), columns)

    def rows_of(self, index: Any) -> list[Column]:
        return [Column(kind, [values[i] for i in index]) for kind, values in self.columns]

    def perturbed(self) -> list[Column]:
        """Levels that no row had, and values that are missing now."""
        new: dict[str, Any] = {"text": "new_", "number": 777}
        made = []
        for kind, values in self.columns:
            if any(value is not None for value in values) and self.rng.random() < 0.7:
                some = self.rng.random(self.rows) < 0.3
                holes = self.rng.random(self.rows) < 0.3
                values = [
                    new.get(kind, v) if odd else v for odd, v in zip(some, values, strict=True)
                ]
                values = [None if gone else v for gone, v in zip(holes, values, strict=True)]
            made.append(Column(kind, values))
        return made

    def model(self) -> Any:
        rng = self.rng
        told = {name: values[rng.integers(len(values))] for name, values in SETTINGS.items()}
        if self.named:
            told["categorical_features"] = [
                j for j, column in enumerate(self.columns) if column.is_category
            ]
        told["early_stopping"] = told["early_stopping"] and self.rows >= 8
        kind: Any = MLPClassifier if rng.random() < 0.5 else MLPRegressor
        return kind(
            preset="sklearn", **told, random_state=0, dtype="float64", validation_fraction=0.3
        )

    def targets(self, model: Any) -> np.ndarray:
        if isinstance(model, MLPRegressor):
            return self.rng.normal(size=self.rows)
        return self.rng.permutation(np.arange(self.rows) % 2)


def outputs(model: Any, X: Any) -> np.ndarray:
    return model.predict_proba(X) if isinstance(model, MLPClassifier) else model.predict(X)


def check_model(model: Any, table: Table, X: Any) -> None:
    """What holds of a model of a table."""
    found = outputs(model, X)
    shape = (table.rows, 2) if isinstance(model, MLPClassifier) else (table.rows,)
    assert found.shape == shape and np.isfinite(found).all()
    np.testing.assert_array_equal(outputs(pickle.loads(pickle.dumps(model)), X), found)
    np.testing.assert_array_equal(outputs(model, table.any()), found)
    order = table.rng.permutation(table.rows)
    permuted = outputs(model, table.any(table.rows_of(order)))
    np.testing.assert_allclose(permuted, found[order], rtol=1e-9, atol=1e-12)
    other = outputs(model, table.any(table.perturbed()))
    assert other.shape == shape and np.isfinite(other).all()
    importance = model.feature_importances_
    assert importance.shape == (len(table.columns),) and (importance >= 0).all()
    assert importance.sum() == pytest.approx(1.0) or not importance.any()
    if model.scaling is not None and not (model.scaling == "auto" and model.normalization is None):
        for value, column in zip(importance, table.columns, strict=True):
            if len(set(column.values)) == 1:  # of one value, or of none
                assert value == 0.0


def check_increments(model: Any, table: Table, y: np.ndarray) -> None:
    """Two chunks of a table, in two libraries."""
    model, half = clone(model).set_params(early_stopping=False), table.rows // 2
    told = {"classes": [0, 1]} if isinstance(model, MLPClassifier) else {}
    parts = range(half + 1), range(half, table.rows)
    for part in parts:
        model.partial_fit(table.any(table.rows_of(part)), y[list(part)], **told)
    found = outputs(model, table.any())
    assert len(found) == table.rows and np.isfinite(found).all()
    np.testing.assert_array_equal(outputs(pickle.loads(pickle.dumps(model)), table.any()), found)


def check_search(model: Any, X: Any, y: np.ndarray) -> None:
    """Scores of a stacked search are those of scikit-learn's."""
    if isinstance(X, pa.Table):  # which scikit-learn does not split
        X = X.to_pandas()
    scoring = "accuracy" if isinstance(model, MLPClassifier) else "neg_mean_absolute_error"
    model = clone(model).set_params(early_stopping=model.early_stopping and len(y) >= 20)
    told = {"cv": KFold(2), "scoring": scoring, "refit": False}
    grid = {"alpha": [1e-4, 1.0]}
    stacked = StackedGridSearchCV(model, grid, **told)
    plain = GridSearchCV(model, grid, **told)
    try:
        plain.fit(X, y)
    except ValueError as error:
        assert NAMED.search(str(error)), error
        with pytest.raises(ValueError, match="All the 4 fits failed"):
            stacked.fit(X, y)
        return
    stacked.fit(X, y)
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_allclose(stacked.cv_results_[name], plain.cv_results_[name], rtol=1e-6)


def play(seed: int) -> bool:
    """Whether a random table was learned, rather than refused."""
    table = Table(seed)
    model, X = table.model(), table.any()
    y = table.targets(model)
    weight = table.rng.integers(0, 3, table.rows) if table.rng.random() < 0.25 else None
    try:
        model.fit(X, y, sample_weight=weight)
    except (TypeError, ValueError) as error:
        assert NAMED.search(str(error)), error
        return False
    check_model(model, table, X)
    if table.rows >= 8:
        try:
            check_increments(model, table, y)
        except ValueError as error:
            assert NAMED.search(str(error)), error
        if seed % SEARCHED == 0:
            check_search(model, X, y)
    return True


@pytest.mark.parametrize(
    "part",
    [pytest.param(k, marks=pytest.mark.thorough if k >= OFTEN else []) for k in range(PARTS)],
)
def test_random_tables(part: int) -> None:
    learned = []
    with warnings.catch_warnings():
        for category, message in TOLD:
            warnings.filterwarnings("ignore", f"(?s).*({message})", category)
        for seed in range(part, TABLES, PARTS):
            try:
                learned.append(play(seed))
            except Exception as error:
                error.add_note(f"table {seed}")
                raise
    assert np.mean(learned) > 0.8
