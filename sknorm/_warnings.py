"""Warnings that point at the user's own line."""

import sys
import warnings
from types import FrameType

# Packages whose frames lie between the user and the code that warns.
_BETWEEN = ("sknorm", "sklearn", "joblib", "contextlib", "threading", "concurrent")


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Issue a warning for the first frame that is the user's, however deep the call is."""
    warnings.warn(message, category, stacklevel=_levels())


def _levels() -> int:
    """Frames from :func:`warn` to the user's; to the outermost where all are ours."""
    frame: FrameType | None = sys._getframe(2)
    level = 2
    while frame is not None and frame.f_back is not None and _is_between(frame):
        frame, level = frame.f_back, level + 1
    return level


def _is_between(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _BETWEEN
