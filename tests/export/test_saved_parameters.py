"""Parameters in files: plain values and a few objects come back, others are refused by name."""

import pickle
from pathlib import Path
from typing import Any

import export_case as case
import numpy as np
import pytest
from export_case import X, again, assert_same, classifier, regressor
from scipy import stats
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknorm
from sknorm import MLPClassifier, MLPRegressor
from sknorm.exceptions import ModelFileError
from sknorm.model_selection import EnsembleRegressor
from sknorm.penalties import ElasticNet, GroupLasso

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SPACE = {
    "alpha": stats.loguniform(1e-6, 1e-3),
    "dropout": stats.uniform(0, scale=np.float64(0.2)),
    "learning_rate_init": (1e-3, np.float32(1e-2)),
    "label_smoothing": np.array([0.0, 0.1]),
}
# Values that `fit` takes, or that are set after it.
PLAIN: dict[str, dict[str, Any]] = {
    "distributions": {"member_space": SPACE, "n_members": 2},
    "default space": {"member_space": "default", "n_members": 2},
    "generator": {"random_state": np.random.RandomState(3)},
    "weights of classes": {"class_weight": {np.int64(1): 0.5, 2: np.float64(1), 3.0: 2}},
    "held-out rows": {"early_stopping": True, "validation_fraction": np.arange(40) < 8},
    "pairs": {"early_stopping": True, "validation_fraction": [(np.arange(30), np.arange(30, 40))]},
    "numbers of NumPy": {"alpha": np.float32(0.1), "shuffle": np.True_, "max_iter": np.uint8(2)},
    "layers": {"hidden_layer_sizes": np.array([3, 4], np.int16)},
    "infinite": {"n_iter_no_change": np.inf},
}
LATER: dict[str, Any] = {
    "penalties": [ElasticNet(0.1, 0.5), GroupLasso(np.float32(0.1))],
    "nan": [float("nan"), -0.0, 5e-324, np.float32("nan"), 2**70, "\ud800\0"],
    "strides": [np.arange(9)[::2], np.arange(9)[::-2], np.broadcast_to(1.5, (2, 3))],
    "orders": [np.eye(2, 3), np.asfortranarray(np.eye(2, 3))],
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": [(), [], {}, np.zeros((0, 3)), np.array([], "U1"), "", np.array("text"), np.array(1)],
    "nested": {("a", 1): {None: [True, (1.5,)]}, "sknorm_kind": "Network", "is": "tuple"},
    "texts": np.array([["a", "b"], ["c", "\ud800"]], object),
    "mixed": np.array(["a", 1, None, 2.5, (1,)], object),
    "arrays": [np.arange(3), np.arange(3)],
    "arrays of two dtypes": [np.arange(3), np.arange(3.0)],
    "dates": [np.array(["2020-01-01", "NaT"], "M8[ns]"), np.datetime64("2020"), np.timedelta64(1)],
    "floats": [0.1 * k for k in range(100)],
}


@pytest.mark.parametrize("name", PLAIN)
def test_values_that_fit_takes(name: str, tmp_path: Path) -> None:
    model = clone(classifier(**PLAIN[name])).fit(X, case.CLASSES)
    restored = again(model, tmp_path)
    assert_same(restored.get_params(), model.get_params())
    for each in (restored, model):
        each.fit(X, case.CLASSES)
    assert_same(restored.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("name", LATER)
def test_values_that_are_set_later(name: str, tmp_path: Path) -> None:
    model = regressor().fit(X, case.NUMBERS).set_params(scoring=LATER[name])
    assert_same(again(model, tmp_path).get_params(), model.get_params())


def test_a_generator_of_several_models_stays_one(tmp_path: Path) -> None:
    generator = np.random.RandomState(0)
    members = [regressor(random_state=generator).fit(X, case.NUMBERS) for _ in range(2)]
    members[0].partial_fit(X, case.NUMBERS)
    restored = again(EnsembleRegressor.from_fitted(members), tmp_path).estimators_
    assert restored[0].random_state is restored[1].random_state
    for each in (restored, members):
        each[0].partial_fit(X, case.NUMBERS)
        each[1].partial_fit(X, case.NUMBERS)
    assert_same(restored[1].predict(X), members[1].predict(X))


def test_attributes_and_requests(tmp_path: Path) -> None:
    with config_context(enable_metadata_routing=True):
        model = regressor().set_fit_request(sample_weight=True, groups="people")
        model.set_score_request(sample_weight=False)
        model.fit(X, case.NUMBERS).notes = {"author": "me", "shape": (40, 3)}
        for restored in (again(model, tmp_path), pickle.loads(pickle.dumps(model))):
            assert_same(restored.notes, model.notes)
            expected = repr(model.get_metadata_routing())
            assert repr(restored.get_metadata_routing()) == expected
            assert repr(clone(restored).get_metadata_routing()) == expected
            assert "people" in expected


class Stranger:
    pass


class Own(MLPRegressor):
    pass


cyclic: list[Any] = []
cyclic.append(cyclic)
ODD: dict[str, tuple[dict[str, Any], str]] = {
    "scorer": ({"scoring": make_scorer(r2_score)}, r"parameter scoring is make_scorer.*of type "),
    "function": ({"scoring": len}, r"parameter scoring is .*set_params\(scoring='loss'\)"),
    "splitter": (
        {"validation_fraction": KFold(2)},
        r"validation_fraction is KFold.*set_params\(validation_fraction=0.1\)",
    ),
    "multivariate": (
        {"member_space": {"alpha": stats.multivariate_normal()}},
        r"member_space.alpha is .*, of type multivariate_normal_frozen",
    ),
    "own distribution": (
        {"member_space": {"alpha": stats.rv_continuous(name="uniform")()}},
        r"member_space.alpha is .*rv_continuous_frozen",
    ),
    "other support": (
        {"member_space": {"alpha": type(stats.uniform)(a=0, b=0.5, name="uniform")()}},
        r"member_space.alpha is ",
    ),
    "generator of another kind": (
        {"random_state": np.random.RandomState(np.random.PCG64(0))},
        r"parameter random_state is RandomState\(PCG64\)",
    ),
    "within": ({"class_weight": {0: [1, Stranger()]}}, r"class_weight\[0\]\[1\] is .*Stranger"),
    "complex": ({"alpha": 1j}, "alpha is 1j, of type complex"),
    "long": ({"alpha": np.longdouble(1)}, "parameter alpha is .*longdouble"),
    "bytes": ({"alpha": np.array([b"a"])}, "parameter alpha is .*ndarray"),
    "masked": ({"alpha": np.ma.array([1.0])}, "parameter alpha is .*MaskedArray"),
    "subclass of dict": ({"class_weight": type("Own", (dict,), {})()}, "class_weight is .*Own"),
    "itself": ({"class_weight": {1: cyclic}}, "a parameter or attribute holds itself"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_values_are_named(name: str, tmp_path: Path) -> None:
    file, (settings, message) = tmp_path / "model.safetensors", ODD[name]
    model = regressor().fit(X, case.NUMBERS)
    sknorm.save(model, file)
    before = file.read_bytes()
    for name, value in settings.items():
        setattr(model, name, value)
    with pytest.raises(ModelFileError, match=message) as caught:
        sknorm.save(model, file)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_the_advice_on_odd_values_helps(tmp_path: Path) -> None:
    model = regressor().fit(X, case.NUMBERS).set_params(scoring=len)
    assert_same(again(model.set_params(scoring=None), tmp_path), model)
    model.set_callbacks(ProgressBar())
    with pytest.raises(ModelFileError, match=r"MLPRegressor has callbacks .*set_callbacks\(\)"):
        sknorm.save(model, tmp_path / "model.safetensors")
    assert_same(again(model.fit(X, case.NUMBERS).set_callbacks(), tmp_path), model)
    model.note = Stranger()
    with pytest.raises(ModelFileError, match=r"attribute note is .*Stranger.*Delete it"):
        sknorm.save(model, tmp_path / "model.safetensors")
    model.note = model
    with pytest.raises(ModelFileError, match=r"attribute note is MLPRegressor"):
        sknorm.save(model, tmp_path / "model.safetensors")
    del model.note
    assert_same(again(model, tmp_path), model)


def test_attributes_that_the_user_deletes_stay_away(tmp_path: Path) -> None:
    model = regressor().fit(X, case.NUMBERS)
    del model.history_, model.loss_curve_
    for restored in (again(model, tmp_path), pickle.loads(pickle.dumps(model))):
        assert not hasattr(restored, "history_")
        assert_same(restored.predict(X), model.predict(X))


def test_members_are_named(tmp_path: Path) -> None:
    models = [regressor().fit(X, case.NUMBERS) for _ in range(2)]
    models[1].set_params(scoring=len)
    with pytest.raises(ModelFileError, match=r"estimators\[1\].scoring"):
        sknorm.save(EnsembleRegressor.from_fitted(models), tmp_path / "model.safetensors")


def test_other_estimators_are_refused(tmp_path: Path) -> None:
    fitted = regressor().fit(X, case.NUMBERS)
    around = TransformedTargetRegressor(regressor()).fit(X, case.NUMBERS)
    pipeline = make_pipeline(StandardScaler(), regressor()).fit(X, case.NUMBERS)
    own = Own(hidden_layer_sizes=(2,), max_iter=1, preset="sklearn").fit(X, case.NUMBERS)
    cases: list[tuple[Any, type[Exception], str]] = [
        (regressor(), NotFittedError, "MLPRegressor is not fitted.*Call fit first"),
        (EnsembleRegressor([fitted]), NotFittedError, "EnsembleRegressor is not fitted"),
        (own, TypeError, "got Own. It is a subclass of MLPRegressor.*joblib"),
        (pipeline, TypeError, "got Pipeline. Save it with skops"),
        (around, TypeError, "got TransformedTargetRegressor. Save it with skops"),
        (LogisticRegression(), TypeError, "got LogisticRegression. Save it with skops"),
        (EnsembleRegressor.from_fitted([pipeline]), TypeError, r"Pipeline \(estimators\[0\]\)"),
        (EnsembleRegressor.from_fitted([own]), TypeError, r"Own \(estimators\[0\]\)"),
        (MLPClassifier, TypeError, "MLPClassifier'>. Pass a fitted estimator"),
        (None, TypeError, "got NoneType"),
        (tmp_path / "swapped", TypeError, "got PosixPath"),
    ]
    for model, error, message in cases:
        with pytest.raises(error, match=message):
            sknorm.save(model, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
