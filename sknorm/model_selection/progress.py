"""How far a search has come, told to scikit-learn's callbacks."""

import os
import threading
from typing import Any

from sknorm.model_selection.orphans import end_with


class Progress:
    """Counts the epochs of all members; safe to be used from several threads.

    In another process it counts nothing, and lets a process that the search started end with it.

    Attributes
    ----------
    stopped : bool
        Whether the search is to stop.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._lock = threading.Lock()
        self._done = self._told = 0
        self._total = 0
        self._task: Any = None
        self._owner: Any = None

    def begin(self, owner: Any, context: Any, total: int) -> None:
        """A search over ``total`` epochs of members starts."""
        self._total = total
        if getattr(owner, "_skl_callbacks", []):
            steps = min(total, 1000)
            self._owner = owner
            self._task = context.subcontext(task_name="search", max_subtasks=steps)
            self._task.call_on_fit_task_begin(estimator=owner)

    def advanced(self, epochs: int) -> None:
        """Members have been trained for so many epochs, all in all."""
        with self._lock:
            self._done += epochs
            if self._task is not None:
                self._tell(self._done)

    def end(self) -> None:
        """The search is over, whatever was left out."""
        if self._task is not None:
            self._tell(self._total)
            self._task.call_on_fit_task_end(estimator=self._owner)

    def _tell(self, done: int) -> None:
        """End one more subtask for each share of the total that is done."""
        steps = self._task.max_subtasks
        while self._told < min(steps, done * steps // max(1, self._total)):
            self._told += 1
            leaf = self._task.subcontext(task_name="member-epochs")
            leaf.call_on_fit_task_begin(estimator=self._owner)
            leaf.call_on_fit_task_end(estimator=self._owner)

    def __getstate__(self) -> dict[str, Any]:
        return {"process": os.getpid()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        end_with(state["process"])
