"""Assembling a batch: rows gathered, standardized and cast in one pass."""

import numpy as np

from sknorm.kernels.codes import FAR
from sknorm.kernels.cpu.compiler import helper, kernel, shares
from sknorm.kernels.cpu.random import drop, keys

U = np.uint64  # an unsigned index needs no check for counting from the end


@helper
def _add(x, out):
    for i in range(U(out.shape[0])):
        for j in range(U(out.shape[1])):
            out[i, j] += x[i, j]


@kernel
def add(x, out):
    """Sum in place."""
    for k in range(out.shape[0]):
        _add(x[k], out[k])


@helper
def _copy(x, out):
    for i in range(U(out.shape[0])):
        for j in range(U(out.shape[1])):
            out[i, j] = x[i, j]


@kernel
def copy(x, out):
    """Copy."""
    for k in range(out.shape[0]):
        _copy(x[k], out[k])


@helper
def _gather_rows(source, rows, before, offset, factor, out):
    width = U(offset.size)
    for i in range(rows.size):
        row = U(rows[i] - before)
        for j in range(width):
            out[i, j] = out.dtype.type((np.float64(source[row, j]) - offset[j]) * factor[j])


@helper
def _gather_targets(source, rows, out):
    for i in range(rows.size):
        row = U(rows[i])
        for j in range(out.shape[1]):
            out[i, j] = source[row, j]


@helper
def _gather_weights(source, rows, out):
    for i in range(rows.size):
        out[i] = source[U(rows[i])]


@shares("X", "y", "offset", "factor")
@kernel
def gather(X, y, weight, rows, offset, factor, x_out, y_out, weight_out):
    """Rows of the data, standardized, with their targets and weights."""
    for r in range(rows.shape[0] if rows.size > 0 else 0):
        view = rows[r, 0] // X.shape[0]
        _gather_rows(X, rows[r], view * X.shape[0], offset[view], factor[view], x_out[r])
        _gather_targets(y, rows[r], y_out[r])
    for m in range(weight_out.shape[0]):
        _gather_weights(weight[m % weight.shape[0]], rows[m % rows.shape[0]], weight_out[m])


@helper
def _squash(clip, fill, x):
    one, far = x.dtype.type(1), x.dtype.type(FAR)
    for i in range(U(x.shape[0])):
        for j in range(U(clip.size)):
            value, bound = x[i, j], x.dtype.type(clip[j])
            most = far / bound  # infinite without a bound
            near = min(max(value, -most), most)
            small = near / np.sqrt(one + (bound * near) * (bound * near))
            x[i, j] = x.dtype.type(fill[j]) if np.isnan(value) else small


@shares("clip", "fill")
@kernel
def squash(rows, count, clip, fill, x):
    """Gaps filled, and far values pulled in."""
    for r in range(rows.shape[0] if rows.size > 0 else 0):
        view = rows[r, 0] // count if clip.shape[0] > 1 else 0
        _squash(clip[view], fill[view], x[r])


@helper
def _empty_row(offset, factor, out):
    for j in range(out.size):
        out[j] = out.dtype.type((0.0 - offset[j]) * factor[j])


@helper
def _copy_row(source, out):
    for j in range(out.size):
        out[j] = source[j]


@helper
def _store(values, columns, offset, factor, out):
    for p in range(values.size):
        j = U(columns[p])
        out[j] = out.dtype.type((np.float64(values[p]) - offset[j]) * factor[j])


@shares("values", "columns", "starts", "y", "offset", "factor")
@kernel
def gather_sparse(
    values, columns, starts, y, weight, rows, offset, factor, x_out, y_out, weight_out
):
    """Rows of data in CSR format as dense rows, standardized, with their targets and weights."""
    count = starts.size - 1
    for r in range(rows.shape[0] if rows.size > 0 else 0):
        view = rows[r, 0] // count
        _empty_row(offset[view], factor[view], x_out[r, 0])
        for i in range(rows.shape[1] - 1, -1, -1):
            if i > 0:  # the first row takes its values last, as all start as its copy
                _copy_row(x_out[r, 0], x_out[r, i])
            row = U(rows[r, i] - view * count)
            part = slice(starts[row], starts[row + U(1)])
            _store(values[part], columns[part], offset[view], factor[view], x_out[r, i])
    for r in range(rows.shape[0]):
        _gather_targets(y, rows[r], y_out[r])
    for m in range(weight_out.shape[0]):
        _gather_weights(weight[m % weight.shape[0]], rows[m % rows.shape[0]], weight_out[m])


@kernel
def dropout(rate, seed, step, layer, out):
    """Inverted dropout in place."""
    for k in range(out.shape[0]):
        if rate[k] > 0.0:
            key, late_key = keys(seed[k], step, layer)
            drop(0, out.shape[1], 0, out.shape[2], key, late_key, rate[k], out[k])
