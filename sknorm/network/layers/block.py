"""What hidden blocks have in common: the linear map, dropout, skips, and how a layer is cut."""

import itertools
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from array_api_compat import device

from sknorm.backends import Backend
from sknorm.backends.program import Operation, side_by_side
from sknorm.kernels.codes import ACTIVATIONS
from sknorm.network.layers.base import Buffer, Layer, Work, no_mask

# A layer is cut into pieces of columns where its products take at least this many operations:
# below, threads that share it gain less than it costs to meet, and smaller products take longer.
_CUT_FROM = 8.0e6
_NARROWEST_PIECE = 64
_PIECES = 2
_ROWS = 1024  # of weights that are folded together: their products in float64 stay in a cache


def pieces(rows: int, fan_in: int, fan_out: int) -> list[tuple[int, int]]:
    """Columns at which a layer is cut; a function of the shapes alone."""
    if 2.0 * rows * fan_in * fan_out < _CUT_FROM or fan_out < _PIECES * _NARROWEST_PIECE:
        return [(0, fan_out)]
    count = _PIECES if fan_out < 8 * 128 else fan_out // 256
    bounds = [round(i * fan_out / count / 16) * 16 for i in range(count)] + [fan_out]
    return list(itertools.pairwise(bounds))


class Block(Layer):
    """Linear, norm, activation and dropout; subclasses have the kernels of their norm."""

    kernel: ClassVar[str]  # before `_forward` and `_backward`

    @property
    def name(self) -> str:
        return f"blocks.{self.index}"

    @cached_property
    def skips(self) -> bool:
        """Whether the block adds its input to its output: the table itself is never added."""
        return self.architecture.residual and self.index > 0 and self.fan_in == self.fan_out

    @cached_property
    def activation(self) -> int:
        return ACTIVATIONS[self.architecture.activation]

    @cached_property
    def key(self) -> int:
        """The layer of the block's random numbers; 0 is the input."""
        return self.index + 1

    @property
    def vectors(self) -> dict[str, float | None]:
        if not self.is_normalized:
            return {"shift": None}
        return {"scale": 1.0, "shift": 0.0} if self.architecture.norm_affine else {}

    def buffers(self, rows: int, keeps_masks: bool) -> dict[str, Buffer]:
        """Around the product, sums, and constants in place of what a norm does not learn.

        Once the next layer has its weights' gradient, nobody needs the block's output: its buffer
        takes the gradient. A third less memory to go through.
        """
        out = Buffer((rows, self.fan_out))
        made = {"z": out, "out": out, "accumulators": Buffer((2, self.fan_out), "float64")}
        made["mask"] = Buffer((rows, self.fan_out) if keeps_masks else (0, 0), "uint8")
        if self.skips:
            made["skip"] = out
        if not self.vectors:
            vector = Buffer((self.fan_out,))
            made |= dict.fromkeys(("shift", "dscale", "dshift"), vector)
            made["scale"] = vector._replace(value=1.0)
        return made

    def cuts(self, backend: Backend, rows: int) -> list[tuple[int, int]]:
        """Columns of the pieces into which the block is cut."""
        return pieces(rows, self.fan_in, self.fan_out) if backend.cuts_layers else [self._whole]

    def forward(self, work: Work) -> list[Operation]:
        """What computes the block's output."""

        def of(start: int, stop: int) -> list[Operation]:
            part = self._part(start, stop)
            out, dense = part(work["out"]), part(self.dense(work["weight"]))
            product = work.backend.product(work["x"], dense, part(work["z"]))
            made = [product, *self.add_rows(work, work["z"], start, stop)]
            made.append(self.bind("forward", work, start, stop))
            if self.skips:
                made.append(work.backend.bind("add", {"x": part(work["x"]), "out": out}))
            return made

        cuts = self.cuts(work.backend, work["z"].shape[1])
        return side_by_side(work.backend, [of(*cut) for cut in cuts])

    def backward(self, work: Work, after: Work) -> list[Operation]:
        """What computes the gradients of its parameters and of its Linear's output.

        The next layer, which works ``after`` it, has the gradient of its own product by then, and
        what reaches this block's output past it.
        """
        skipped = after.arrays.get("skip")

        def of(start: int, stop: int) -> list[Operation]:
            part, product, bind = self._part(start, stop), work.backend.product, work.backend.bind
            dout = part(work["out"])
            made = [product(after["out"], part(after["weight"].mT), dout)]
            if skipped is not None:
                made.append(bind("add", {"x": part(skipped), "out": dout}))
            if self.skips:
                made.append(bind("copy", {"x": dout, "out": part(work["skip"])}))
            weight = product(work["x"].mT, dout, part(self.dense(work["dweight"])))
            rows = self.sum_rows(work, start, stop)
            return [*made, self.bind("backward", work, start, stop), weight, *rows]

        cuts = self.cuts(work.backend, work["z"].shape[1])
        return side_by_side(work.backend, [of(*cut) for cut in cuts])

    def bind(self, way: str, work: Work, start: int, stop: int) -> Operation:
        """The forward or backward kernel on the columns from ``start`` to ``stop``."""
        own = {"start": start, "stop": stop, "weight": work["row_weight"], "dout": work["out"]}
        settings = self.settings(work["z"].shape[1])
        return work.backend.bind(f"{self.kernel}_{way}", {**work.arrays, **settings, **own})

    def settings(self, rows: int) -> dict[str, Any]:
        """What the kernels take beside arrays."""
        epsilon = self.architecture.norm_epsilon
        return {"activation": self.activation, "layer": self.key, "epsilon": epsilon}

    def held(self, weight: Any) -> tuple[Any, float]:
        """Weights as columns whose norm the block's norm cancels, and that norm at the start."""
        return weight, self.column_radius

    def fold(self, learned: dict[str, Any], statistics: Any, xp: Any) -> tuple[Any, Any, Any]:
        """Weights, shifts and scales for inference; scales are None where there are none left."""
        raise NotImplementedError

    def affine(self, learned: dict[str, Any], xp: Any) -> tuple[Any, Any]:
        """Scale and shift of a norm in float64, (K, d); one and zero where it has none."""
        weight = learned["weight"]
        one = xp.ones((weight.shape[0], self.fan_out), dtype=xp.float64, device=device(weight))
        scale, shift = learned.get("scale", one), learned.get("shift", 0.0 * one)
        return xp.astype(scale, xp.float64), xp.astype(shift, xp.float64)

    def infer(self, backend: Backend, z: Any, vectors: tuple[Any, Any], drop: tuple) -> Any:
        """Outputs for the product ``z`` with the folded weights, which may be overwritten.

        ``vectors`` are folded shifts and scales, ``drop`` rates, seeds and the number of a step.
        """
        affine_block = backend.kernels.affine_block_forward
        key = self.key, no_mask(backend, z.shape[0])
        affine_block(z, vectors[0], self.activation, *drop, *key, *self._whole, z)
        return z

    @cached_property
    def _whole(self) -> tuple[int, int]:
        return 0, self.fan_out

    def _part(self, start: int, stop: int) -> Callable[[Any], Any]:
        """The columns of an array; itself if they are all."""
        if (start, stop) == self._whole:
            return lambda array: array
        return lambda array: array[..., start:stop]


def multiply_columns(weight: Any, gain: Any, xp: Any) -> Any:
    """``weight * gain`` in the weights' dtype, rounded once, some rows at a time."""
    out = xp.empty_like(weight)
    for start in range(0, weight.shape[1], _ROWS):
        part = slice(start, min(start + _ROWS, weight.shape[1]))
        product = xp.astype(weight[:, part, :], xp.float64) * gain[:, None, :]
        out[:, part, :] = xp.astype(product, out.dtype)
    return out
