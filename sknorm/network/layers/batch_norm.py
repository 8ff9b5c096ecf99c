"""The hidden block under batch norm, or ghost norm, whose groups are parts of the batch."""

from functools import cache
from typing import Any, ClassVar

import numpy as np

from sknorm.network.layers.base import Buffer
from sknorm.network.layers.block import Block, multiply_columns

_MOMENTS = 8  # rows of a group's statistics, of which some are scratch


@cache
def ghost_groups(rows: int, size: int) -> np.ndarray:
    """Boundaries of sub-batches of about ``size`` rows, of sizes that differ by at most one.

    ``ceil(rows / size)`` of them, but never one of a single row.
    """
    count = max(1, min(-(-rows // size), rows // 2))
    return np.array([i * rows // count for i in range(count + 1)], dtype=np.int64)


class BatchNormBlock(Block):
    """Statistics of the batch in training, of all training rows at inference."""

    is_normalized: ClassVar[bool] = True
    kernel: ClassVar[str] = "batch_block"

    def groups(self, rows: int) -> np.ndarray:
        """Where the parts of a batch begin and end that have statistics of their own."""
        ghost = self.architecture.normalization == "ghost"
        return ghost_groups(rows, self.architecture.ghost_batch_size if ghost else rows)

    def buffers(self, rows: int, keeps_masks: bool) -> dict[str, Buffer]:
        statistics = Buffer((len(self.groups(rows)) - 1, _MOMENTS, self.fan_out))
        return {**super().buffers(rows, keeps_masks), "statistics": statistics}

    def settings(self, rows: int) -> dict[str, Any]:
        return {**super().settings(rows), "groups": self.groups(rows)}

    def fold(self, learned: dict[str, Any], statistics: Any, xp: Any) -> tuple[Any, Any, Any]:
        r"""Weights :math:`W \gamma / \sigma` and shifts :math:`\beta - \mu \gamma / \sigma`.

        With the inference mean mu and variance sigma^2 - epsilon.
        """
        scale, shift = self.affine(learned, xp)
        gain = scale / xp.sqrt(statistics[:, 1, :] + self.architecture.norm_epsilon)
        weight = multiply_columns(learned["weight"], gain, xp)
        return weight, xp.astype(shift - statistics[:, 0, :] * gain, weight.dtype), None
