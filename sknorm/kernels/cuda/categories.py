"""Categories: the codes of a batch, rows of weights and embeddings.

A gradient's sums are taken in the order of the batch, each by one warp. So they need no scratch and
no atomics, but each row of weights, and each vector of an embedding, looks at all codes of the
batch: the time of a gradient grows with the product of the numbers of both.
"""

from functools import lru_cache

import numpy as np

from sknorm.kernels.cuda.launcher import Array, c_type, check_contiguous, constant, keyed, launch
from sknorm.kernels.cuda.rows import turns_of_rows
from sknorm.kernels.cuda.tiles import width_of

_THREADS = 256
_WARP = 32
_WARPS = _THREADS // _WARP
_BLOCKS = 132 * 8  # of a member, that fill an H200; other places follow in their loops


def take_codes(
    codes: Array, columns: Array, rows: Array, starts: Array, places: Array, out: Array
) -> None:
    """Places of a batch's codes; see :func:`sknorm.kernels.reference.take_codes`."""
    given = {"codes": codes, "columns": columns, "rows": rows, "starts": starts, "places": places}
    check_contiguous(**given, out=out)
    batches, n, c = out.shape
    if c == 0:
        return
    arguments = (*given.values(), *codes.shape, *places.shape, n, c, out)
    turns = turns_of_rows(batches, n, c, 1)
    launch("categories", "take_codes", (c_type(codes),), *turns, arguments)


def drop_codes(rate: Array, seed: Array, step: int, layer: int, out: Array) -> None:
    """Places dropped at random; see :func:`sknorm.kernels.reference.drop_codes`."""
    check_contiguous(rate=rate, seed=seed, out=out)
    members, n, c = out.shape
    if c == 0:
        return
    arguments = (*keyed(rate, seed, step, layer), n, c, out)
    turns = turns_of_rows(members, n, c, 1)
    launch("categories", "drop_codes", (c_type(out),), *turns, arguments)


def category_rows_forward(
    codes: Array,
    columns: Array,
    share: Array,
    rate: Array,
    weight: Array,
    first: int,
    start: int,
    stop: int,
    z: Array,
) -> None:
    """Rows of weights, added; see :func:`sknorm.kernels.reference.category_rows_forward`."""
    given = {"codes": codes, "columns": columns, "share": share, "rate": rate, "weight": weight}
    check_contiguous(**given, z=z)
    (members, n, d), h = z.shape, columns.shape[0]
    if h == 0:
        return
    width = width_of(d, start, stop, weight, z)
    sizes = (*codes.shape, h, weight.shape[1], d, first, start, stop)
    turns = turns_of_rows(members, n, stop - start, width)
    types = (c_type(z), str(width))
    arguments = (*given.values(), *sizes, z)
    launch("categories", "category_rows_forward", types, *turns, arguments)


def category_rows_backward(
    codes: Array,
    columns: Array,
    share: Array,
    rate: Array,
    dz: Array,
    first: int,
    start: int,
    stop: int,
    dweight: Array,
) -> None:
    """Their gradient; see :func:`sknorm.kernels.reference.category_rows_backward`."""
    given = {"codes": codes, "columns": columns, "share": share, "rate": rate, "dz": dz}
    check_contiguous(**given, dweight=dweight)
    members, m, d = dweight.shape
    if m == first or start == stop:
        return
    width = width_of(d, start, stop, dz, dweight)
    tiles = -(-(stop - start) // (_WARP * width))
    sizes = (*codes.shape, columns.shape[0], m, d, first, start, stop)
    turns = _turns_of_places(members, m - first, tiles)
    types = (c_type(dz), str(width))
    arguments = (*given.values(), *sizes, dweight)
    launch("categories", "category_rows_backward", types, *turns, arguments)


def embedding_forward(
    codes: Array, share: Array, rate: Array, plan: np.ndarray, table: Array, x: Array
) -> None:
    """Embeddings, written; see :func:`sknorm.kernels.reference.embedding_forward`."""
    check_contiguous(codes=codes, share=share, rate=rate, plan=plan, table=table, x=x)
    members, n, m = x.shape
    columns = _embedded_columns(plan.tobytes())
    embedded = columns.shape[0]
    if embedded == 0:
        return
    sizes = (*codes.shape, embedded, table.shape[1], m)
    arguments = (codes, share, rate, constant(columns), table, *sizes, x)
    turns = turns_of_rows(members, n, embedded, 1)
    launch("categories", "embedding_forward", (c_type(x),), *turns, arguments)


def embedding_backward(
    codes: Array, share: Array, rate: Array, plan: np.ndarray, first: int, dx: Array, dtable: Array
) -> None:
    """Their gradient; see :func:`sknorm.kernels.reference.embedding_backward`."""
    check_contiguous(codes=codes, share=share, rate=rate, plan=plan, dx=dx, dtable=dtable)
    members, _, w = dx.shape
    if plan.shape[0] == 0:
        return
    sizes = (*codes.shape, first, w, dtable.shape[1])
    arguments = (codes, share, rate, constant(plan), dx, *sizes, dtable)
    turns = _turns_of_places(members, int(plan[:, 4].max()), plan.shape[0])
    launch("categories", "embedding_backward", (c_type(dx),), *turns, arguments)


def _turns_of_places(
    members: int, places: int, parts: int
) -> tuple[tuple[int, int, int], tuple[int]]:
    """Grid and block of kernels whose warps take places in turns, in so many parts of a member."""
    blocks = min(max(1, -(-places // _WARPS)), max(1, _BLOCKS // parts))
    return (blocks, members, parts), (_THREADS,)


@lru_cache(maxsize=64)
def _embedded_columns(plan: bytes) -> np.ndarray:
    """The table of the input's embedded columns, as categories.cu takes it."""
    rows = np.frombuffer(plan, dtype=np.int64).reshape(-1, 5).tolist()
    columns = [
        (column, first + j, width, begin + j)
        for column, first, width, begin, _ in rows
        for j in range(width)
    ]
    return np.array(columns, dtype=np.int64).reshape(-1, 4)
