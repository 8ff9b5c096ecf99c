"""Warnings that come again and again, such as a scorer's in each epoch, told once."""

import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class RepeatedWarnings:
    """Passes each warning on once, however often it is given.

    Parameters
    ----------
    kinds : type of Warning or tuple of them
        Of which this holds; others are passed on each time.
    """

    def __init__(self, kinds: Any = Warning) -> None:
        self.kinds = kinds
        self._told: set[tuple[type[Warning], str]] = set()

    @contextmanager
    def held_back(self) -> Iterator[list[warnings.WarningMessage]]:
        """Gather the warnings of a block, for :meth:`tell`.

        What catches warnings changes a state that all threads share, and threads that overlap
        would leave it changed. So those of other threads than the main one are not gathered.
        """
        if threading.current_thread() is not threading.main_thread():
            yield []
            return
        with warnings.catch_warnings(record=True) as caught:
            yield caught

    def tell(self, caught: Iterable[warnings.WarningMessage]) -> None:
        """Pass on those that are new, under the user's filters."""
        for each in caught:
            key = each.category, str(each.message)
            if key not in self._told:
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
            if issubclass(each.category, self.kinds):
                self._told.add(key)


@contextmanager
def told_once(kinds: Any = Warning) -> Iterator[None]:
    """Pass the warnings of a block on when it ends, each of these kinds once."""
    repeated = RepeatedWarnings(kinds)
    caught: list[warnings.WarningMessage] = []
    try:
        with repeated.held_back() as caught:
            yield
    finally:
        repeated.tell(caught)
