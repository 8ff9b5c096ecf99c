"""Array libraries behind one interface; no other part of the package knows them apart."""

from sknorm.backends.base import Backend
from sknorm.backends.orders import shuffle, shufflers
from sknorm.backends.portable import readable, to_host
from sknorm.backends.select import (
    NAMES,
    PRECISIONS,
    as_array,
    collect,
    compiled_backend,
    fetched,
    host,
    in_kind,
    is_on_host,
    is_pandas_frame,
    keeps_kind,
    resolve,
    take_rows,
)
from sknorm.backends.threads import side_by_side

__all__ = [
    "NAMES",
    "PRECISIONS",
    "Backend",
    "as_array",
    "collect",
    "compiled_backend",
    "fetched",
    "host",
    "in_kind",
    "is_on_host",
    "is_pandas_frame",
    "keeps_kind",
    "readable",
    "resolve",
    "shuffle",
    "shufflers",
    "side_by_side",
    "take_rows",
    "to_host",
]
