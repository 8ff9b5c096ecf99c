"""The time of a search, of which each fit gets its share."""

import time
from typing import Any

from sknorm.training.budget import Budget


class SharedTime:
    """Seconds that some fits may take together.

    What a fit does not use is left to those that come after it.

    Parameters
    ----------
    seconds : float
    fits : float
        How many there are, those counted for more that take longer.
    """

    def __init__(self, seconds: float, fits: float) -> None:
        self.ends, self.fits = time.perf_counter() + seconds, fits

    @property
    def left(self) -> float:
        """Seconds that are left, not below zero."""
        return max(0.0, self.ends - time.perf_counter())

    def grant(self, fits: float, side_by_side: int = 1) -> Budget:
        """The share of some fits, beside which others are running."""
        return Budget(self.left * min(1.0, fits * side_by_side / max(self.fits, fits)))

    def finish(self, fits: int) -> None:
        """Take note of fits that are done."""
        self.fits -= fits

    def __getstate__(self) -> dict[str, Any]:
        return {"left": self.left, "fits": self.fits}  # another machine has another clock

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["left"], state["fits"])  # type: ignore[misc]
