"""Activations as operators that runtimes have in float32 and in float64 alike."""

import math
from collections.abc import Callable
from typing import Any

from sknorm.export.onnx.graph import Graph
from sknorm.kernels import codes

Activate = Callable[[Graph, str, Any], str]


def identity(graph: Graph, x: str, dtype: Any) -> str:
    """The input itself."""
    return x


def logistic(graph: Graph, x: str, dtype: Any) -> str:
    """1 / (1 + exp(-x))."""
    return graph.add("Sigmoid", x)


def tanh(graph: Graph, x: str, dtype: Any) -> str:
    """Hyperbolic tangent."""
    return graph.add("Tanh", x)


def relu(graph: Graph, x: str, dtype: Any) -> str:
    """max(x, 0)."""
    return graph.add("Relu", x)


def leaky_relu(graph: Graph, x: str, dtype: Any) -> str:
    """max(x, slope x), for a slope below one."""
    return graph.add("Max", x, graph.add("Mul", x, dtype(codes.LEAKY_SLOPE)))


def elu(graph: Graph, x: str, dtype: Any) -> str:
    """max(x, 0) + exp(min(x, 0)) - 1."""
    return graph.add("Add", graph.add("Relu", x), _decay(graph, x, dtype))


def selu(graph: Graph, x: str, dtype: Any) -> str:
    """scale (max(x, 0) + alpha (exp(min(x, 0)) - 1))."""
    negative = graph.add("Mul", _decay(graph, x, dtype), dtype(codes.SELU_ALPHA))
    both = graph.add("Add", graph.add("Relu", x), negative)
    return graph.add("Mul", both, dtype(codes.SELU_SCALE))


def gelu(graph: Graph, x: str, dtype: Any) -> str:
    """x (1 + erf(x / sqrt(2))) / 2, with erf in float32, as onnxruntime has it in no other."""
    narrow = graph.cast(graph.add("Mul", x, dtype(math.sqrt(0.5))), "f4", dtype)
    erf = graph.cast(graph.add("Erf", narrow), dtype, "f4")
    half = graph.add("Mul", x, dtype(0.5))
    return graph.add("Mul", half, graph.add("Add", erf, dtype(1.0)))


def silu(graph: Graph, x: str, dtype: Any) -> str:
    """x / (1 + exp(-x))."""
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def mish(graph: Graph, x: str, dtype: Any) -> str:
    """x tanh(log(1 + e)) = x w / (w + 2), with w = e (e + 2) and e = exp(x).

    Beyond 30 the quotient is one to rounding, and e need not grow.
    """
    e = graph.add("Exp", graph.add("Min", x, dtype(30.0)))
    w = graph.add("Mul", e, graph.add("Add", e, dtype(2.0)))
    return graph.add("Mul", x, graph.add("Div", w, graph.add("Add", w, dtype(2.0))))


def _decay(graph: Graph, x: str, dtype: Any) -> str:
    """exp(min(x, 0)) - 1."""
    e = graph.add("Exp", graph.add("Min", x, dtype(0.0)))
    return graph.add("Sub", e, dtype(1.0))


ACTIVATIONS: dict[str, Activate] = {
    "identity": identity,
    "logistic": logistic,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "gelu": gelu,
    "silu": silu,
    "mish": mish,
}
