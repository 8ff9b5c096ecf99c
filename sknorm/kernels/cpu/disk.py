"""Files of compiled kernels: private to one user, checked before use, replaced as a whole.

What is read here is unpickled and run. The checksum of a file finds damage; it does not stop
somebody who can write the file. That is what owner and permissions are checked for.
"""

import hashlib
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.misc.appdirs import AppDirs

from sknorm.kernels.cpu import locks

CONFIG: Any = numba.config
HERE = Path(__file__).parent
DAY = 86400.0
PATIENCE = 120.0  # seconds for which a process waits for another; no kernel takes so long
# Settings of Numba that change the machine code of the same source.
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "USING_SVML")


def load(key: str) -> bytes | None:
    """What was saved under a key; None where there is no file, or none that can be trusted."""
    try:
        path = _path(key)
        with path.open("rb") as file:
            _refuse_shared(path, os.fstat(file.fileno()))
            stored = file.read()
    except OSError:
        return None
    checksum, body = stored[:32], stored[32:]
    return body if checksum == _checksum(key, body) else None


def save(key: str, body: bytes) -> None:
    """Keep bytes under a key; raise OSError where that fails.

    A process that is killed here, or two at once, leave the old or the new file, never a part.
    """
    path = _path(key)
    # Not tempfile: on Windows it tries names without end in a folder that cannot be written.
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with open(scratch, "xb", opener=_open_private) as file:
            file.write(_checksum(key, body) + body)
        _replace(scratch, path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise


@contextmanager
def turn(key: str) -> Iterator[bool]:
    """Have others wait who want the turn at this key too; yields whether this process has waited.

    Where there are no locks, or another process keeps its turn for too long, nobody waits.
    """
    with ExitStack() as stack:
        waited = False
        with suppress(OSError):
            path = _path(key)
            turns = path.with_name("turns")
            file = stack.enter_context(open(turns, "ab", opener=_open_private))
            waited = locks.wait(file, int(path.stem[:7], 16), PATIENCE)
        yield waited


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _replace(scratch: Path, path: Path) -> None:
    try:
        scratch.replace(path)
    except PermissionError:
        # Windows: another process has the file open, so it reads or writes the same kernel.
        if not (os.name == "nt" and path.exists()):
            raise
        scratch.unlink()


def _checksum(key: str, body: bytes) -> bytes:
    """Digest of content and key: the file of another kernel is as wrong as a damaged one."""
    return hashlib.sha256(key.encode() + b"\0" + body).digest()


def _path(key: str) -> Path:
    return _directory() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.nbc"


def _directory() -> Path:
    """The first directory that can be had; OSError says why there is none."""
    reasons = []
    for parent in _parents():
        try:
            return _private_directory(parent)
        except OSError as error:
            reasons.append(str(error))
    raise OSError("; ".join(reasons))


def _parents() -> Iterator[Path]:
    if CONFIG.CACHE_DIR:
        yield Path(CONFIG.CACHE_DIR)
        return
    yield HERE / "__pycache__"
    home = Path(AppDirs("sknorm", appauthor=False).user_cache_dir)
    if home.is_absolute():  # a user without a home directory gets "~/.cache"
        yield home


def _private_directory(parent: Path) -> Path:
    """A directory below ``parent``, made if need be, in which only this user writes.

    Each user has one, so it does not matter who else writes in ``parent``: nobody can put
    files that belong to another user there.
    """
    path = parent / f"sknorm-{_version()}{_owner()}"
    try:
        status = path.lstat()
    except FileNotFoundError:
        parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another process may be as far
            path.mkdir(mode=0o700)
        _remove_unused(parent)
        status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{path} is not a directory")
    _refuse_shared(path, status)
    if status.st_mtime < time.time() - DAY:
        with suppress(OSError):
            os.utime(path)  # says that it is in use
    return path


def _refuse_shared(path: Path, status: os.stat_result) -> None:
    """Raise where another user can write."""
    if not hasattr(os, "geteuid"):  # Windows, where folders inherit whom they belong to
        return
    if status.st_uid != os.geteuid():
        raise PermissionError(
            f"{path} belongs to user {status.st_uid}, and the process to user {os.geteuid()}"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"other users can write to {path} (chmod 700 makes it private)")


def _remove_unused(parent: Path) -> None:
    """Delete the directories of other versions that this user has not used for a month."""
    for path in parent.glob(f"sknorm-{'[0-9a-f]' * 16}{_owner()}"):
        with suppress(OSError):
            if path.lstat().st_mtime < time.time() - 30 * DAY:
                shutil.rmtree(path, ignore_errors=True)


def _owner() -> str:
    return f"-{os.geteuid()}" if hasattr(os, "geteuid") else ""


@cache
def _version() -> str:
    """Digest of what machine code follows from, besides a kernel's types and the processor."""
    settings = [repr(getattr(CONFIG, name, None)) for name in SETTINGS]
    environment = str(HERE), sys.version, numba.__version__, settings
    digest = hashlib.sha256(repr(environment).encode())
    for source in [*sorted(HERE.glob("*.py")), HERE.parent / "codes.py"]:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
