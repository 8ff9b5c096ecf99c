"""Whether the parts of a model fit together, so that kernels read within their arrays."""

from typing import Any

import numpy as np

from sknorm._pickling import StateError
from sknorm.data.columns import Columns
from sknorm.data.targets import Target
from sknorm.ensembles.base import BaseEnsemble
from sknorm.estimators import build
from sknorm.estimators.base import BaseMLP
from sknorm.estimators.fitted import Fitted
from sknorm.network.network import Network


def check(estimator: Any) -> None:
    """Refuse a model that no fit can have left.

    Raises
    ------
    StateError
        If its parts do not fit together.
    """
    state = vars(estimator)
    if isinstance(estimator, BaseEnsemble) and "estimators_" in state:
        members, shares = state["estimators_"], state["_shares"]
        _require(all(isinstance(each, estimator._member) for each in members), "members")
        _require(all("_fitted" in vars(each) for each in members), "members")
        _require(0 < len(members) == len(shares), "weights of members")
    if isinstance(estimator, BaseMLP) and "_fitted" in state:
        fitted = state["_fitted"]
        _require(isinstance(fitted, Fitted), "parts")
        _require(isinstance(fitted.network, Network), "networks")
        _require(isinstance(fitted.columns, Columns), "columns")
        _require(isinstance(fitted.target, Target), "targets")
        _check_columns(fitted.columns)
        _check_network(fitted)


def _check_columns(columns: Columns) -> None:
    count = max(1, len(columns.kinds.numeric))
    scales = columns.offset, columns.factor, columns.clip, columns.fill, columns.constant
    _require(all(each.shape == (count,) for each in scales), "columns")
    if columns.bins is not None:
        ends = columns.bins.low.shape == columns.bins.gain.shape == (sum(columns.bins.counts),)
        _require(len(columns.bins.counts) == count and ends, "bins")
    first = 0
    for each in columns.known:
        places = each.has_missing + each.has_other + len(each.levels)
        _require(each.size == places and each.first == (0 if each.width else first), "categories")
        first += each.rows


def _check_network(fitted: Fitted) -> None:
    network, parameters, columns = fitted.network, fitted.network.parameters, fitted.columns
    shape, dtypes = network.architecture, ("float32", "float64")
    bins = columns.bins.counts if columns.bins else ()
    _require((shape.embedding.bins if shape.embedding else ()) == bins, "bins")
    _require(shape.categories == build.categories(columns), "categories")
    _require(shape.sizes[0] == build.inputs(columns, shape.embedding), "inputs")
    _require(shape.sizes[-1] == fitted.target.raw_outputs, "outputs")
    size = network.members * parameters.layout.size
    _require(parameters.flat.shape == (size,) and parameters.flat.dtype in dtypes, "weights")
    widths = shape.sizes[1:-1] if shape.keeps_statistics else ()
    found = [(each.shape, each.dtype) for each in network.statistics]
    moments = [((network.members, 2, width), np.float64) for width in widths]
    _require(found == moments, "statistics of norms")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise StateError(f"its {what} do not fit together.")
