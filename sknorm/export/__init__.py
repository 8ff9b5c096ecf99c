"""Fitted models in files and graphs that live without their process."""

from sknorm.export.models import load, save
from sknorm.export.onnx import register_converters, to_onnx

__all__ = ["load", "register_converters", "save", "to_onnx"]
