"""The shape of a network."""

from dataclasses import dataclass

NORMALIZATIONS = ("batch", "ghost", "layer")


@dataclass(frozen=True)
class Architecture:
    """What all networks of a stack have in common.

    Attributes
    ----------
    sizes : tuple of int
        Widths of the input, the hidden layers and the output.
    activation : str
        Name of the hidden activation.
    normalization : {"batch", "ghost", "layer"} or None
        Norm between each hidden Linear and its activation.
    norm_epsilon : float
        Added to the variance before its root.
    norm_affine : bool
        Whether norms have a learned scale and shift.
    ghost_batch_size : int
        Rows whose statistics are taken together under ghost norm.
    residual : bool
        Whether a hidden block's input is added to its output where their widths agree.
    """

    sizes: tuple[int, ...]
    activation: str
    normalization: str | None
    norm_epsilon: float
    norm_affine: bool
    ghost_batch_size: int
    residual: bool = False

    @property
    def hidden(self) -> int:
        """Number of hidden blocks."""
        return len(self.sizes) - 2

    @property
    def keeps_statistics(self) -> bool:
        """Whether inference needs statistics gathered in training."""
        return self.normalization in ("batch", "ghost")
