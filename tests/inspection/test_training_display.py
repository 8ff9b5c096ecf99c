"""Training curves: what is read, and what is marked."""

import pickle
from typing import Any

import numpy as np
import pytest

from sknorm import MLPClassifier, MLPRegressor
from sknorm.estimators.curves import curves_of, mean_of
from sknorm.estimators.diagram import summary
from sknorm.inspection import TrainingHistoryDisplay

QUICK: dict[str, Any] = {"preset": "sklearn", "learning_rate": "cosine", "random_state": 0}


def labels(display: TrainingHistoryDisplay) -> list[str]:
    return [text.get_text() for text in display.legend_.get_texts()]


def test_the_held_out_loss_stands_beside_the_training_loss(watched: MLPClassifier) -> None:
    display = TrainingHistoryDisplay.from_estimator(watched).plot()
    history = watched.history_
    data = np.array(history["loss"]) - history["penalty"]
    np.testing.assert_allclose(display.lines_[0].get_ydata(), data)
    np.testing.assert_allclose(display.lines_[1].get_ydata(), -np.array(history["validation"]))
    assert display.score_ax_ is None and display.ax_.get_xlabel() == "Epoch"
    epoch = int(np.argmax(history["validation"])) + 1
    assert display.chosen_epochs.tolist() == [epoch]
    assert labels(display) == ["training loss", "held-out loss", f"chosen epoch {epoch}"]


def test_other_scores_have_an_axis_of_their_own(table: Any) -> None:
    X, y = table
    model = MLPRegressor(early_stopping=True, scoring="r2", max_iter=4, **QUICK).fit(X, y)
    display = TrainingHistoryDisplay.from_estimator(model).plot()
    assert display.score_ax_.get_ylabel() == "Held-out r2"
    np.testing.assert_allclose(display.lines_[1].get_ydata(), model.validation_scores_)
    assert labels(display)[1] == "held-out r2"


@pytest.mark.parametrize("count", [3, 9], ids=["lines", "band"])
def test_members_are_lines_or_a_band_around_their_mean(table: Any, count: int) -> None:
    model = MLPRegressor(n_members=count, max_iter=3, **QUICK).fit(*table)
    display = TrainingHistoryDisplay.from_estimator(model).plot()
    assert display.loss.shape == (3, count) and display.validation is None
    assert len(display.ax_.lines) == (2 + count if count == 3 else 2)
    assert len(display.ax_.collections) == (0 if count == 3 else 1)
    np.testing.assert_allclose(display.lines_[0].get_ydata(), display.loss.mean(axis=1))
    assert labels(display) == [f"training loss (mean of {count})", "chosen epoch 3"]


def test_members_that_have_left_count_with_their_last_values() -> None:
    values = np.array([[1.0, np.nan], [2.0, 4.0], [np.nan, 6.0]])
    assert mean_of(values).tolist() == [1.0, 3.0, 4.0]
    assert np.isnan(mean_of(np.full((2, 2), np.nan))).all()


def test_the_last_epoch_is_chosen_without_held_out_rows(table: Any) -> None:
    model = MLPRegressor(max_iter=4, **QUICK).fit(*table)
    assert curves_of(model).chosen.tolist() == [4.0]


def test_a_warm_start_chooses_among_its_own_epochs(table: Any) -> None:
    model = MLPRegressor(max_iter=3, early_stopping=True, warm_start=True, **QUICK).fit(*table)
    curves = curves_of(model.fit(*table))
    assert len(curves.loss) == 6 and 4 <= curves.chosen[0] <= 6


def test_an_average_of_weights_has_no_epoch(table: Any) -> None:
    model = MLPRegressor(max_iter=4, swa_fraction=0.5, **QUICK).fit(*table)
    display = TrainingHistoryDisplay.from_estimator(model).plot()
    assert np.isnan(display.chosen_epochs).all() and labels(display) == ["training loss"]


def test_one_call_of_partial_fit_is_a_point(table: Any) -> None:
    model = MLPRegressor(preset="sklearn", random_state=0).partial_fit(*table)
    (line,) = TrainingHistoryDisplay.from_estimator(model).plot().lines_
    assert line.get_marker() == "o" and len(line.get_xdata()) == 1


def test_losses_that_fall_by_orders_of_magnitude_have_a_logarithmic_axis() -> None:
    loss = np.array([[1000.0], [np.inf], [1.0]])
    display = TrainingHistoryDisplay(loss, None, np.array([3.0]), "loss").plot()
    assert display.ax_.get_yscale() == "log"
    assert display.lines_[0].get_xdata().tolist() == [1, 3]


def test_iterations_are_called_so(table: Any) -> None:
    model = MLPRegressor(solver="lbfgs", max_iter=500, preset="sklearn", tol=1.0).fit(*table)
    assert TrainingHistoryDisplay.from_estimator(model).plot().ax_.get_xlabel() == "Iteration"


def test_parameters_that_are_set_after_fit_change_no_picture(table: Any) -> None:
    """`sknorm.save` asks for another scoring, where it is a function."""
    X, y = table

    def closeness(model: Any, X: np.ndarray, y: np.ndarray) -> float:
        return 1.0 / (1.0 + np.abs(y - model.predict(X)).mean())

    model = MLPRegressor(early_stopping=True, scoring=closeness, max_iter=4, **QUICK).fit(X, y)
    before = TrainingHistoryDisplay.from_estimator(model)
    model.set_params(scoring="loss", solver="lbfgs", swa_fraction=0.5)
    for each in model, pickle.loads(pickle.dumps(model)):
        display = TrainingHistoryDisplay.from_estimator(each).plot()
        np.testing.assert_array_equal(display.validation, before.validation)
        assert display.score_ax_.get_ylabel() == "Held-out closeness"
        assert display.ax_.get_xlabel() == "Epoch"
        assert display.chosen_epochs.tolist() == before.chosen_epochs.tolist()
        assert "at best, scoring=closeness<" in summary(each)
