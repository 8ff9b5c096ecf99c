"""Tables as users have them: columns of any dtype, of any library, as numbers and codes."""

from sknorm.data.raw.assemble import assemble, assemble_numbers
from sknorm.data.raw.chosen import choose
from sknorm.data.raw.content import Place
from sknorm.data.raw.decide import by_choice, by_dtype, by_fit
from sknorm.data.raw.read import (
    Columns,
    Raw,
    as_table,
    open_array,
    open_table,
    read,
    refuse_columns,
)

__all__ = [
    "Columns",
    "Place",
    "Raw",
    "as_table",
    "assemble",
    "assemble_numbers",
    "by_choice",
    "by_dtype",
    "by_fit",
    "choose",
    "open_array",
    "open_table",
    "read",
    "refuse_columns",
]
