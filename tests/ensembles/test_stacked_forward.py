"""Which models are predicted in one pass, and that nothing is lost by it."""

from typing import Any

import numpy as np
import pytest
from ensemble_case import T, X, assert_average, fitted, model, seeds, steps

from sknorm.ensembles.stacked_forward import stacked_forward, stacks
from sknorm.ensembles.weighted import EnsembleRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_members_of_one_shape_make_one_stack() -> None:
    models = fitted(
        [
            *seeds("number", 2, alpha=0.1, dropout=0.2),
            steps("number"),
            model("number", hidden_layer_sizes=(5,)),
            model("number", normalization="ghost", n_members=2),
            model("number", dtype="float32"),
            model("number", normalization=None),  # whose inputs, as they are, are near enough
            model("number", activation="tanh"),
            model("number", backend="numpy"),
        ],
        "number",
    )
    assert stacks(models) == [[0, 1, 4, 6], [2], [3], [5], [7], [8]]
    assert stacks([models[0], models[0], models[2], models[2]]) == [[0, 1], [2], [3]]


def test_large_networks_are_predicted_one_by_one() -> None:
    sizes: dict[str, Any] = {"hidden_layer_sizes": (400, 400), "max_iter": 1}
    assert stacks(fitted(seeds("number", 2, **sizes), "number")) == [[0], [1]]
    small = seeds("number", 2, n_members=30, hidden_layer_sizes=(64, 64), max_iter=1)
    assert stacks(fitted(small, "number")) == [[0, 1]]  # it is the network that counts


@pytest.mark.parametrize("normalization", ["batch", None])
@pytest.mark.parametrize("sizes", [(), (6,), (5, 4)])
def test_other_scalings_go_into_the_first_layer(normalization: Any, sizes: Any) -> None:
    settings = {"hidden_layer_sizes": sizes, "normalization": normalization}
    parts = [slice(0, 30), slice(20, 60), slice(10, 50)]
    models = [
        model("numbers", **settings, random_state=seed).fit(X[part], T["numbers"][part])
        for seed, part in enumerate(parts)
    ]
    assert stacks(models) == [[0, 1, 2]]
    assert_average(EnsembleRegressor.from_fitted(models), models, X)


@pytest.mark.parametrize("normalization", ["batch", None])
def test_each_member_fills_gaps_by_its_own_rows(normalization: Any) -> None:
    models = [
        model("number", normalization=normalization, random_state=0).fit(X[part], T["number"][part])
        for part in (slice(0, 30), slice(25, 60), slice(0, 30))
    ]
    gaps = np.where(np.arange(X.size).reshape(X.shape) % 7 == 0, np.nan, X)
    assert stacks(models) == [[0, 1, 2]]
    with pytest.warns(UserWarning, match="no training row had any"):
        assert_average(EnsembleRegressor.from_fitted(models), models, gaps)


def test_layer_norm_keeps_its_scaling() -> None:
    models = [
        model("number", normalization="layer").fit(X[part], T["number"][part])
        for part in (slice(0, 30), slice(30, 60), slice(0, 30))
    ]
    assert stacks(models) == [[0, 2], [1]]
    assert_average(EnsembleRegressor.from_fitted(models), models, X)


def test_large_offsets_cost_no_digits() -> None:
    """In float32, columns of mean 1e4 and deviation 1e-2 have none to lose."""
    table = 1e4 + 1e-2 * X
    parts = [slice(0, 30), slice(20, 60)]
    models = [
        model("number", dtype="float32", solver="lbfgs", max_iter=20).fit(
            table[part], T["number"][part]
        )
        for part in parts
    ]
    assert stacks(models) == [[0, 1]]
    assert_average(EnsembleRegressor.from_fitted(models), models, table, rtol=1e-5)


APART, TOGETHER = [[0], [1]], [[0, 1]]


@pytest.mark.parametrize(
    ("shift", "factor", "first", "last"), [(1e3, 1.0, APART, APART), (0.0, 1e7, APART, TOGETHER)]
)
def test_scalings_are_joined_where_no_digits_are_lost(
    shift: float, factor: float, first: list, last: list
) -> None:
    """Large inputs can stand for small ones only where they are taken from zero."""
    tables = factor * (X + shift), X
    models = [model("number", dtype="float32").fit(t, T["number"]) for t in tables]
    for order, expected in ((models, first), (models[::-1], last)):
        assert stacks(order) == expected
        for table in tables:
            assert_average(EnsembleRegressor.from_fitted(order), order, table, rtol=1e-5)


def test_answers_are_those_of_each_member() -> None:
    models = fitted(seeds("counts", 3), "counts")
    found = stacked_forward(models, X, "predict")
    for each, member in zip(found, models, strict=True):
        location, scale = member.target_mean_, member.target_scale_
        np.testing.assert_allclose((each * scale + location)[:, 0], member.predict(X))


def test_members_may_be_fitted_again() -> None:
    """The stack is that of the members as they are."""
    models = fitted(seeds("number", 2), "number")
    ensemble = EnsembleRegressor.from_fitted(models)
    before = ensemble.predict(X)
    models[0].set_params(hidden_layer_sizes=(7,)).fit(X, T["number"])
    models[1].partial_fit(X, T["number"])
    assert_average(ensemble, models, X)
    assert np.any(ensemble.predict(X) != before)
