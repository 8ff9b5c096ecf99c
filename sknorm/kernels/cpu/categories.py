"""Categories: the codes of a batch, rows of weights and embeddings, in the order of the batch."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel, scalar, shares
from sknorm.kernels.cpu.random import is_kept, keys, threshold

U = np.uint64  # an unsigned index needs no check for counting from the end


@helper
def _take_codes(codes, columns, rows, before, starts, places, out):
    for i in range(rows.size):
        row = U(rows[i] - before)
        for c in range(U(starts.size)):
            code = codes[row, U(columns[c])] if columns[c] >= 0 else 0
            out[i, c] = places[U(starts[c] + code)]


@shares("codes", "columns", "starts", "places")
@kernel
def take_codes(codes, columns, rows, starts, places, out):
    """Places of the codes of a batch's rows."""
    for r in range(rows.shape[0] if rows.size > 0 else 0):
        view = rows[r, 0] // codes.shape[0] if places.shape[0] > 1 else 0
        before = view * codes.shape[0]
        _take_codes(codes, columns, rows[r], before, starts, places[view], out[r])


@helper
def _drop_codes(rate, key, late_key, out):
    limit = threshold(rate)
    for i in range(U(out.shape[0])):
        for c in range(U(out.shape[1])):
            if not is_kept(i, c, out.shape[1], key, late_key, limit):
                out[i, c] = -1


@kernel
def drop_codes(rate, seed, step, layer, out):
    """Places dropped at random."""
    for k in range(out.shape[0]):
        if rate[k] > 0.0:
            key, late_key = keys(seed[k], step, layer)
            _drop_codes(rate[k], key, late_key, out[k])


@scalar
def _factors(share, rate):
    """What a row's own entries count, and those of the row that it is mixed with."""
    gain = 1.0 / (1.0 - rate)
    return gain * share, gain * (1.0 - share)


@helper
def _add(factor, source, out):
    scale = out.dtype.type(factor)
    for j in range(U(out.size)):
        out[j] += scale * source[j]


@helper
def _put(factor, source, out):
    scale = out.dtype.type(factor)
    for j in range(U(out.size)):
        out[j] = scale * source[j]


@helper
def _clear(out):
    for j in range(U(out.size)):
        out[j] = 0


@shares("columns")
@kernel
def category_rows_forward(codes, columns, share, rate, weight, first, start, stop, z):
    """Rows of the weights that categories have, added to the product of the other inputs."""
    n = z.shape[1]
    for k in range(z.shape[0]):
        own, other = _factors(share[k], rate[k])
        places = codes[k % codes.shape[0]]
        for i in range(n):
            for c in columns:
                if places[i, c] >= 0:
                    _add(own, weight[k, first + places[i, c], start:stop], z[k, i, start:stop])
                if share[k] < 1.0 and places[n - 1 - i, c] >= 0:
                    row = first + places[n - 1 - i, c]
                    _add(other, weight[k, row, start:stop], z[k, i, start:stop])


@shares("columns")
@kernel
def category_rows_backward(codes, columns, share, rate, dz, first, start, stop, dweight):
    """Gradient of the rows of weights that categories have."""
    n = dz.shape[1]
    for k in range(dz.shape[0]):
        own, other = _factors(share[k], rate[k])
        places = codes[k % codes.shape[0]]
        for row in range(first, dweight.shape[1]):
            _clear(dweight[k, row, start:stop])
        for i in range(n):
            for c in columns:
                if places[i, c] >= 0:
                    _add(own, dz[k, i, start:stop], dweight[k, first + places[i, c], start:stop])
                if share[k] < 1.0 and places[n - 1 - i, c] >= 0:
                    row = first + places[n - 1 - i, c]
                    _add(other, dz[k, i, start:stop], dweight[k, row, start:stop])


@shares("plan")
@kernel
def embedding_forward(codes, share, rate, plan, table, x):
    """Embeddings of categories, written into columns of the input."""
    n = x.shape[1]
    for k in range(x.shape[0]):
        own, other = _factors(share[k], rate[k])
        places = codes[k % codes.shape[0]]
        for e in range(plan.shape[0]):
            c, place, width, begin = plan[e, 0], plan[e, 1], plan[e, 2], plan[e, 3]
            for i in range(n):
                out = x[k, i, place : place + width]
                if places[i, c] >= 0:
                    at = begin + places[i, c] * width
                    _put(own, table[k, at : at + width], out)
                else:
                    _clear(out)
                if share[k] < 1.0 and places[n - 1 - i, c] >= 0:
                    at = begin + places[n - 1 - i, c] * width
                    _add(other, table[k, at : at + width], out)


@shares("plan")
@kernel
def embedding_backward(codes, share, rate, plan, first, dx, dtable):
    """Gradient of embeddings."""
    n = dx.shape[1]
    for k in range(dx.shape[0]):
        own, other = _factors(share[k], rate[k])
        places = codes[k % codes.shape[0]]
        _clear(dtable[k])
        for e in range(plan.shape[0]):
            c, place, width, begin = plan[e, 0], plan[e, 1] - first, plan[e, 2], plan[e, 3]
            for i in range(n):
                part = dx[k, i, place : place + width]
                if places[i, c] >= 0:
                    at = begin + places[i, c] * width
                    _add(own, part, dtable[k, at : at + width])
                if share[k] < 1.0 and places[n - 1 - i, c] >= 0:
                    at = begin + places[n - 1 - i, c] * width
                    _add(other, part, dtable[k, at : at + width])
