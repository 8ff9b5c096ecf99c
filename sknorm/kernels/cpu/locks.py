"""Locks between processes, one for each byte of a file.

The system takes them back when their process ends, however it ends, and forks do not inherit them.
A process must not open such a file twice at once: closing it frees all that the process has locked.
"""

import os
import sys
import time
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PAUSE = 0.02  # seconds between two attempts


def wait(file: BinaryIO, place: int, patience: float) -> bool:
    """Lock one byte until the file is closed; returns whether another process had it.

    After ``patience`` seconds it goes on without the lock. OSError says that there are no locks.
    """
    end, waited = time.monotonic() + patience, False
    while not _is_locked(file, place) and time.monotonic() < end:
        waited = True
        time.sleep(_PAUSE)
    return waited


def _is_locked(file: BinaryIO, place: int) -> bool:
    """Whether this process has the byte now; it is no matter whether the file is so long."""
    try:
        if sys.platform == "win32":
            os.lseek(file.fileno(), place, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):  # systems differ in which of them
        return False
    return True
