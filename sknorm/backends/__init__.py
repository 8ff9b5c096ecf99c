"""Array libraries behind one interface; no other part of the package knows them apart."""

from sknorm.backends.base import Backend
from sknorm.backends.select import resolve

__all__ = ["Backend", "resolve"]
