"""Array libraries behind one interface; no other part of the package knows them apart."""

from sknorm.backends.base import Backend
from sknorm.backends.portable import to_host
from sknorm.backends.select import (
    NAMES,
    as_array,
    compiled_backend,
    fetched,
    in_kind,
    is_on_host,
    resolve,
    take_rows,
)

__all__ = [
    "NAMES",
    "Backend",
    "as_array",
    "compiled_backend",
    "fetched",
    "in_kind",
    "is_on_host",
    "resolve",
    "take_rows",
    "to_host",
]
