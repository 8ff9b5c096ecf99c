"""Embeddings of numbers, linear between the edges of bins: two vectors each, whatever the bins."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel, scalar, shares

U = np.uint64  # an unsigned index needs no check for counting from the end


@helper
def _sum_up(table, width, sums):
    """For each bin, the sum of the vectors of those below; none in the place of the slope."""
    for j in range(U(width)):
        sums[j] = 0
        sums[U(width) + j] = 0
    for place in range(U(2 * width), U(table.size)):
        sums[place] = sums[U(place - width)] + table[U(place - width)]


@scalar
def _bins_from(low, z):
    """How many bins begin at z or below."""
    found = 0
    for t in range(U(low.size)):
        found += 1 if z >= low[t] else 0
    return found


@scalar
def _share(low, gain, found, z):
    """What z fills of the last of those bins."""
    return min((z - low[U(found - 1)]) * gain[U(found - 1)], 1.0) if found > 0 else 0.0


@helper
def _embed(low, gain, numbers, column, width, table, sums, x, first):
    kind = x.dtype.type
    for i in range(U(x.shape[0])):
        z = numbers[i, U(column)]
        found = _bins_from(low, np.float64(z))
        share = kind(_share(low, gain, found, np.float64(z)))
        own = U(found * width)  # below all bins the slope's: it has no share, and no sum
        for j in range(U(width)):
            x[i, U(first) + j] = sums[own + j] + z * table[j] + share * table[own + j]


@helper
def _copy_column(numbers, column, x, first):
    for i in range(U(x.shape[0])):
        x[i, U(first)] = numbers[i, U(column)]


@shares("low", "gain", "plan")
@kernel
def number_embedding_forward(rows, count, low, gain, plan, numbers, table, sums, x):
    """Embeddings of numbers, written into columns of the input."""
    for k in range(x.shape[0] if rows.size > 0 else 0):
        r = k % numbers.shape[0]
        view = rows[r, 0] // count if low.shape[0] > 1 else 0
        for c in range(plan.shape[0]):
            first, width, begin, start, bins = plan[c]
            if width == 0:
                _copy_column(numbers[r], c, x[k], first)
                continue
            own, part = slice(start, start + bins), slice(begin, begin + (1 + bins) * width)
            _sum_up(table[k, part], width, sums[k, part])
            ends = low[view, own], gain[view, own]
            _embed(*ends, numbers[r], c, width, table[k, part], sums[k, part], x[k], first)


@helper
def _unembed(low, gain, numbers, column, width, dx, first, sums, dtable):
    """The gradient, but that of full bins: of these there are sums at the bin that is not."""
    for j in range(U(dtable.size)):
        sums[j] = 0
        dtable[j] = 0
    kind = dx.dtype.type
    for i in range(U(dx.shape[0])):
        z = numbers[i, U(column)]
        found = _bins_from(low, np.float64(z))
        share = kind(_share(low, gain, found, np.float64(z)))
        own = U(found * width)
        for j in range(U(width)):
            value = dx[i, U(first) + j]
            sums[own + j] += value
            dtable[j] += z * value
        if found > 0:
            for j in range(U(width)):
                dtable[own + j] += share * dx[i, U(first) + j]


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

    Terms are added in the order of the batch, those of a bin that is full after those in which it
    is filled.
    """
    for k in range(dx.shape[0]):
        r = k % numbers.shape[0]
        view = rows[r, 0] // count if low.shape[0] > 1 and rows.size > 0 else 0
        for c in range(plan.shape[0]):
            first, width, begin, start, bins = plan[c]
            if width > 0:
                own, part = slice(start, start + bins), slice(begin, begin + (1 + bins) * width)
                ends = low[view, own], gain[view, own]
                place = sums[k, part], dtable[k, part]
                _unembed(*ends, numbers[r], c, width, dx[k], first, *place)
                _spread(width, bins, *place)
