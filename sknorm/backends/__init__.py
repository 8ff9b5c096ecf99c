"""Array libraries behind one interface; no other part of the package knows them apart."""

from sknorm.backends.base import Backend
from sknorm.backends.select import as_array, compiled_backend, resolve

__all__ = ["Backend", "as_array", "compiled_backend", "resolve"]
