"""Fitted models in forms that live without this library."""

from sknorm.export.onnx import register_converters, to_onnx

__all__ = ["register_converters", "to_onnx"]
