"""Values that several threads need, of which each is made once."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any


class Once:
    """Values by key, each made by the thread that first asks for it; others wait for that one.

    In another process they are made anew.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._locks: dict[Hashable, Lock] = {}
        self._values: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of a key; where ``make`` raises, the next thread tries again."""
        with self._lock:
            own = self._locks.setdefault(key, Lock())
        with own:
            if key not in self._values:
                self._values[key] = make()
            return self._values[key]

    def __reduce__(self) -> tuple[type["Once"], tuple[()]]:
        return Once, ()
