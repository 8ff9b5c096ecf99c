"""Assembling a batch: rows gathered, standardized and cast in one pass."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel
from sknorm.kernels.cpu.random import drop, keys

U = np.uint64  # an unsigned index needs no check for counting from the end


@helper
def _gather_rows(source, rows, offset, factor, out):
    width = U(offset.size)
    for i in range(rows.size):
        row = U(rows[i])
        for j in range(width):
            out[i, j] = out.dtype.type((np.float64(source[row, j]) - offset[j]) * factor[j])


@helper
def _gather_targets(source, rows, out):
    for i in range(rows.size):
        row = U(rows[i])
        for j in range(out.shape[1]):
            out[i, j] = source[row, j]


@kernel
def gather(X, y, weight, rows, offset, factor, x_out, y_out, weight_out):
    """Rows of the data, standardized, with their targets and weights."""
    for r in range(rows.shape[0]):
        _gather_rows(X, rows[r], offset, factor, x_out[r])
        _gather_targets(y, rows[r], y_out[r])
    for r in range(weight_out.shape[0]):
        chosen = rows[r if rows.shape[0] > 1 else 0]
        source = weight[r if weight.shape[0] > 1 else 0]
        for i in range(chosen.size):
            weight_out[r, i] = source[U(chosen[i])]


@kernel
def dropout(rate, seed, step, layer, out):
    """Inverted dropout in place."""
    for k in range(out.shape[0]):
        if rate[k] > 0.0:
            key, late_key = keys(seed[k], step, layer)
            drop(0, out.shape[1], 0, out.shape[2], key, late_key, rate[k], out[k])
