"""Checks of a table as an estimator asks for them, and what codes stand for."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sknorm.data.checks import check_features, feature_names
from sknorm.data.coded import CodedTable
from sknorm.data.kinds import Kinds


class Model(BaseEstimator):
    """What checks read of an estimator."""

    def __init__(self, categorical_features: Any = "from_dtype") -> None:
        self.categorical_features = categorical_features


class Checked:
    """A table that was checked as in fit."""

    def __init__(self, X: Any, chosen: Any = "from_dtype") -> None:
        self.model = Model(chosen)
        self.table = check_features(self.model, X)
        self.kinds = Kinds.of(self.table, feature_names(X))

    def again(self, X: Any) -> Any:
        """Another table, checked as in predict."""
        return check_features(self.model, X, known=self.kinds)


def check(X: Any, chosen: Any = "from_dtype") -> Any:
    """A table as fit sees it."""
    return Checked(X, chosen).table


def assert_sound(table: CodedTable) -> None:
    """Assert what is promised of each coded table."""
    n = len(table)
    assert table.numbers.shape == (n, max(1, len(table.numeric)))  # none is a column of zeros
    assert table.numbers.flags.c_contiguous
    assert table.numbers.dtype in (np.float32, np.float64) and not np.isinf(table.numbers).any()
    assert table.codes.shape == (n, len(table.coded)) and table.codes.flags.c_contiguous
    assert table.codes.dtype == np.int32 and table.shape == (n, table.n_features)
    categories = [each for each in table.coded if each.kind != "missing"]
    missing = [each.feature for each in table.coded if each.kind == "missing"]
    assert [each.feature for each in table.coded] == [
        *sorted(each.feature for each in categories), *sorted(missing),
    ]  # fmt: skip
    assert sorted([*table.numeric, *(each.feature for each in categories)]) == list(
        range(table.n_features)
    )
    absent = np.isnan(table.numbers).any(axis=0)
    assert missing == [f for f, some in zip(table.numeric, absent, strict=False) if some]
    for codes, each in zip(table.codes.T, table.coded, strict=True):
        assert codes.min(initial=0) >= 0 and codes.max(initial=0) <= len(each.levels)
        levels = each.levels.tolist()
        assert levels == sorted(set(levels))


def decode(table: CodedTable, feature: int) -> list[Any]:
    """The values of a column of X; None where one is missing."""
    if feature in table.numeric:
        values = table.numbers[:, table.numeric.index(feature)]
        return [None if np.isnan(value) else float(value) for value in values]
    coded = [(e.feature, e.kind == "missing") for e in table.coded]
    place = coded.index((feature, False))
    levels = [None, *table.coded[place].levels.tolist()]
    return [levels[code] for code in table.codes[:, place]]


def kind_of(table: Any, feature: int) -> str:
    """What a column of a checked table is."""
    return Kinds.of(table).categories.get(feature, "numeric")
