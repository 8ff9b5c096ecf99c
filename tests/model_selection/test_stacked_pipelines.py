"""Stacked searches over networks in Pipelines and around transformed targets, as scikit-learn's."""

from typing import Any

import numpy as np
import pytest
from search_case import (
    ERROR,
    FRAME,
    LOSS,
    PA,
    ROWS,
    STOPS,
    Case,
    T,
    assert_same_search,
    classifier,
    piped,
    regressor,
)
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    StandardScaler,
    TargetEncoder,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WEIGHT, X = T["weight"], T["X"]
WORDS = [" ".join(np.random.default_rng(row).choice(["aa", "bb", "cc"], 6)) for row in range(ROWS)]
LETTERS = np.array(["u", "v", "w"])[np.digitize(X, [-1.0, 1.0])]


def whole_pipeline(model: Any, X: Any, y: Any) -> float:
    """A scorer that looks at the steps before the network."""
    return float(np.sum(model[:-1].transform(X)) + model.predict_proba(X)[:, 0].sum())


PIPELINES = [
    Case("scaler", piped(classifier(), StandardScaler()), PA, search=LOSS),
    Case("selection", piped(classifier(), SelectKBest()), {**PA, "s0__k": [2, 4]}, search=LOSS),
    Case("nothing before", piped(classifier(), "passthrough", None), PA, search=LOSS),
    Case("single step", piped(classifier()), PA, search=LOSS),
    Case("steps in the grid", piped(classifier(), StandardScaler()),
         {**PA, "s0": ["passthrough", MinMaxScaler()]}, search=LOSS),
    Case("networks in the grid", piped(classifier(), StandardScaler()),
         {"mlp": [classifier(), classifier(hidden_layer_sizes=(4,))], **PA}, search=LOSS),
    Case("columns of a frame", piped(classifier(), ColumnTransformer(
        [("o", StandardScaler(), ["a", "b"])], remainder="passthrough")), PA, search=LOSS, X=FRAME),
    Case("frames in between", piped(classifier(), StandardScaler()).set_output(transform="pandas"),
         PA, search=LOSS, X=FRAME),
    Case("a Pipeline before", piped(classifier(), make_pipeline(
        StandardScaler(), PolynomialFeatures(2))), PA, search=LOSS),
    Case("sparse in between", piped(classifier(), OneHotEncoder(handle_unknown="ignore")), PA,
         search=LOSS, X=LETTERS),
    Case("text", piped(classifier(), TfidfVectorizer()),
         {**PA, "s0__ngram_range": [(1, 1), (1, 2)]}, search=LOSS, X=WORDS),
    Case("function without a name", piped(classifier(), FunctionTransformer(lambda X: 2.0 * X)), PA,
         search=LOSS),
    Case("frozen steps", piped(classifier(normalization=None), None),
         {"s0": [FrozenEstimator(StandardScaler().fit(table)) for table in (X[:9], 3.0 * X + 9.0)]},
         search=LOSS),
    Case("training rows are transformed anew", piped(classifier(), TargetEncoder(cv=KFold(2))),
         PA, search={**LOSS, "return_train_score": True}, X=LETTERS),
    Case("scorer of the Pipeline", piped(classifier(), StandardScaler()), PA,
         search={"scoring": whole_pipeline, "return_train_score": True}),
    Case("scorer of the Pipeline, nothing before", piped(classifier(), "passthrough"), PA,
         search={"scoring": whole_pipeline, "return_train_score": True}),
]  # fmt: skip


def standardized(model: Any, transformer: Any = None) -> TransformedTargetRegressor:
    """Of targets that are transformed."""
    transformer = StandardScaler() if transformer is None else transformer
    return TransformedTargetRegressor(model, transformer=transformer)


def of_targets(model: Any, X: Any, y: Any) -> float:
    """A scorer of the whole, whose predictions are in the units of the targets."""
    return float(model.transformer_.n_features_in_ - np.abs(model.predict(X) - y).mean())


RA: dict[str, Any] = {"regressor__alpha": [1e-4, 1.0]}
TRAIN: dict[str, Any] = {**ERROR, "return_train_score": True}
WRAPPED = [
    Case("targets", standardized(regressor()), RA, "number", TRAIN),
    Case("their own score", standardized(regressor()), RA, "number"),
    Case("several targets", standardized(regressor()), RA, "numbers", TRAIN),
    Case("functions", TransformedTargetRegressor(
        regressor(loss="huber"), func=np.log1p, inverse_func=np.expm1), RA, "counts", TRAIN),
    Case("nothing", TransformedTargetRegressor(regressor()), RA, "number", ERROR),
    Case("transformers in the grid", standardized(regressor()),
         {"transformer": [StandardScaler(), MinMaxScaler(), PowerTransformer()], **RA}, "number",
         ERROR),
    Case("weights", standardized(regressor()), RA, "number", ERROR, {"sample_weight": WEIGHT}),
    Case("stopping", standardized(regressor(**STOPS)), RA, "number", ERROR),
    Case("around a Pipeline", standardized(piped(regressor(), StandardScaler())),
         {"regressor__mlp__alpha": [1e-4, 1.0], "regressor__s0__with_mean": [True, False]},
         "number", TRAIN, {"mlp__sample_weight": WEIGHT}),
    Case("in a Pipeline", piped(standardized(regressor()), SelectKBest(f_regression, k=4)),
         {"mlp__regressor__alpha": [1e-4, 1.0], "s0__k": [3, 5]}, "number", TRAIN),
    Case("in a Pipeline without steps", piped(standardized(regressor()), None),
         {"mlp__regressor__alpha": [1e-4, 1.0]}, "number", TRAIN),
    Case("twice", standardized(standardized(piped(regressor(), None))),
         {"regressor__regressor__mlp__alpha": [1e-4, 1.0]}, "number", TRAIN),
    Case("scorer of the whole", standardized(regressor()), RA, "number", {
        "scoring": of_targets, "return_train_score": True}),
    Case("Pipelines in Pipelines", piped(piped(classifier(), MinMaxScaler()), StandardScaler()),
         {"mlp__mlp__alpha": [1e-4, 1.0], "mlp__s0": [MinMaxScaler(), None]}, search={
             **LOSS, "return_train_score": True},
         fit={"mlp__mlp__sample_weight": WEIGHT, "s0__sample_weight": WEIGHT[::-1]}),
    Case("a Pipeline in one without steps", make_pipeline(piped(classifier())),
         {"pipeline__mlp__alpha": [1e-4, 1.0]}, search=LOSS),
    Case("a frame", piped(standardized(piped(regressor(), ColumnTransformer(
        [("o", StandardScaler(), ["a", "b"])], remainder="passthrough"))), "passthrough"),
        {"mlp__regressor__mlp__alpha": [1e-4, 1.0]}, "number", TRAIN, X=FRAME),
]  # fmt: skip


@pytest.mark.parametrize("case", [*PIPELINES, *WRAPPED], ids=lambda case: case.name)
def test_results_are_those_of_scikit_learn(case: Case) -> None:
    assert_same_search(case.stacked(), case.plain(), case.data[0])
