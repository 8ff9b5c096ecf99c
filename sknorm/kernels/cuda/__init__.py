"""The kernels in CUDA C++, compiled at run time: the reference's names and signatures."""

from sknorm.kernels.cuda import losses
from sknorm.kernels.cuda.affine_block import affine_block_backward, affine_block_forward
from sknorm.kernels.cuda.augmentation import mixup
from sknorm.kernels.cuda.batch_block import batch_block_backward, batch_block_forward
from sknorm.kernels.cuda.categories import (
    category_rows_backward,
    category_rows_forward,
    drop_codes,
    embedding_backward,
    embedding_forward,
    take_codes,
)
from sknorm.kernels.cuda.columns import column_extremes, column_moments
from sknorm.kernels.cuda.group_steps import adam_group_step, group_norms, sgd_group_step
from sknorm.kernels.cuda.layer_block import layer_block_backward, layer_block_forward
from sknorm.kernels.cuda.losses import *  # noqa: F403
from sknorm.kernels.cuda.numbers import number_embedding_backward, number_embedding_forward
from sknorm.kernels.cuda.products import matmul
from sknorm.kernels.cuda.rows import begin_step, dropout, gather, noise, squash
from sknorm.kernels.cuda.steps import adam_step, clip_gradient, restore_norms, sgd_step

__all__ = [
    *losses.__all__,
    "adam_group_step",
    "adam_step",
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
    "drop_codes",
    "dropout",
    "embedding_backward",
    "embedding_forward",
    "gather",
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
    "squash",
    "take_codes",
]
