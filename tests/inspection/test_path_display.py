"""Regularization paths: lines, counts, scores and names."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sknorm.inspection import RegularizationPathDisplay

look = RegularizationPathDisplay.from_path


def test_features_counts_and_scores_are_read(path: Any) -> None:
    display = look(path, n_named=2).plot()
    importances = [model.feature_importances_ for model in path.estimators]
    np.testing.assert_allclose(display.importances, np.where(path.active, importances, 0.0))
    assert display.active_counts.tolist() == path.active.sum(axis=1).tolist()
    scores = [model.best_validation_score_ for model in path.estimators]
    np.testing.assert_allclose(display.scores, scores)
    assert display.chosen == int(np.argmax(scores))
    assert len(display.lines_) == 6 and display.ax_.get_xscale() == "log"
    left, right = display.ax_.get_xlim()
    assert left > right  # as the path goes
    ticks = [text.get_text() for text in display.count_ax_.get_xticklabels()]
    assert ticks == [str(n) for n in display.active_counts]
    names = [text.get_text() for text in display.legend_.get_texts()]
    assert len(names) == 4 and names[2:] == [
        "score",
        f"best score, alpha {path.alphas[display.chosen]:g}",
    ]
    first = np.argmax(display.importances.max(axis=0))
    assert names[0] == f"x{first}"


def test_scores_and_names_of_ones_own_are_taken(path: Any) -> None:
    names = ["a$b", "_hidden", "x" * 50, "two\nlines", "e", "f"]
    display = look(path, scores=[0.1, 0.9, np.nan], feature_names=names, n_named=6).plot()
    assert display.chosen == 1
    display.figure_.canvas.draw()  # no label is read as a formula, or left out with a warning


def test_a_path_without_scores_has_no_second_axis(path: Any) -> None:
    display = look(path)
    display.scores = None
    display.plot()
    assert display.score_ax_ is None and display.chosen is None


def test_one_alpha_is_a_point(path: Any) -> None:
    one = replace(
        path, alphas=path.alphas[:1], estimators=path.estimators[:1], active=path.active[:1]
    )
    assert look(one).plot().lines_[0].get_marker() == "o"


def test_what_does_not_fit_is_refused(path: Any) -> None:
    with pytest.raises(TypeError, match=r"what sknorm.regularization_path returns, got list"):
        look([1])
    with pytest.raises(ValueError, match=r"scores must be one number for each of the 3 alphas"):
        look(path, scores=[1.0])
    with pytest.raises(ValueError, match=r"feature_names must be 6 names.* got 1"):
        look(path, feature_names=["a"])
    with pytest.raises(ValueError, match="n_named must not be negative"):
        look(path, n_named=-1)
