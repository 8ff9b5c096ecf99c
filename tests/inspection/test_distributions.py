"""Distributions of weights and activations, layer by layer."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators.activations import hidden_activations
from sknorm.inspection import ActivationDistributionDisplay, WeightDistributionDisplay
from sknorm.inspection.activations import saturated
from sknorm.inspection.layers import distributions

QUICK: dict[str, Any] = {"preset": "sklearn", "learning_rate": "cosine", "random_state": 0}
look = ActivationDistributionDisplay.from_estimator


def test_counts_leave_zeros_out_and_keep_far_values() -> None:
    first, second = distributions([np.array([0.0, 0.0, 1.0, -1.0]), np.r_[np.ones(999), 1e6]])
    assert first.zeros == 0.5 and first.counts.sum() == 2.0
    assert second.zeros == 0.0 and second.counts.sum() == 1000.0
    np.testing.assert_array_equal(first.edges, second.edges)
    assert first.edges[-1] < 1e6
    (nothing,) = distributions([np.zeros((3, 2))])
    assert nothing.zeros == 1.0 and nothing.counts.sum() == 0.0


def test_weights_of_each_layer_have_a_row_and_their_zeros_a_note(watched: MLPClassifier) -> None:
    display = WeightDistributionDisplay.from_estimator(watched).plot()
    assert display.shapes == [(6, 8), (8, 4), (4, 1)] and len(display.patches_) == 3
    zeros = [each.zeros for each in display.distributions]
    np.testing.assert_allclose(zeros, watched.sparsity_)
    assert zeros[0] > 0
    notes = [text.get_text() for text in display.ax_.texts]
    assert notes[0] == f"{zeros[0]:.1%} zeros"
    ticks = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert ticks == ["layer 1\n6 × 8", "layer 2\n8 × 4", "output\n4 × 1"]


def test_names_of_many_layers_do_not_overlap(table: Any) -> None:
    model = MLPRegressor(hidden_layer_sizes=(3,) * 40, max_iter=1, **QUICK).fit(*table)
    display = WeightDistributionDisplay.from_estimator(model).plot()
    display.figure_.canvas.draw()
    shown = [t.get_window_extent() for t in display.ax_.get_yticklabels() if t.get_text()]
    assert len(shown) > 5 and all(a.y0 >= b.y1 for a, b in pairwise(shown))


@pytest.mark.parametrize("normalization", ["batch", "layer", None])
def test_activations_are_those_of_a_prediction(normalization: Any, table: Any) -> None:
    X, y = table
    model = MLPRegressor(
        hidden_layer_sizes=(5, 4), n_members=2, max_iter=2, normalization=normalization,
        standardize_target=False, dropout=0.2, **QUICK,
    ).fit(X, y)  # fmt: skip
    first, second = hidden_activations(model, X, "look", 1000)
    assert first.shape == (2, 120, 5) and second.shape == (2, 120, 4) and (second >= 0).all()
    head = model.network_
    raw = second @ head["head.weight"] + head["head.bias"][:, None, :]
    np.testing.assert_allclose(raw.mean(axis=0)[:, 0], model.predict(X), rtol=1e-5)


def test_rows_are_chunked_and_sparse_tables_stay_sparse(table: Any) -> None:
    X, y = np.tile(np.where(table[0] > 0.5, table[0], 0.0), (30, 1)), np.tile(table[1], 30)
    model = MLPRegressor(hidden_layer_sizes=(700,), max_iter=1, **QUICK).fit(X[:120], y[:120])
    (dense,) = hidden_activations(model, X, "look", len(X))
    (few,) = hidden_activations(model, sparse.csr_array(X), "look", len(X))
    assert dense.shape == (1, 3600, 700)
    np.testing.assert_allclose(dense, few, atol=1e-5)
    (part,) = hidden_activations(model, X, "look", 3)
    np.testing.assert_array_equal(part[:, [0, 2]], dense[:, [0, -1]])


def test_zeros_and_idle_units_are_told(table: Any) -> None:
    X, y = table
    model = MLPRegressor(hidden_layer_sizes=(6,), max_iter=2, **QUICK).fit(X, y)
    display = look(model, X).plot()
    (values,) = hidden_activations(model, X, "look", 1000)
    zeros = float(np.mean(values == 0))
    assert display.distributions[0].zeros == display.saturated[0] == zeros > 0
    (note,) = display.ax_.texts
    assert note.get_text() == f"{zeros:.0%} zeros\n0% units idle"
    assert display.ax_.get_xlabel() == "Output of relu, 120 rows"
    assert look(model, X[[3, 3, 3]]).idle.tolist() == [1.0]


@pytest.mark.parametrize(
    ("activation", "share"),
    [("tanh", 0.5), ("logistic", 0.25), ("elu", 0.25), ("relu", 0.0), ("mish", np.nan)],
)
def test_outputs_near_an_end_are_saturated(activation: str, share: float) -> None:
    values = {"tanh": [-0.999, 0.985, -0.5, 0.2], "logistic": [0.995, 0.9, 0.5, 0.02]}
    given = np.array(values.get(activation, [-0.995, 1.0, 0.5, 7.0]))
    if activation == "relu":
        given = np.abs(given)
    np.testing.assert_equal(saturated(given, activation), share)


def test_sums_of_residual_layers_have_no_ends(table: Any) -> None:
    model = MLPRegressor(hidden_layer_sizes=(6, 6), max_iter=2, residual=True, **QUICK)
    display = look(model.fit(*table), table[0], max_samples=50)
    assert display.n_samples == 50 and np.isfinite(display.saturated).tolist() == [True, False]


def test_steps_before_the_network_are_run(table: Any) -> None:
    X, y = table
    network = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, **QUICK)
    pipeline = make_pipeline(StandardScaler(), network)
    model = TransformedTargetRegressor(pipeline).fit(X, y)
    inner = model.regressor_
    expected = look(inner[-1], inner[0].transform(X))
    assert look(model, X).distributions[0].zeros == expected.distributions[0].zeros
    np.testing.assert_array_equal(
        look(model, X).distributions[0].counts, expected.distributions[0].counts
    )


def test_what_cannot_be_computed_is_refused(watched: Any, table: Any) -> None:
    X, y = table
    with pytest.raises(ValueError, match="max_samples must be a positive integer, got 0"):
        look(watched, X, max_samples=0)
    with pytest.raises(ValueError, match="features"):
        look(watched, X[:, :3])
    linear = MLPRegressor(hidden_layer_sizes=(), max_iter=1, **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="no hidden layer"):
        look(linear, X)
