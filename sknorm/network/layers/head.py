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
        return [work.backend.product(work["x"], work["weight"], work["out"])]

    def backward(self, work: Work) -> list[Operation]:
        """The gradient of the weights; the losses' kernels write that of the bias."""
        return [work.backend.product(work["x"].mT, work["out"], work["dweight"])]

    def fold(self, learned: dict[str, Any]) -> tuple[Any, Any]:
        """Weights and biases as they are."""
        return learned["weight"], learned["bias"]
