"""The columns of a table as kernels take them."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Scaling(NamedTuple):
    """What networks see of a table under each of V views, as arrays of one backend.

    Attributes
    ----------
    offset, factor : float64 arrays of shape (V, d)
        Numbers are standardized to ``(x - offset) * factor``,
    clip, fill : float64 arrays of shape (V, d), or None
        and then to ``x / sqrt(1 + (clip * x)^2)``; gaps become ``fill``.
    low, gain : float64 arrays of shape (V, B), or None
        Lower ends of the bins of all numbers, and reciprocals of their widths.
    columns : int64 array of shape (c,), or None
        The code columns that the network knows; below 0 one of code 0, which the table lacks.
    starts : int64 array of shape (c,), or None
        Where the places of each code column begin.
    places : int32 array of shape (V, P), or None
        What each code stands for in the network; below 0 for nothing.
    """

    offset: Any
    factor: Any
    clip: Any = None
    fill: Any = None
    low: Any = None
    gain: Any = None
    columns: Any = None
    starts: Any = None
    places: Any = None

    @property
    def is_plain(self) -> bool:
        """Whether numbers are standardized, and nothing else."""
        return self.clip is None and self.low is None and self.places is None

    @property
    def width(self) -> int:
        """Columns of numbers."""
        return int(self.offset.shape[1])


def join_scalings(parts: Sequence[Scaling], xp: Any) -> Scaling:
    """The views of several tables of the same columns under each other."""
    first = parts[0]

    def joined(name: str) -> Any:
        if getattr(first, name) is None or name in ("columns", "starts"):
            return getattr(first, name)
        return xp.concat([getattr(part, name) for part in parts])

    return Scaling(*map(joined, Scaling._fields))
