"""Files on disk: written whole or not at all."""

import errno
import glob
import hashlib
import itertools
import os
import secrets
import shutil
import stat
from contextlib import suppress
from typing import Any


def path_of(path: Any) -> str:
    """The path that a user gave, with the home folder in the place of ``~``.

    Raises
    ------
    TypeError
        If it is not a path.
    """
    try:
        given = os.fsdecode(os.fspath(path))
    except TypeError:
        what = "an open file" if hasattr(path, "read") else f"{type(path).__name__}"
        raise TypeError(
            f"path must be a str or a path-like object such as pathlib.Path, got {what}."
        ) from None
    return os.path.expanduser(given)


def read(path: str) -> bytes:
    """What a file holds."""
    with open(path, "rb") as file:
        return file.read()


def write(path: str, data: bytes, what: str = "model") -> None:
    """Write a file whole, or leave what is there as it is.

    The bytes go to a file beside it, which then takes its place. A link stays a link.

    Raises
    ------
    OSError
        That names the path.
    ValueError
        If there is something at the path that is no file.
    """
    target = os.path.realpath(path)
    _check_place(path, target, what)
    new = f"{_unfinished(target)}{secrets.token_hex(8)}.tmp"
    try:
        try:
            _write_new(new, target, data)
            os.replace(new, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(new)
            raise
        _keep_folder(os.path.dirname(target))
    except OSError as error:  # which names the other file
        raise OSError(error.errno, f"{error.strerror}; no {what} was saved", path) from error


def append(path: str, data: bytes) -> None:
    """Add bytes to the end of a file, and wait until they are on disk.

    Raises
    ------
    OSError
        That names the path; the file is then as it was.
    """
    size = os.path.getsize(path)
    try:
        with open(path, "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            os.truncate(path, size)
        raise


def check_place(path: str, what: str) -> None:
    """Raise an error if a file cannot be written, before there is anything to write.

    Raises
    ------
    OSError
        That names the path.
    ValueError
        If there is something at the path that is no file.
    """
    target = os.path.realpath(path)
    _check_place(path, target, what)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, f"There is no folder for the {what}", path)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, f"The folder of the {what} is read-only", path)


def set_aside(path: str) -> str:
    """Rename a file to a name that is free, which is returned."""
    names = (f"{path}.stale{number or ''}" for number in itertools.count())
    free = next(name for name in names if not os.path.lexists(name))
    os.rename(path, free)
    return free


def sweep(path: str) -> None:
    """Remove what writers of this file have left behind who were killed."""
    target = os.path.realpath(path)
    for each in glob.glob(f"{glob.escape(_unfinished(target))}*.tmp"):
        with suppress(OSError):
            os.unlink(each)


def _unfinished(target: str) -> str:
    """How the names of files begin that are to take the place of one."""
    folder, name = os.path.split(target)
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()
    return os.path.join(folder, f".sknorm-{digest[:12]}-")


def _check_place(path: str, target: str, what: str) -> None:
    """Refuse to take the place of what is no file, or must not be written."""
    if not path:
        raise FileNotFoundError(errno.ENOENT, "The path is empty", path)
    if path.endswith((os.sep, os.altsep or os.sep)):  # which the target has no longer
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not os.path.lexists(target):
        return
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, f"A {what} is saved to a file, and this is", path)
    if not stat.S_ISREG(os.stat(target).st_mode):
        raise ValueError(f"{path} is not a regular file. Save the {what} to another path.")
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "The file is read-only", path)


def _write_new(new: str, target: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(new, flags, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if os.path.exists(target):
        shutil.copymode(target, new)


def _keep_folder(folder: str) -> None:
    """Let the folder know its new file even after a loss of power, where systems can."""
    if os.name != "posix":
        return
    with suppress(OSError):  # some network file systems cannot; the file itself is on disk
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
