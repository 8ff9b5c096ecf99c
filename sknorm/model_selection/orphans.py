"""Worker processes that end with the process that started them."""

import os
import threading
import time
from functools import cache
from multiprocessing import parent_process
from typing import Any

_SECONDS = 1.0


def end_with(starter: int) -> None:
    """End this process when the one that started it has ended, if that is process ``starter``.

    joblib's workers look for their parent between two tasks only; a stack in training may take
    hours. There is nobody left then to whom an exception could go.
    """
    parent = parent_process()
    if parent is not None and parent.pid == starter:
        _watch(os.getpid())  # not again in the same process; a forked one has no such thread


@cache
def _watch(process: int) -> None:
    threading.Thread(target=_wait_and_exit, args=(parent_process(),), daemon=True).start()


def _wait_and_exit(parent: Any) -> None:
    try:
        parent.join()
    except ValueError:  # loky's workers have nothing to wait for but another parent
        while os.getppid() == parent.pid:
            time.sleep(_SECONDS)
    os._exit(1)
