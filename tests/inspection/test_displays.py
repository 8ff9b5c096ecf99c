"""What all displays have in common: axes, errors, and no matplotlib before something is drawn."""

import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor, inspection
from sknorm.inspection import (
    ActivationDistributionDisplay,
    EnsembleMembersDisplay,
    RegularizationPathDisplay,
    SearchResultsDisplay,
    TrainingHistoryDisplay,
    WeightDistributionDisplay,
)
from sknorm.model_selection import StackedGridSearchCV

OF_ESTIMATORS: dict[str, Any] = {
    "training": TrainingHistoryDisplay.from_estimator,
    "weights": WeightDistributionDisplay.from_estimator,
    "activations": lambda model: ActivationDistributionDisplay.from_estimator(model, X),
    "members": EnsembleMembersDisplay.from_estimator,
}
X = np.random.default_rng(0).normal(size=(40, 6))


@pytest.fixture(scope="session")
def search(table: tuple[np.ndarray, np.ndarray]) -> StackedGridSearchCV:
    model = MLPRegressor(
        hidden_layer_sizes=(4,), preset="sklearn", max_iter=3, learning_rate="cosine",
        random_state=0,
    )  # fmt: skip
    grid = {"alpha": [1e-4, 1e-2, 1.0], "dropout": [0.0, 0.2]}
    return StackedGridSearchCV(model, grid, cv=3).fit(*table)


@pytest.fixture(params=inspection.__all__)
def display(request: Any, watched: Any, members: Any, path: Any, search: Any) -> Any:
    """One of each, not drawn yet."""
    return {
        "TrainingHistoryDisplay": lambda: OF_ESTIMATORS["training"](watched),
        "WeightDistributionDisplay": lambda: OF_ESTIMATORS["weights"](watched),
        "ActivationDistributionDisplay": lambda: OF_ESTIMATORS["activations"](watched),
        "EnsembleMembersDisplay": lambda: OF_ESTIMATORS["members"](members),
        "RegularizationPathDisplay": lambda: RegularizationPathDisplay.from_path(path),
        "SearchResultsDisplay": lambda: SearchResultsDisplay.from_search(search),
    }[request.param]()


def test_axes_that_are_passed_are_used(display: Any) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    assert display.plot(axes[1]) is display
    assert display.ax_ is axes[1] and display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not axes[0].has_data() and axes[1].get_xlabel()


def test_small_pictures_have_room(display: Any) -> None:
    _, ax = plt.subplots(figsize=(2.2, 1.6), layout="constrained")
    display.plot(ax).figure_.canvas.draw()  # a layout without room warns


def test_axes_may_stand_in_a_part_of_a_figure(display: Any) -> None:
    figure = plt.figure(figsize=(9, 4), layout="constrained")
    part, _ = figure.subfigures(1, 2)
    display.plot(part.subplots())
    assert display.figure_ is part


def test_one_figure_is_made_without_axes(display: Any) -> None:
    display.plot()
    assert plt.get_fignums() == [display.figure_.number]
    display.figure_.canvas.draw()
    box, page = display.ax_.get_tightbbox(), display.figure_.bbox
    assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1


def test_what_is_no_axes_is_refused(display: Any) -> None:
    with pytest.raises(TypeError, match=r"ax must be an Axes .* got list"):
        display.plot([1])


def test_matplotlib_is_asked_for_when_something_is_drawn(
    display: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    name = type(display).__name__
    with pytest.raises(ImportError, match=rf"{name}.plot requires matplotlib. You can install"):
        display.plot()


@pytest.mark.parametrize("name", OF_ESTIMATORS)
def test_what_cannot_be_looked_at_is_refused(name: str) -> None:
    look = OF_ESTIMATORS[name]
    with pytest.raises(NotFittedError):
        look(MLPClassifier())
    with pytest.raises(NotFittedError):
        look(make_pipeline(StandardScaler(), MLPRegressor()))
    with pytest.raises(TypeError, match="the class MLPClassifier"):
        look(MLPClassifier)
    with pytest.raises(TypeError, match="Pipeline with Ridge in it"):
        look(make_pipeline(StandardScaler(), Ridge()))
    with pytest.raises(TypeError, match="got NoneType"):
        look(None)


@pytest.mark.parametrize("name", OF_ESTIMATORS)
def test_a_network_in_a_pipeline_and_a_search_is_found(name: str, search: Any, table: Any) -> None:
    look, network = OF_ESTIMATORS[name], search.best_estimator_
    pipeline = make_pipeline(StandardScaler(), network)
    pipeline[:-1].fit(table[0])
    expected = type(look(network))
    assert type(look(search)) is expected and type(look(pipeline)) is expected


def test_a_search_without_a_refit_has_nothing_to_look_at(table: Any) -> None:
    search = GridSearchCV(MLPRegressor(preset="sklearn", max_iter=2), {"alpha": [1.0]}, cv=2)
    search.set_params(refit=False, estimator__learning_rate="cosine").fit(*table)
    with pytest.raises(NotFittedError, match="no best_estimator_"):
        TrainingHistoryDisplay.from_estimator(search)
