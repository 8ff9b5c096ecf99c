"""A graph in ONNX's own types, which need the package onnx."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from sknorm._version import __version__
from sknorm.export.onnx.graph import ELEMENTS, ML, TEXT, Graph, Node
from sknorm.export.onnx.table import Input

_ML_OPSET = 3
_ROWS = "N"  # the name of the number of rows, which is free


class Output(NamedTuple):
    """An output of a graph.

    Attributes
    ----------
    name : str
    dtype : dtype
        Of its entries, or of the values of a map.
    shape : tuple of int
        Of one row; not of a map.
    keys : dtype or None
        If it is a map for each row, that of its keys.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    keys: np.dtype | None = None


def require(name: str) -> Any:
    """A package of the extra ``onnx``.

    Raises
    ------
    ImportError
        That names the extra, if it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # it is there, and lacks something itself
            raise
        raise ImportError(
            f"The export of models to ONNX needs {name}, which is not installed: "
            'pip install "sknorm[onnx]".'
        ) from error


def assemble(
    graph: Graph, inputs: Sequence[Input], outputs: Sequence[Output], opset: int, name: str
) -> Any:
    """An ``onnx.ModelProto`` of a graph, for the oldest format that its operators can be in."""
    onnx = require("onnx")
    whole = onnx.helper.make_graph(
        [_node(onnx, node, number) for number, node in enumerate(graph.nodes)],
        name,
        [_value(onnx, each.name, each.dtype, (each.width,)) for each in inputs],
        [_output(onnx, each) for each in outputs],
        [tensor(each, values) for each, values in graph.constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid(ML, _ML_OPSET)]
    return onnx.helper.make_model(
        whole,
        opset_imports=opsets,
        ir_version=onnx.helper.find_min_ir_version_for(opsets),
        producer_name="sknorm",
        producer_version=__version__,
        doc_string=f"{name} of sknorm {__version__}",
    )


def tensor(name: str, values: np.ndarray) -> Any:
    """An ``onnx.TensorProto`` of an array."""
    onnx = require("onnx")
    if values.dtype == TEXT:
        return onnx.helper.make_tensor(name, ELEMENTS[TEXT], values.shape, values.ravel().tolist())
    return onnx.numpy_helper.from_array(values, name)


def _node(onnx: Any, node: Node, number: int) -> Any:
    return onnx.helper.make_node(
        node.operator,
        node.inputs,
        node.outputs,
        name=f"{node.operator}_{number}",
        domain=node.domain,
        **node.attributes,
    )


def _value(onnx: Any, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> Any:
    return onnx.helper.make_tensor_value_info(name, ELEMENTS[dtype], (_ROWS, *shape))


def _output(onnx: Any, each: Output) -> Any:
    if each.keys is None:
        return _value(onnx, each.name, each.dtype, each.shape)
    value = onnx.helper.make_tensor_type_proto(ELEMENTS[each.dtype], [])
    row = onnx.helper.make_map_type_proto(ELEMENTS[each.keys], value)
    return onnx.helper.make_value_info(each.name, onnx.helper.make_sequence_type_proto(row))
