"""Changes of a batch in training, beside dropout: normal noise and mixup."""

from sknorm.kernels.cpu.compiler import helper, kernel
from sknorm.kernels.cpu.random import add_normal


@kernel
def noise(deviation, seed, step, layer, out):
    """Normal noise in place."""
    for k in range(out.shape[0]):
        if deviation[k] > 0.0:
            add_normal(deviation[k], seed[k], step, layer, out[k])


@helper
def _mix_pair(other, a, b):
    """Two rows, with a share of the other in each."""
    for j in range(a.size):
        towards = other * (b[j] - a[j])
        a[j] += towards
        b[j] -= towards


@helper
def _mix_rows(share, rows):
    other, n = rows.dtype.type(1.0 - share), rows.shape[0]
    for i in range(n // 2):
        _mix_pair(other, rows[i], rows[n - 1 - i])


@kernel
def mixup(share, x, y, weight):
    """Mixtures of a batch's rows with those in reverse order, in place."""
    for k in range(x.shape[0]):
        if share[k] < 1.0:
            _mix_rows(share[k], x[k])
            _mix_rows(share[k], y[k])
            _mix_rows(share[k], weight[k].reshape(weight.shape[1], 1))
