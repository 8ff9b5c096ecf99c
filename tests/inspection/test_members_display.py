"""Members of ensembles: weights, parameters and scores."""

import pickle
from itertools import pairwise
from typing import Any

import numpy as np

from sknorm import MLPRegressor
from sknorm.inspection import EnsembleMembersDisplay, TrainingHistoryDisplay
from sknorm.model_selection import EnsembleRegressor

QUICK: dict[str, Any] = {"preset": "sklearn", "learning_rate": "cosine", "random_state": 0}
look = EnsembleMembersDisplay.from_estimator


def test_members_that_were_chosen_have_their_own_scores(members: MLPRegressor) -> None:
    display = look(members).plot()
    np.testing.assert_array_equal(display.weights, members.member_weights_)
    assert display.params == members.member_params_
    places = members._fitted.places
    assert len(places) == len(display.weights) < 6
    history = np.array(members.history_["validation"])
    np.testing.assert_array_equal(display.scores, history.max(axis=0)[list(places)])
    assert [bar.get_width() for bar in display.bars_] == display.weights.tolist()
    (line,) = display.score_ax_.lines
    np.testing.assert_array_equal(line.get_xdata(), display.scores)
    first = display.ax_.get_yticklabels()[0].get_text()
    assert first.startswith("0: alpha ") and "dropout" in first
    again = look(pickle.loads(pickle.dumps(members)))
    np.testing.assert_array_equal(again.scores, display.scores)


def test_members_that_a_fit_goes_on_with_have_its_scores(members: Any, table: Any) -> None:
    model = pickle.loads(pickle.dumps(members))
    count = len(model.member_weights_)
    model.set_params(member_space=None, warm_start=True, n_members=count).fit(*table)
    display = look(model)
    best = np.array(model.history_["validation"][-model.n_iter_ :]).max(axis=0)
    np.testing.assert_array_equal(display.scores, best)
    TrainingHistoryDisplay.from_estimator(model).plot()
    assert "sknorm-summary" in model._repr_html_()


def test_models_of_an_ensemble_are_told_apart_by_what_differs(table: Any) -> None:
    X, y = table
    models = [
        MLPRegressor(hidden_layer_sizes=size, alpha=0.1, max_iter=2, **QUICK).fit(X, y)
        for size in ((4,), (3, 2))
    ]
    display = look(EnsembleRegressor.from_fitted(models, [3, 1])).plot()
    assert display.params == [{"hidden_layer_sizes": (4,)}, {"hidden_layer_sizes": (3, 2)}]
    assert display.weights.tolist() == [0.75, 0.25] and np.isnan(display.scores).all()
    assert display.score_ax_ is None
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == ["0: layers (4,)", "1: layers (3, 2)"]


def test_a_single_network_is_a_member(watched: Any) -> None:
    display = look(watched)
    assert display.weights.tolist() == [1.0] and display.params == [{}]
    assert display.scores.tolist() == [watched.best_validation_score_]


def test_names_of_many_members_do_not_overlap(members: Any) -> None:
    display = EnsembleMembersDisplay(
        np.full(80, 0.0125), [{"alpha": k} for k in range(80)], np.full(80, np.nan)
    ).plot()
    display.figure_.canvas.draw()
    shown = [t.get_window_extent() for t in display.ax_.get_yticklabels() if t.get_text()]
    assert len(shown) > 20 and all(a.y0 >= b.y1 for a, b in pairwise(shown))
