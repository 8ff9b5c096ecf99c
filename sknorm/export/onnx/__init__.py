"""Fitted models as ONNX graphs, by themselves or in Pipelines that skl2onnx converts."""

from sknorm.export.onnx.convert import to_onnx
from sknorm.export.onnx.converters import register_converters

__all__ = ["register_converters", "to_onnx"]
