"""The kernels of the NumPy backend: fused loops compiled by Numba, and BLAS."""

from sknorm.kernels.cpu.affine_block import affine_block_backward, affine_block_forward
from sknorm.kernels.cpu.batch_block import batch_block_backward, batch_block_forward
from sknorm.kernels.cpu.layer_block import layer_block_backward, layer_block_forward
from sknorm.kernels.cpu.losses import binary_log_loss, multiclass_log_loss, squared_error
from sknorm.kernels.cpu.moments import column_moments
from sknorm.kernels.cpu.products import matmul
from sknorm.kernels.cpu.rows import dropout, gather
from sknorm.kernels.cpu.steps import adam_step, clip_gradient, restore_norms, sgd_step

__all__ = [
    "adam_step",
    "affine_block_backward",
    "affine_block_forward",
    "batch_block_backward",
    "batch_block_forward",
    "binary_log_loss",
    "clip_gradient",
    "column_moments",
    "dropout",
    "gather",
    "layer_block_backward",
    "layer_block_forward",
    "matmul",
    "multiclass_log_loss",
    "restore_norms",
    "sgd_step",
    "squared_error",
]
