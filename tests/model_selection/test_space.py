"""The default space: what it draws from, for whom, and that all of it can be trained."""

from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterSampler
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknorm import MLPClassifier, MLPRegressor
from sknorm.model_selection import StackedRandomizedSearchCV, default_space

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
TARGETS = {MLPClassifier: X[:, 0] > 0, MLPRegressor: X[:, 0] + X[:, 1] ** 2}


@pytest.mark.parametrize("preset", ["accurate", "fast", "sklearn"])
@pytest.mark.parametrize("kind", TARGETS)
def test_what_is_drawn_lies_around_the_preset(kind: type, preset: str) -> None:
    space = default_space(kind(preset=preset))
    drawn = list(ParameterSampler(space, 200, random_state=0))
    usual = {"accurate": {True: 1e-3, False: 4e-3}, "fast": {True: 2e-3, False: 5e-3}}
    rate = usual.get(preset, {}).get(kind is MLPClassifier, 1e-3)
    rates = np.array([each["learning_rate_init"] for each in drawn])
    assert rate / 2 <= rates.min() < rate < rates.max() <= 2 * rate
    most = max(each["dropout"] for each in drawn)
    assert 0.8 < most / (0.5 if kind is MLPClassifier else 0.15) <= 1.0
    assert {each["normalization"] for each in drawn} == {"batch", "layer", None}
    assert "auto" in {each["hidden_layer_sizes"] for each in drawn}


def test_what_is_set_is_not_searched() -> None:
    network = MLPClassifier((8,), dropout=0.1, normalization="ghost")
    assert not {"hidden_layer_sizes", "dropout", "normalization"} & set(default_space(network))
    assert {"alpha", "learning_rate_init"} <= set(default_space(network))


@pytest.mark.parametrize("sizes", [64, (), [], np.array([64, 64])], ids=repr)
def test_hidden_layers_of_all_forms(sizes: Any) -> None:
    expected = default_space(MLPClassifier()).keys() - {"hidden_layer_sizes"}
    assert default_space(MLPClassifier(sizes)).keys() == expected


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_names_are_those_of_the_pipeline(fitted: bool) -> None:
    network = MLPRegressor(max_iter=1)
    whole = TransformedTargetRegressor(make_pipeline(StandardScaler(), network))
    if fitted:
        whole.fit(X[:20], TARGETS[MLPRegressor][:20])
    space = default_space(whole)
    assert set(space) == {f"regressor__mlpregressor__{name}" for name in default_space(network)}
    assert set(space) <= set(whole.get_params())


def test_others_are_refused() -> None:
    for estimator in (LogisticRegression(), make_pipeline(StandardScaler()), MLPClassifier):
        with pytest.raises(TypeError, match="default_space takes an MLPClassifier"):
            default_space(estimator)


def test_what_members_draw_is_not_searched() -> None:
    drawn = {"dropout": [0.0, 0.1], "alpha": [1e-4, 1e-2]}
    usual = default_space(MLPClassifier()).keys()
    assert default_space(MLPClassifier(member_space=drawn)).keys() == usual - drawn.keys()
    drawn["learning_rate_init"] = []
    assert default_space(MLPClassifier(member_space="default")).keys() == usual - drawn.keys()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "own", [{}, {"solver": "lbfgs"}, {"hidden_layer_sizes": (4, 1)}], ids=["adam", "lbfgs", "unit"]
)
@pytest.mark.parametrize("kind", TARGETS)
def test_all_of_it_can_be_trained(kind: type, own: dict[str, Any]) -> None:
    network = kind(preset="fast", max_iter=2, random_state=0, **own)
    space = default_space(network)
    if "hidden_layer_sizes" in space:
        space["hidden_layer_sizes"] = [(4,), (4, 4)]
    search = StackedRandomizedSearchCV(
        network, space, n_iter=12, cv=2, refit="ensemble", random_state=0
    )
    search.fit(X, TARGETS[kind])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == (120,)


def test_presets_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="'preset' parameter of MLPClassifier"):
        default_space(MLPClassifier(preset="none"))
