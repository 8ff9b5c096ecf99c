"""From columns that were found to a table of numbers and codes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sknorm.backends import resolve
from sknorm.data.coded import MISSING, CodeColumn, CodedTable
from sknorm.data.raw.content import Codes

_CHUNK = 1 << 16  # values that are written together: reading columns, writing rows


def assemble_numbers(columns: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """Columns of numbers as a float32 or float64 array (rows, n_columns), in C order."""
    common = np.result_type(*columns) if columns else np.dtype(np.float64)
    dtype = common if common in (np.float32, np.float64) else np.float64
    numbers = np.empty((rows, len(columns)), dtype=dtype)
    for part in _parts(numbers):
        for target, values in zip(numbers[part].T, columns, strict=True):
            target[:] = values[part]
    return numbers


def assemble(
    numbers: Any,
    numeric: tuple[int, ...],
    categories: Sequence[tuple[CodeColumn, Codes]],
    missing: Sequence[tuple[int, np.ndarray]],
) -> CodedTable:
    """A table of numbers (n, n_numeric), categories, and where numeric columns are missing.

    Parameters
    ----------
    numbers : array
    numeric : tuple of int
        The columns of X that they are.
    categories : sequence of (CodeColumn, Codes)
    missing : sequence of (int, bool array of shape (n,))
        With the column of X.
    """
    width = len(categories) + len(missing)
    codes = np.empty((int(numbers.shape[0]), width), dtype=np.int32)
    for part in _parts(codes):
        for target, (_, found) in zip(codes[part].T, categories, strict=False):
            target[:] = found.table.take(found.values[part], mode="wrap")  # -1 is its last entry
        for target, (_, flags) in zip(codes[part, len(categories) :].T, missing, strict=True):
            target[:] = flags[part]
    if numbers.shape[1] == 0:  # kernels take at least one column
        numbers = resolve(numbers).zeros((int(numbers.shape[0]), 1), numbers.dtype)
    level = np.array([True])
    coded = [column for column, _ in categories]
    coded += [CodeColumn(feature, MISSING, level) for feature, _ in missing]
    return CodedTable(numbers, numeric, codes, tuple(coded), len(numeric) + len(categories))


def _parts(table: np.ndarray) -> list[slice]:
    rows = max(64, _CHUNK // max(1, table.shape[1]))
    return [slice(start, start + rows) for start in range(0, table.shape[0], rows)]
