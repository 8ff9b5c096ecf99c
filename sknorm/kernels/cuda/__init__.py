"""The kernels in CUDA C++, compiled at run time: the reference's names and signatures."""

from sknorm.kernels.cuda.affine_block import affine_block_backward, affine_block_forward
from sknorm.kernels.cuda.augmentation import mixup
from sknorm.kernels.cuda.batch_block import batch_block_backward, batch_block_forward
from sknorm.kernels.cuda.columns import column_extremes, column_moments
from sknorm.kernels.cuda.group_steps import adam_group_step, group_norms, sgd_group_step
from sknorm.kernels.cuda.layer_block import layer_block_backward, layer_block_forward
from sknorm.kernels.cuda.losses import (
    absolute_error,
    binary_log_loss,
    gamma,
    huber,
    multiclass_log_loss,
    pinball,
    poisson,
    soft_multiclass_log_loss,
    squared_error,
)
from sknorm.kernels.cuda.products import matmul
from sknorm.kernels.cuda.rows import begin_step, dropout, gather, noise
from sknorm.kernels.cuda.steps import adam_step, clip_gradient, restore_norms, sgd_step

__all__ = [
    "absolute_error",
    "adam_group_step",
    "adam_step",
    "affine_block_backward",
    "affine_block_forward",
    "batch_block_backward",
    "batch_block_forward",
    "begin_step",
    "binary_log_loss",
    "clip_gradient",
    "column_extremes",
    "column_moments",
    "dropout",
    "gamma",
    "gather",
    "group_norms",
    "huber",
    "layer_block_backward",
    "layer_block_forward",
    "matmul",
    "mixup",
    "multiclass_log_loss",
    "noise",
    "pinball",
    "poisson",
    "restore_norms",
    "sgd_group_step",
    "sgd_step",
    "soft_multiclass_log_loss",
    "squared_error",
]
