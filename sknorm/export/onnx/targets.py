"""From raw outputs to predictions: links, means over networks, units, quantiles and labels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sknorm.data.classes import ClassTarget, IndicatorTarget
from sknorm.data.numeric import NumericTarget
from sknorm.export.onnx.graph import TEXT, Graph
from sknorm.objective.losses import HELD_SHARE, Loss

_SAFE = 2.0**900  # units in which no prediction leaves float64
_Link = Callable[[Graph, str, Any], str]


def _identity(graph: Graph, raw: str, dtype: Any) -> str:
    return raw


def _exp(graph: Graph, raw: str, dtype: Any) -> str:
    """Held where it would leave the dtype, as the losses hold it."""
    most = HELD_SHARE * float(np.log(np.finfo(dtype).max))
    return graph.add("Exp", graph.add("Min", raw, dtype(most)))


def _logistic(graph: Graph, raw: str, dtype: Any) -> str:
    return graph.add("Sigmoid", raw)


def _softmax(graph: Graph, raw: str, dtype: Any) -> str:
    return graph.add("Softmax", raw, axis=-1)


LINKS: dict[str, _Link] = {  # by the losses' `output_activation`
    "identity": _identity,
    "exp": _exp,
    "logistic": _logistic,
    "softmax": _softmax,
}


def linked(graph: Graph, loss: Loss, raw: str, dtype: Any) -> str:
    """Predictions of each network for raw outputs of a dtype."""
    return LINKS[loss.output_activation](graph, raw, dtype)


def mean(graph: Graph, values: str, shares: Sequence[float], dtype: Any) -> str:
    """The mean over networks (K, n, o) with these shares; a single one is (n, o) already."""
    if len(shares) == 1:
        return values
    weighted = graph.add("Mul", values, np.array(shares, dtype=dtype)[:, None, None])
    return graph.add("ReduceSum", weighted, np.array([0]), keepdims=0)


def in_units(graph: Graph, target: NumericTarget, value: str, dtype: Any) -> tuple[str, Any]:
    """Outputs (n, o) in the units of the targets, and the dtype that holds them."""
    location, scale = target.units_for(dtype)
    wide = location.dtype.type
    value = graph.cast(value, wide, dtype)
    if (scale != 1.0).any():
        value = graph.add("Mul", value, scale[None])
    if location.any():
        value = graph.add("Add", value, location[None])
    if max(np.abs(each).max() for each in target.units) >= _SAFE:
        most = np.finfo(wide).max
        value = graph.add("Clip", value, wide(-most), wide(most))
    return value, wide


def decoded(graph: Graph, target: NumericTarget, value: str) -> str:
    """Outputs as ``predict`` shapes them, but for a single one, which is (n, 1): in order."""
    if not target.loss.adds_axis:
        return value
    levels = target.raw_outputs // target.n_outputs
    value = graph.add("Reshape", value, np.array([0, target.n_outputs, levels]))
    ordered = graph.sort(value, levels)
    return graph.add("Squeeze", ordered, np.array([1])) if target.single else ordered


def shape(target: Any) -> tuple[int, ...]:
    """The shape of predictions of one row: probabilities, or numbers."""
    if isinstance(target, ClassTarget | IndicatorTarget):
        return (len(target.classes),)
    if not target.loss.adds_axis:
        return (target.n_outputs,)
    levels = target.raw_outputs // target.n_outputs
    return (levels,) if target.single else (target.n_outputs, levels)


def probabilities(graph: Graph, target: Any, value: str, dtype: Any) -> str:
    """A column for each class, from the output (n, 1) of two of them, or as they are."""
    if isinstance(target, IndicatorTarget) or len(target.classes) > 2:
        return value
    return graph.concat([graph.add("Sub", dtype(1.0), value), value], 1)


def labels(graph: Graph, target: Any, probability: str, dtype: Any) -> str:
    """The most probable labels (n,), or an indicator matrix of those above one half."""
    if isinstance(target, IndicatorTarget):
        return graph.cast(graph.add("Greater", probability, dtype(0.5)), "i8")
    index = graph.add("ArgMax", probability, axis=1, keepdims=0)
    return graph.add("Gather", class_values(target), index, axis=0)


def label_type(target: Any) -> tuple[np.dtype, tuple[int, ...]]:
    """The dtype and the shape of a row's label, or labels."""
    if isinstance(target, IndicatorTarget):
        return np.dtype(np.int64), (len(target.classes),)
    return class_values(target).dtype, ()


def class_values(target: Any) -> np.ndarray:
    """Class labels as text or int64, as skl2onnx has them; booleans are zero and one.

    Raises
    ------
    ValueError
        If they are neither, such as labels of several types.
    """
    known = target.classes.tolist()
    if all(isinstance(label, str) for label in known):
        return np.array(known, dtype=TEXT)
    whole = all(isinstance(label, int | float) and int(label) == label for label in known)
    if whole and min(known) >= -(1 << 63) and max(known) < 1 << 63:
        return np.array([int(label) for label in known], dtype=np.int64)
    raise ValueError(
        f"The class labels {known[:3]}{'...' * (len(known) > 3)} are neither all text nor all "
        "integers of 64 bits, which an ONNX graph has. Fit to labels that are."
    )


def map_keys(target: Any) -> dict[str, list[Any]]:
    """The keys of maps from class to probability, as the operator ZipMap takes them."""
    values = class_values(target)
    kind = "classlabels_strings" if values.dtype == TEXT else "classlabels_int64s"
    return {kind: values.tolist()}
