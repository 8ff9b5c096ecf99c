"""A small frame of all kinds of columns, and networks that are fitted to it in no time."""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from sknorm import MLPRegressor

ROWS = 40
SMALL: dict[str, Any] = {"hidden_layer_sizes": (3,), "max_iter": 1, "random_state": 0}
WIDE = 2**53  # from here on float64 does not hold all integers


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, gaps = rng.normal(size=(2, ROWS))
    gaps[::7] = np.nan
    town, flag = rng.choice(["a", "b", "c"], ROWS), rng.random(ROWS) < 0.5
    return pd.DataFrame({"x": x, "town": town, "flag": flag, "gaps": gaps})


FRAME = make_frame()
Y = np.random.default_rng(1).normal(size=ROWS)


def regressor(**settings: Any) -> MLPRegressor:
    return MLPRegressor(**{**SMALL, **settings}, preset="sklearn")


def fitted(X: Any = FRAME, **settings: Any) -> MLPRegressor:
    return regressor(**settings).fit(X, Y)


def column(values: Any, dtype: Any = object) -> pd.DataFrame:
    return pd.DataFrame({"c": pd.Series(values, dtype=dtype)})


def levels(X: Any, **settings: Any) -> list[Any]:
    """Those of the only category that a model knows."""
    (known,) = fitted(X, **settings)._fitted.columns.categories
    return known.levels.tolist()


def distinct(model: Any, *rows: Any) -> int:
    """How many of some values of the only column are told apart."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names, but")
        return len({float(model.predict(column([row]))[0]) for row in rows})
