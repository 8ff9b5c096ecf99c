"""D2 of the pinball loss for several quantiles, against scikit-learn's for one."""

import copy
import pickle
from typing import Any

import array_api_strict
import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import d2_pinball_score as of_one
from sklearn.metrics import make_scorer

from sknorm.metrics import d2_pinball_score, d2_pinball_scorer

RNG = np.random.default_rng(0)
LEVELS = [0.1, 0.5, 0.9]
Y = RNG.normal(size=(50, 2))
PREDICTED = np.sort(RNG.normal(size=(50, 2, 3)), axis=2)
WEIGHT = RNG.uniform(0.1, 2.0, 50)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_mean_over_levels_and_targets(weight: Any, outputs: int) -> None:
    y, predicted = Y[:, :outputs], PREDICTED[:, :outputs]
    each = [
        of_one(y[:, o], predicted[:, o, place], sample_weight=weight, alpha=level)
        for o in range(outputs)
        for place, level in enumerate(LEVELS)
    ]
    found = d2_pinball_score(y, predicted, alpha=LEVELS, sample_weight=weight)
    assert type(found) is float and found == pytest.approx(np.mean(each), rel=1e-12)


@pytest.mark.parametrize(
    ("y", "predicted", "alpha"),
    [(Y[:, 0], PREDICTED[:, 0, 1], 0.5), (Y[:, 0].tolist(), PREDICTED[:, 0, 1].tolist(), 0.5),
     (Y[:, :1], PREDICTED[:, 0, 1], [0.5]), (Y[:, 0], PREDICTED[:, 0, 1:2], [0.5]),
     (Y[:, 0], PREDICTED[:, :1, 1:2], 0.5), (Y[:, 0], PREDICTED[:, 0, 1:2], (0.5,))],
)  # fmt: skip
def test_one_level_is_scikit_learns(y: Any, predicted: Any, alpha: Any) -> None:
    expected = of_one(Y[:, 0], PREDICTED[:, 0, 1], alpha=0.5)
    assert d2_pinball_score(y, predicted, alpha=alpha) == pytest.approx(expected, rel=1e-12)


def test_perfect_predictions_and_constants() -> None:
    perfect = np.repeat(Y[:, :, None], 3, axis=2)
    assert d2_pinball_score(Y, perfect, alpha=LEVELS) == 1.0
    constants = np.broadcast_to(np.quantile(Y, LEVELS, axis=0).T, (50, 2, 3))
    assert d2_pinball_score(Y, constants, alpha=LEVELS) == pytest.approx(0.0, abs=1e-12)


def test_arrays_of_a_device_are_fetched() -> None:
    place = array_api_strict.Device("device1")
    arrays = [array_api_strict.asarray(a.copy(), device=place) for a in (Y, PREDICTED, WEIGHT)]
    found = d2_pinball_score(arrays[0], arrays[1], alpha=LEVELS, sample_weight=arrays[2])
    assert found == d2_pinball_score(Y, PREDICTED, alpha=LEVELS, sample_weight=WEIGHT)


@pytest.mark.parametrize(
    ("y", "predicted", "alpha", "words"),
    [(Y[:, 0], PREDICTED[:, 0], 0.5, r"\(50, 3\), but 50 rows of 1 targets at 1 levels need"),
     (Y, PREDICTED[:, 0], LEVELS, r"need \(50, 2, 3\)"), (Y, PREDICTED[:9], LEVELS, r"\(9, 2, 3\)"),
     (Y[:, 0], PREDICTED[:, 0], [0.1, 0.5, 1.0], "a level in"), (Y, PREDICTED, [], "a level in"),
     (Y, PREDICTED.transpose(0, 2, 1), LEVELS, r"\(50, 3, 2\)"),
     (Y, PREDICTED.reshape(50, 6), LEVELS, r"\(50, 6\)"),
     (Y[:, 0], PREDICTED[:, 0, 0], 0.0, "a level in"), (Y, PREDICTED, [LEVELS], "a level in")],
)  # fmt: skip
def test_shapes_and_levels_are_checked(y: Any, predicted: Any, alpha: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        d2_pinball_score(y, predicted, alpha=alpha)


def test_a_single_row_has_no_score() -> None:
    with pytest.warns(UndefinedMetricWarning, match="single row") as caught:
        assert np.isnan(d2_pinball_score(Y[:1], PREDICTED[:1], alpha=LEVELS))
    assert len(caught) == 1


def test_scorers_are_copied_and_shown() -> None:
    for other in (copy.deepcopy(d2_pinball_scorer), pickle.loads(pickle.dumps(d2_pinball_scorer))):
        assert repr(other) == "d2_pinball_scorer"
    assert "alpha" in repr(make_scorer(d2_pinball_score, alpha=LEVELS))
