"""Bad targets and weights: the error names what is wrong and says what to do."""

from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


def small(estimator: type, **settings: Any) -> Any:
    return estimator(**{"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **settings})


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


def test_target_whose_square_overflows(regression: Table) -> None:
    X, y = regression
    with pytest.raises(ValueError, match=r"\by\b.*e\+30\d"):
        small(MLPRegressor).fit(X, y * 1e300)


@each_estimator
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_missing_or_infinite_weight(
    binary: Table, estimator: type, value: float, word: str
) -> None:
    X, y = binary
    with pytest.raises(ValueError, match=f"sample_weight contains {word}"):
        small(estimator).fit(X, y, np.where(np.arange(len(y)) == 9, value, 1.0))


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
