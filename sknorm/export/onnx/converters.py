"""Converters of our estimators for skl2onnx, which puts them into graphs of whole Pipelines."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV

from sknorm.data.numeric import NumericTarget
from sknorm.export.onnx import targets
from sknorm.export.onnx.convert import OLDEST_OPSET, write_outputs
from sknorm.export.onnx.graph import ML, TEXT, Graph
from sknorm.export.onnx.inputs import output_dtype
from sknorm.export.onnx.models import CLASSIFIERS, REGRESSORS, Answer, Model, answer, model_of
from sknorm.export.onnx.proto import require, tensor
from sknorm.export.onnx.table import Input
from sknorm.model_selection import StackedGridSearchCV, StackedRandomizedSearchCV

_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [True, False],  # numbers in the place of labels
}
_ML_OPSET = 2  # of LabelEncoder: skl2onnx knows no later version of that domain than the third


def register_converters() -> None:
    """Make skl2onnx convert our estimators, by themselves or in Pipelines, searches and ensembles.

    Call it once before ``skl2onnx.to_onnx(model, X)`` or ``skl2onnx.convert_sklearn``; further
    calls change nothing. As skl2onnx has it, the inputs have the dtypes of X, each column is an
    input if X is a data frame, and classifiers return maps unless ``options={"zipmap": False}``.

    Raises
    ------
    ImportError
        If skl2onnx is not installed: ``pip install "sknorm[onnx]"``.

    See Also
    --------
    sknorm.to_onnx : The graph of an estimator by itself, without skl2onnx.

    Examples
    --------
    >>> import numpy as np
    >>> import skl2onnx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknorm import MLPClassifier
    >>> from sknorm.export import register_converters
    >>> X, y = load_iris(return_X_y=True)
    >>> X = X.astype(np.float32)
    >>> network = MLPClassifier(preset="fast", max_iter=5, random_state=0)
    >>> model = make_pipeline(PCA(2), network).fit(X, y)
    >>> register_converters()
    >>> graph = skl2onnx.to_onnx(model, X, options={"zipmap": False})
    >>> [output.name for output in graph.graph.output]
    ['label', 'probabilities']
    """
    library = require("skl2onnx")
    for each in CLASSIFIERS + REGRESSORS:
        options = _OPTIONS if each in CLASSIFIERS else None
        alias = f"Sknorm{each.__name__}"
        library.update_registered_converter(
            each, alias, _shapes, _convert, overwrite=True, options=options
        )
    convert, shapes, parse = _of_searches()
    for search in (StackedGridSearchCV, StackedRandomizedSearchCV):
        library.update_registered_converter(
            search, "SklearnGridSearchCV", shapes, convert,
            overwrite=True, options="passthrough", parser=parse,
        )  # fmt: skip


def _of_searches() -> tuple[Any, Any, Any]:
    """What skl2onnx does with a search: it converts what was refitted."""
    convert = require("skl2onnx.operator_converters.grid_search_cv")
    shapes = require("skl2onnx.shape_calculators.grid_search_cv")
    parsers = require("skl2onnx._parse").sklearn_parsers_map
    name = "convert_sklearn_grid_search_cv"
    return getattr(convert, name), getattr(shapes, name), parsers[GridSearchCV]


def _shapes(operator: Any) -> None:
    """The types of the outputs of an operator."""
    model, inputs = _model_and_inputs(operator)
    dtype = output_dtype(inputs, model.members[0].columns)
    rows = operator.inputs[0].type.shape[0] if operator.inputs[0].type.shape else None
    target = model.target
    if isinstance(target, NumericTarget):
        dtype = target.units_for(dtype)[0].dtype
    else:
        kind, shape = targets.label_type(target)
        operator.outputs[0].type = _type(kind, [rows, *shape])
        dtype = np.float32 if _is_mapped(operator) else dtype
    operator.outputs[-1].type = _type(dtype, [rows, *targets.shape(target)])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Put the graph of an estimator into a container."""
    for domain, oldest in (("", OLDEST_OPSET), (ML, _ML_OPSET)):
        asked = container.target_opset_any_domain(domain)
        if asked < oldest:
            raise ValueError(
                f"target_opset asks for version {asked} of the domain {domain!r}, but the graphs "
                f"of sknorm need {oldest} or later."
            )
    model, inputs = _model_and_inputs(operator)
    graph = Graph(scope.get_unique_variable_name)
    found = answer(graph, model, inputs)
    if _is_mapped(operator):
        found = Answer(graph.cast(found.value, "f4", found.dtype), np.float32)
    write_outputs(graph, model, found, [each.full_name for each in operator.outputs])
    for name, values in graph.constants.items():
        if values.dtype == TEXT:
            element = tensor(name, values).data_type
            container.add_initializer(name, element, list(values.shape), values.ravel().tolist())
        else:
            container.add_initializer(name, None, None, tensor(name, values))
    for node in graph.nodes:
        own = scope.get_unique_operator_name(node.operator)
        place = {"op_domain": node.domain, "name": own}
        place |= {"op_version": _ML_OPSET} if node.domain else {}
        container.add_node(
            node.operator, list(node.inputs), list(node.outputs), **place, **node.attributes
        )


def _is_mapped(operator: Any) -> bool:
    """Whether probabilities go into maps, of which there are none but of float32."""
    others = operator.scope_inst.operators.values()
    maps = [each for each in others if each.type == "SklearnZipMap"]
    return any(operator.outputs[-1] is value for each in maps for value in each.inputs)


def _model(operator: Any) -> Model:
    """The model of an operator; its labels are numbers under the option ``nocl``."""
    estimator = operator.raw_operator
    model = model_of(estimator)
    if isinstance(model.target, NumericTarget):
        return model
    if not operator.scope_inst.get_options(estimator, {"nocl": False})["nocl"]:
        return model
    first, *others = model.members
    target: Any = model.target
    numbered = replace(target, classes=np.arange(len(target.classes)))
    return model._replace(members=(replace(first, target=numbered), *others))


def _model_and_inputs(operator: Any) -> tuple[Model, list[Input]]:
    """The model of an operator, and what it is given."""
    model = _model(operator)
    known = model.members[0].columns.kinds.n_features
    given = [(each, _width(each)) for each in operator.inputs]
    rest = known - sum(width or 0 for _, width in given)
    widths = [rest if width is None else width for _, width in given]
    dtypes = [_dtype(each.type) for each, _ in given]
    names = [each.full_name for each, _ in given]
    return model, [Input(*each) for each in zip(names, dtypes, widths, strict=True)]


def _width(variable: Any) -> int | None:
    """Columns of an input; None if nobody has said how many."""
    shape = variable.type.shape
    return shape[1] if shape and len(shape) == 2 and isinstance(shape[1], int) else None


def _dtype(kind: Any) -> np.dtype:
    """The dtype of a type of skl2onnx's."""
    known: dict[str, Any] = {
        "FloatTensorType": "f4",
        "DoubleTensorType": "f8",
        "Float16TensorType": "f2",
        "BooleanTensorType": "?",
        "StringTensorType": object,
    }
    name = type(kind).__name__
    if name in known:
        return np.dtype(known[name])
    return np.dtype(name.removesuffix("TensorType").lower())


def _type(dtype: Any, shape: list[Any]) -> Any:
    """A type of skl2onnx's."""
    types = require("skl2onnx.common.data_types")
    known = {"f": types.FloatTensorType, "d": types.DoubleTensorType, "O": types.StringTensorType}
    known |= {"?": types.BooleanTensorType, "l": types.Int64TensorType, "q": types.Int64TensorType}
    return known[np.dtype(dtype).char](shape)
