"""Embeddings of numbers, linear between the edges of bins.

The warps of a block share a vector's gradient: they take the rows of the batch in turns, and their
sums are added in their order. Each vector looks at all rows, so that the time of a gradient grows
with the number of bins, as that of an embedding hardly does.
"""

from functools import lru_cache

import numpy as np

from sknorm.kernels.cuda.launcher import Array, c_type, check_contiguous, constant, launch
from sknorm.kernels.cuda.rows import turns_of_rows

_THREADS = 256
_WARP = 32
_VECTORS = _THREADS // _WARP  # of a column, whose gradient a block computes


def number_embedding_forward(
    rows: Array,
    count: int,
    low: Array,
    gain: Array,
    plan: np.ndarray,
    numbers: Array,
    table: Array,
    sums: Array,
    x: Array,
) -> None:
    """Embeddings, written; see :func:`sknorm.kernels.reference.number_embedding_forward`."""
    given = {"rows": rows, "low": low, "gain": gain, "plan": plan, "numbers": numbers}
    check_contiguous(**given, table=table, sums=sums, x=x)
    (members, n, m), (batches, _, d), t = x.shape, numbers.shape, table.shape[1]
    inputs, vectors = _inputs(plan.tobytes())
    number = inputs.shape[0]
    if n == 0 or number == 0:
        return
    kind, columns = (c_type(x),), constant(inputs)
    if vectors > 0:
        grid = (-(-number // _THREADS), members)
        arguments = (columns, table, number, t, sums)
        launch("numbers", "number_embedding_sums", kind, grid, (_THREADS,), arguments)
    sizes = (rows.shape[1], count, *low.shape, batches, n, d, number, t, m)
    arguments = (rows, low, gain, columns, numbers, table, sums, *sizes, x)
    turns = turns_of_rows(members, n, number, 1)
    launch("numbers", "number_embedding_forward", kind, *turns, arguments)


def number_embedding_backward(
    rows: Array,
    count: int,
    low: Array,
    gain: Array,
    plan: np.ndarray,
    numbers: Array,
    dx: Array,
    sums: Array,
    dtable: Array,
) -> None:
    """Their gradient; see :func:`sknorm.kernels.reference.number_embedding_backward`."""
    given = {"rows": rows, "low": low, "gain": gain, "plan": plan, "numbers": numbers}
    check_contiguous(**given, dx=dx, sums=sums, dtable=dtable)
    (members, n, m), (batches, _, d), t = dx.shape, numbers.shape, dtable.shape[1]
    inputs, vectors = _inputs(plan.tobytes())
    if vectors == 0:
        return
    number = inputs.shape[0]
    sizes = (rows.shape[1], count, *low.shape, batches, n, d, number, m, t)
    arguments = (rows, low, gain, constant(inputs), numbers, dx, *sizes, dtable)
    grid = (-(-vectors // _VECTORS), members, -(-number // _WARP))
    launch("numbers", "number_embedding_backward", (c_type(dx),), grid, (_THREADS,), arguments)


@lru_cache(maxsize=64)
def _inputs(plan: bytes) -> tuple[np.ndarray, int]:
    """The table of the input's columns, as numbers.cu takes it, and the most vectors of one."""
    rows = np.frombuffer(plan, dtype=np.int64).reshape(-1, 5).tolist()
    columns = [
        (number, first + j, width, begin + j, start, bins)
        for number, (first, width, begin, start, bins) in enumerate(rows)
        for j in range(max(1, width))
    ]
    most = max((1 + bins for _, width, _, _, bins in rows if width > 0), default=0)
    return np.array(columns, dtype=np.int64).reshape(-1, 6), most
