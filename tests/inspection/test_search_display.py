"""Results of searches: cells, marks, values of any kind, and what is refused."""

from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.model_selection import GridSearchCV, ParameterGrid, RandomizedSearchCV
from sklearn.tree import DecisionTreeRegressor

from sknorm import MLPRegressor
from sknorm.inspection import SearchResultsDisplay
from sknorm.inspection.candidates import axis_of, label
from sknorm.inspection.style import GREEN, VERMILLION
from sknorm.model_selection import StackedGridSearchCV

look = SearchResultsDisplay.from_search


class Search:
    """A search that has ended: its results are these."""

    def __init__(
        self, grid: Any, folds: Any, scoring: str | None = None, by: str = "score"
    ) -> None:
        params = list(ParameterGrid(grid)) if isinstance(grid, dict) else grid
        folds = np.asarray(folds, dtype=float)
        mean = folds.mean(axis=1)
        ranks = np.argsort(np.argsort(np.where(np.isfinite(mean), -mean, np.inf))) + 1
        table = {f"split{k}_test_{by}": folds[:, k] for k in range(folds.shape[1])}
        table |= {f"mean_test_{by}": mean, f"rank_test_{by}": ranks, "params": params}
        self.cv_results_, self.refit, self.scoring = table, True, scoring

    def fit(self) -> None: ...


def frames(ax: Any, color: str) -> list[tuple[int, int]]:
    """Where frames of a colour are, as (row, column)."""
    found = [patch for patch in ax.patches if patch.get_edgecolor() == to_rgba(color)]
    return [(int(patch.get_y()), int(patch.get_x())) for patch in found]


def texts(display: Any) -> list[str]:
    return [text.get_text() for text in display.legend_.get_texts()]


GRID = {"alpha": [1e-4, 1e-2, 1.0], "dropout": [0.0, 0.5]}  # dropout varies fastest
FOLDS = [[0.70, 0.72], [0.60, 0.62], [0.80, 0.82], [0.60, 0.62], [0.795, 0.815], [0.1, 0.2]]


def test_two_parameters_make_cells_with_their_scores() -> None:
    display = look(Search(GRID, FOLDS, "r2"), x="alpha", y="dropout").plot()
    assert display.cells.scores.shape == (2, 3)
    np.testing.assert_allclose(display.cells.scores[0], [0.71, 0.81, 0.805])
    np.testing.assert_allclose(display.cells.standard_errors[0], 0.01)
    assert display.best == (0, 1) and display.choice == (0, 2)  # a larger alpha is simpler
    assert frames(display.ax_, VERMILLION) == [(0, 1)] and frames(display.ax_, GREEN) == [(0, 2)]
    assert [text.get_text() for text in display.texts_][:2] == ["0.71", "0.81"]
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["0.0001", "0.01", "1"]
    assert texts(display) == ["best", "simplest within 1 SE"]
    assert display.colorbar_.ax.get_ylabel() == "r2" and display.ax_.get_title() == ""


def test_cells_have_the_best_of_the_other_parameters() -> None:
    grid = {**GRID, "l1_ratio": [0.0, 1.0]}  # which varies fastest, and is better at 1
    folds = np.repeat(FOLDS, 2, axis=0)
    folds[::2] -= 0.05
    display = look(Search(grid, folds), x="alpha", y="dropout").plot()
    np.testing.assert_allclose(display.cells.scores[0], [0.71, 0.81, 0.805])
    assert display.others == ["l1_ratio"] and display.ax_.get_title() == "best over l1_ratio"


def test_fits_that_failed_are_hatched_and_missing_ones_are_not() -> None:
    params = [{"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}]
    display = look(Search(params, [[0.5, 0.6], [np.nan, np.nan], [0.4, 0.5]])).plot()
    assert display.cells.failed.tolist() == [[False, True], [False, False]]
    hatched = [(p.get_y(), p.get_x()) for p in display.ax_.patches if p.get_hatch()]
    assert hatched == [(0, 1)] and len(display.texts_) == 2
    assert texts(display)[-1] == "failed"


def test_a_search_without_a_score_shows_that_all_failed() -> None:
    for grid in (GRID, {"alpha": list(range(6))}):
        display = look(Search(grid, np.full((6, 2), np.nan))).plot()
        assert display.best is None and display.choice is None and np.isnan(display.threshold)


def test_one_parameter_makes_a_curve_with_standard_errors() -> None:
    search = Search({"mlp__alpha": [1e-4, 1e-3, 1e-2, 1e-1]}, FOLDS[:4])
    display = look(search).plot()
    assert display.y is None and display.ax_.get_xscale() == "log"
    (container,) = display.ax_.containers
    np.testing.assert_allclose(container[0].get_ydata(), [0.71, 0.61, 0.81, 0.61])
    ends = container[2][0].get_segments()
    np.testing.assert_allclose(ends[0][:, 1], [0.70, 0.72])
    assert display.best == (0, 2) and display.choice == (0, 2)
    assert texts(display)[0] == "mean and its standard error"
    assert display.threshold == pytest.approx(0.80)


def test_what_is_simpler_can_be_said() -> None:
    search = Search({"size": [1, 2, 3]}, [[0.5, 0.6], [0.52, 0.62], [0.1, 0.2]])
    assert look(search).choice is None
    assert look(search, simpler={"size": "smaller"}).choice == (0, 0)
    assert look(search, simpler={"size": "larger"}).choice == (0, 1)


def test_values_of_any_kind_are_labels() -> None:
    values = [
        None,
        "batch",
        (32, 16),
        True,
        1e-5,
        10.0,
        DecisionTreeRegressor(),
        [1, 2],
        np.int64(3),
    ]
    axis = axis_of("p", [{"p": value} for value in values])
    assert axis.labels == [
        "1e-5", "3", "10", "None", "batch", "32, 16", "True", "DecisionTreeRegressor", "1, 2",
    ]  # fmt: skip
    assert not axis.is_numeric and label("$x$") == r"\$x\$" and label("a\nb" * 30)[-1] == "…"
    folds = np.linspace(0.0, 1.0, 18).reshape(9, 2)
    display = look(Search([{"p": value} for value in values], folds)).plot()
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == axis.labels


def test_booleans_are_apart_from_zero_and_one() -> None:
    """They equal these, and a cell had the candidates of both."""
    values = [True, 1, 0, False, np.True_]
    axis = axis_of("p", [{"p": value} for value in values])
    assert axis.labels == ["0", "1", "True", "False"] and not axis.is_numeric
    folds = [[0.1, 0.1], [0.9, 0.9], [0.3, 0.3], [0.5, 0.5], [0.2, 0.2]]
    display = look(Search([{"p": value} for value in values], folds))
    np.testing.assert_allclose(display.cells.scores, [[0.3, 0.9, 0.2, 0.5]])


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1e-4, 1e-3, 1e-2], True), ([0.0, 1e-3, 1.0], False), ([1, 50, 100], False), ([1, 2], False)],
    ids=["log", "zero", "even", "near"],
)
def test_axes_are_logarithmic_where_values_are_spaced_so(values: list, expected: bool) -> None:
    assert axis_of("p", [{"p": value} for value in values]).is_log is expected


def test_an_infinite_value_is_shown() -> None:
    search = Search([{"wait": 5}, {"wait": 10}, {"wait": np.inf}], FOLDS[:3])
    display = look(search).plot()
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["5", "10", "inf"]
    low, high = display.ax_.get_xlim()
    (container,) = display.ax_.containers
    assert all(low < x < high for x in container[0].get_xdata())


def test_candidates_that_were_drawn_are_points() -> None:
    rng = np.random.default_rng(0)
    alpha, dropout = 10.0 ** rng.uniform(-6, 0, 20), rng.uniform(0, 0.5, 20)
    params = [{"alpha": a, "dropout": d} for a, d in zip(alpha, dropout, strict=True)]
    display = look(Search(params, rng.normal(size=(20, 3)))).plot()
    assert display.is_sparse and display.ax_.get_xscale() == "log"
    (drawn,) = display.ax_.collections
    assert len(drawn.get_offsets()) == 20
    assert sorted(drawn.get_offsets()[:, 0]) == pytest.approx(sorted(alpha))


def test_many_cells_have_no_text_that_overlaps() -> None:
    grid = {"first": list(range(40)), "second": list(range(30))}
    folds = np.random.default_rng(0).normal(size=(1200, 2))
    _, ax = plt.subplots(figsize=(4, 3))
    display = look(Search(grid, folds), x="first", y="second").plot(ax)
    assert display.texts_ == []
    display.figure_.canvas.draw()
    boxes = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_text()]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_far_scores_do_not_hide_the_differences_of_the_others() -> None:
    folds = [[0.80, 0.81], [0.82, 0.83], [0.84, 0.85], [0.83, 0.84], [0.81, 0.82], [-90.0, -80.0]]
    display = look(Search(GRID, folds)).plot()
    assert display.colorbar_.vmin > 0.0 and display.colorbar_.extend == "min"
    worse = [[0.8, 0.81], [0.7, 0.71], *[[-(10.0**k), -(10.0**k)] for k in range(2, 6)]]
    assert look(Search(GRID, worse)).plot().colorbar_.vmin > -1000


@pytest.mark.parametrize("kind", [GridSearchCV, StackedGridSearchCV, RandomizedSearchCV])
def test_real_searches_are_read(kind: Any, table: Any) -> None:
    X, y = table
    model = MLPRegressor(
        hidden_layer_sizes=(4,), preset="sklearn", max_iter=2, learning_rate="cosine",
        random_state=0,
    )  # fmt: skip
    search = kind(model, {"alpha": [0.01, 1.0], "activation": ["relu", "tanh"]}, cv=2)
    if kind is RandomizedSearchCV:
        search.set_params(n_iter=4, random_state=0)
    display = look(search.fit(X, y), x="alpha", y="activation")
    row, column = display.best
    assert display.cells.candidates[row, column] == search.best_index_
    assert display.cells.scores[display.best] == search.best_score_


def test_several_scorers_need_a_name() -> None:
    search = Search(GRID, FOLDS, by="auc")
    search.cv_results_ |= Search(GRID, -np.array(FOLDS), by="loss").cv_results_
    with pytest.raises(ValueError, match="several scorers: set score to one of"):
        look(search)
    with pytest.raises(ValueError, match=r"score must be one of .*'auc', 'loss'.*got 'f1'"):
        look(search, score="f1")
    assert look(search, score="loss").score_name == "loss"
    search.refit = "auc"
    assert look(search).score_name == "auc"


def test_what_cannot_be_shown_is_refused() -> None:
    search = Search(GRID, FOLDS)
    with pytest.raises(ValueError, match=r"x='alhpa' is no parameter .*\['alpha', 'dropout'\]"):
        look(search, x="alhpa")
    with pytest.raises(ValueError, match="must be different"):
        look(search, x="alpha", y="alpha")
    with pytest.raises(ValueError, match="picture shows"):
        look(search, x="alpha", simpler={"tol": "larger"})
    with pytest.raises(ValueError, match=r"simpler\['alpha'\] must be 'larger' or 'smaller'"):
        look(search, x="alpha", simpler={"alpha": "big"})
    with pytest.raises(TypeError, match=r"takes a fitted StackedGridSearchCV.*got int"):
        look(3)
    with pytest.raises(TypeError, match="the class"):
        look(GridSearchCV)
    with pytest.raises(ValueError, match="not fitted yet"):
        look(GridSearchCV(DecisionTreeRegressor(), {}))


def test_parameters_that_are_never_tried_together_are_apart() -> None:
    params = [{"a": 1}, {"a": 2}, {"b": 5}, {"b": 6}]
    search = Search(params, np.arange(8).reshape(4, 2))
    display = look(search)
    assert (display.x.name, display.y, display.others) == ("a", None, ["b"])
    with pytest.raises(ValueError, match="No candidate of the search has both 'a' and 'b'"):
        look(search, x="a", y="b")
    assert look(search, y="b").x.name == "b"


def test_candidates_that_left_a_race_are_no_choice() -> None:
    search = Search({"alpha": [0.1, 1.0, 10.0]}, [[0.8, 0.9], [0.84, 0.86], [0.99, np.nan]])
    search.cv_results_["mean_test_score"][2] = 0.99
    search.cv_results_["rank_test_score"][:] = [2, 1, 3]
    display = look(search)
    assert display.cells.folds.tolist() == [[2, 2, 1]]
    assert display.best == (0, 1) and display.choice == (0, 1)


def test_candidates_of_another_grid_are_left_out() -> None:
    params = [{"a": 1}, {"a": 2}, {"b": 5}]
    display = look(Search(params, [[0.1, 0.2], [0.2, 0.3], [0.9, 1.0]]), x="a")
    np.testing.assert_allclose(display.cells.scores, [[0.15, 0.25]])
    assert display.best == (0, 1)
