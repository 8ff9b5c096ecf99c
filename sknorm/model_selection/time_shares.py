"""The time of a search, of which each fit gets its share by the work that it is."""

from collections.abc import Iterable
from typing import Any

from sknorm.training.budget import Budget


def work_of(candidates: Iterable[Any]) -> int:
    """The work of a fit of each of these candidates, in epochs of one network."""
    return sum(candidate.work for candidate in candidates)


class SharedTime:
    """Seconds that some fits may take together.

    What a fit does not use is left to those that come after it.

    Parameters
    ----------
    seconds : float
    work : float
        That of all fits, in epochs of one network.
    """

    def __init__(self, seconds: float, work: float) -> None:
        self.budget, self.work = Budget(seconds), work

    @property
    def left(self) -> float:
        """Seconds that are left, not below zero."""
        return self.budget.left

    def grant(self, work: float, side_by_side: int = 1) -> Budget:
        """The share of some work, beside which others may be running."""
        return self.budget.part(min(1.0, work * side_by_side / max(self.work, work, 1.0)))

    def finish(self, work: float) -> None:
        """Take note of work that is done."""
        self.work -= work

    def __getstate__(self) -> dict[str, Any]:
        return {"left": self.left, "work": self.work}  # another machine has another clock

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["left"], state["work"])  # type: ignore[misc]
