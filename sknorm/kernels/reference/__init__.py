"""The numerical kernels in portable array-API code: documentation, test oracle and fallback.

T stands for the compute dtype, float32 or float64; K for the members of the stack. Arrays that
members may share have a leading axis of R (or M) entries, 1 or K. Outputs are the last arguments
and written in place. The packages beside this one override these functions by name.
"""

from sknorm.kernels.reference.affine_block import affine_block_backward, affine_block_forward
from sknorm.kernels.reference.augmentation import mixup, noise
from sknorm.kernels.reference.batch_block import batch_block_backward, batch_block_forward
from sknorm.kernels.reference.group_steps import adam_group_step, group_norms, sgd_group_step
from sknorm.kernels.reference.layer_block import layer_block_backward, layer_block_forward
from sknorm.kernels.reference.losses import (
    binary_log_loss,
    multiclass_log_loss,
    soft_multiclass_log_loss,
    squared_error,
)
from sknorm.kernels.reference.regression_losses import (
    absolute_error,
    gamma,
    huber,
    pinball,
    poisson,
)
from sknorm.kernels.reference.rows import (
    begin_step,
    column_extremes,
    column_moments,
    dropout,
    gather,
    gather_sparse,
    matmul,
)
from sknorm.kernels.reference.spectral import singular_value_threshold
from sknorm.kernels.reference.steps import adam_step, clip_gradient, restore_norms, sgd_step

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
    "gather_sparse",
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
    "singular_value_threshold",
    "soft_multiclass_log_loss",
    "squared_error",
]
