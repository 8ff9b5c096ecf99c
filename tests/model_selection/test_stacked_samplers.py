"""Pipelines of imbalanced-learn, whose samplers change the rows in ``fit`` only."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from search_case import Case, assert_same_search
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor

pytest.importorskip("imblearn")
from imblearn import FunctionSampler
from imblearn.combine import SMOTETomek
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline
from imblearn.under_sampling import RandomUnderSampler, TomekLinks

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # imbalanced-learn's own
]

X, Y = make_classification(160, 6, n_informative=4, weights=[0.8], class_sep=0.5, random_state=0)
SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0, "learning_rate_init": 0.03,
    "batch_size": 20,
}  # fmt: skip
STOPS = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 2, "max_iter": 12}
A = {"mlp__alpha": [1e-4, 1.0]}
LOSS = {"scoring": "neg_log_loss", "cv": 3}
TRAIN = {**LOSS, "return_train_score": True}


def first_half(X: Any, y: Any) -> tuple[Any, Any]:
    return X[: len(X) // 2], y[: len(y) // 2]


def piped(*steps: Any, **changed: Any) -> Pipeline:
    named = [(f"s{k}", step) for k, step in enumerate(steps)]
    return Pipeline([*named, ("mlp", MLPClassifier(**{**SMALL, **changed}, preset="sklearn"))])


SCALER, OVER, UNDER = StandardScaler(), SMOTE(random_state=0), RandomUnderSampler(random_state=0)
SAMPLED = [
    Case("over", piped(SCALER, OVER), A, search=TRAIN),
    Case("under", piped(SCALER, UNDER), A, search=TRAIN),
    Case("first", piped(RandomOverSampler(random_state=1), SCALER), A, search=TRAIN),
    Case("last, alone", piped(UNDER), A, search=TRAIN),
    Case("several", piped(OVER, SCALER, TomekLinks(), PCA(3, random_state=0), UNDER), A,
         search=TRAIN),
    Case("combined", piped(SMOTETomek(random_state=0)), A, search=LOSS),
    Case("function", piped(FunctionSampler(func=first_half)), A, search=TRAIN),
    Case("nothing", piped(None, "passthrough"), A, search=LOSS),
    Case("without a norm", piped(SCALER, OVER, normalization=None), A, search=LOSS),
    Case("stops early", piped(SCALER, OVER, **STOPS), A, search=LOSS),
    Case("stops early by score", piped(SCALER, UNDER, scoring="roc_auc", **STOPS), A, search=LOSS),
    Case("settings of a sampler", piped(SCALER, OVER),
         {**A, "s1__k_neighbors": [3, 5], "s1__sampling_strategy": [0.5, 1.0]}, search=LOSS),
    Case("samplers in the grid", piped(SCALER, None), {"s1": [OVER, UNDER, None], **A},
         search=LOSS),
    Case("several stacks", piped(SCALER, OVER),
         {"mlp__hidden_layer_sizes": [(4,), (8,)], "mlp__batch_size": [20, 30], **A},
         search={**LOSS, "n_jobs": 2}),
    Case("several scores", piped(SCALER, OVER), A,
         search={"scoring": ["roc_auc", "balanced_accuracy"], "refit": "roc_auc", "cv": 3}),
    Case("scorer of the whole", piped(SCALER, OVER), A, search={
        "scoring": lambda model, X, y: model.score(X, y) + len(X), "return_train_score": True}),
    Case("frame", piped(SCALER, OVER), A, search=LOSS, X=pd.DataFrame(X, columns=list("abcdef"))),
]  # fmt: skip


def of(case: Case) -> Case:
    """The case on this file's table."""

    class Sampled(Case):
        @property
        def data(self) -> tuple[Any, Any]:
            return X if self.X is None else self.X, Y

    return Sampled(**vars(case))


@pytest.mark.parametrize("case", SAMPLED, ids=lambda case: case.name)
def test_scores_are_those_of_scikit_learns_search(case: Case) -> None:
    case = of(case)
    assert_same_search(case.stacked(), case.plain(n_jobs=1), case.data[0])


def test_weights_of_rows_that_are_sampled_fail_as_in_scikit_learns_search() -> None:
    """They are as many as before; a Pipeline has no way to sample them."""
    fit = {"mlp__sample_weight": np.ones(len(X))}
    case = of(Case("", piped(UNDER), A, search=LOSS, fit=fit))
    for search in (case.stacked, case.plain):
        with pytest.raises(ValueError, match=r"(?s)All the 6 fits failed.*[Ww]eight"):
            search()


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("sampler", [RandomUnderSampler(), SMOTE(), RandomOverSampler()])
def test_samplers_without_a_seed_are_drawn_anew(sampler: Any, n_jobs: int) -> None:
    grid = {"mlp__hidden_layer_sizes": [(4,), (8,)], **A}
    case = of(Case("", piped(sampler), grid, search={**TRAIN, "n_jobs": n_jobs}))
    found = case.stacked(error_score="raise").cv_results_
    assert np.isfinite(found["mean_test_score"]).all()


@pytest.mark.parametrize("cv", [2, 3])
def test_candidates_race(cv: int) -> None:
    grid = {"mlp__alpha": [1e-4, 1e-2, 0.1, 1.0], "mlp__dropout": [0.0, 0.2]}
    case = of(Case("", piped(SCALER, OVER), grid, search={**LOSS, "cv": cv, "racing": True}))
    found, whole = (case.stacked(racing=racing).cv_results_ for racing in (True, False))
    stayed = ~np.ma.getmaskarray(found["param_mlp__alpha"]) & found["left_epoch"].mask
    assert 0 < stayed.sum() < 8
    for key in (f"split{fold}_test_score" for fold in range(cv)):
        np.testing.assert_allclose(found[key][stayed], whole[key][stayed])


def test_an_ensemble_is_chosen_by_rows_that_were_not_sampled() -> None:
    search = {"scoring": "neg_log_loss", "cv": StratifiedKFold(3), "refit": "ensemble"}
    case = of(Case("", piped(SCALER, OVER), {"mlp__random_state": [0, 1, 2]}, search=search))
    found = case.stacked()
    weights, best = found.ensemble_weights_, found.best_estimator_
    models = [piped(SCALER, OVER, random_state=seed) for seed in np.flatnonzero(weights).tolist()]
    mean = np.average([m.fit(X, Y).predict_proba(X) for m in models], 0, weights[weights > 0])
    np.testing.assert_allclose(best.predict_proba(X), mean, rtol=1e-6)
    out = [cross_val_predict(m, X, Y, cv=3, method="predict_proba") for m in models]
    shares = np.average(out, 0, weights[weights > 0])
    expected = np.log(shares[np.arange(len(Y)), Y]).mean()
    assert found.ensemble_score_ == pytest.approx(expected, rel=1e-6)


def test_numbers_are_sampled_too() -> None:
    target = X @ np.arange(6.0)
    steps = [("half", FunctionSampler(func=first_half, validate=False))]
    model = Pipeline([*steps, ("mlp", MLPRegressor(**SMALL, preset="sklearn"))])

    class Numbers(Case):
        @property
        def data(self) -> tuple[Any, Any]:
            return X, target

    case = Numbers("", model, A, search={"cv": 3, "return_train_score": True})
    assert_same_search(case.stacked(), case.plain(), X)
