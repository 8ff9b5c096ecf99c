"""Labels, probabilities and class weights of the classifier."""

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from sknorm import MLPClassifier

Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**settings: Any) -> MLPClassifier:
    """A small network, trained for 15 epochs."""
    small = {"hidden_layer_sizes": (8,), "max_iter": 15, "random_state": 0}
    return MLPClassifier(**{**small, "learning_rate_init": 0.02, **settings}, preset="sklearn")


def test_binary_probabilities_are_logistic_and_sum_to_one(binary: Table) -> None:
    X, y = binary
    fitted = classifier().fit(X, y)
    probability = fitted.predict_proba(X)
    assert fitted.out_activation_ == "logistic" and fitted.n_outputs_ == 1
    assert probability.shape == (len(y), 2)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(fitted.predict(X), probability.argmax(axis=1))
    assert fitted.score(X, y) > 0.85


def test_multiclass_probabilities_are_softmax_and_sum_to_one(multiclass: Table) -> None:
    X, y = multiclass
    fitted = classifier().fit(X, y)
    probability = fitted.predict_proba(X)
    assert fitted.out_activation_ == "softmax" and fitted.n_outputs_ == 3
    assert probability.shape == (len(y), 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, rtol=1e-12)
    assert fitted.score(X, y) > 0.75


def test_log_probabilities_are_logarithms(multiclass: Table) -> None:
    X, y = multiclass
    fitted = classifier().fit(X, y)
    np.testing.assert_array_equal(fitted.predict_log_proba(X), np.log(fitted.predict_proba(X)))


@pytest.mark.parametrize("names", [["a", "b", "c"], [-7, 2, 40], [False, True]], ids=str)
def test_labels_of_any_type_train_the_same_network(
    binary: Table, multiclass: Table, names: list
) -> None:
    X, y = multiclass if len(names) == 3 else binary
    labels = np.array(names)[y]
    plain, named = classifier().fit(X, y), classifier().fit(X, labels)
    assert named.classes_.tolist() == names
    np.testing.assert_array_equal(named.predict(X), np.array(names)[plain.predict(X)])
    np.testing.assert_array_equal(named.predict_proba(X), plain.predict_proba(X))


def test_lists_and_object_arrays_of_strings_are_labels(binary: Table) -> None:
    X, y = binary
    labels = [("no", "yes")[i] for i in y]
    from_list = classifier().fit(X.tolist(), labels)
    from_objects = classifier().fit(X, np.array(labels, dtype=object))
    np.testing.assert_array_equal(from_list.predict(X), from_objects.predict(X))
    assert set(from_list.predict(X)) == {"no", "yes"}


def test_column_of_labels_is_flattened_with_a_warning(binary: Table) -> None:
    X, y = binary
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        column = classifier().fit(X, y[:, None])
    assert column.predict(X).shape == y.shape
    np.testing.assert_array_equal(column.predict_proba(X), classifier().fit(X, y).predict_proba(X))


def test_table_of_labels_is_refused(binary: Table) -> None:
    X, y = binary
    with pytest.raises(ValueError, match="y should be a 1d array"):
        classifier().fit(X, np.column_stack([y, y + 1]))


def test_continuous_target_is_refused(binary: Table) -> None:
    X, _ = binary
    with pytest.raises(ValueError, match="Unknown label type"):
        classifier().fit(X, X[:, 0])


EARLY = [
    {},
    {"early_stopping": True},
    {"early_stopping": True, "scoring": "accuracy"},
    {"early_stopping": True, "scoring": "roc_auc_ovr"},
]


@pytest.mark.parametrize("settings", EARLY, ids=str)
@pytest.mark.parametrize("class_weight", [{0: 3.0, 1: 0.5, 2: 1.0}, {0: 2.0}, "balanced"], ids=str)
def test_class_weight_equals_its_row_weights(
    multiclass: Table, class_weight: Any, settings: dict
) -> None:
    X, y = multiclass
    X, y = X[40:], y[40:]  # unbalanced
    rows = compute_sample_weight(class_weight, y)
    by_class = classifier(class_weight=class_weight, **settings).fit(X, y)
    by_row = classifier(**settings).fit(X, y, rows)
    np.testing.assert_array_equal(by_class.predict_proba(X), by_row.predict_proba(X))
    assert by_class.validation_scores_ == by_row.validation_scores_
    unweighted = classifier(**settings).fit(X, y)
    assert np.any(by_class.predict_proba(X) != unweighted.predict_proba(X))


@pytest.mark.parametrize("settings", EARLY, ids=str)
def test_class_weight_multiplies_sample_weight(multiclass: Table, settings: dict) -> None:
    X, y = multiclass
    class_weight = {0: 4.0, 1: 0.5, 2: 1.0}
    weight = np.random.default_rng(0).integers(1, 5, len(y)).astype(float)
    both = classifier(class_weight=class_weight, **settings).fit(X, y, weight)
    product = weight * compute_sample_weight(class_weight, y)
    by_row = classifier(**settings).fit(X, y, product)
    np.testing.assert_array_equal(both.predict_proba(X), by_row.predict_proba(X))


def test_balanced_counts_the_sample_weights(binary: Table) -> None:
    """With a class weighed down tenfold, balancing restores equal total weights."""
    X, y = binary
    weight = np.where(y == 0, 0.1, 1.0)
    balanced = classifier(class_weight="balanced").fit(X, y, weight)
    totals = np.bincount(y, weight)
    by_row = classifier().fit(X, y, weight * (totals.sum() / (2.0 * totals))[y])
    np.testing.assert_allclose(
        balanced.predict_proba(X), by_row.predict_proba(X), rtol=1e-9, atol=1e-12
    )


def test_class_of_weight_zero_is_left_out(multiclass: Table) -> None:
    X, y = multiclass
    without = classifier().fit(X[y != 1], y[y != 1])
    zeroed = classifier(class_weight={1: 0.0}).fit(X, y)
    assert zeroed.classes_.tolist() == [0, 2]
    np.testing.assert_array_equal(zeroed.predict_proba(X), without.predict_proba(X))


def test_weights_move_the_decision_towards_the_heavy_class(binary: Table) -> None:
    X, y = binary
    shares = [
        classifier(class_weight={0: 1.0, 1: heavy}).fit(X, y).predict(X).mean()
        for heavy in (0.01, 1.0, 100.0)
    ]
    assert shares[0] < shares[1] < shares[2]


WORDS = np.array(["ant", "bee", "cow"])
NAMED = {
    "one more": ({0: 1.0, 1: 2.0, 2: 3.0, 7: 9.0}, None),
    "one more, of no weight": ({0: 1.0, 1: 2.0, 2: 3.0, 7: 0.0}, None),
    "text": ({"ant": 1.0, "bee": 2.0, "cow": 3.0, "dog": 9.0}, WORDS),
    "floats": ({0: 1.0, 1: 2.0, 2: 3.0, 7: 9.0}, np.arange(3.0)),
}


@pytest.mark.parametrize(("class_weight", "labels"), NAMED.values(), ids=NAMED)
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True, "scoring": "accuracy"}], ids=str)
def test_class_weight_may_name_a_class_that_is_not_there(
    multiclass: Table, class_weight: dict, labels: Any, settings: dict
) -> None:
    """As in scikit-learn's linear models: a fold may lack a rare class."""
    X, codes = multiclass
    y = codes if labels is None else labels[codes]
    here = {label: class_weight[label] for label in np.unique(y).tolist()}
    more = classifier(class_weight=class_weight, **settings).fit(X, y)
    less = classifier(class_weight=here, **settings).fit(X, y)
    LogisticRegression(class_weight=class_weight).fit(X, y)
    assert more.classes_.tolist() == np.unique(y).tolist()
    np.testing.assert_array_equal(more.predict_proba(X), less.predict_proba(X))


@pytest.mark.parametrize("class_weight", [{0: 1, 1: 2, 2: 9}, {0: 3, 2: 9}], ids=str)
def test_class_weight_may_name_a_class_whose_rows_weigh_nothing(
    multiclass: Table, class_weight: dict
) -> None:
    X, y = multiclass
    model = classifier(class_weight=class_weight).fit(X, y, (y != 2).astype(float))
    kept, here = y != 2, {label: weight for label, weight in class_weight.items() if label != 2}
    expected = classifier(class_weight=here).fit(X[kept], y[kept])
    LogisticRegression(class_weight=class_weight).fit(X, y, (y != 2).astype(float))
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_chunks_need_not_hold_the_classes_of_class_weight(multiclass: Table) -> None:
    X, y = multiclass
    found = [
        classifier(class_weight=weight).partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
        for weight in ({0: 1.0, 1: 2.0, 2: 3.0, 7: 9.0}, {0: 1.0, 1: 2.0, 2: 3.0})
    ]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in found))


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 1, 1: 1, "2": 9}, r"names the class '2'.*no weight for 2.*classes are \[0, 1, 2\]"),
        ({3: 9}, "names the class 3.*no weight for 0"),
        ({0: "heavy"}, "class_weight of class 0 is 'heavy'.*zero or positive"),
        ({7: None}, "class_weight of class 7 is None"),
    ],
    ids=str,
)
def test_class_weight_of_a_wrong_name_is_refused(
    multiclass: Table, class_weight: dict, message: str
) -> None:
    """Where one class has no weight and a name no class."""
    with pytest.raises(ValueError, match=message):
        classifier(class_weight=class_weight).fit(*multiclass)
