"""Which models a graph is made of, and what it computes of a table."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sknorm.backends import resolve
from sknorm.data.numeric import NumericTarget
from sknorm.data.targets import Target
from sknorm.ensembles.members import library_class
from sknorm.ensembles.weighted import EnsembleClassifier, EnsembleRegressor
from sknorm.estimators import MLPClassifier, MLPRegressor
from sknorm.estimators.base import BaseMLP
from sknorm.estimators.fitted import Fitted, fitted_of
from sknorm.export.onnx import targets
from sknorm.export.onnx.columns import see
from sknorm.export.onnx.graph import Graph
from sknorm.export.onnx.inputs import output_dtype
from sknorm.export.onnx.network import raw_outputs
from sknorm.export.onnx.table import Input, Table
from sknorm.network.folding import folded

CLASSIFIERS: tuple[type, ...] = (MLPClassifier, EnsembleClassifier)
REGRESSORS: tuple[type, ...] = (MLPRegressor, EnsembleRegressor)


class Model(NamedTuple):
    """A fitted estimator, or several that are averaged.

    Attributes
    ----------
    name : str
        Of the estimator's class.
    members : tuple of Fitted
    shares : tuple of float
        Of the members; their sum is one.
    """

    name: str
    members: tuple[Fitted, ...]
    shares: tuple[float, ...]

    @property
    def target(self) -> Target:
        """What it predicts."""
        return self.members[0].target


class Answer(NamedTuple):
    """What is predicted: probabilities (n, c), or numbers, in a dtype."""

    value: str
    dtype: Any


def model_of(estimator: Any) -> Model:
    """What a graph is made of.

    Raises
    ------
    TypeError
        If the estimator, or a member of it, has no graph.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    _check(estimator)
    check_is_fitted(estimator)
    name = type(estimator).__name__
    if isinstance(estimator, BaseMLP):
        return Model(name, (fitted_of(estimator),), (1.0,))
    for member in estimator.estimators_:
        if isinstance(member, Pipeline) or not isinstance(member, BaseMLP):
            raise TypeError(
                f"The {name} has a member that is a {type(member).__name__}, which has no ONNX "
                f"graph here. Put the preprocessing before the ensemble, make_pipeline(..., {name}"
                "(...)), and convert the pipeline with skl2onnx."
            )
        _check(member)
    members = tuple(fitted_of(member) for member in estimator.estimators_)
    return Model(name, members, tuple(estimator.weights_.tolist()))


def answer(graph: Graph, model: Model, inputs: list[Input]) -> Answer:
    """The mean of the members' answers to a table."""
    answers = [_of_member(graph, each, inputs) for each in model.members]
    if len(answers) == 1:
        return answers[0]
    dtype = np.result_type(*(each.dtype for each in answers)).type
    weighted = [
        graph.add("Mul", graph.cast(each.value, dtype, each.dtype), dtype(share))
        for each, share in zip(answers, model.shares, strict=True)
    ]
    return Answer(graph.add("Sum", *weighted), dtype)


def _of_member(graph: Graph, fitted: Fitted, inputs: list[Input]) -> Answer:
    network = folded(fitted.network, resolve(np.zeros(0)))
    own, count = network.weights[0].dtype.type, len(network.weights[0])
    table = Table(graph, inputs, fitted.columns.kinds)
    raw = raw_outputs(graph, network, see(table, fitted.columns, own))
    dtype, target = output_dtype(inputs, fitted.columns), fitted.target
    value, shares = graph.cast(raw, dtype, own), fitted.weights or [1.0 / count] * count
    if fitted.averages_raw:
        value = targets.mean(graph, value, shares, dtype)
    value = targets.linked(graph, target.loss, value, dtype)
    if not fitted.averages_raw:
        value = targets.mean(graph, value, shares, dtype)
    if not isinstance(target, NumericTarget):
        return Answer(targets.probabilities(graph, target, value, dtype), dtype)
    value, dtype = targets.in_units(graph, target, value, dtype)
    return Answer(targets.decoded(graph, target, value), dtype)


def _check(estimator: Any) -> None:
    """Refuse what is no model of this library, or predicts by code of its own."""
    name = type(estimator).__name__
    if isinstance(estimator, type):
        raise TypeError(f"to_onnx takes a fitted estimator, got the class {estimator.__name__}.")
    if not isinstance(estimator, CLASSIFIERS + REGRESSORS):
        raise TypeError(
            f"to_onnx takes {', '.join(each.__name__ for each in CLASSIFIERS + REGRESSORS)}, and "
            f"searches over them, got {name}. For a Pipeline, or another estimator around one of "
            "them, call sknorm.export.register_converters() and skl2onnx.to_onnx(model, X)."
        )
    methods = ("predict",) if isinstance(estimator, REGRESSORS) else ("predict", "predict_proba")
    own = library_class(estimator)
    for method in methods:
        changed = getattr(type(estimator), method) is not getattr(own, method)
        if changed or method in vars(estimator):
            raise TypeError(
                f"{name} has a method {method} of its own, which no ONNX graph can repeat. Export "
                f"a {own.__name__}."
            )
