"""Bad targets: the error names what is wrong and says what to do."""

import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


def small(estimator: type, **settings: Any) -> Any:
    return estimator(
        preset="sklearn",
        **{"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **settings},
    )


@each_estimator
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_missing_or_infinite_target(
    binary: Table, estimator: type, value: float, word: str
) -> None:
    X, y = binary
    bad = np.where(np.arange(len(y)) == 9, value, y.astype(float))
    with pytest.raises(ValueError, match=f"y contains {word}"):
        small(estimator).fit(X, bad)
    if estimator is MLPRegressor:
        with pytest.raises(ValueError, match=f"y contains {word}"):
            small(estimator).fit(X, np.column_stack([y, bad]))


def with_entry(values: np.ndarray, value: Any) -> np.ndarray:
    """The values as objects, but for row 9."""
    column = np.empty(len(values), dtype=object)
    column[:] = values.tolist()
    column[9] = value
    return column


MISSING: dict[str, Any] = {
    "None": lambda y: with_entry(y, None),
    "NaN": lambda y: with_entry(y, np.nan),
    "NA": lambda y: with_entry(y, pd.NA),
    "NaT": lambda y: with_entry(y, pd.NaT),
    "None in a list": lambda y: with_entry(y, None).tolist(),
    "None in a frame": lambda y: pd.DataFrame({"y": with_entry(y, None)}),
    "None among words": lambda y: with_entry(y.astype(str), None),
    "category": lambda y: pd.Series(with_entry(y, None), dtype="category"),
    "Int64": lambda y: pd.Series(with_entry(y, None), dtype="Int64"),
    "boolean": lambda y: pd.Series(with_entry(y > 0, None), dtype="boolean"),
    "string": lambda y: pd.Series(with_entry(y.astype(str), None), dtype="string"),
    "polars": lambda y: pl.Series(with_entry(y, None).tolist()),
    "polars text": lambda y: pl.Series(with_entry(y.astype(str), None).tolist()),
    "masked": lambda y: np.ma.masked_array(y, mask=np.arange(len(y)) == 9),
}


@each_estimator
@pytest.mark.parametrize("kind", MISSING)
def test_missing_target_of_any_kind(binary: Table, estimator: type, kind: str) -> None:
    X, y = binary
    bad = MISSING[kind](y)
    with pytest.raises(ValueError, match=r"Input y contains .*missing value at row 9"):
        small(estimator).fit(X, bad)
    with pytest.raises(ValueError, match=r"y_val: Input y contains .*missing value at row 9"):
        small(estimator).fit(X, y, X_val=X, y_val=bad)
    if estimator is MLPRegressor:
        with pytest.raises(ValueError, match="missing value at row 9"):
            small(estimator, normalization=None).fit(X, bad)


@pytest.mark.parametrize("value", ["low", "", " ", [1], {}, 1j, pd.Timestamp("2020")], ids=repr)
def test_target_that_is_no_number(binary: Table, value: Any) -> None:
    X, y = binary
    message = f"y must be numeric, but holds {re.escape(repr(value))} at row 9"
    with pytest.raises(ValueError, match=message):
        small(MLPRegressor).fit(X, with_entry(y, value))
    with pytest.raises(ValueError, match=f"y_val: {message}"):
        small(MLPRegressor).fit(X, y, X_val=X, y_val=with_entry(y, value))


def test_targets_of_numbers_as_objects_and_text(binary: Table) -> None:
    X, y = binary
    expected = small(MLPRegressor).fit(X, y).predict(X)
    for same in (y.astype(object), y.astype(str), with_entry(y, str(y[9]))):
        np.testing.assert_array_equal(small(MLPRegressor).fit(X, same).predict(X), expected)


@pytest.mark.parametrize("dtype", ["datetime64[D]", "timedelta64[s]"])
def test_dates_to_predict(binary: Table, dtype: str) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"y must be numeric, but has dtype .*64.*days since"):
        small(MLPRegressor).fit(X, np.arange(len(y)).astype(dtype))


@each_estimator
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[1]] * 239 + [[1, 2]], "y is no array.*MultiLabelBinarizer"),
        ("income", "y must be an array.*'income'"),
        (3.0, "y must be an array"),
        (np.ones(240) * 1j, "Complex data not supported: y"),
    ],
    ids=["ragged", "text", "number", "complex"],
)
def test_target_that_is_no_column(binary: Table, estimator: type, bad: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(estimator).fit(binary[0], bad)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a", "y mixes labels of the types int and str.*astype"),
        (0.5, "Unknown label type: y has dtype object and holds float and int values"),
        (1, "Unknown label type: y has dtype object and holds int values.*astype"),
        (pd.Timestamp("2020"), "y mixes labels of the types Timestamp and int"),
    ],
    ids=repr,
)
def test_labels_in_an_array_of_objects(binary: Table, value: Any, message: str) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=message):
        small(MLPClassifier).fit(X, with_entry(y, value))


@each_estimator
@pytest.mark.parametrize("dtype", ["S", object])
def test_labels_of_bytes_are_refused_as_by_scikit_learn(
    binary: Table, estimator: type, dtype: Any
) -> None:
    X, y = binary
    labels = np.where(y, b"y", b"n").astype(dtype)
    with pytest.raises(TypeError, match=r"y holds bytes.*labels represented as bytes.*decode"):
        small(estimator).fit(X, labels)
    text = np.char.decode(labels.astype("S"))
    assert small(MLPClassifier).fit(X, text).score(X, text) > 0


@each_estimator
def test_target_of_wrong_length(binary: Table, estimator: type) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[240, 239\]"):
        small(estimator).fit(X, y[:-1])


@each_estimator
def test_target_left_out(binary: Table, estimator: type) -> None:
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        small(estimator).fit(binary[0], None)


@pytest.mark.parametrize("label", [0, "yes"])
def test_single_class(binary: Table, label: Any) -> None:
    X, y = binary
    with pytest.raises(ValueError, match="at least 2 classes, but y holds only") as error:
        small(MLPClassifier).fit(X, np.full(len(y), label))
    assert repr(label) in str(error.value)


def test_single_class_among_rows_with_weight(binary: Table) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"only the class.*weight zero"):
        small(MLPClassifier).fit(X, y, y)


def test_text_as_numbers_to_predict(binary: Table) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"\by\b.*(text|string|numeric|number)"):
        small(MLPRegressor).fit(X, np.array(["low", "high"])[y])


def test_target_near_the_end_of_float64(regression: Table) -> None:
    X, y = regression
    with pytest.raises(ValueError, match=r"\by\b.*1\.7e\+308"):
        small(MLPRegressor).fit(X, y / np.abs(y).max() * 1.7e308)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 1.0, "green": 2.0}, r"class_weight names the class 'green'.*classes are \[0, 1\]"),
        ({0: -1.0}, r"class_weight of class 0 is -1\.0.*zero or positive"),
        ({1: np.nan}, "class_weight of class 1 is nan.*zero or positive"),
        ({1: np.inf}, "class_weight of class 1 is inf"),
        ({0: 0.0}, "only the class"),
    ],
    ids=str,
)
def test_class_weight_that_does_not_fit_the_labels(
    binary: Table, class_weight: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        small(MLPClassifier, class_weight=class_weight).fit(*binary)


@each_estimator
def test_held_out_rows_too_few(binary: Table, estimator: type) -> None:
    X, y = binary
    model = small(estimator, early_stopping=True, validation_fraction=0.01)
    with pytest.raises(ValueError, match=r"validation_fraction=0\.01 of 50 .*early_stopping=False"):
        model.fit(X[:50], y[:50])


@each_estimator
def test_held_out_rows_too_many(binary: Table, estimator: type) -> None:
    X, y = binary
    model = small(estimator, early_stopping=True, validation_fraction=0.99)
    with pytest.raises(ValueError, match=r"validation_fraction=0\.99.*Change validation_fraction"):
        model.fit(X[:50], y[:50])


@pytest.mark.parametrize("dtype", ["Int64", pd.ArrowDtype(pa.int64())], ids=str)
def test_labels_beyond_float64_stay_apart(binary: Table, dtype: Any) -> None:
    """scikit-learn makes float64 of nullable integers, in which close identifiers are one."""
    X, y = binary
    labels = 2**60 + y
    column = pd.Series(labels).astype(dtype)
    for table in X, pd.DataFrame({"number": X[:, 0], "flag": X[:, 1] > 0}):
        model = small(MLPClassifier).fit(table, column)
        assert model.classes_.tolist() == [2**60, 2**60 + 1]
        assert np.array_equal(
            model.predict(table), small(MLPClassifier).fit(table, labels).predict(table)
        )
    parts = small(MLPClassifier).partial_fit(X, column, classes=column.unique())
    assert parts.classes_.tolist() == [2**60, 2**60 + 1]
    stored = small(MLPClassifier).fit(X, pd.Series(y).astype("Sparse[int]"))
    assert stored.classes_.tolist() == [0, 1]
