"""Fits in processes that are killed, again and again, until one comes to its end."""

import os
import random
import signal
import time
from collections.abc import Callable


def kill_until_done(fit: Callable[[], None], kills: int, longest: float, seed: int) -> int:
    """Run ``fit`` in forked processes; SIGKILL each of the first at a random moment.

    Returns how many were killed before they had ended.
    """
    moments, killed = random.Random(seed), 0
    for count in range(kills + 1):
        child = os.fork()
        if child == 0:
            try:
                fit()
                os._exit(0)
            finally:
                os._exit(1)
        if count < kills:
            time.sleep(moments.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    assert os.WIFEXITED(status), status
    assert os.WEXITSTATUS(status) == 0
    return killed
