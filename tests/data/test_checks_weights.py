"""Bad weights and groups: the error names what is wrong and says what to do."""

from typing import Any

import numpy as np
import pandas as pd
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


def with_entry(values: np.ndarray, value: Any) -> np.ndarray:
    """The values as objects, but for row 9."""
    column = np.empty(len(values), dtype=object)
    column[:] = values.tolist()
    column[9] = value
    return column


@each_estimator
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_missing_or_infinite_weight(
    binary: Table, estimator: type, value: float, word: str
) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=f"sample_weight contains {word}"):
        small(estimator).fit(X, y, np.where(np.arange(len(y)) == 9, value, 1.0))


@each_estimator
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (with_entry(np.ones(240), None), "missing value at row 9"),
        (with_entry(np.ones(240), pd.NA), "missing value at row 9"),
        (with_entry(np.ones(240), "heavy"), "must be numeric, but holds 'heavy' at row 9"),
        (np.ma.masked_array(np.ones(240), mask=np.arange(240) == 9), "missing value at row 9"),
        (np.ones(240, dtype="datetime64[D]"), "must be numeric"),
        (np.nan, "NaN"),
        ("balanced", "must be an array.*'balanced'"),
    ],
    ids=["None", "NA", "text", "masked", "dates", "NaN", "name"],
)
def test_weights_that_are_no_numbers(
    binary: Table, estimator: type, weight: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=f"sample_weight.*{message}"):
        small(estimator).fit(*binary, sample_weight=weight)


@each_estimator
@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (with_entry(np.arange(240) // 9, None), "missing value at row 9"),
        (with_entry(np.arange(240) // 9, np.nan), "missing value at row 9"),
        (with_entry(np.arange(240) // 9, "a"), "mixes types"),
        (np.ones((240, 2)), "one group a row"),
    ],
    ids=["None", "NaN", "mixed", "table"],
)
def test_malformed_groups(binary: Table, estimator: type, groups: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"groups.*{message}"):
        small(estimator, early_stopping=True).fit(*binary, groups=groups)


@each_estimator
def test_negative_weight(binary: Table, estimator: type) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"sample_weight.*-2\.5 at row 9.*zero.*positive"):
        small(estimator).fit(X, y, np.where(np.arange(len(y)) == 9, -2.5, 1.0))


@each_estimator
def test_all_weights_zero(binary: Table, estimator: type) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"[Ss]ample.weight.* at least one non-zero"):
        small(estimator).fit(X, y, np.zeros(len(y)))


@each_estimator
def test_one_row_with_weight(binary: Table, estimator: type) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"sample_weight.* 1 of 240 rows .*at least 2"):
        small(estimator).fit(X, y, np.arange(len(y)) == 9)


@each_estimator
@pytest.mark.parametrize("shape", [(239,), (240, 2)])
def test_weights_of_wrong_shape(binary: Table, estimator: type, shape: tuple) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=r"[Ss]ample.?[Ww]eight"):
        small(estimator).fit(X, y, np.ones(shape))
