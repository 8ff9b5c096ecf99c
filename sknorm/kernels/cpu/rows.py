"""Assembling a batch: rows gathered, standardized and cast in one pass."""

import numpy as np

from sknorm.kernels.cpu.compiler import helper, kernel
from sknorm.kernels.cpu.random import drop, keys


@helper
def _gather_row(source, offset, factor, out):
    for j in range(out.size):
        out[j] = out.dtype.type((np.float64(source[j]) - offset[j]) * factor[j])


@kernel
def gather(X, y, weight, rows, offset, factor, x_out, y_out, weight_out):
    """Rows of the data, standardized, with their targets and weights."""
    for r in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            row = rows[r, i]
            _gather_row(X[row], offset, factor, x_out[r, i])
            for j in range(y.shape[1]):
                y_out[r, i, j] = y[row, j]
    for r in range(weight_out.shape[0]):
        chosen = rows[r if rows.shape[0] > 1 else 0]
        source = weight[r if weight.shape[0] > 1 else 0]
        for i in range(chosen.size):
            weight_out[r, i] = source[chosen[i]]


@kernel
def dropout(rate, seed, step, layer, out):
    """Inverted dropout in place."""
    for k in range(out.shape[0]):
        if rate[k] > 0.0:
            key, late_key = keys(seed[k], step, layer)
            drop(0, out.shape[1], 0, out.shape[2], key, late_key, rate[k], out[k])
