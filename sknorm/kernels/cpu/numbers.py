"""Embeddings of numbers, linear between the edges of bins: two vectors each, whatever the bins.

The numbers of some rows are taken at a time: vector code compares all of them with one end of a bin
after the other, which is faster than to look for the bin of each.
"""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel, scalar, shares

U = np.uint64  # an unsigned index needs no check for counting from the end
_ROWS = 128  # that are taken at a time; a multiple of four, or else the order of sums would change


@helper
def _sum_up(table, width, sums):
    """For each bin, the sum of the vectors of those below; none in the place of the slope."""
    for j in range(U(2 * width)):
        sums[j] = 0
    for own in range(U(2 * width), U(table.size), U(width)):
        for j in range(U(width)):
            sums[own + j] = sums[own - U(width) + j] + table[own - U(width) + j]


@scalar
def _end(low, t, kind):
    """The least number of a kind, float32 say, that is not below bin t; NaN if there is none such.

    A number is at least this where it is at least the lower end in float64, and at least NaN never.
    """
    if t >= U(low.size):
        return kind(np.nan)
    near = kind(low[t])
    return near if near >= low[t] else np.nextafter(near, kind(np.inf))


@helper
def _take(low, gain, numbers, column, z, own, share):
    """Numbers, how many bins begin at each or below, and what it fills of the last of these."""
    kind = z.dtype.type
    for i in range(U(numbers.shape[0])):
        z[i] = numbers[i, U(column)]
        own[i] = 0
    for t in range(U(0), U(low.size), U(4)):
        a, b = _end(low, t, kind), _end(low, t + U(1), kind)
        c, d = _end(low, t + U(2), kind), _end(low, t + U(3), kind)
        for i in range(U(numbers.shape[0])):
            own[i] += int(z[i] >= a) + int(z[i] >= b) + int(z[i] >= c) + int(z[i] >= d)
    for i in range(U(numbers.shape[0])):
        here = U(max(own[i] - 1, 0))
        part = min((np.float64(z[i]) - low[here]) * gain[here], 1.0)
        share[i] = part if own[i] > 0 else 0.0


@helper
def _embed(z, own, share, width, table, sums, x, first):
    for i in range(U(x.shape[0])):
        place = U(own[i] * width)  # below all bins the slope's: it has no share, and no sum
        for j in range(U(width)):
            x[i, U(first) + j] = sums[place + j] + z[i] * table[j] + share[i] * table[place + j]


@helper
def _copy_column(numbers, column, x, first):
    for i in range(U(x.shape[0])):
        x[i, U(first)] = numbers[i, U(column)]


@shares("low", "gain", "plan")
@kernel
def number_embedding_forward(rows, count, low, gain, plan, numbers, table, sums, x):
    """Embeddings of numbers, written into columns of the input."""
    z, share = np.empty(_ROWS, x.dtype), np.empty(_ROWS, x.dtype)
    own = np.empty(_ROWS, np.int32)
    for k in range(x.shape[0] if rows.size > 0 else 0):
        r = k % numbers.shape[0]
        view = rows[r, 0] // count if low.shape[0] > 1 else 0
        for c in range(plan.shape[0]):
            first, width, begin, start, bins = plan[c]
            if width == 0:
                _copy_column(numbers[r], c, x[k], first)
                continue
            part = slice(begin, begin + (1 + bins) * width)
            ends = low[view, start : start + bins], gain[view, start : start + bins]
            _sum_up(table[k, part], width, sums[k, part])
            for i in range(0, x.shape[1], _ROWS):
                few = slice(i, i + _ROWS)
                _take(*ends, numbers[r, few], c, z, own, share)
                _embed(z, own, share, width, table[k, part], sums[k, part], x[k, few], first)


@helper
def _clear(values):
    for j in range(U(values.size)):
        values[j] = 0


@helper
def _add_slopes(z, dx, first, slope):
    """Add to the gradient of the slope, four rows at once: each addition waits for the last one."""
    whole = dx.shape[0] // 4 * 4
    for i in range(U(0), U(whole), U(4)):
        a, b, c, d = i, i + U(1), i + U(2), i + U(3)
        for j in range(U(slope.size)):
            q = U(first) + j
            slope[j] += (z[a] * dx[a, q] + z[b] * dx[b, q]) + (z[c] * dx[c, q] + z[d] * dx[d, q])
    for i in range(U(whole), U(dx.shape[0])):
        for j in range(U(slope.size)):
            slope[j] += z[i] * dx[i, U(first) + j]


@helper
def _add_shares(own, share, width, dx, first, sums, dtable):
    """Add to the gradient of bins that are not full, and to the sums for those below, which are."""
    for i in range(U(dx.shape[0])):
        if own[i] > 0:
            place = U(own[i] * width)
            for j in range(U(width)):
                sums[place + j] += dx[i, U(first) + j]
                dtable[place + j] += share[i] * dx[i, U(first) + j]


@helper
def _spread(width, bins, sums, dtable):
    """Add those sums to the bins below."""
    for t in range(bins - 1, 0, -1):
        own, above = U(t * width), U((t + 1) * width)
        for j in range(U(width)):
            dtable[own + j] += sums[above + j]
            sums[own + j] += sums[above + j]


@shares("low", "gain", "plan")
@kernel
def number_embedding_backward(rows, count, low, gain, plan, numbers, dx, sums, dtable):
    """Gradient of the vectors of the embeddings.

    Terms are added in the order of the batch, those of the slope by fours, and those of a bin that
    is full after those in which it is filled.
    """
    z, share = np.empty(_ROWS, dx.dtype), np.empty(_ROWS, dx.dtype)
    own = np.empty(_ROWS, np.int32)
    for k in range(dx.shape[0]):
        r = k % numbers.shape[0]
        view = rows[r, 0] // count if low.shape[0] > 1 and rows.size > 0 else 0
        for c in range(plan.shape[0]):
            first, width, begin, start, bins = plan[c]
            if width == 0:
                continue
            part = slice(begin, begin + (1 + bins) * width)
            ends = low[view, start : start + bins], gain[view, start : start + bins]
            _clear(sums[k, part])
            _clear(dtable[k, part])
            for i in range(0, dx.shape[1], _ROWS):
                few = slice(i, i + _ROWS)
                _take(*ends, numbers[r, few], c, z, own, share)
                _add_slopes(z, dx[k, few], first, dtable[k, begin : begin + width])
                _add_shares(own, share, width, dx[k, few], first, sums[k, part], dtable[k, part])
            _spread(width, bins, sums[k, part], dtable[k, part])
