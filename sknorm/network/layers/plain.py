"""The hidden block without a norm: bias, activation and dropout."""

from typing import Any, ClassVar

from sknorm.network.layers.block import Block


class PlainBlock(Block):
    """The shift is the bias."""

    kernel: ClassVar[str] = "affine_block"

    def fold(self, learned: dict[str, Any], statistics: Any, xp: Any) -> tuple[Any, Any, Any]:
        """As they are."""
        return learned["weight"], learned["shift"], None
