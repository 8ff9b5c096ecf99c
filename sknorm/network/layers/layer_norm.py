"""The hidden block under layer norm, which couples the columns of a row."""

from typing import Any, ClassVar

import numpy as np
from array_api_compat import array_namespace

from sknorm.backends import Backend
from sknorm.network.layers.base import Buffer, no_mask
from sknorm.network.layers.block import Block


class LayerNormBlock(Block):
    """Statistics of each row, in training as at inference; never cut, and never folded."""

    is_normalized: ClassVar[bool] = True
    kernel: ClassVar[str] = "layer_block"

    def cuts(self, backend: Backend, rows: int) -> list[tuple[int, int]]:
        return [self._whole]

    def buffers(self, rows: int, keeps_masks: bool) -> dict[str, Buffer]:
        return {**super().buffers(rows, keeps_masks), "inverse_std": Buffer((rows,))}

    def held(self, weight: Any) -> tuple[Any, float]:
        """All weights of a network as one column, whose norm the block's norm cancels."""
        column = array_namespace(weight).reshape(weight, (weight.shape[0], -1, 1), copy=False)
        return column, self.column_radius * float(np.sqrt(self.fan_out))

    def fold(self, learned: dict[str, Any], statistics: Any, xp: Any) -> tuple[Any, Any, Any]:
        """As they are: the norm depends on the row."""
        weight = learned["weight"]
        scale, shift = (xp.astype(each, weight.dtype) for each in self.affine(learned, xp))
        return weight, shift, scale

    def infer(self, backend: Backend, z: Any, vectors: tuple[Any, Any], drop: tuple) -> Any:
        xp, (shift, scale) = backend.xp, vectors
        out = xp.empty(z.shape, dtype=z.dtype, device=backend.device)
        inverse_std = xp.empty(z.shape[:2], dtype=z.dtype, device=backend.device)
        norm = scale, shift, self.architecture.norm_epsilon, self.activation
        key = self.key, no_mask(backend, z.shape[0])
        backend.kernels.layer_block_forward(z, *norm, *drop, *key, inverse_std, out)
        return out
