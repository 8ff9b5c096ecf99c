"""The numerical kernels in portable array-API code: documentation, test oracle and fallback.

T stands for the compute dtype, float32 or float64; K for the members of the stack. Arrays that
members may share have a leading axis of R (or M) entries, 1 or K. Outputs are the last arguments
and written in place. The packages beside this one override these functions by name.
"""

from sknorm.kernels.reference import losses, regression_losses
from sknorm.kernels.reference.affine_block import affine_block_backward, affine_block_forward
from sknorm.kernels.reference.augmentation import mixup, noise
from sknorm.kernels.reference.batch_block import batch_block_backward, batch_block_forward
from sknorm.kernels.reference.categories import (
    category_rows_backward,
    category_rows_forward,
    drop_codes,
    embedding_backward,
    embedding_forward,
    take_codes,
)
from sknorm.kernels.reference.group_steps import adam_group_step, group_norms, sgd_group_step
from sknorm.kernels.reference.layer_block import layer_block_backward, layer_block_forward
from sknorm.kernels.reference.losses import *  # noqa: F403
from sknorm.kernels.reference.numbers import number_embedding_backward, number_embedding_forward
from sknorm.kernels.reference.regression_losses import *  # noqa: F403
from sknorm.kernels.reference.rows import (
    add,
    begin_step,
    column_extremes,
    column_moments,
    copy,
    dropout,
    gather,
    gather_sparse,
    matmul,
    squash,
)
from sknorm.kernels.reference.spectral import singular_value_threshold
from sknorm.kernels.reference.steps import adam_step, clip_gradient, restore_norms, sgd_step

__all__ = [
    *losses.__all__,
    *regression_losses.__all__,
    "adam_group_step",
    "adam_step",
    "add",
    "affine_block_backward",
    "affine_block_forward",
    "batch_block_backward",
    "batch_block_forward",
    "begin_step",
    "category_rows_backward",
    "category_rows_forward",
    "clip_gradient",
    "column_extremes",
    "column_moments",
    "copy",
    "drop_codes",
    "dropout",
    "embedding_backward",
    "embedding_forward",
    "gather",
    "gather_sparse",
    "group_norms",
    "layer_block_backward",
    "layer_block_forward",
    "matmul",
    "mixup",
    "noise",
    "number_embedding_backward",
    "number_embedding_forward",
    "restore_norms",
    "sgd_group_step",
    "sgd_step",
    "singular_value_threshold",
    "squash",
    "take_codes",
]
