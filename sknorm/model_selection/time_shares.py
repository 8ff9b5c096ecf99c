"""The time of a search, of which each fit gets its share."""

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
        self.budget, self.fits = Budget(seconds), fits

    @property
    def left(self) -> float:
        """Seconds that are left, not below zero."""
        return self.budget.left

    def grant(self, fits: float, side_by_side: int = 1) -> Budget:
        """The share of some fits, beside which others are running."""
        return self.budget.part(min(1.0, fits * side_by_side / max(self.fits, fits)))

    def finish(self, fits: int) -> None:
        """Take note of fits that are done."""
        self.fits -= fits

    def __getstate__(self) -> dict[str, Any]:
        return {"left": self.left, "fits": self.fits}  # another machine has another clock

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["left"], state["fits"])  # type: ignore[misc]
