"""From a fitted estimator to a model in ONNX's format."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sknorm._typing import Estimator, Flag, Integer
from sknorm.data.numeric import NumericTarget
from sknorm.ensembles.members import best_of
from sknorm.export.onnx import targets
from sknorm.export.onnx.graph import ML, TEXT, Graph, numbered
from sknorm.export.onnx.inputs import inputs_of
from sknorm.export.onnx.models import Answer, Model, answer, model_of
from sknorm.export.onnx.proto import Output, assemble, require

if TYPE_CHECKING:
    import onnx

OLDEST_OPSET, DEFAULT_OPSET = 13, 18


def to_onnx(
    estimator: Estimator,
    X: Any = None,
    *,
    zipmap: Flag = False,
    target_opset: Integer | None = None,
) -> "onnx.ModelProto":
    """Write down a fitted model as an ONNX graph, which predicts without this library.

    The graph holds all that ``predict`` and ``predict_proba`` do to a raw table: scaling, missing
    values, bins and categories, the networks with their norms folded, and the mean over members.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, EnsembleClassifier or EnsembleRegressor
        Fitted; or a fitted search, of which the best estimator is taken. Pipelines are converted
        by skl2onnx, see :func:`sknorm.export.register_converters`.
    X : table of shape (n_samples, n_features), default=None
        A few rows whose dtypes the inputs take. Without it, numbers are float32, or float64 if
        the networks compute in it or float32 does not hold what the columns differ in.
    zipmap : bool, default=False
        Whether probabilities are a map from class to probability for each row, as skl2onnx
        returns them by default, in place of an array.
    target_opset : int, default=None
        Version of the operators, at least 13; None is 18, which onnxruntime 1.14 and later run.

    Returns
    -------
    onnx.ModelProto
        ``onnx.save(model, path)`` makes a file of it. Of a table without categories, the only
        input is ``X`` of shape (n, n_features); else each column is an input (n, 1) of its name.
        A classifier's outputs are ``label`` (n,) and ``probabilities`` (n, n_classes), or
        ``output_label`` and ``output_probability`` with ``zipmap``; of multilabel targets,
        ``label`` is the indicator matrix. A regressor's is ``variable``, of shape (n, n_outputs)
        or, for a list of quantiles, with a last axis for these. The number of rows n is free.

    Raises
    ------
    ImportError
        If onnx is not installed: ``pip install "sknorm[onnx]"``.
    TypeError
        If the estimator has no graph.
    ValueError
        If X has other columns, or labels, names or ``target_opset`` have no place in a graph.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Notes
    -----
    Missing numbers are NaN. Missing text is ``"nan"``, ``"None"``, ``"<NA>"`` or ``"NaT"``, which
    runtimes make of Python's missing values, unless the model knows a level of that name. The
    graph does not check its inputs: ``predict`` refuses infinite numbers, a graph computes
    something of them.

    Examples
    --------
    >>> import numpy as np
    >>> import onnxruntime
    >>> from sklearn.datasets import load_iris
    >>> import sknorm
    >>> X, y = load_iris(return_X_y=True)
    >>> X = X.astype(np.float32)
    >>> model = sknorm.MLPClassifier(preset="fast", max_iter=5, random_state=0).fit(X, y)
    >>> graph = sknorm.to_onnx(model, X)
    >>> session = onnxruntime.InferenceSession(graph.SerializeToString())
    >>> label, probabilities = session.run(None, {"X": X})
    >>> bool(np.allclose(probabilities, model.predict_proba(X), atol=1e-5))
    True
    """
    onnx = require("onnx")
    opset = checked_opset(target_opset, onnx.defs.onnx_opset_version())
    model = model_of(best_of(estimator))
    inputs = inputs_of(model.members, X)
    graph = Graph(numbered(each.name for each in inputs))
    names = [graph.name(each) for each in output_names(model, zipmap=bool(zipmap))]
    found = answer(graph, model, inputs)
    outputs = write_outputs(graph, model, found, names, zipmap=bool(zipmap))
    return assemble(graph, inputs, outputs, opset, model.name)


def checked_opset(asked: Any, newest: int) -> int:
    """The version of the operators."""
    if asked is None:
        return DEFAULT_OPSET
    whole = isinstance(asked, int | np.integer) and not isinstance(asked, bool)
    if not whole or not OLDEST_OPSET <= asked <= newest:
        raise ValueError(
            f"target_opset must be an integer from {OLDEST_OPSET} to {newest}, the newest version "
            f"that the installed onnx knows, or None for {DEFAULT_OPSET}, got {asked!r}."
        )
    return int(asked)


def output_names(model: Model, *, zipmap: bool = False) -> tuple[str, ...]:
    """The names of a graph's outputs, as skl2onnx gives them.

    Raises
    ------
    ValueError
        If the outputs of a regressor are to be maps.
    """
    if not isinstance(model.target, NumericTarget):
        names = ("label", "probabilities")
        return ("output_label", "output_probability") if zipmap else names
    if zipmap:
        raise ValueError("zipmap=True maps classes to probabilities, but the model is a regressor.")
    return ("variable",)


def write_outputs(
    graph: Graph, model: Model, found: Answer, names: Sequence[str], *, zipmap: bool = False
) -> list[Output]:
    """What a model predicts, under these names."""
    target, shape = model.target, targets.shape(model.target)
    if isinstance(target, NumericTarget):
        graph.write(names[0], "Identity", found.value)
        return [Output(names[0], np.dtype(found.dtype), shape)]
    graph.write(names[0], "Identity", targets.labels(graph, target, found.value, found.dtype))
    label = Output(names[0], *targets.label_type(target))
    if not zipmap:
        graph.write(names[1], "Identity", found.value)
        return [label, Output(names[1], np.dtype(found.dtype), shape)]
    keys = targets.map_keys(target)
    narrow = graph.cast(found.value, "f4", found.dtype)  # of other numbers there are no maps
    graph.write(names[1], "ZipMap", narrow, domain=ML, **keys)
    kind = TEXT if "classlabels_strings" in keys else np.dtype(np.int64)
    return [label, Output(names[1], np.dtype(np.float32), (), kind)]
