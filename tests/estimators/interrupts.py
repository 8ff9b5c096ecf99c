"""Ctrl-C at a given moment, wherever the code then is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupted_at(call: int) -> Iterator[None]:
    """Raise KeyboardInterrupt at the n-th call of a function of the package."""
    left = call

    def look(frame: Any, event: str, arg: Any) -> None:
        nonlocal left
        if event == "call" and frame.f_globals.get("__name__", "").startswith("sknorm."):
            left -= 1
            if left == 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
