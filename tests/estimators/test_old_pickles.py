"""Pickles of other versions: what they lack is said, or made up for where that changes nothing."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.metadata_routing import MetadataRequest

from sknorm import MLPClassifier, MLPRegressor
from sknorm.exceptions import InconsistentVersionWarning
from sknorm.model_selection import EnsembleRegressor

X = np.random.default_rng(0).normal(size=(30, 3))
FRAME = pd.DataFrame({"a": X[:, 0], "b": np.resize(["x", "y", "z"], 30)})
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def small(estimator: Any = MLPRegressor, **settings: Any) -> Any:
    own = {"hidden_layer_sizes": (4,), "max_iter": 2, "preset": "sklearn", "random_state": 0}
    return estimator(**own | settings)


def from_other_version(model: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """The model as another version, whose state differs, would have pickled it."""
    state = pickle.loads(pickle.dumps(model.__getstate__()))
    state["_sknorm_version"] = "0.0.1"
    change(state)
    new = type(model).__new__(type(model))
    with pytest.warns(InconsistentVersionWarning, match=r"sknorm 0\.0\.1 pickled"):
        new.__setstate__(state)
    return new


LATER = {
    "weights": lambda state: state["_fitted"].pop("weights"),
    "members": lambda state: [state["_fitted"].pop(key) for key in ("member_seeds", "drawn")],
    "bins": lambda state: state["_fitted"]["columns"].pop("bins"),
    "layers": lambda state: state["_fitted"]["network"]["parameters"]["architecture"].pop(
        "residual"
    ),
    "parameters": lambda state: [state.pop(key) for key in ("n_bins", "member_space", "tol")],
    "no row that waits": lambda state: state.get("_increments", {}).pop("waiting", None),
}


@pytest.mark.parametrize("name", LATER)
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_what_came_later_is_made_up_for(name: str, how: str) -> None:
    model = getattr(small(), how)(FRAME, X[:, 1])
    found = from_other_version(model, LATER[name])
    assert found.get_params() == model.get_params()
    assert repr(found) == repr(model)
    for each in (found, model):
        assert len(each.member_weights_) == len(each.member_params_) == 1
        assert each.feature_importances_.shape == (2,)
        each.partial_fit(FRAME, X[:, 1])
    np.testing.assert_array_equal(found.predict(FRAME), model.predict(FRAME))


UNKNOWN: dict[str, tuple[Any, str]] = {
    "part": (lambda state: state["_fitted"].pop("columns"), "the Fitted in it lacks columns"),
    "field": (
        lambda state: state["_fitted"]["columns"].pop("offset"),
        "the Columns in it lacks offset",
    ),
    "loss": (
        lambda state: state["_fitted"]["target"]["loss"].pop("delta"),
        "the Huber in it lacks delta",
    ),
    "progress": (
        lambda state: state["_increments"]["progress"].pop("seeds"),
        "the Progress in it lacks seeds",
    ),
    "attribute": (lambda state: state.pop("history_"), r"it lacks history_\."),
    "attributes": (lambda state: [state.pop(k) for k in ("_fitted", "t_")], "it lacks _fitted, t_"),
    "units": (lambda state: state.pop("target_scale_"), "it lacks target_scale_"),
    "new field": (
        lambda state: state["_fitted"].update(gates=1),
        "the Fitted in it has gates, which this version does not know",
    ),
    "new kind": (
        lambda state: state["_fitted"]["network"].update(sknorm_kind="Gates"),
        "it holds a 'Gates', which this version does not know",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_missing_is_named(name: str) -> None:
    change, message = UNKNOWN[name]
    model = small(loss="huber").partial_fit(FRAME, X[:, 1])
    with pytest.raises(ValueError, match=rf"pickled by sknorm 0\.0\.1, .*{message}.*fit the model"):
        from_other_version(model, change)


def test_ensembles_lack_nothing_either() -> None:
    model = EnsembleRegressor.from_fitted([small().fit(X, X[:, 1])])
    with pytest.raises(ValueError, match=r"EnsembleRegressor was pickled .* it lacks _shares"):
        from_other_version(model, lambda state: state.pop("_shares"))


def test_an_estimator_that_was_not_fitted_is_not() -> None:
    found = from_other_version(small(), lambda state: state.pop("n_bins"))
    with pytest.raises(NotFittedError):
        found.predict(X)
    assert found.fit(X, X[:, 1]).n_features_in_ == 3


def test_requests_are_plain_and_refer_to_no_other_estimator() -> None:
    model = small(MLPClassifier)
    model._metadata_request = requests = MetadataRequest(owner=model)
    requests.fit.add_request(param="groups", alias="people")
    requests.score.add_request(param="sample_weight", alias=True)
    state = model.__getstate__()["_metadata_request"]
    assert state == {"fit": {"groups": "people"}, "score": {"sample_weight": True}}
    restored = pickle.loads(pickle.dumps(model))
    assert repr(restored.get_metadata_routing()) == repr(requests)
    assert restored.get_metadata_routing().owner is restored
    old = {**model.__getstate__(), "_metadata_request": requests}
    restored.__setstate__(old)
    assert repr(restored.get_metadata_routing()) == repr(requests)


SIZES: list[tuple[str, dict[str, Any]]] = [
    ("fit", {}),
    ("fit", {"n_members": 3, "normalization": "layer", "dropout": 0.1}),
    ("fit", {"early_stopping": True, "warm_start": True, "swa_fraction": 0.5}),
    ("fit", {"solver": "lbfgs", "normalization": "ghost"}),
    ("fit", {"norm_statistics": "population", "n_bins": 4}),
    ("fit", {"n_members": 3, "member_space": {"alpha": [0.0, 1.0]}, "early_stopping": True}),
    ("partial_fit", {}),
    ("partial_fit", {"n_members": 3, "solver": "sgd"}),
]


@pytest.mark.parametrize(("how", "settings"), SIZES, ids=str)
def test_pickles_hold_weights_and_no_rows(how: str, settings: dict[str, Any]) -> None:
    settings = settings | {"hidden_layer_sizes": (100, 50), "dtype": "float64"}
    sizes = []
    for rows in (200, 2000):
        table = np.random.default_rng(0).normal(size=(rows, 5))
        model = getattr(small(**settings), how)(table, table[:, 0])
        model.predict(table)
        sizes.append(len(pickle.dumps(model)))
        weights = model.network_.parameters.flat.nbytes
        copies = 1 if how == "fit" else 3  # with the optimizer's moments
        assert copies * weights > 40_000
        assert sizes[-1] < copies * weights + 40_000
    if how == "partial_fit" or "member_space" not in settings:  # which keeps some members
        assert abs(sizes[1] - sizes[0]) < 2_000
