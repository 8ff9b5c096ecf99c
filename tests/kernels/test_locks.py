"""Turns at compiling: one process has it, others wait, and nobody waits for what is gone."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numba
import pytest

import sknorm
from sknorm.kernels.cpu import disk, locks

# The package without what its __init__ imports. The turn lasts until the input ends.
HOLD = """
import importlib.util, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
sys.modules["sknorm"] = importlib.util.module_from_spec(importlib.util.find_spec("sknorm"))
from sknorm.kernels.cpu import disk
pause, told = time.sleep, []
def sleep(seconds):
    told or print("waits", flush=True)
    told.append(seconds)
    pause(seconds)
time.sleep = sleep
with disk.turn("kernel") as waited:
    print(waited, flush=True)
    {while_it_lasts}
    sys.stdin.read()
"""
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no forks and signals")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that NUMBA_CACHE_DIR names."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


@contextmanager
def another_process(while_it_lasts: str = "pass") -> Iterator[subprocess.Popen[str]]:
    """A process that has come to its turn, or waits for it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD.format(while_it_lasts=while_it_lasts)],
        env={**os.environ, "NUMBA_CACHE_DIR": numba.config.CACHE_DIR},
        cwd=Path(sknorm.__file__).parents[1],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def said_by(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def waited_for(key: str = "kernel") -> bool:
    with disk.turn(key) as waited:
        return waited


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()


def end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize("leave", [end, kill])
def test_turn_ends_with_its_process(leave: Callable[[subprocess.Popen[str]], None]) -> None:
    with another_process() as first:
        assert said_by(first) == "False"
        assert not waited_for("other")
        with another_process() as second:
            assert said_by(second) == "waits"
            leave(first)
            assert said_by(second) == "True"
            end(second)
            assert second.wait() == 0
        assert not waited_for()


def test_who_waits_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with another_process() as process:
        assert said_by(process) == "False"
        monkeypatch.setattr(locks.time, "sleep", lambda seconds: kill(process))
        assert waited_for()


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "PATIENCE", 0.1)
    with another_process() as process:
        assert said_by(process) == "False"
        assert waited_for()


@posix
def test_who_waits_can_be_interrupted() -> None:
    with another_process() as first:
        assert said_by(first) == "False"
        with another_process() as second:
            assert said_by(second) == "waits"
            second.send_signal(signal.SIGINT)
            assert second.wait(20) != 0 and second.stderr is not None
            assert "KeyboardInterrupt" in second.stderr.read()


@posix
def test_fork_that_ends_does_not_give_a_turn_back() -> None:
    with another_process("os.fork() or os._exit(0); os.wait(); print(flush=True)") as first:
        assert said_by(first) == "False"
        assert said_by(first) == ""
        with another_process() as second:
            assert said_by(second) == "waits"


@posix
def test_fork_does_not_keep_a_turn() -> None:
    with another_process("os.fork() or pause(5) or os._exit(0); os._exit(0)") as process:
        assert said_by(process) == "False"
        assert process.wait() == 0
        assert not waited_for()


def test_without_locks_nobody_waits(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise OSError("no locks available")

    monkeypatch.setattr(locks, "_is_locked", refuse)
    assert not waited_for()
    monkeypatch.undo()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(directory / "file"))
    (directory / "file").write_text("")
    assert not waited_for()


def test_errors_under_a_turn_are_heard() -> None:
    with pytest.raises(OSError, match="full"), disk.turn("kernel"):
        raise OSError("the disk is full")
    with another_process() as process:
        assert said_by(process) == "False"


def test_one_private_file_serves_all_keys(directory: Path) -> None:
    for key in ("kernel", "other"):
        assert not waited_for(key)
    (path,) = (path for path in directory.rglob("*") if path.is_file())
    assert path.stat().st_size == 0
    assert os.name != "posix" or not path.stat().st_mode & 0o077
