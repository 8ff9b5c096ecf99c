"""Parameters that the refit of a search alone has."""

from typing import Any

import numpy as np
import pytest
from search_case import T, classifier, grid, regressor
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sknorm.model_selection import StackedRandomizedSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = T["X"], T["multiclass"]


def assert_same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_the_refit_alone_has_them() -> None:
    plain, found = (grid(refit_params=own).fit(X, Y) for own in (None, {"n_members": 3}))
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(found.cv_results_[name], plain.cv_results_[name])
    assert found.best_params_ == plain.best_params_ and "n_members" not in found.best_params_
    assert plain.best_estimator_.n_members == "auto" and found.best_estimator_.n_members == 3
    expected = clone(found.estimator).set_params(n_members=3, **found.best_params_)
    assert_same(found, expected.fit(X, Y))


def test_each_member_of_an_ensemble_has_them() -> None:
    plain, found = (
        grid(values={"alpha": [1e-4, 0.1, 1.0]}, refit="ensemble", refit_params=own).fit(X, Y)
        for own in (None, {"n_members": 2, "max_iter": 6})
    )
    np.testing.assert_array_equal(found.ensemble_weights_, plain.ensemble_weights_)
    chosen = np.flatnonzero(found.ensemble_weights_)
    members = found.best_estimator_.estimators_
    assert len(members) == len(chosen)
    for number, member in zip(chosen, members, strict=True):
        own = found.cv_results_["params"][number]
        expected = clone(found.estimator).set_params(n_members=2, max_iter=6, **own)
        assert_same(member, expected.fit(X, Y))


@pytest.mark.parametrize("refit", [True, "ensemble"])
def test_the_refit_has_the_weights_of_rows_too(refit: Any) -> None:
    weight = T["weight"]
    found = grid(refit=refit, refit_params={"n_members": 2}).fit(X, Y, sample_weight=weight)
    best = found.best_estimator_
    member = best.estimators_[0] if refit == "ensemble" else best
    expected = clone(found.estimator).set_params(n_members=2, alpha=member.alpha)
    assert_same(member, expected.fit(X, Y, sample_weight=weight))


def test_names_are_those_of_the_estimator() -> None:
    model = make_pipeline(MinMaxScaler(), classifier())
    values = {"mlpclassifier__alpha": [1e-4, 1.0]}
    found = grid(model, values, refit_params={"mlpclassifier__n_members": 2}).fit(X, Y)
    assert found.best_estimator_[-1].n_members == 2
    for name in ("n_members", "mlpclassifier__members"):
        with pytest.raises(ValueError, match="Invalid parameter"):
            grid(model, values, refit_params={name: 2}).fit(X, Y)


def test_a_callable_refit_has_them() -> None:
    found = grid(refit=lambda results: 1, refit_params={"n_members": 2}).fit(X, Y)
    assert found.best_index_ == 1 and found.best_estimator_.n_members == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"refit_params": {"alpha": 0.1}}, "sets 'alpha', which is searched"),
        ({"refit_params": {"n_members": 2}, "refit": False}, "but refit=False"),
        ({"refit_params": {"n_members": 0}}, "'n_members' parameter"),
        ({"refit_params": ["n_members"]}, "'refit_params' parameter"),
        ({"refit_params": {"solver": "lbfgs", "dropout": 0.5}}, "dropout"),
    ],
    ids=str,
)
def test_what_cannot_be_refitted_is_refused_before_training(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], message: str
) -> None:
    search = grid(**settings)
    monkeypatch.setattr(type(search), "_search", lambda *_: pytest.fail("it trains"))
    with pytest.raises(ValueError, match=message):
        search.fit(X, Y)


def test_levels_of_quantiles_stay_those_of_the_ensemble() -> None:
    model = regressor(loss="quantile", quantile=[0.1, 0.9])
    search = StackedRandomizedSearchCV(
        model, {"alpha": [1e-4, 1.0]}, n_iter=2, cv=2, refit="ensemble",
        refit_params={"n_members": 2},
    )  # fmt: skip
    assert search.fit(X, T["number"]).predict(X).shape == (len(X), 2)


def test_a_finished_search_is_refitted_with_others(tmp_path: Any) -> None:
    """From its file: no candidate is trained again."""
    path = tmp_path / "search"
    first = grid(checkpoint=path).fit(X, Y)
    second = grid(checkpoint=path, refit_params={"n_members": 2}).fit(X, Y)
    assert second.best_estimator_.n_members == 2
    np.testing.assert_array_equal(
        second.cv_results_["mean_fit_time"], first.cv_results_["mean_fit_time"]
    )
