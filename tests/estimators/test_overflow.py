"""Predictions that overflow are told of: by row and column, where a value is why."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sknorm import MLPClassifier, MLPRegressor
from sknorm.ensembles import EnsembleRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FAR = 1e300


def model(estimator: Any = MLPRegressor, **settings: Any) -> Any:
    settings = {"hidden_layer_sizes": (8,), "max_iter": 2, "dtype": "float32", **settings}
    return estimator(random_state=0, n_members=1, **{"scaling": "standard", **settings})


def table() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(120, 4))
    return X, X[:, 0] + 1.0


def spoilt(X: np.ndarray, rows: Any = 1, value: float = FAR) -> np.ndarray:
    X = X.copy()
    X[rows, 2] = value
    return X


@pytest.mark.parametrize("scaling", ["standard", None])
def test_a_value_is_named_however_many_rows_there_are(scaling: str | None) -> None:
    X, y = table()
    fitted = model(scaling=scaling).fit(X, y)
    for rows in (X[:3], X):
        for _ in range(4):  # few rows are predicted otherwise from the third call on
            with pytest.raises(ValueError, match=r"row 1 of X overflow: column 2 holds 1e\+300 at"):
                fitted.predict(spoilt(rows))
            assert np.isfinite(fitted.predict(rows)).all()
    with pytest.raises(ValueError, match=r"of 3 of the 120 rows .* at row 5, where .*'robust'"):
        fitted.predict(spoilt(X, [5, 7, 9]))


def test_frames_sparse_tables_and_gaps() -> None:
    X, y = table()
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["text"] = np.where(X[:, 0] > 0, "x", "y")
    frame.loc[::3, ["a", "b"]] = np.nan
    fitted = model().fit(frame, y)
    far = frame.copy()
    far.loc[3, "c"] = FAR
    with pytest.raises(ValueError, match=r"row 3 of X overflow: column 'c' holds 1e\+300"):
        fitted.predict(far)
    fitted = model(scaling=None).fit(sparse.csr_matrix(X), y)
    with pytest.raises(ValueError, match=r"row 3 of X overflow: column 2 holds -1e\+300"):
        fitted.predict(sparse.csr_matrix(spoilt(X, 3, -FAR)))


def test_every_method_of_a_classifier_and_of_an_ensemble() -> None:
    X, y = table()
    fitted = model(MLPClassifier).fit(X, y > 1)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match="column 2 holds"):
            getattr(fitted, method)(spoilt(X))
    several = model().set_params(n_members=2).fit(X, y)
    with pytest.raises(ValueError, match="column 2 holds"):
        several.predict(spoilt(X), return_std=True)
    ensemble = EnsembleRegressor([model(), model(alpha=0.1)]).fit(X, y)
    with pytest.raises(ValueError, match="column 2 holds"):
        ensemble.predict(spoilt(X))


@pytest.mark.parametrize("scoring", ["loss", "r2"])
def test_held_out_rows_have_no_score_but_no_error(scoring: str) -> None:
    X, y = table()
    stops = model(early_stopping=True, scoring=scoring)
    with pytest.warns(UserWarning, match="was never a finite number"):
        stops.fit(X, y, X_val=spoilt(X), y_val=y)
    assert np.isfinite(stops.predict(X)).all()


def test_values_that_are_squashed_have_a_bound() -> None:
    X, y = table()
    fitted = model(scaling="robust").fit(X, y)
    assert np.isfinite(fitted.predict(spoilt(X))).all()


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_weights_that_overflow_are_no_matter_of_the_rows(scaling: str) -> None:
    X, y = table()
    fitted = model(scaling=scaling, normalization=None).fit(X, y)
    fitted.network_.parameters.flat[...] = 3e38
    for rows in (X[:1], X):
        for _ in range(4):
            with pytest.warns(RuntimeWarning, match="of X overflow, as the weights are huge"):
                assert not np.isfinite(fitted.predict(rows)).all()
