"""The head: the linear map to the raw outputs, whose bias the kernels of the losses add."""

from typing import Any

from sknorm.backends.program import Operation
from sknorm.network.layers.base import Buffer, Layer, Work


class Head(Layer):
    """``z = x W``, for raw outputs ``z + b``."""

    @property
    def name(self) -> str:
        return "head"

    @property
    def vectors(self) -> dict[str, float | None]:
        return {"bias": None}

    def buffers(self, rows: int, keeps_masks: bool) -> dict[str, Buffer]:
        """The outputs, whose gradient takes their place."""
        return {"out": Buffer((rows, self.fan_out))}

    def forward(self, work: Work) -> list[Operation]:
        product = work.backend.product(work["x"], self.dense(work["weight"]), work["out"])
        return [product, *self.add_rows(work, work["out"], 0, self.fan_out)]

    def backward(self, work: Work) -> list[Operation]:
        """The gradient of the weights; the losses' kernels write that of the bias."""
        dweight = self.dense(work["dweight"])
        product = work.backend.product(work["x"].mT, work["out"], dweight)
        return [product, *self.sum_rows(work, 0, self.fan_out)]

    def fold(self, learned: dict[str, Any]) -> tuple[Any, Any]:
        """Weights and biases as they are."""
        return learned["weight"], learned["bias"]
