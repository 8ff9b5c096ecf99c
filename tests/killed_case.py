"""Fits in processes that are killed, again and again, until one comes to its end."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sknorm.files import disk


class EndedError(BaseException):
    """Ends a fit or a search, as the end of its process would."""


def end_after(monkeypatch: pytest.MonkeyPatch, name: str, calls: int) -> None:
    """Raise an EndedError in place of a call of ``sknorm.files.disk``, after so many of them."""
    left, own = [calls], getattr(disk, name)

    def count(*args: object) -> None:
        if left[0] == 0:
            raise EndedError
        left[0] -= 1
        own(*args)

    monkeypatch.setattr(disk, name, count)


def run_killed(code: str, folder: Path, checkpoint: str, longest: float) -> set[str]:
    """Run a script that ends with ``kill_until_done``; the names of the files that it leaves.

    It is given the checkpoint, a file for what it finds, and the longest time before a kill.
    """
    files = [str(folder / checkpoint), str(folder / "found.npz")]
    where = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code, *files, str(longest)],
        env={**os.environ, "PYTHONPATH": where},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 0
    return {each.name for each in folder.iterdir()}


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
