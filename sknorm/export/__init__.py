"""Models in files that run no code as they are read."""

from sknorm.export.models import load, save

__all__ = ["load", "save"]
