"""The kernels of the NumPy backend: fused loops compiled by Numba, and BLAS."""

from sknorm.kernels.cpu import losses, regression_losses
from sknorm.kernels.cpu.affine_block import affine_block_backward, affine_block_forward
from sknorm.kernels.cpu.augmentation import mixup, noise
from sknorm.kernels.cpu.batch_block import batch_block_backward, batch_block_forward
from sknorm.kernels.cpu.categories import (
    category_rows_backward,
    category_rows_forward,
    drop_codes,
    embedding_backward,
    embedding_forward,
    take_codes,
)
from sknorm.kernels.cpu.group_steps import adam_group_step, group_norms, sgd_group_step
from sknorm.kernels.cpu.layer_block import layer_block_backward, layer_block_forward
from sknorm.kernels.cpu.losses import *  # noqa: F403
from sknorm.kernels.cpu.moments import column_extremes, column_moments
from sknorm.kernels.cpu.numbers import number_embedding_backward, number_embedding_forward
from sknorm.kernels.cpu.products import matmul
from sknorm.kernels.cpu.regression_losses import *  # noqa: F403
from sknorm.kernels.cpu.rows import (
    add,
    copy,
    dropout,
    gather,
    gather_sparse,
    squash,
)
from sknorm.kernels.cpu.spectral import singular_value_threshold
from sknorm.kernels.cpu.steps import adam_step, clip_gradient, restore_norms, sgd_step

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
