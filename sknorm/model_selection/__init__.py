"""Choosing the strength of the regularization."""

from sknorm.model_selection.path import RegularizationPath, regularization_path

__all__ = ["RegularizationPath", "regularization_path"]
